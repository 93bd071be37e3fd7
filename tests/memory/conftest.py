"""A server of one's own for each test that kills, cuts or pauses it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis

from core.ids import SystemIds
from memory.backends import Memory, open_memory
from tests.conformance.kit import eventually
from tests.servers import RedisServer, debian_redis, redis_server, valkey_server


@pytest.fixture(params=["valkey", "redis"])
def server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    if request.param == "redis" and debian_redis() is None:
        pytest.skip("redis-server is not installed (Debian: apt-get install redis-server)")
    start = {"valkey": valkey_server, "redis": redis_server}[request.param]
    with start() as running:
        yield running


@pytest.fixture
async def memory(server: RedisServer, tmp_path: Path) -> AsyncIterator[Memory]:
    async with open_memory(redis_url=server.url, data_dir=tmp_path, node=SystemIds().new("node")) as opened:
        yield opened


@pytest.fixture
async def other(server: RedisServer, tmp_path: Path) -> AsyncIterator[Memory]:
    async with open_memory(redis_url=server.url, data_dir=tmp_path, node=SystemIds().new("node")) as opened:
        yield opened


async def all_written(redis_url: str) -> None:
    """Wait until all that Redis acknowledged is in its newest append-only file: before a test kills it or cuts the file.

    While an fsync takes its time, `everysec` keeps newer writes in Redis' own memory, for up to 2 s: a kill loses
    them all, however short the tail that the test means to cut.
    """
    with redis.Redis.from_url(redis_url) as client:

        def written() -> bool:
            state = client.info("persistence")
            unwritten = ("aof_buffer_length", "aof_rewrite_in_progress", "aof_rewrite_scheduled")
            return not any(state[name] for name in unwritten)

        await eventually(written)
