"""One timer for all runs of a process: what falls due within the same 5 ms is done together.

Each run's appends could have a timer of their own; but then each would be a wake-up, a write to Redis and two reads.
On a common tick the appends of all runs go out in one write, and their replies and events come back in one read.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Final

PERIOD_S: Final = 0.005
"""How long a call may be put off beyond its time, so that others can join it (docs/performance.md, Ticks)."""


class Ticker:
    """See the module. For one event loop, the one that runs when the first call is put down."""

    def __init__(self, period_s: float = PERIOD_S) -> None:
        self._period_s = period_s
        self._due: dict[int, list[Callable[[], None]]] = {}

    def at(self, when_s: float, call: Callable[[], None]) -> None:
        """Have `call` called at the first tick from `when_s` on (of the loop's clock); there is no way back."""
        tick = math.ceil(when_s / self._period_s)
        calls = self._due.get(tick)
        if calls is not None:
            calls.append(call)
            return
        self._due[tick] = [call]
        asyncio.get_running_loop().call_at(tick * self._period_s, self._run, tick)

    def _run(self, tick: int) -> None:
        for call in self._due.pop(tick):
            call()
