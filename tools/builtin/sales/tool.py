"""The sales tools: `sales_query` (named metrics), `sales_find` (names in a text), `sales_sql` (read-only SQL).

And `create_follow_up`, the only one that writes (`follow_ups`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from core.clock import Clock, SystemClock
from core.ports import ToolContext, ToolOutcome
from tools.builtin.sales.answer import Arrangement, Empty, Key, Row, Table, arrange
from tools.builtin.sales.ask import Filter, Question, plan_of
from tools.builtin.sales.catalog import TIME_DIMENSIONS, Dimension, Metric, described
from tools.builtin.sales.find import find_names
from tools.builtin.sales.follow_ups import FollowUps
from tools.builtin.sales.members import combinations
from tools.builtin.sales.names import Coverage
from tools.builtin.sales.periods import Period
from tools.builtin.sales.query import Part, Plan, parts_of, select_members, select_part
from tools.builtin.sales.remarks import remarks
from tools.builtin.sales.source import SalesSource
from tools.builtin.sales.sql import sales_policy, sql_description, sql_summary
from tools.builtin.sales.texts import counted, language_of, note, query_summary
from tools.builtin.sales.version import SalesVersion
from tools.builtin.sql import SqlLimits, SqlTool, reader_for
from tools.decorator import Tool, tool

DEFAULT_LIMIT: Final = 50
MOST_ROWS: Final = 500
_MOST_GROUPS: Final = 20_000
"""Rows of one select at most; the demo has 8,800 opportunities, so no split reaches it."""
_CONTENT_CHARS: Final = 15_000
"""Rows are dropped from the end until the content is this short: below the output cap, so that it stays whole JSON."""


class SalesTools:
    """The sales tools over one database."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        reference_date: date | None,
        clock: Clock | None = None,
        sql_role: str | None = None,
        sql_limits: SqlLimits = SqlLimits(),  # noqa: B008 - frozen
    ) -> None:
        """`engine`: of `create_sales_engine`, loaded. `reference_date`: what today is; None: the clock's day in UTC.

        `sql_role`: a Postgres role with SELECT on the sales tables only, which `sales_sql` takes on.
        """
        self._clock = clock or SystemClock()
        self._reference_date = reference_date
        self._source = SalesSource(engine, self._clock)
        self._version = SalesVersion(engine, self._clock)
        self._follow_ups = FollowUps(engine, self._source, self._today, self._clock)
        policy = sales_policy(engine.dialect.name)
        self._sql = SqlTool(policy, reader_for(engine, policy, sql_limits, self._clock, role=sql_role))

    def tools(self) -> tuple[Tool, ...]:
        """The tools for the registry."""
        return (
            Tool(
                self.sales_query,
                description=f"{_QUERY_DESCRIPTION}\n\nMetrics:\n{described()}",
                version=self._version.current,
            ),
            Tool(self.sales_find, version=self._version.current),
            Tool(self.sales_sql, description=sql_description(self._sql.policy), version=self._version.current),
            Tool(self._follow_ups.create_follow_up),
        )

    @tool(title="Sales data", titles={"pt": "Dados de vendas", "es": "Datos de ventas"}, timeout_s=15.0)
    async def sales_query(
        self,
        context: ToolContext,
        metrics: Annotated[list[Metric], msgspec.Meta(min_length=1)],
        by: list[Dimension] = [],  # noqa: B006 - msgspec copies it; the schema shows the default
        filters: list[Filter] = [],  # noqa: B006
        period: str | None = None,
        compare_to: str | None = None,
        order_by: str | None = None,
        descending: bool = True,
        limit: Annotated[int, msgspec.Meta(ge=1, le=MOST_ROWS)] | None = None,
        empty: Empty = "hide",
    ) -> ToolOutcome:
        """Compute sales metrics, split by dimensions, for a period, compared with another.

        Args:
            context: Who asks.
            metrics: What to compute; the first one orders the rows.
            by: Dimensions to split by; none gives one row of totals.
            filters: All of them must hold.
            period: One of all_time (default), today, this_month, last_month, this_quarter, last_quarter, this_year,
                last_year, last_N_days, last_N_months, YYYY, YYYY-Qn, YYYY-MM, YYYY-MM-DD, or A..B of two of the last
                four. Relative ones count from the reference date in the result.
            compare_to: The same forms, or previous (the period of the same length before); adds the other period's
                value and the change in percent to each row.
            order_by: A metric or a dimension of this query (or metric_change_pct); default is by time where split by
                time, else the first metric.
            descending: Whether order_by goes from the highest down.
            limit: The most rows, 1 to 500; default 50.
            empty: Members with nothing - hide them, show them too, or only them (agents without any deal).
        """
        question = Question(
            metrics=metrics,
            by=by,
            filters=filters,
            period=period,
            compare_to=compare_to,
            order_by=order_by,
            empty=empty,
        )
        names = await self._source.names()
        plan = plan_of(question, names, self._today())
        parts = parts_of(plan)
        now, before, listed = await self._read(plan, parts, empty)
        members = [] if empty == "hide" else combinations(plan, listed, _span(plan, names.coverage))
        rows, truncated = arrange(
            plan.metrics,
            now,
            before,
            Arrangement(
                by=plan.by,
                order_by=order_by,
                descending=descending,
                limit=limit or DEFAULT_LIMIT,
                empty=empty,
                members=members,
            ),
        )
        language = language_of(context.locale)
        result = {
            "metrics": [{"name": metric.name, "unit": metric.unit} for metric in plan.metrics],
            "by": list(plan.by),
            "rows": rows,
            "period": _period_shown(plan.period),
            "compare_to": _period_shown(plan.compare_to),
            "filters": msgspec.to_builtins(plan.conditions),
            "truncated": truncated,
            "reference_date": self._today().isoformat(),
            "notes": remarks(plan, parts, rows, names.coverage, empty, language),
        }
        content = _fitted(result, note("shortened", language))
        summary = query_summary(
            [metric.name for metric in plan.metrics],
            plan.by,
            rows,
            None if plan.period is None else plan.period.label,
            None if plan.compare_to is None else plan.compare_to.label,
            language,
        )
        return ToolOutcome(content=content, summary=summary, result=result)

    @tool(title="Name lookup", titles={"pt": "Busca de nomes", "es": "Búsqueda de nombres"}, timeout_s=10.0)
    async def sales_find(
        self, context: ToolContext, text: Annotated[str, msgspec.Meta(min_length=1, max_length=2_000)]
    ) -> ToolOutcome:
        """Find which known names a text means, in any spelling, in Portuguese, English or Spanish.

        It knows agents, managers, offices, products, series, sectors, customers, countries and stages. Use it before
        sales_query where a name may be misspelled or in another language. An empty list means that the data knows no
        such name.

        Args:
            context: Who asks.
            text: A name, or the user's sentence.
        """
        names = await self._source.names()
        result = {"matches": [msgspec.to_builtins(match) for match in find_names(text, names)]}
        summary = counted("names", len(result["matches"]), language_of(context.locale)) + "."
        return ToolOutcome(content=msgspec.json.encode(result).decode(), summary=summary, result=result)

    @tool(title="Sales SQL", titles={"pt": "SQL de vendas", "es": "SQL de ventas"}, timeout_s=15.0)
    async def sales_sql(self, context: ToolContext, sql: str) -> ToolOutcome:
        """Read the sales tables by one SELECT, for what sales_query cannot say.

        Args:
            context: Who asks.
            sql: One SELECT statement; no writes, no other tables.
        """
        return await self._sql.query(sql, sql_summary(language_of(context.locale)))

    def _today(self) -> date:
        return self._reference_date or datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC).date()

    async def _read(
        self, plan: Plan, parts: Sequence[Part], empty: Empty
    ) -> tuple[Table, Table | None, dict[tuple[Dimension, ...], list[Key]]]:
        """The numbers of the period, those of the one it is compared with, and the members that the tables list."""
        current = [select_part(part, plan, plan.period, _MOST_GROUPS) for part in parts]
        compared = [select_part(part, plan, plan.compare_to, _MOST_GROUPS) for part in parts]
        members = select_members(plan) if empty != "hide" else []
        has_before = plan.compare_to is not None
        statements = [*current, *(compared if has_before else []), *(statement for _, statement in members)]
        results = await self._source.rows(*statements)
        count = len(parts)
        now = _table(plan, parts, results[:count])
        before = _table(plan, parts, results[count : 2 * count]) if has_before else None
        listed = {
            dimensions: [tuple(row) for row in rows]
            for (dimensions, _), rows in zip(members, results[len(results) - len(members) :], strict=True)
        }
        return now, before, listed


