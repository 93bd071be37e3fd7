"""What the sales data is at: another text where a row of it may have changed, for caches of what was read from it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from core.clock import Clock
from core.errors import ToolError

_ASKED_AGAIN_S: Final = 1.0
"""Postgres is asked once a second at most, and a backend reports its writes about once a second itself (its manual,
The Cumulative Statistics System): a change counts after two seconds at the latest."""
_WRITES: Final = text(
    "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0), coalesce(max(stats_reset)::text, '') "
    "FROM pg_stat_user_tables, pg_stat_database WHERE datname = current_database()"
)


class SalesVersion:
    """The version of an engine's data. SQLite: its files' times and sizes; Postgres: how many rows were written."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine, self._clock = engine, clock
        self._known, self._until_s = "", float("-inf")

    async def current(self) -> str:
        """The version now. Raises ToolError where the database does not answer."""
        if self._engine.dialect.name == "sqlite":
            return _stamp(Path(self._engine.url.database or ""))
        now_s = self._clock.monotonic_s()
        if now_s >= self._until_s:
            self._known, self._until_s = await self._ask(), now_s + _ASKED_AGAIN_S
        return self._known

    async def _ask(self) -> str:
        try:
            async with self._engine.connect() as connection:
                writes, reset = (await connection.execute(_WRITES)).one()
        except (SQLAlchemyError, OSError) as error:
            raise ToolError("The sales database does not answer now.", retryable=True) from error
        return f"{writes} {reset}"


def _stamp(path: Path) -> str:
    return " ".join(_stamp_of(file) for file in (path, path.with_name(f"{path.name}-wal")))


def _stamp_of(path: Path) -> str:
    try:
        status = path.stat()
    except FileNotFoundError:
        return "none"
    return f"{status.st_ino} {status.st_size} {status.st_mtime_ns}"
