"""How much has to happen in a run before it may end, so that its silence means something.

On a slow machine less happens in a second: then a run goes on, within a bound, until enough has happened.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import Final

import msgspec

from tests.chaos.profiles import Profile
from tests.chaos.recording import Recorder
from tests.chaos.redis_reader import LogReader

LONGEST: Final = 3
"""A run lasts so many times as long as was asked for at most."""
LOOK_S: Final = 0.2


class Least(msgspec.Struct, frozen=True, kw_only=True):
    """What has to happen at least."""

    turns: int
    hits: int
    kinds: int

    def lacks(self, *, turns: int, hits: int, kinds: int) -> list[str]:
        """What is too little, in words; empty where all is enough."""
        figures = (
            (turns, self.turns, "turns ended"),
            (hits, self.hits, "faults hit a running turn"),
            (kinds, self.kinds, "kinds of faults struck"),
        )
        return [f"{got} {what}, at least {least} wanted" for got, least, what in figures if got < least]


def least_of(profile: Profile, seconds: float | None) -> Least:
    """A profile's least in a run of another length than its own: of turns and hits in proportion, of kinds the same."""
    share = 1.0 if seconds is None else seconds / profile.seconds
    return Least(
        turns=math.ceil(profile.least_turns * share),
        hits=math.ceil(profile.least_hits * share),
        kinds=profile.least_kinds,
    )


class Activity:
    """Counts while a run goes on: what this process sees, which is less than the history will hold."""

    def __init__(self, least: Least, reader: LogReader, recorder: Recorder) -> None:
        self._least, self._reader, self._recorder = least, reader, recorder
        self.enough = asyncio.Event()
        """Set when the run may end."""

    async def watch(self, seconds: float) -> None:
        """Wait for the time that was asked for, then until enough has happened, within the bound."""
        until_s = time.monotonic() + seconds * LONGEST
        await asyncio.sleep(seconds)
        while time.monotonic() < until_s and self._lacks():
            await asyncio.sleep(LOOK_S)
        self.enough.set()

    def _lacks(self) -> list[str]:
        faults = self._recorder.faults
        return self._least.lacks(turns=len(self._reader.ended), hits=self._recorder.hits, kinds=len(faults))
