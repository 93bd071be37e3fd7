"""Runs SELECTs on an SQLite file that is opened read-only, under an authorizer, a deadline and size limits."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote

from core.clock import Clock
from core.errors import ToolError
from tools.builtin.sql.reading import SqlLimits, SqlRows, within
from tools.builtin.sql.sqlite_functions import SQLITE_FUNCTIONS

_VALUE_BYTES: Final = 1_000_000
"""SQLite's own cap for a text, a blob or a row: what would be longer is an error (sqlite.org/limits.html, 1)."""
_INSTRUCTIONS_BETWEEN_CHECKS: Final = 1_000
"""Of SQLite's virtual machine; some microseconds."""


class SqliteReader:
    """Reads one file. Every query has a connection of its own, so nothing of it stays."""

    def __init__(self, path: Path, tables: Mapping[str, tuple[str, ...]], limits: SqlLimits, clock: Clock) -> None:
        self._path = path
        self._tables = tables
        self._limits = limits
        self._clock = clock

    async def read(self, sql: str) -> SqlRows:
        """Run one statement in a thread, which ends when the deadline passes or the caller is cancelled."""
        stopped = threading.Event()
        try:
            return await asyncio.to_thread(self._read, sql, stopped)
        finally:
            stopped.set()

    def _read(self, sql: str, stopped: threading.Event) -> SqlRows:
        deadline_s = self._clock.monotonic_s() + self._limits.timeout_s
        try:
            with closing(self._connect()) as connection:
                connection.set_progress_handler(
                    lambda: stopped.is_set() or self._clock.monotonic_s() > deadline_s, _INSTRUCTIONS_BETWEEN_CHECKS
                )
                cursor = connection.execute(sql)
                rows = cursor.fetchmany(self._limits.rows + 1)
                return within([column[0] for column in cursor.description or ()], rows, self._limits)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                raise ToolError(
                    f"The query took longer than {self._limits.timeout_s:g} s. Ask for less.", retryable=False
                ) from error
            raise ToolError(f"The query failed: {error}.", code="invalid_request") from error
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise ToolError(f"The query failed: {error}.", code="invalid_request") from error

    def _connect(self) -> sqlite3.Connection:
        uri = f"file:{quote(str(self._path.resolve()))}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=self._limits.timeout_s, check_same_thread=True)
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _VALUE_BYTES)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.set_authorizer(authorizer(self._tables))
        return connection


def authorizer(tables: Mapping[str, tuple[str, ...]]) -> Callable[..., int]:
    """What SQLite asks while it prepares a statement; yes only to reads of these tables and to known functions."""

    def allow(action: int, first: str | None, second: str | None, _database: str | None, _view: str | None) -> int:
        match action:
            case sqlite3.SQLITE_SELECT:
                return sqlite3.SQLITE_OK
            case sqlite3.SQLITE_READ:
                columns = tables.get((first or "").lower())
                known = columns is not None and (not second or second.lower() in columns)
                return sqlite3.SQLITE_OK if known else sqlite3.SQLITE_DENY
            case sqlite3.SQLITE_FUNCTION:
                return sqlite3.SQLITE_OK if (second or "").lower() in SQLITE_FUNCTIONS else sqlite3.SQLITE_DENY
            case _:
                return sqlite3.SQLITE_DENY

    return allow
