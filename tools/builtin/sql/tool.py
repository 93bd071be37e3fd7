"""A guarded query as a tool's outcome, for any set of tables; `tools.builtin.sales` makes `sales_sql` of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from core.clock import Clock
from core.ports import ToolOutcome
from tools.builtin.sql.policy import SqlPolicy
from tools.builtin.sql.reading import SqlLimits, SqlReader
from tools.builtin.sql.sqlite import SqliteReader


class SqlTool:
    """Checks a statement and runs it. `policy` says what may be read, `reader` where."""

    def __init__(self, policy: SqlPolicy, reader: SqlReader) -> None:
        self.policy = policy
        self._reader = reader

    async def query(self, sql: str, summary: str) -> ToolOutcome:
        """Run a statement; `summary` may say `{rows}`. Raises ToolError for what is not allowed or fails."""
        found = await self._reader.read(await asyncio.to_thread(_checked, sql, self.policy))
        result = {
            "columns": list(found.columns),
            "rows": [list(row) for row in found.rows],
            "row_count": len(found.rows),
            "truncated": found.truncated,
        }
        content = msgspec.json.encode(result).decode()
        return ToolOutcome(content=content, summary=summary.format(rows=len(found.rows)), result=result)


def _checked(sql: str, policy: SqlPolicy) -> str:
    from tools.builtin.sql.guard import checked_sql  # its parser takes 80 ms to load: not a start's, nor the loop's

    return checked_sql(sql, policy)


def reader_for(
    engine: AsyncEngine, policy: SqlPolicy, limits: SqlLimits, clock: Clock, *, role: str | None = None
) -> SqlReader:
    """The reader for an engine's database: a file of SQLite, or Postgres, where `role` is taken on if given."""
    if policy.dialect == "postgres":
        from tools.builtin.sql.postgres import PostgresReader  # only where there is a Postgres: its driver is large

        return PostgresReader(engine, limits, role)
    assert engine.url.database is not None
    return SqliteReader(Path(engine.url.database), policy.tables, limits, clock)
