"""The seam of the readers, their limits, and how rows become JSON within them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Protocol

import msgspec


class SqlLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one query may take. Defaults fit a result that a model reads whole."""

    timeout_s: float = 5.0
    rows: int = 200
    content_chars: int = 12_000
    """JSON characters of all rows together."""
    cell_chars: int = 1_000


class SqlRows(msgspec.Struct, frozen=True, kw_only=True):
    """What a query gave. `truncated`: a limit left rows out."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool


class SqlReader(Protocol):
    """Runs statements that the guard let through, where nothing can be written."""

    async def read(self, sql: str) -> SqlRows:
        """Run one statement under the limits. Raises ToolError."""
        ...


def within(columns: Sequence[str], rows: Sequence[Sequence[Any]], limits: SqlLimits) -> SqlRows:
    """The first rows that fit the limits, with values that JSON has. `rows` may hold one more than the limit."""
    kept: list[tuple[Any, ...]] = []
    room = limits.content_chars
    for row in rows[: limits.rows]:
        values = tuple(_plain(value, limits.cell_chars) for value in row)
        room -= len(msgspec.json.encode(values).decode())
        if room < 0:
            break
        kept.append(values)
    return SqlRows(columns=tuple(columns), rows=tuple(kept), truncated=len(kept) < len(rows))


def _plain(value: Any, cell_chars: int) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case Decimal():
            return float(value)
        case bytes():
            return f"<{len(value)} bytes>"
        case _:
            text = str(value)
            return text if len(text) <= cell_chars else text[:cell_chars] + "…"
