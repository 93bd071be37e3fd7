"""What may be read by SQL, as data. The guard that enforces it is not loaded for this: its parser takes 80 ms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

Dialect = Literal["sqlite", "postgres"]


class SqlPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What may be read, and in whose dialect."""

    dialect: Dialect
    tables: Mapping[str, tuple[str, ...]]
    """Columns by table; all names in lower case."""

    def schema(self) -> str:
        """The tables as `name(column, column)`, for the model."""
        return "; ".join(f"{table}({', '.join(columns)})" for table, columns in self.tables.items())
