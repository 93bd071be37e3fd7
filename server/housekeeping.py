"""What workers look after on timers, beside the turns: approvals whose time is over, merges that broke off, erasures.

Every worker does all of it; what several do at once is done once.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from core.ports import Books, SessionStore, TurnQueue
from server.erasure import sweep_erasures

EXPIRE_S: Final = 1.0
MERGES_S: Final = 5.0
SWEEP_S: Final = 60.0

Loop = Callable[[], Awaitable[None]]


def housekeeping(queue: TurnQueue, store: SessionStore, books: Books) -> Mapping[str, Loop]:
    """The loops by name, each to be supervised: one that fails is begun again."""
    return {
        "housekeeping.approvals": _each(EXPIRE_S, queue.expire),
        "housekeeping.merges": _each(MERGES_S, store.finish_merges),
        "housekeeping.erasures": _each(SWEEP_S, lambda: sweep_erasures(store, books)),
    }


def _each(period_s: float, work: Callable[[], Awaitable[int]]) -> Loop:
    """Do that for ever, about once a period; nodes that were started together drift apart."""

    async def loop() -> None:
        while True:
            await asyncio.sleep(period_s * random.uniform(0.7, 1.3))
            await work()

    return loop
