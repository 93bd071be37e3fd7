"""From the arguments of `sales_query` to a plan: known names for values, periods for words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal

import msgspec

from core.errors import ToolError
from tools.builtin.sales.answer import Empty
from tools.builtin.sales.catalog import METRICS, TIME_DIMENSIONS, Dimension, Metric
from tools.builtin.sales.names import Names
from tools.builtin.sales.periods import Period, PeriodError, parse_period, previous_period
from tools.builtin.sales.query import Condition, Plan


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Keep (or with exclude: drop) what has one of the values in a dimension."""

    dimension: Dimension
    values: Annotated[
        list[str | None], msgspec.Meta(min_length=1, description="Names in any spelling; null means not filled in.")
    ]
    exclude: Annotated[bool, msgspec.Meta(description="Drop these values instead of keeping them.")] = False


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What the model asked, as it said it."""

    metrics: Sequence[Metric]
    by: Sequence[Dimension]
    filters: Sequence[Filter]
    period: str | None
    compare_to: str | None
    order_by: str | None
    empty: Empty


def plan_of(question: Question, names: Names, reference: date) -> Plan:
    """The plan of a question. Raises ToolError `invalid_request`."""
    by = tuple(dict.fromkeys(question.by))
    period = _period("period", question.period, reference)
    plan = Plan(
        metrics=tuple(METRICS[name] for name in dict.fromkeys(question.metrics)),
        by=by,
        conditions=tuple(
            Condition(
                dimension=item.dimension,
                values=tuple(dict.fromkeys(names.resolve(item.dimension, item.values))),
                exclude=item.exclude,
            )
            for item in question.filters
        ),
        period=period,
        compare_to=_compared(question.compare_to, period, by, reference),
    )
    _check_order(question.order_by, plan)
    if question.empty != "hide" and not by:
        raise _refused(f"empty={question.empty!r} lists members of a dimension: name the dimension in by.")
    return plan


def _compared(text: str | None, period: Period | None, by: Sequence[Dimension], reference: date) -> Period | None:
    if text is None:
        return None
    times = [dimension for dimension in by if dimension in TIME_DIMENSIONS]
    if times:
        raise _refused(f"compare_to cannot go with by {', '.join(times)}; leave one of them out.")
    if period is None:
        raise _refused("compare_to needs a period to compare; give period too.")
    if text.strip().lower() != "previous":
        return _period("compare_to", text, reference)
    try:
        return previous_period(period)
    except PeriodError as error:
        raise _refused(f"compare_to: {error}.") from error


def _period(field: Literal["period", "compare_to"], text: str | None, reference: date) -> Period | None:
    try:
        return parse_period(text or "all_time", reference)
    except PeriodError as error:
        also = ", previous" if field == "compare_to" else ""
        raise _refused(f"{field}: {str(error).rstrip('.')}{also}.") from error


def _check_order(order_by: str | None, plan: Plan) -> None:
    if order_by is None:
        return
    allowed: list[str] = [*plan.by, *(metric.name for metric in plan.metrics)]
    if plan.compare_to is not None:
        allowed += [f"{metric.name}{suffix}" for metric in plan.metrics for suffix in ("_before", "_change_pct")]
    if order_by not in allowed:
        raise _refused(f"order_by is {order_by[:60]!r}; allowed here: {', '.join(allowed)}.")


def _refused(message: str) -> ToolError:
    return ToolError(message, code="invalid_request")
