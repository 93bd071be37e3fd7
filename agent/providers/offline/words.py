"""The shape of a language's word tables; `words_pt`, `words_en` and `words_es` fill it in.

Phrases are separated by `|` and written without accents, in lower case. A phrase matches in any
number and gender unless it begins with `=`; then only as it is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, get_args

import msgspec

from agent.providers.offline.question import Dimension, Language, Metric, Series, Social, Topic

Operator = Literal[
    "count",
    "tally",
    "how_much",
    "average",
    "deal",
    "opportunity",
    "sale",
    "buy",
    "value",
    "days",
    "won",
    "lost",
    "open",
    "closed",
    "engaging",
    "prospecting",
    "by",
    "by_month",
    "by_quarter",
    "by_year",
    "which",
    "list",
    "compare",
    "growth",
    "trend",
    "share",
    "without",
    "except",
    "only",
    "and",
    "follow",
    "top",
    "bottom",
    "more",
    "less",
    "ranking",
    "ascending",
    "descending",
    "chronological",
    "filled",
    "pronoun",
    "anaphor",
    "before",
    "from",
    "to",
    "between",
    "since",
    "until",
    "last",
    "this",
    "next",
    "previous",
    "same",
    "ago",
]
OPERATORS: frozenset[str] = frozenset(get_args(Operator))


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """What one language says, as data."""

    language: Language
    metrics: Mapping[Metric, str]
    dimensions: Mapping[Dimension, str]
    operators: Mapping[Operator, str]
    periods: Mapping[str, str]
    """Whole expressions, by the tool's own form."""
    units: Mapping[str, str]
    months: tuple[str, ...]
    """January first."""
    numbers: Mapping[int, str]
    ordinals: Mapping[int, str]
    values: Mapping[str, str]
    """Names of the data that have a translation, by `<dimension>:<value>`."""
    topics: Mapping[Topic, str]
    social: Mapping[Social, str]
    markets: Mapping[Series, str]
    filler: str
    """Words that say nothing about the question."""


def phrases(listed: str) -> Iterator[str]:
    """Give the phrases of a table's cell."""
    return (phrase.strip() for phrase in listed.split("|") if phrase.strip())
