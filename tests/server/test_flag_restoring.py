"""Flags that only SQL knows come back on the timer; without SQL everything else goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from core.errors import BackendError
from core.flags import Flag
from server import housekeeping
from server.flag_restoring import restore_flags

FLAG = Flag(scope="acme", key="tier", version=1, value="pro", updated_ms=0, updated_by="x")


class Books:
    """SQL, which answers or is away."""

    def __init__(self) -> None:
        self.is_away = False

    async def flags(self) -> Sequence[Flag]:
        if self.is_away:
            raise BackendError("The database is away or failed; try again.")
        return [FLAG]


class Live:
    """The live flags: remembers what it was given."""

    def __init__(self) -> None:
        self.given: asyncio.Queue[Sequence[Flag]] = asyncio.Queue()

    async def restore(self, flags: Sequence[Flag]) -> int:
        self.given.put_nowait(flags)
        return len(flags)


async def test_what_sql_knows_is_given_to_the_live_flags() -> None:
    live, books = Live(), Books()

    assert await restore_flags(cast(Any, live), cast(Any, books)) == 1
    assert live.given.get_nowait() == [FLAG]


async def test_without_sql_nothing_is_restored_and_nothing_fails() -> None:
    live, books = Live(), Books()
    books.is_away = True

    assert await restore_flags(cast(Any, live), cast(Any, books)) == 0
    assert live.given.empty()


async def test_the_timer_of_every_worker_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "FLAGS_S", 0.01)
    live, unused = Live(), cast(Any, None)
    loops = housekeeping.housekeeping(
        cast(Any, _Idle()), cast(Any, _Idle()), unused, cast(Any, live), cast(Any, Books())
    )

    loop = asyncio.create_task(cast(Any, loops["housekeeping.flags"]()))
    async with asyncio.timeout(20):
        given = [await live.given.get() for _ in range(2)]
    loop.cancel()

    assert given == [[FLAG], [FLAG]]


class _Idle:
    async def expire(self) -> int:
        return 0

    finish_merges = expire
