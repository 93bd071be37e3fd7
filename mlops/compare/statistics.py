"""Intervals, percentiles, and the paired test. Pure; exact where that is cheap."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, sqrt
from typing import Final, NamedTuple

_Z: Final = 1.959963984540054
"""Of the normal distribution: 95 % lie within."""


class Interval(NamedTuple):
    """From, to."""

    low: float
    high: float


def wilson(share: float, count: int) -> Interval:
    """Give the 95 % interval of a share seen in `count` independent trials (E. B. Wilson, JASA 22, 1927).

    It stays within 0 and 1 and is right near both ends, where share ± 2 sigma is not. Without trials: 0 to 1.
    """
    if count == 0:
        return Interval(0.0, 1.0)
    square = _Z * _Z
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = _Z / (1 + square / count) * sqrt(share * (1 - share) / count + square / (4 * count * count))
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Give a percentile, between two values in proportion (numpy's default too); None without values."""
    if not values:
        return None
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def sign_test(wins: int, losses: int) -> float:
    """Give the exact two-sided p-value of `wins` against `losses`, ties left out: McNemar's test for paired yes or no.

    How likely a difference at least so lopsided is where both are as good. 1 where nothing differs.
    """
    count = wins + losses
    tail: int = sum(comb(count, fewer) for fewer in range(min(wins, losses) + 1))
    return min(1.0, 2 * tail / (1 << count))


def holm(values: Sequence[float]) -> list[float]:
    """Adjust p-values for being several (S. Holm, 1979), in the order in which they came."""
    adjusted = [0.0] * len(values)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(values)), key=lambda index: values[index])):
        highest = max(highest, min(1.0, values[place] * (len(values) - rank)))
        adjusted[place] = highest
    return adjusted
