"""The notes of a result: which date was used, what was left out, where numbers mislead. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from tools.builtin.sales.answer import Empty, Row
from tools.builtin.sales.catalog import Dimension, MetricDefinition
from tools.builtin.sales.names import Coverage
from tools.builtin.sales.query import Part, Plan
from tools.builtin.sales.texts import Language, date_word, note


def remarks(
    plan: Plan,
    parts: Sequence[Part],
    rows: Sequence[Row],
    coverage: Coverage,
    empty: Empty,
    language: Language,
) -> list[str]:
    """Everything that a reader of the rows must know, in the language."""
    dated = plan.period is not None or _splits_time(plan)
    notes = [text for part in parts for text in _about_part(part, plan, dated, language)]
    if plan.period is not None:
        notes += _outside(plan, parts, coverage, language)
    names = {metric.name for metric in plan.metrics}
    if "win_rate" in names and _by_months(plan):
        notes.append(note("win_rate_by_month", language))
    if plan.compare_to is not None and any(metric.unit == "percent" for metric in plan.metrics):
        notes.append(note("relative_change", language))
    if "list_price" in names and "product" not in plan.by and not _one_product(plan):
        notes.append(note("average_list_price", language))
    if any(row[dimension] is None for row in rows for dimension in plan.by):
        notes.append(note("blank", language))
    if empty != "only" and all(not row[metric.name] for row in rows for metric in plan.metrics):
        notes.append(note("nothing", language))
    return list(dict.fromkeys(notes))


def _about_part(part: Part, plan: Plan, dated: bool, language: Language) -> list[str]:
    names = _named(part.metrics)
    notes = []
    if part.date is None:
        if part.ignored:
            notes.append(note("filter_ignored", language, metrics=names, filters=", ".join(part.ignored)))
        if plan.period is not None:
            notes.append(note("undated", language, metrics=names))
        return notes
    if dated:
        notes.append(note(f"by_{part.date}", language, metrics=names))
    counted = [metric for metric in part.metrics if metric.home is not None]
    if counted:
        notes.append(note("with_deals", language, metrics=_named(counted)))
    return notes


def _outside(plan: Plan, parts: Sequence[Part], coverage: Coverage, language: Language) -> list[str]:
    """A note for each date whose data begins after, or ends before, what was asked for by more than a month's rest."""
    notes = []
    for date in sorted({part.date for part in parts if part.date is not None}):
        first = coverage.first_close if date == "close" else coverage.first_engage
        last = coverage.last_close if date == "close" else coverage.last_engage
        periods = [period for period in (plan.period, plan.compare_to) if period is not None]
        if first is None or last is None:
            continue
        # The last days of a period may simply have had no deal: only a whole missing month is worth a note.
        begins = any((first - period.first).days > 0 for period in periods)
        ends = any((period.last - last).days >= 28 for period in periods)
        if begins or ends:
            shown = {"first": first.isoformat(), "last": last.isoformat()}
            notes.append(note("outside", language, what=date_word(date, language), **shown))
    return notes


def _splits_time(plan: Plan) -> bool:
    used: list[Dimension] = [*plan.by, *(item.dimension for item in plan.conditions)]
    return any(dimension in ("month", "quarter", "year") for dimension in used)


def _by_months(plan: Plan) -> bool:
    months = plan.period is not None and plan.period.grain == "month" and plan.compare_to is not None
    return "month" in plan.by or months


def _one_product(plan: Plan) -> bool:
    return any(item.dimension == "product" and len(item.values) == 1 and not item.exclude for item in plan.conditions)


def _named(metrics: Sequence[MetricDefinition]) -> str:
    return ", ".join(metric.name for metric in metrics)
