"""Rows of the parts put together into one table: missing numbers, comparison, order and limit. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

import msgspec

from tools.builtin.sales.catalog import Dimension, MetricDefinition, Unit

Key = tuple[str | None, ...]
"""The values of a row's dimensions, in the order of `by`."""

Number = float | int | None
Empty = Literal["hide", "show", "only"]
Row = dict[str, Any]

_DIGITS: dict[Unit, int] = {"usd": 2, "percent": 2, "days": 2, "count": 0}


class Table:
    """Numbers by key and metric; what no select gave is 0 or unknown, as the metric says."""

    def __init__(self, metrics: Sequence[MetricDefinition]) -> None:
        self._metrics = metrics
        self.numbers: dict[Key, dict[str, Number]] = {}

    def add(self, by: int, metrics: Sequence[MetricDefinition], rows: Sequence[Sequence[Any]]) -> None:
        """Add the rows of a part: `by` dimensions, then its metrics."""
        for row in rows:
            found = self.numbers.setdefault(tuple(row[:by]), {})
            for metric, value in zip(metrics, row[by:], strict=True):
                found[metric.name] = rounded(metric.unit, value)

    def number(self, key: Key, metric: MetricDefinition) -> Number:
        """A number, or what stands for nothing found."""
        value = self.numbers.get(key, {}).get(metric.name)
        return 0 if value is None and metric.zero else value

    def is_empty(self, key: Key) -> bool:
        """Whether nothing was found: all numbers unknown, or 0 where 0 is what nothing gives."""
        numbers = [(metric, self.number(key, metric)) for metric in self._metrics]
        return all(value is None or (value == 0 and metric.zero) for metric, value in numbers)


class Arrangement(msgspec.Struct, frozen=True, kw_only=True):
    """How rows are chosen and ordered. `order_by` None: by time where there is a time, else by the first metric."""

    by: tuple[Dimension, ...]
    order_by: str | None
    descending: bool
    limit: int
    empty: Empty
    members: Sequence[Key] = ()
    """Keys to be shown though nothing was found for them."""


def arrange(
    metrics: Sequence[MetricDefinition], now: Table, before: Table | None, arrangement: Arrangement
) -> tuple[list[Row], bool]:
    """The rows of the answer, and whether the limit cut some off."""
    keys = _keys(now, before, arrangement)
    rows = [_row(key, metrics, now, before, arrangement.by) for key in keys]
    ordered = _ordered(rows, metrics, arrangement)
    return ordered[: arrangement.limit], len(ordered) > arrangement.limit


def rounded(unit: Unit, value: Any) -> Number:
    """A number as it is shown: dollars, percents and days with 2 digits, counts whole."""
    if value is None:
        return None
    if unit == "count":
        return int(value)
    return round(float(value) if isinstance(value, Decimal) else value, _DIGITS[unit]) + 0.0


def change_pct(now: Number, before: Number) -> float | None:
    """By how many percent `now` differs from `before`; None where `before` is 0 or one is unknown."""
    if now is None or before is None or before == 0:
        return None
    return round(100.0 * (now - before) / abs(before), 2)


def _keys(now: Table, before: Table | None, arrangement: Arrangement) -> list[Key]:
    tables = [now] if before is None else [now, before]
    if not arrangement.by:
        return [()]
    full = dict.fromkeys(key for table in tables for key in table.numbers if not table.is_empty(key))
    match arrangement.empty:
        case "hide":
            return list(full)
        case "show":
            return list(dict.fromkeys([*full, *arrangement.members]))
        case "only":
            return [key for key in arrangement.members if key not in full]


def _row(
    key: Key, metrics: Sequence[MetricDefinition], now: Table, before: Table | None, by: Sequence[Dimension]
) -> Row:
    row: Row = dict(zip(by, key, strict=True))
    for metric in metrics:
        row[metric.name] = number = now.number(key, metric)
        if before is not None:
            row[f"{metric.name}_before"] = earlier = before.number(key, metric)
            row[f"{metric.name}_change_pct"] = change_pct(number, earlier)
    return row


def _ordered(rows: list[Row], metrics: Sequence[MetricDefinition], arrangement: Arrangement) -> list[Row]:
    """Unknown values last either way; rows that are equal there stand in the order of their dimensions."""
    by = arrangement.by
    rows = sorted(rows, key=lambda row: [_word_key(row[dimension]) for dimension in by])
    order_by = arrangement.order_by
    if order_by is None:
        if any(dimension in ("month", "quarter", "year") for dimension in by):
            return rows
        order_by = metrics[0].name
    key: Callable[[Row], Any] = _word_key_of(order_by) if order_by in by else _number_key_of(order_by)
    known = [row for row in rows if row[order_by] is not None]
    unknown = [row for row in rows if row[order_by] is None]
    return [*sorted(known, key=key, reverse=arrangement.descending), *unknown]


def _word_key(value: str | None) -> tuple[bool, str]:
    return value is None, (value or "").casefold()


def _word_key_of(name: str) -> Callable[[Mapping[str, Any]], Any]:
    return lambda row: _word_key(row[name])


def _number_key_of(name: str) -> Callable[[Mapping[str, Any]], Any]:
    return lambda row: row[name]
