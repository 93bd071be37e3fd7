"""Fixtures of the tests of `agent`; the fakes behind them are in `agent_support.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from core.ids import SystemIds
from memory.backends import Memory, open_memory
from tests.agent.agent_support import Bench
from tests.agent.chat_server import ChatServer
from tests.servers import RedisServer, valkey_server


@pytest.fixture
async def bench() -> Bench:
    return Bench()


@pytest.fixture
async def server() -> AsyncIterator[ChatServer]:
    async with ChatServer() as running:
        yield running


@pytest.fixture(scope="module")
def valkey() -> Iterator[RedisServer]:
    """A real server, for what counts money."""
    with valkey_server("--maxmemory-policy", "noeviction") as running:
        yield running


@pytest.fixture
async def memory(valkey: RedisServer, tmp_path: Path) -> AsyncIterator[Memory]:
    with valkey.client() as client:
        client.flushall()
    async with open_memory(redis_url=valkey.url, data_dir=tmp_path, node=SystemIds().new("node")) as memory:
        yield memory
