"""Small questions about the spans of a clause. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from agent.providers.offline.lexicon import Span
from agent.providers.offline.question import Dimension

WHO: Final = frozenset({"quem", "who", "quien", "quién", "quienes", "quiénes"})


def any_says(said: Sequence[Span], *operators: str) -> bool:
    """Whether a span that is no time says one of these operators."""
    return any(span.says(*operators) for span in said if span.period is None)


def dimension_of(span: Span) -> Dimension | None:
    """Give the dimension that a span speaks of, or None."""
    return cast("Dimension | None", span.value("dimension")) if span.period is None else None


def name_of(span: Span | None) -> tuple[Dimension, str] | None:
    """Give dimension and value of a span that names a member of the data."""
    name = span.value("name") if span is not None else None
    if name is None:
        return None
    dimension, _, value = name.partition(":")
    return cast("Dimension", dimension), value


def next_of(said: Sequence[Span], position: int, step: int = 1) -> Span | None:
    """Give the span `step` further (negative: before), or None."""
    at = position + step
    return said[at] if 0 <= at < len(said) else None
