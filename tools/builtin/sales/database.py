"""Engines for the sales data: SQLite by aiosqlite, Postgres by asyncpg, from plain URLs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event, func, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from core.errors import SettingsError

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}
_LOCK: Final = 7_361_025_001
"""The advisory lock's number: any, as long as nobody else in the database uses it."""
_BUSY_MS = 30_000
"""How long a SQLite connection waits for another one's write: longer than a load takes (about 1 s)."""


def create_sales_engine(url: str) -> AsyncEngine:
    """Make an engine for `sqlite:///path` or `postgresql://...`; the folder of an SQLite file is made.

    In-memory SQLite is refused: the tools open the file a second time, read-only. Raises SettingsError.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise SettingsError("SALES_DATABASE_URL is not a URL; use sqlite:///path or postgresql://host/name") from error
    driver = _DRIVERS.get(parsed.drivername)
    if driver is None:
        raise SettingsError(
            f"SALES_DATABASE_URL is {parsed.drivername!r}; use sqlite:///path or postgresql://host/name"
        )
    parsed = parsed.set(drivername=driver)
    return _sqlite_engine(parsed) if parsed.get_backend_name() == "sqlite" else create_async_engine(parsed, pool_size=5)


@asynccontextmanager
async def exclusively(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction that no other one of this function runs beside, on any node. Raises SQLAlchemyError, OSError."""
    if engine.dialect.name == "postgresql":
        async with engine.begin() as connection:
            await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            yield connection
        return
    # The driver's own BEGIN is deferred, and two readers that both want to write then fail: say IMMEDIATE ourselves.
    async with engine.connect() as plain:
        connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
        await connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            await connection.exec_driver_sql("ROLLBACK")
            raise
        await connection.exec_driver_sql("COMMIT")


def _sqlite_engine(url: URL) -> AsyncEngine:
    if url.database in (None, "", ":memory:"):
        raise SettingsError("SALES_DATABASE_URL must name a file, such as sqlite:///./data/sales.db")
    assert url.database is not None
    Path(url.database).resolve().parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(url)

    @event.listens_for(engine.sync_engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
        cursor.close()

    return engine
