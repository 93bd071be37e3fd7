"""The books' life: connect, migrate, use, close."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import stamina
from loguru import logger
from sqlalchemy.ext.asyncio import AsyncEngine

from core.clock import Clock, SystemClock
from core.errors import BackendError
from metrics.sql.books import SqlBooks
from metrics.sql.engine import SqlUnreachable, open_engine
from metrics.sql.migrate import migrate

RETRY_MAX_S: Final = 10.0
"""Between two tries to reach a database that was away at the start."""


@asynccontextmanager
async def open_books(database_url: str | None, data_dir: Path, clock: Clock | None = None) -> AsyncIterator[SqlBooks]:
    """Open the books: connect, migrate, and close the pool at the end.

    Where nobody answers at the URL, the books open all the same: chat goes on without SQL. They are not `ready` until
    a task of ours has reached the database and migrated it. Raises SettingsError for a URL that cannot be used,
    BackendError where SQL answers and refuses (a wrong password, a file that is no database).
    """
    engine = open_engine(database_url, data_dir)
    later: asyncio.Task[None] | None = None
    try:
        try:
            await migrate(engine)
        except SqlUnreachable as error:
            logger.warning("sql.away", error=str(error.__cause__))
            later = asyncio.create_task(_migrate_when_it_answers(engine), name="migrate")
        yield SqlBooks(engine, clock or SystemClock())
    finally:
        if later is not None:
            later.cancel()
            await asyncio.wait([later])
        await engine.dispose()


async def _migrate_when_it_answers(engine: AsyncEngine) -> None:
    try:
        async for attempt in stamina.retry_context(
            on=SqlUnreachable, attempts=None, timeout=None, wait_initial=0.5, wait_max=RETRY_MAX_S
        ):
            with attempt:
                await migrate(engine)
    except BackendError as error:
        # It answers and refuses. The books stay not ready; the recorder keeps what is on its way.
        logger.opt(exception=error).error("sql.not_migrated")
    else:
        logger.info("sql.back")
