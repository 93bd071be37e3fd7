"""Two nodes on one real server, for every server that we promise to run on, with one and with two partitions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest

from core.ids import SystemIds
from core.turns import SessionRef
from memory.backends import Memory, open_memory
from tests.conformance.kit import open_session
from tests.servers import RedisServer, debian_redis, redis_server, valkey_server

LEASE_MS = 900
"""Short, so that the suites need not wait long for one to run out."""
_NO_REDIS = "redis-server is not installed (Debian: apt-get install redis-server)"


class Nodes(msgspec.Struct):
    """Two nodes of one system, and the server behind them."""

    one: Memory
    two: Memory
    server: RedisServer


@pytest.fixture(scope="session", params=["valkey", "redis"])
def server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    if request.param == "redis" and debian_redis() is None:
        pytest.skip(_NO_REDIS)
    start = {"valkey": valkey_server, "redis": redis_server}[request.param]
    with start("--maxmemory-policy", "noeviction") as running:
        yield running


@pytest.fixture(params=[1, 2], ids=["one_partition", "two_partitions"])
async def nodes(server: RedisServer, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Nodes]:
    with server.client() as client:
        client.flushall()
    async with AsyncExitStack() as stack:
        one, two = [
            await stack.enter_async_context(
                open_memory(
                    redis_url=server.url,
                    data_dir=tmp_path,
                    node=SystemIds().new("node"),
                    partitions=request.param,
                    lease_ms=LEASE_MS,
                )
            )
            for _ in range(2)
        ]
        yield Nodes(one=one, two=two, server=server)


@pytest.fixture
async def memory(nodes: Nodes) -> Memory:
    return nodes.one


@pytest.fixture
async def session(memory: Memory) -> SessionRef:
    return await open_session(memory)