_QUERY_DESCRIPTION: Final = (
    "Answer questions about sales: compute metrics, split by dimensions, filtered, for a period, compared with "
    "another. Prefer it to sales_sql. It knows no cost, margin, budget, target or forecast: say so instead of guessing."
)


def _table(plan: Plan, parts: Sequence[Part], results: Sequence[Sequence[Sequence[Any]]]) -> Table:
    table = Table(plan.metrics)
    for part, rows in zip(parts, results, strict=True):
        table.add(len(plan.by), part.metrics, rows)
    return table


def _span(plan: Plan, coverage: Coverage) -> Period | None:
    """The time whose months are listed where empty ones are shown: the period asked for, else that of the data."""
    if plan.period is not None or not any(dimension in TIME_DIMENSIONS for dimension in plan.by):
        return plan.period
    closes = all(metric.date == "close" for metric in plan.metrics)
    first = coverage.first_close if closes else coverage.first_engage
    last = coverage.last_close if closes else coverage.last_engage
    if first is None or last is None:
        return None
    return Period(first=first, last=last, label="", grain="span")


def _period_shown(period: Period | None) -> dict[str, str] | None:
    if period is None:
        return None
    return {"from": period.first.isoformat(), "to": period.last.isoformat(), "label": period.label}


def _fitted(result: dict[str, Any], shortened: str) -> str:
    """The result as JSON, with fewer rows where it would be too long (`result` is changed then)."""
    content = msgspec.json.encode(result).decode()
    rows: list[Row] = result["rows"]
    while len(content) > _CONTENT_CHARS and len(rows) > 1:
        rows = rows[: max(1, len(rows) * _CONTENT_CHARS // len(content) - 1)]
        if shortened not in result["notes"]:
            result["notes"].append(shortened)
        result["rows"], result["truncated"] = rows, True
        content = msgspec.json.encode(result).decode()
    return content
