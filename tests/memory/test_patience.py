"""While Redis is away, calls wait for it a little, and then fail at once: commands must not pile up behind each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.errors import BackendError
from memory.backends import Memory, open_memory
from memory.connection import CALL_PATIENCE_S
from tests.conformance.kit import open_session
from tests.servers import RedisServer, valkey_server


@pytest.fixture
def server() -> object:
    with valkey_server() as running:
        yield running


@pytest.fixture
async def memory(server: RedisServer, tmp_path: Path) -> AsyncIterator[Memory]:
    async with open_memory(redis_url=server.url, data_dir=tmp_path, node="node_1") as opened:
        yield opened


async def given_up(memory: Memory) -> None:
    with pytest.raises(BackendError):
        await open_session(memory)


async def test_a_call_waits_for_a_redis_that_comes_back(memory: Memory, server: RedisServer) -> None:
    server.kill()
    waiting = asyncio.create_task(open_session(memory))
    await asyncio.sleep(0)

    server.start()

    assert await waiting


@pytest.mark.parametrize("way", ["kill", "pause"])
async def test_after_the_patience_is_over_calls_fail_at_once(memory: Memory, server: RedisServer, way: str) -> None:
    {"kill": server.kill, "pause": server.pause}[way]()
    await given_up(memory)
    await given_up(memory)  # the first one began before anybody had noticed

    async with asyncio.timeout(CALL_PATIENCE_S):  # 500 that wait for each other would take a quarter of an hour
        for _ in range(500):
            await given_up(memory)

    {"kill": server.start, "pause": server.resume}[way]()


@pytest.mark.parametrize("way", ["kill", "pause"])
async def test_calls_go_on_when_redis_is_back(memory: Memory, server: RedisServer, way: str) -> None:
    {"kill": server.kill, "pause": server.pause}[way]()
    await given_up(memory)
    {"kill": server.start, "pause": server.resume}[way]()

    async with asyncio.timeout(10):
        while True:
            try:
                await open_session(memory)
                break
            except BackendError:
                await asyncio.sleep(0.02)
