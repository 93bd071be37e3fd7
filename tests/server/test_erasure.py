"""The second sweep, over real Redis and SQL: a crash between the two halves of an erasure is healed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.clock import SystemClock
from core.errors import BackendError
from core.messages import Message
from core.models import Usage
from core.ports import Books
from core.turns import SessionRef, TurnRecord
from memory.backends import Memory, open_memory
from metrics.sql.opening import open_books
from server.erasure import sweep_erasures
from tests.servers import RedisServer, valkey_server


@pytest.fixture
def redis_server() -> object:
    with valkey_server() as server:
        yield server


@pytest.fixture
async def memory(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Memory]:
    """A node for which every erasure was long ago."""
    async with open_memory(redis_url=redis_server.url, data_dir=tmp_path, node="node_1", sweep_after_ms=-1) as opened:
        yield opened


@pytest.fixture
async def books(tmp_path: Path) -> AsyncIterator[Books]:
    async with open_books(None, tmp_path, SystemClock()) as opened:
        yield opened


def recorded(session: SessionRef, turn_id: str) -> TurnRecord:
    message = Message(
        message_id=f"msg_{turn_id}", turn_id=turn_id, role="user", content="oi", channel="web", ts=1, status="complete"
    )
    return TurnRecord(
        turn_id=turn_id,
        session_id=session.session_id,
        tenant=session.tenant,
        user_id=session.user_id,
        channel="web",
        agent="sales",
        outcome="completed",
        usage=Usage(),
        cost_microusd=0,
        duration_ms=1,
        accepted_ms=1,
        ended_ms=2,
        messages=(message,),
    )


async def test_a_crash_before_sql_was_erased_is_healed(memory: Memory, books: Books) -> None:
    old = (await memory.sessions.open("default", "ana", None)).session
    await books.record([recorded(old, "turn_old")])
    await memory.sessions.erase("default", "ana")  # and here the process died
    fresh = (await memory.sessions.open("default", "ana", None)).session
    await books.record([recorded(fresh, "turn_new")])

    assert await sweep_erasures(memory.sessions, books) == 1

    assert await books.turn("default", "turn_old") is None
    assert await books.turn("default", "turn_new") is not None
    assert await sweep_erasures(memory.sessions, books) == 0


class AwayBooks:
    """SQL is away."""

    async def erase_sessions(self, tenant: str, session_ids: object) -> int:
        raise BackendError("SQL is away")


async def test_an_erasure_stays_due_while_sql_is_away(memory: Memory, books: Books) -> None:
    session = (await memory.sessions.open("default", "ana", None)).session
    await books.record([recorded(session, "turn_old")])
    await memory.sessions.erase("default", "ana")

    assert await sweep_erasures(memory.sessions, AwayBooks()) == 0  # type: ignore[arg-type]

    assert await sweep_erasures(memory.sessions, books) == 1
    assert await books.turn("default", "turn_old") is None
