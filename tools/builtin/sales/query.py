"""A plan of metrics, dimensions, filters and periods, and the SQLAlchemy selects that read it. Pure.

Metrics that count by different dates or from different tables cannot share a select: each group of metrics
with one source and one date is a `Part`, and `answer` puts the parts' rows together by their dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, false, or_, select

from core.errors import ToolError
from tools.builtin.sales.catalog import (
    CLOSED_STAGES,
    DATE_COLUMNS,
    DEALS,
    HOMES,
    TIME_DIMENSIONS,
    DealDate,
    Dimension,
    MetricDefinition,
    dimension_expression,
)
from tools.builtin.sales.periods import Period


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """A filter whose values are known names. None among the values: not filled in."""

    dimension: Dimension
    values: tuple[str | None, ...]
    exclude: bool = False


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for. `period` None is all time."""

    metrics: tuple[MetricDefinition, ...]
    by: tuple[Dimension, ...] = ()
    conditions: tuple[Condition, ...] = ()
    period: Period | None = None
    compare_to: Period | None = None


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Metrics that one select answers: from their home table, or from the opportunities by `date`."""

    metrics: tuple[MetricDefinition, ...]
    date: DealDate | None
    """None: the metrics are read from their home table, and no date applies."""
    ignored: tuple[Dimension, ...] = ()
    """Filters that do not apply to these metrics."""


def parts_of(plan: Plan) -> tuple[Part, ...]:
    """Group the plan's metrics by source and date. Raises ToolError for a metric that cannot be split as asked."""
    dated = plan.period is not None or any(dimension in TIME_DIMENSIONS for dimension in _used(plan))
    groups: dict[tuple[str, DealDate | None], list[MetricDefinition]] = {}
    for metric in plan.metrics:
        if _reads_home(metric, plan, dated):
            assert metric.home is not None
            groups.setdefault((str(metric.home.table), None), []).append(metric)
        else:
            date = (metric.date or _fitting_date(plan)) if dated else "close"
            groups.setdefault(("deals", date), []).append(metric)
    return tuple(
        Part(metrics=tuple(metrics), date=date, ignored=_ignored(metrics[0], plan) if date is None else ())
        for (_, date), metrics in groups.items()
    )


def select_part(part: Part, plan: Plan, period: Period | None, limit: int) -> Select[Any]:
    """The select of a part: the dimensions' columns, then the metrics'. At most `limit` rows."""
    return (_select_deals if part.date is not None else _select_home)(part, plan, period).limit(limit)


def select_members(plan: Plan) -> list[tuple[tuple[Dimension, ...], Select[Any]]]:
    """For each table that lists dimensions of the plan: those dimensions and the select of all that it lists."""
    selects = []
    for table, columns in HOMES:
        listed = tuple(dimension for dimension in plan.by if dimension in columns)
        if listed:
            conditions = [
                _matches(columns[item.dimension], item) for item in plan.conditions if item.dimension in columns
            ]
            members = select(*(columns[dimension] for dimension in listed)).select_from(table)
            selects.append((listed, members.where(*conditions).distinct()))
    return selects


def _select_deals(part: Part, plan: Plan, period: Period | None) -> Select[Any]:
    assert part.date is not None
    date = part.date
    dimensions = [dimension_expression(dimension, date) for dimension in plan.by]
    conditions = [_matches(dimension_expression(item.dimension, date), item) for item in plan.conditions]
    if period is not None:
        conditions.append(DATE_COLUMNS[date].between(period.first, period.last))
    statement = select(*dimensions, *(metric.expression for metric in part.metrics)).select_from(DEALS)
    return statement.where(*conditions).group_by(*dimensions)


def _select_home(part: Part, plan: Plan, _period: Period | None) -> Select[Any]:
    home = part.metrics[0].home
    assert home is not None
    dimensions = [home.columns[dimension] for dimension in plan.by]
    expressions = [metric.home.expression for metric in part.metrics if metric.home is not None]
    conditions = [
        _matches(home.columns[item.dimension], item) for item in plan.conditions if item.dimension in home.columns
    ]
    return select(*dimensions, *expressions).select_from(home.table).where(*conditions).group_by(*dimensions)


def _matches(column: ColumnElement[Any], condition: Condition) -> ColumnElement[bool]:
    names = [value for value in condition.values if value is not None]
    options: list[ColumnElement[bool]] = [column.in_(names)] if names else []
    if None in condition.values:
        options.append(column.is_(None))
    matched = or_(false(), *options)
    if not condition.exclude:
        return matched
    # NULL NOT IN (...) is unknown in SQL: what is not filled in stays, unless None itself is excluded.
    return ~matched if None in condition.values else or_(~matched, column.is_(None))


def _used(plan: Plan) -> Sequence[Dimension]:
    return [*plan.by, *(item.dimension for item in plan.conditions)]


def _reads_home(metric: MetricDefinition, plan: Plan, dated: bool) -> bool:
    if metric.home is None:
        return False
    if metric.deals_only_by_home:
        _refuse_split(metric, plan)
        return True
    return not dated and all(dimension in metric.home.columns for dimension in _used(plan))


def _refuse_split(metric: MetricDefinition, plan: Plan) -> None:
    assert metric.home is not None
    wrong = [dimension for dimension in plan.by if dimension not in metric.home.columns]
    if wrong:
        raise ToolError(
            f"{metric.name} cannot be split by {', '.join(wrong)}; allowed in by: {', '.join(metric.home.columns)}.",
            code="invalid_request",
        )


def _ignored(metric: MetricDefinition, plan: Plan) -> tuple[Dimension, ...]:
    assert metric.home is not None
    columns = metric.home.columns
    return tuple(dict.fromkeys(item.dimension for item in plan.conditions if item.dimension not in columns))


def _fitting_date(plan: Plan) -> DealDate:
    """The close date where only closed stages are asked for; open deals have none."""
    stages = [item for item in plan.conditions if item.dimension == "stage" and not item.exclude]
    closed = any(set(item.values) <= CLOSED_STAGES for item in stages)
    return "close" if closed else "engage"
