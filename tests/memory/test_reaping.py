"""Leases run out while Redis itself stands still: healthy runs keep their turns, those of the dead go on elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from core.ids import SystemIds
from memory.backends import Memory, open_memory
from tests.conformance.kit import open_session, reaped, said, take_one
from tests.servers import RedisServer

LEASE_MS = 900
LONGER_S = LEASE_MS / 1000 * 1.5


@pytest.fixture
async def memory(server: RedisServer, tmp_path: Path) -> AsyncIterator[Memory]:
    async with opened(server, tmp_path) as node:
        yield node


@pytest.fixture
async def other(server: RedisServer, tmp_path: Path) -> AsyncIterator[Memory]:
    async with opened(server, tmp_path) as node:
        yield node


def opened(server: RedisServer, folder: Path) -> AbstractAsyncContextManager[Memory]:
    return open_memory(redis_url=server.url, data_dir=folder, node=SystemIds().new("node"), lease_ms=LEASE_MS)


async def stand_still(server: RedisServer) -> None:
    """Pause Redis until all leases have run out, by its own clock."""
    server.pause()
    await asyncio.sleep(LONGER_S)
    server.resume()


async def test_a_run_keeps_its_turn_over_a_standstill_of_redis(
    memory: Memory, other: Memory, server: RedisServer
) -> None:
    """Whose reap came first after the pause took the turns of all others, though their runs were well: 38 of 60 in a
    pause of 6.5 s."""
    await memory.queue.submit(said(await open_session(memory)))
    turn = await take_one(memory)
    await other.queue.reap()

    await stand_still(server)

    assert await other.queue.reap() == 0
    assert await other.queue.take(1) == []
    assert await memory.queue.renew([turn]) == []
    assert await other.queue.reap() == 0


async def test_the_turn_of_a_run_that_died_meanwhile_goes_on_a_little_later(
    memory: Memory, other: Memory, server: RedisServer
) -> None:
    await memory.queue.submit(said(await open_session(memory)))
    dead = await take_one(memory)
    await other.queue.reap()
    await stand_still(server)

    assert await other.queue.reap() == 0
    assert await reaped(other) == 1
    assert (await take_one(other)).input.turn_id == dead.input.turn_id


async def test_after_a_restart_of_redis_nobody_is_waited_for(
    memory: Memory, other: Memory, server: RedisServer
) -> None:
    """Every run of before has lost its log: the sooner it is recovered, the better."""
    await memory.queue.submit(said(await open_session(memory)))
    await take_one(memory)
    await other.queue.reap()

    server.stop()
    await asyncio.sleep(LONGER_S)
    server.start()

    assert await other.queue.reap() == 1
