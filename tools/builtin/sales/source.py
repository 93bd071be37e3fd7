"""Reads the sales database: the rows of selects, and the known names, which are read again after a minute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Select, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from core.clock import Clock
from core.errors import ToolError
from tools.builtin.sales.catalog import HOMES, Dimension
from tools.builtin.sales.names import Coverage, Names
from tools.builtin.sales.tables import sales_pipeline

_NAMES_FOR_S: Final = 60.0
"""How long known names are kept; names of live data may be that late."""


class SalesSource:
    """The one place that runs the selects of `sales_query`."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._names: Names | None = None
        self._names_until_s = 0.0

    async def rows(self, *statements: Select[Any]) -> list[Sequence[Sequence[Any]]]:
        """The rows of each select, in one transaction. Raises ToolError `retryable` where the database is away."""
        try:
            async with self._engine.connect() as connection:
                return [(await connection.execute(statement)).all() for statement in statements]
        except (SQLAlchemyError, OSError) as error:
            raise ToolError("The sales database does not answer now. Try again later.", retryable=True) from error

    async def names(self) -> Names:
        """The known names and the dates that the data covers."""
        if self._names is None or self._clock.monotonic_s() >= self._names_until_s:
            self._names = await self._read_names()
            self._names_until_s = self._clock.monotonic_s() + _NAMES_FOR_S
        return self._names

    async def _read_names(self) -> Names:
        columns = [(dimension, column) for _, listed in HOMES for dimension, column in listed.items()]
        known = [select(column).where(column.is_not(None)).distinct() for _, column in columns]
        close, engage = sales_pipeline.c.close_date, sales_pipeline.c.engage_date
        span = select(func.min(engage), func.max(engage), func.min(close), func.max(close))
        *values, dates = await self.rows(*known, span)
        by_dimension: dict[Dimension, list[str]] = {
            dimension: [row[0] for row in rows] for (dimension, _), rows in zip(columns, values, strict=True)
        }
        first_engage, last_engage, first_close, last_close = dates[0]
        return Names(
            by_dimension,
            Coverage(
                first_engage=first_engage, last_engage=last_engage, first_close=first_close, last_close=last_close
            ),
        )
