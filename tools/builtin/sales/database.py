"""Engines for the sales data: SQLite by aiosqlite, Postgres by asyncpg, from plain URLs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from core.errors import SettingsError

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgres": "postgresql+asyncpg",
    "postgresql": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}
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
