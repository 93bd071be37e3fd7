"""Runs SELECTs on Postgres in a read-only transaction, with a statement timeout and, where given, a read-only role."""

from __future__ import annotations

import re
from typing import Any, Final

import asyncpg
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from core.errors import SettingsError, ToolError
from tools.builtin.sql.reading import SqlLimits, SqlRows, within

_ROLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


class PostgresReader:
    """Reads through an engine of asyncpg.

    The role should have SELECT on the allowed tables and nothing else; the engine's user must be a member of it.
    """

    def __init__(self, engine: AsyncEngine, limits: SqlLimits, role: str | None = None) -> None:
        """Raises SettingsError for a role's name that would need quoting."""
        if role is not None and _ROLE.fullmatch(role) is None:
            raise SettingsError(f"{role!r} is not a plain name of a Postgres role")
        self._engine = engine
        self._limits = limits
        self._role = role

    async def read(self, sql: str) -> SqlRows:
        """Run one statement. It is prepared, so the server itself refuses a second one behind a semicolon."""
        try:
            async with self._engine.connect() as connection:
                driver = (await connection.get_raw_connection()).driver_connection
                assert driver is not None
                return await self._read(driver, sql)
        except asyncpg.QueryCanceledError as error:
            raise ToolError(f"The query took longer than {self._limits.timeout_s:g} s. Ask for less.") from error
        except asyncpg.PostgresConnectionError as error:
            raise ToolError("The database does not answer now. Try again later.", retryable=True) from error
        except asyncpg.PostgresError as error:
            raise ToolError(f"The query failed: {error}.", code="invalid_request") from error
        except (SQLAlchemyError, asyncpg.InterfaceError, OSError) as error:
            raise ToolError("The database does not answer now. Try again later.", retryable=True) from error

    async def _read(self, driver: Any, sql: str) -> SqlRows:
        async with driver.transaction(readonly=True):
            await driver.execute(f"SET LOCAL statement_timeout = {round(self._limits.timeout_s * 1000)}")
            if self._role is not None:
                await driver.execute(f'SET LOCAL ROLE "{self._role}"')
            statement = await driver.prepare(sql)
            columns = [attribute.name for attribute in statement.get_attributes()]
            cursor = await statement.cursor()
            rows = await cursor.fetch(self._limits.rows + 1)
        return within(columns, [tuple(row) for row in rows], self._limits)
