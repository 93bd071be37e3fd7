"""Which fault strikes when and where: made before the run from its seed, the same each time."""

from __future__ import annotations

import random
from typing import Final

import msgspec

from tests.chaos.profiles import Profile

FIRST_S: Final = 1.5
"""The first fault strikes so long after the users began."""


class Strike(msgspec.Struct, frozen=True, kw_only=True):
    """One planned fault."""

    at_s: float
    """Seconds after the users began."""
    kind: str
    choice: int
    """Picks the target: taken modulo the number of those that can be struck."""
    size: float
    """From 0 to 1: how long or how much, within what the kind allows."""


def make_plan(seed: int, profile: Profile, seconds: float) -> tuple[Strike, ...]:
    """The faults of a run in order. Each kind comes once before any is drawn by weight.

    The plan of a shorter run is the beginning of that of a longer one.
    """
    if profile.every_s is None:
        return ()
    chance = random.Random(f"plan/{seed}")
    kinds = list(profile.faults)
    first = chance.sample(kinds, len(kinds))
    strikes: list[Strike] = []
    at_s = FIRST_S
    while at_s < seconds:
        drawn = chance.choices(kinds, [profile.faults[kind] for kind in kinds])[0]
        kind = first.pop() if first else drawn
        strikes.append(Strike(at_s=at_s, kind=kind, choice=chance.randrange(1 << 30), size=chance.random()))
        at_s += chance.uniform(0.4, 1.6) * profile.every_s
    return tuple(strikes)
