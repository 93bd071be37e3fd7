"""A server of one's own for each test that kills, cuts or pauses it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from core.ids import SystemIds
from memory.backends import Memory, open_memory
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
