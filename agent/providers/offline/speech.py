"""The shape of a language's sentences; `speech_pt`, `speech_en` and `speech_es` fill it in."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from agent.providers.offline.question import Assumption, Dimension, Language, Metric, Social, Topic


class Speech(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is said in one language, as data. `{name}` marks what is filled in."""

    language: Language
    mark: str
    """The line under every answer: who speaks."""
    thousands: str
    decimal: str
    metrics: Mapping[Metric, str]
    dimensions: Mapping[Dimension, str]
    plurals: Mapping[Dimension, str]
    months: tuple[str, ...]
    whole_time: str
    in_month: str
    in_quarter: str
    in_year: str
    on_day: str
    from_to: str
    day: str
    """`{day}`, `{month}`, `{month_name}`, `{year}`."""
    days: str
    """A figure in days, with `{value}`."""
    nothing: str
    not_filled: str
    highest: str
    lowest: str
    most: str
    """As `highest`, of a count."""
    fewest: str
    ranked: str
    heading: str
    by: str
    conjunction: str
    only_with: str
    excluding: str
    single: str
    winner: str
    compared: str
    change: str
    before: str
    share: str
    counted: str
    members: str
    members_without: str
    no_rows: str
    fewer_rows: str
    cut: str
    failed: str
    unknown_name: str
    market: str
    market_stale: str
    market_failed: str
    assumptions: Mapping[Assumption, str]
    notes: Mapping[str, str]
    social: Mapping[Social, str]
    topics: Mapping[Topic, str]
    instead: str
    unclear: Mapping[str, str]
    guess: str
    ask: str
