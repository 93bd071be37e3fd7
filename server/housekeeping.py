"""What workers look after on timers, beside the turns: expired approvals, merges that broke off, erasures, lost flags.

Every worker does all of it; what several do at once is done once.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from core.ports import Books, FlagBooks, FlagStore, SessionStore, TurnQueue
from server.erasure import sweep_erasures
from server.flag_restoring import restore_flags

EXPIRE_S: Final = 1.0
MERGES_S: Final = 5.0
SWEEP_S: Final = 60.0
FLAGS_S: Final = 30.0

Loop = Callable[[], Awaitable[None]]


def housekeeping(
    queue: TurnQueue, store: SessionStore, books: Books, flags: FlagStore, flag_books: FlagBooks
) -> Mapping[str, Loop]:
    """The loops by name, each to be supervised: one that fails is begun again."""
    return {
        "housekeeping.approvals": _each(EXPIRE_S, queue.expire),
        "housekeeping.merges": _each(MERGES_S, store.finish_merges),
        "housekeeping.erasures": _each(SWEEP_S, lambda: sweep_erasures(store, books)),
        "housekeeping.flags": _each(FLAGS_S, lambda: restore_flags(flags, flag_books)),
    }


def _each(period_s: float, work: Callable[[], Awaitable[int]]) -> Loop:
    """Do that for ever, about once a period; nodes that were started together drift apart."""

    async def loop() -> None:
        while True:
            await asyncio.sleep(period_s * random.uniform(0.7, 1.3))
            await work()

    return loop
