"""Fixtures of the tests of `agent`; the fakes behind them are in `agent_support.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.agent.agent_support import Bench
from tests.agent.chat_server import ChatServer


@pytest.fixture
async def bench() -> Bench:
    return Bench()


@pytest.fixture
async def server() -> AsyncIterator[ChatServer]:
    async with ChatServer() as running:
        yield running
