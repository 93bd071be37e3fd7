"""The books' life: connect, migrate, use, close."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from core.clock import Clock, SystemClock
from metrics.sql.books import SqlBooks
from metrics.sql.engine import open_engine
from metrics.sql.migrate import migrate


@asynccontextmanager
async def open_books(database_url: str | None, data_dir: Path, clock: Clock | None = None) -> AsyncIterator[SqlBooks]:
    """Open the books: connect, migrate, and close the pool at the end.

    `database_url`: `sqlite:///path` or `postgresql://...`; None: `<data_dir>/prosa.db`. Raises SettingsError for a
    URL that cannot be used, BackendError where SQL is away or refuses.
    """
    engine = open_engine(database_url, data_dir)
    try:
        await migrate(engine)
        yield SqlBooks(engine, clock or SystemClock())
    finally:
        await engine.dispose()
