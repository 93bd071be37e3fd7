"""Connections to SQL: from a URL to a bounded pool of the right driver, and from drivers' errors to ours.

SQLite is shared by all nodes of one machine: write-ahead log, a busy timeout, and writers that take their lock at
the beginning (`BEGIN IMMEDIATE`), because a reader that turns writer in mid-transaction is refused without waiting.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from core.errors import BackendError, SettingsError

SQLITE_FILE: Final = "prosa.db"
"""The default database, in the data directory."""
BUSY_TIMEOUT_MS: Final = 5_000
"""How long a SQLite connection waits for another's lock."""
POOL_SIZE: Final = 5
"""Connections a node holds at most; further callers wait `POOL_TIMEOUT_S`."""
POOL_TIMEOUT_S: Final = 10.0
CONNECT_TIMEOUT_S: Final = 5.0
COMMAND_TIMEOUT_S: Final = 30.0

_REFUSALS: Final = {"22", "23"}
"""Classes of SQLSTATE (PostgreSQL, appendix A): data exception, integrity constraint violation."""
_NOT_NOW: Final = {"08", "57"}
"""Connection exception, operator intervention (such as 57P03: the server is starting)."""


class SqlUnreachable(BackendError):
    """Nobody answers at DATABASE_URL: wait, or start the database. A refused password is not this."""


def open_engine(database_url: str | None, data_dir: Path) -> AsyncEngine:
    """Make the engine; nothing connects yet. Raises SettingsError for a URL that cannot be used.

    `database_url`: `sqlite:///path` or `postgresql://...`; None: `<data_dir>/prosa.db`.
    """
    return engine_of(parse_url(database_url, data_dir))


def engine_of(url: URL) -> AsyncEngine:
    """Make the engine of a URL that `parse_url` gave (or of another engine's `url`)."""
    if url.get_backend_name() == "postgresql":
        return _pooled(url, {"timeout": CONNECT_TIMEOUT_S, "command_timeout": COMMAND_TIMEOUT_S}, pool_pre_ping=True)
    Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = _pooled(url, {"timeout": BUSY_TIMEOUT_MS / 1000})
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return engine


def parse_url(database_url: str | None, data_dir: Path) -> URL:
    """The URL with its async driver. Raises SettingsError, which never repeats the URL: it may hold a password."""
    if not database_url:
        return URL.create("sqlite+aiosqlite", database=str(data_dir / SQLITE_FILE))
    try:
        url = make_url(database_url)
    except (ArgumentError, ValueError) as error:
        raise SettingsError("DATABASE_URL is not a URL; expected sqlite:///path or postgresql://host/name") from error
    match url.drivername.partition("+")[0]:
        case "sqlite":
            if url.database in {None, "", ":memory:"}:
                raise SettingsError("DATABASE_URL: SQLite needs a file, such as sqlite:///data/prosa.db")
            return url.set(drivername="sqlite+aiosqlite")
        case "postgresql" | "postgres":
            return _with_asyncpg_names(url.set(drivername="postgresql+asyncpg"))
        case other:
            raise SettingsError(f"DATABASE_URL: {other!r} is not supported; use sqlite:///path or postgresql://...")


@asynccontextmanager
async def reading(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A connection to read by. Raises BackendError."""
    with translated_errors():
        async with engine.connect() as connection:
            yield connection


@asynccontextmanager
async def writing(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A transaction that commits at the end and rolls back on any error. Raises BackendError."""
    with translated_errors():
        async with engine.execution_options(writes=True).begin() as connection:
            yield connection


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what drivers raise into BackendError: not `retryable` where the data itself is refused."""
    try:
        yield
    except OverflowError as error:  # sqlite3: an integer beyond 64 bits
        raise BackendError("The database refused the data: a number is too large.", retryable=False) from error
    except sqlite3.Error as error:
        raise BackendError("The database failed; try again.") from error
    except SQLAlchemyError as error:
        if _is_refusal(error):
            raise BackendError("The database refused the data.", retryable=False) from error
        if _sqlstate(error)[:2] in _NOT_NOW:
            raise SqlUnreachable("SQL cannot be reached; try again") from error
        raise BackendError("The database is away or failed; try again.") from error
    except (OSError, TimeoutError) as error:  # asyncpg lets a refused connection through as it is
        raise SqlUnreachable("SQL cannot be reached; try again") from error


def _with_asyncpg_names(url: URL) -> URL:
    mode = url.query.get("sslmode")  # libpq's word, which is in the URLs that hosts of Postgres hand out
    return url if mode is None else url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})


def _is_refusal(error: SQLAlchemyError) -> bool:
    # asyncpg checks arguments itself; SQLAlchemy shows that only by the SQLSTATE.
    return isinstance(error, DataError | IntegrityError) or _sqlstate(error)[:2] in _REFUSALS


def _sqlstate(error: SQLAlchemyError) -> str:
    state = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
    return state if isinstance(state, str) else ""


def _pooled(url: URL, connect_args: dict[str, Any], *, pool_pre_ping: bool = False) -> AsyncEngine:
    return create_async_engine(
        url,
        connect_args=connect_args,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_S,
        pool_pre_ping=pool_pre_ping,
        hide_parameters=True,  # an error's text must not repeat what users wrote
    )


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver begins no transaction by itself: `_begin_sqlite` does
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA secure_delete = ON")  # what was erased is overwritten in the file too
    cursor.execute("PRAGMA synchronous = NORMAL")  # with a write-ahead log only power loss can take the last commits
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
