"""Brings a database to the newest schema. One path for SQLite and Postgres, safe when several nodes start at once.

Whoever comes second waits for the first and finds nothing to do: an advisory lock on Postgres, the write lock
(`BEGIN IMMEDIATE`) on SQLite. All steps run in one transaction, so a failed migration leaves what was there.
There are no downgrades: a backup is the way back.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import stamina
from sqlalchemy import Connection, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from metrics.sql.engine import engine_of, translated_errors

SCRIPTS: Final = Path(__file__).parent / "migrations"
MIGRATION_LOCK: Final = 0x50726F73_61000001
"""The number of the advisory lock: "Prosa", 1. Any constant does, as long as it stays."""
LOCK_WAIT_S: Final = 60.0
"""How long a node waits for another that migrates."""


async def migrate(engine: AsyncEngine) -> None:
    """Apply what is missing, by a connection of its own in a thread of its own. Raises BackendError.

    Where nothing is missing it is one query: Alembic, which takes 0.1 s to load and to find that out, is left alone.
    """
    with translated_errors():
        if await _is_newest(engine):
            return
        await engine.dispose()  # what looked must not stand in the way of SQLite's change of mode
        await asyncio.to_thread(lambda: asyncio.run(_migrate(engine.url)))


async def _is_newest(engine: AsyncEngine) -> bool:
    """Whether the newest migration was committed; no for whatever else is found, which `_migrate` then looks into."""
    newest = max(file.name.partition("_")[0] for file in (SCRIPTS / "versions").glob("[0-9]*_*.py"))
    try:
        async with engine.connect() as connection:
            applied = await connection.execute(text("SELECT version_num FROM alembic_version"))
            return applied.scalars().all() == [newest]
    except SQLAlchemyError:
        return False


async def _migrate(url: URL) -> None:
    engine = engine_of(url)
    try:
        async for attempt in stamina.retry_context(on=_is_busy, attempts=None, timeout=LOCK_WAIT_S, wait_max=0.5):
            with attempt:
                if url.get_backend_name() == "sqlite":
                    _turn_on_write_ahead_log(str(url.database))
                await _migrate_once(engine)
    finally:
        await engine.dispose()


async def _migrate_once(engine: AsyncEngine) -> None:
    async with engine.execution_options(writes=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            await connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_WAIT_S:.0f}s'"))
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        await connection.run_sync(_upgrade)


def _turn_on_write_ahead_log(file: str) -> None:
    # The file remembers the mode. SQLite refuses instead of waiting while another connection changes it
    # (sqlite.org/wal.html, "Sometimes Queries Return SQLITE_BUSY In WAL Mode"), so our caller tries again.
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


def _is_busy(error: Exception) -> bool:
    """Whether another connection holds SQLite's lock."""
    cause = error.orig if isinstance(error, OperationalError) else error
    return isinstance(cause, sqlite3.OperationalError) and cause.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
