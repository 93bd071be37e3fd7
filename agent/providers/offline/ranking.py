"""Orderings: "top 5", "the three worst", "from worst to best", "the second". Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from agent.providers.offline.clause import dimension_of, next_of
from agent.providers.offline.lexicon import Span
from agent.providers.offline.question import Ranking

ORDERS: Final = ("top", "bottom", "more", "less", "ranking", "ascending", "descending")
_RISING: Final = ("bottom", "less", "ascending")
_NEUTRAL: Final = frozenset({"top", "tops"})
"""Words that give way to the direction of another: "top 5 worst"."""
_DEFAULT_TOP: Final = 5
"""Rows of "the best agents", where no number is said."""
_MOST_ROWS: Final = 100


def ranking_of(said: Sequence[Span], grouped: Sequence[int]) -> tuple[Ranking | None, set[int]]:
    """Read an ordering of the members at `grouped`, and which spans' numbers it used."""
    at = next((position for position, span in enumerate(said) if orders(span)), None)
    if at is None:
        return None, set()
    order = said[_leading(said)]
    descending = not order.says(*_RISING)
    used = _limit_positions(said, at)
    if used:
        return Ranking(descending=descending, limit=_limit(said[min(used)])), used
    if said[at].says("ranking") or order.says("ascending", "descending"):
        return Ranking(descending=descending), set()
    plural = (order.plural and order.says("top", "bottom")) or any(said[position].plural for position in grouped)
    return Ranking(descending=descending, limit=_DEFAULT_TOP if plural else 1), set()


def opposed(said: Sequence[Span]) -> Iterator[Span]:
    """Give the orderings that go against the one that is followed: "the best and the worst"."""
    strict = list(_strict(said))
    for position in strict:
        if said[position].says(*_RISING) != said[strict[0]].says(*_RISING):
            yield said[position]


def orders(span: Span) -> bool:
    """Whether a span orders members."""
    return span.period is None and span.says(*ORDERS)


def _leading(said: Sequence[Span]) -> int:
    first = next(position for position, span in enumerate(said) if orders(span))
    return next(_strict(said), first)


def _strict(said: Sequence[Span]) -> Iterator[int]:
    """Give the orderings that have a direction of their own."""
    found = [position for position, span in enumerate(said) if orders(span)]
    for position in found:
        later = next((each for each in found if each > position), None)
        neutral = said[position].says("ranking") or said[position].text.lower() in _NEUTRAL
        apart = later is None or any(span.says("and") for span in said[position:later])
        if not neutral or (apart and not said[position].says("ranking")):
            yield position


def _limit_positions(said: Sequence[Span], at: int) -> set[int]:
    """Find the number that an ordering uses: beside it, or before the members that are ordered."""
    steps = (-1,) if said[at].says("more", "less") else (1, -1)
    for step in steps:
        near = next_of(said, at, step)
        if near is not None and _is_count(near):
            return {at + step}
    for position, span in enumerate(said):
        after = next_of(said, position)
        if _is_count(span) and after is not None and dimension_of(after):
            return {position}
    return set()


def _is_count(span: Span) -> bool:
    value = span.value("number")
    return span.period is None and value is not None and value.isascii() and value.isdigit() and len(value) <= 3


def _limit(span: Span) -> int:
    return max(1, min(int(span.value("number") or "1"), _MOST_ROWS))


def rank_of(said: Sequence[Span]) -> int | None:
    """Read "the second": an ordinal in the singular that belongs to no time."""
    for span in said:
        ordinal = span.value("ordinal") if span.period is None and not span.plural else None
        if ordinal is not None:
            return int(ordinal)
    return None
