"""Numbers from numbers: percentiles of a run, and what repeats of a run say together."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import msgspec


class Percentiles(msgspec.Struct, frozen=True, kw_only=True):
    """A distribution in short, in the unit of its values."""

    count: int
    p50: float
    p99: float
    highest: float


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Repeats of one measurement: the median, and how far they lie apart."""

    median: float
    low: float
    high: float
    values: tuple[float, ...]


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value below which `share` (0 to 1) of the values lie, linear between neighbours.

    Raises ValueError for no values or a share outside 0 to 1.
    """
    if not values:
        raise ValueError("no values, no percentile")
    if not 0 <= share <= 1:
        raise ValueError(f"share is {share!r}; it lies between 0 and 1")
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def percentiles(values: Sequence[float]) -> Percentiles | None:
    """Sum values up; None where there are none."""
    if not values:
        return None
    return Percentiles(
        count=len(values), p50=percentile(values, 0.5), p99=percentile(values, 0.99), highest=max(values)
    )


def spread(values: Sequence[float]) -> Spread:
    """Put repeats together. Raises ValueError for no values."""
    if not values:
        raise ValueError("no repeats, no spread")
    return Spread(median=statistics.median(values), low=min(values), high=max(values), values=tuple(values))
