"""The thread: completes what a message leaves out by what was asked before, and settles its times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final, Literal

import msgspec

from agent.providers.offline.metrics import MEMBER_METRICS
from agent.providers.offline.periods import Days, days_of, resolve
from agent.providers.offline.question import (
    ROSTER,
    TIME_DIMENSIONS,
    Assumption,
    Dimension,
    Fragment,
    Metric,
    NameFilter,
    Period,
    SalesQuestion,
)

Gap = Literal["metric", "dimension", "pronoun", "nothing", "timeless", "per_group", "too_long"]
"""What a question lacks: what to measure, whom to order, whom "she" means, everything, dates of what it measures,
one grouping to take the first of, brevity."""

_MOST_PERIODS: Final = 12
_NOW: Final = frozenset({"today", "all_time"})
_COUNT_OF: Final[dict[Metric, Metric]] = {
    **dict.fromkeys(("revenue", "won_deals", "average_ticket", "days_to_close"), "won_deals"),
    **dict.fromkeys(("open_pipeline_value", "open_deals"), "open_deals"),
    **dict.fromkeys(("win_rate", "closed_deals"), "closed_deals"),
    "lost_deals": "lost_deals",
}
"""The count of the deals that a metric measures."""
_PLACES: Final = frozenset({"regional_office", "country"})
_NAMED_BY: Final[dict[Dimension, Metric]] = {
    "product": "list_price",
    "series": "products",
    "sector": "accounts",
    "country": "accounts",
    "manager": "agents",
    "regional_office": "agents",
}


class Previous(msgspec.Struct, frozen=True, kw_only=True):
    """What the thread was about: the last question that was answered, its days and its rows."""

    question: SalesQuestion
    days: Days | None = None
    rows: tuple[dict[str, Any], ...] = ()


def complete(fragment: Fragment, previous: Previous | None, today: date) -> tuple[SalesQuestion, ...] | Gap:
    """Give the questions that a message asks, or what is missing."""
    if fragment.ranking is not None and not fragment.by and len(fragment.periods) > 1:
        # "Did we sell more in November or in December?" orders two times: it compares them.
        fragment = msgspec.structs.replace(fragment, ranking=None, compare=True)
    if len(fragment.periods) > _MOST_PERIODS:
        return "too_long"
    leans = previous if previous is not None and _continues(fragment) else None
    if leans is not None and fragment.compare and fragment.filters and not (fragment.periods or fragment.by):
        beside = _beside(fragment, leans.question)
        if beside is None:
            return "nothing"
        fragment = beside
    question = _fresh(fragment) if leans is None else _merge(fragment, leans)
    if isinstance(question, str):
        return question
    if _asks_time_of_timeless(question, fragment):
        return "timeless"
    return _with_times(question, fragment, today, leans)


def _asks_time_of_timeless(question: SalesQuestion, fragment: Fragment) -> bool:
    """Whether a time is asked of what has none, such as the number of customers; "today" is when it is counted."""
    if not ROSTER.issuperset(question.metrics):
        return False
    timed = any(each.spec not in _NOW for each in fragment.periods) or TIME_DIMENSIONS.intersection(question.by)
    return bool(timed) or fragment.growth or fragment.trend or (fragment.compare and not question.by)


def _continues(fragment: Fragment) -> bool:
    """Whether a message leans on what was asked before."""
    if fragment.follow_up or fragment.pronoun:
        return True
    whole = bool(fragment.metrics) or bool(fragment.by and (fragment.ranking or fragment.shape))
    return not whole


def _fresh(fragment: Fragment) -> SalesQuestion | Gap:
    metrics = fragment.metrics
    question = SalesQuestion(
        metrics=metrics,
        by=fragment.by,
        filters=fragment.filters,
        empty=fragment.empty,
        share=fragment.share,
        assumptions=fragment.assumptions,
    )
    if fragment.pronoun:
        return "pronoun"
    if not metrics and fragment.ranking and fragment.by:
        question = msgspec.structs.replace(question, metrics=("revenue",), assumptions=("rank_by_revenue",))
    elif not metrics and fragment.shape == "names" and fragment.by and not TIME_DIMENSIONS.intersection(fragment.by):
        metric = _NAMED_BY.get(fragment.by[0], "opportunities")
        question = msgspec.structs.replace(question, metrics=(metric,), shape="names", empty="show")
    elif not metrics and fragment.compare and (len(fragment.periods) > 1 or fragment.by):
        question = msgspec.structs.replace(question, metrics=("revenue",), assumptions=("compared_by_revenue",))
    elif not metrics and fragment.ranking is not None:
        return "dimension"
    elif not metrics:
        return "nothing" if fragment.is_blank else "metric"
    if fragment.shape == "count" and fragment.by:
        question = msgspec.structs.replace(question, shape="count")
    return _ordered(question, fragment)


def _merge(fragment: Fragment, previous: Previous) -> SalesQuestion | Gap:
    """Lay a fragment over the question before: what it says replaces, what it leaves out stays."""
    old = previous.question
    roster = _other_members(fragment, old)
    if roster is not None:
        return roster
    fragment = _of_the_same_deals(fragment, old)
    one_row = fragment.anaphor and bool(old.by) and old.limit == 1
    by = fragment.by or (() if fragment.asks_number and not fragment.anaphor else old.by)
    filters = _merged_filters(fragment, old, by)
    if fragment.pronoun or one_row:
        meant = _row_told(previous) if one_row else _meant(previous)
        if meant is None:
            return "pronoun"
        filters = (*(each for each in filters if each.dimension != meant.dimension), meant)
        by = tuple(each for each in by if each != meant.dimension)
    listed = _listed(fragment, old)
    if listed is not None:
        return msgspec.structs.replace(old, by=(listed,), filters=filters, shape="names", empty="show", assumptions=())
    if not fragment.by:
        single = {each.dimension for each in fragment.filters if len(each.values) == 1 and not each.exclude}
        by = tuple(each for each in by if each not in single)
    same = by == old.by
    question = msgspec.structs.replace(
        old,
        metrics=_merged_metrics(fragment, old, same),
        by=by,
        filters=filters,
        limit=old.limit if same else None,
        order_by=old.order_by if same and not fragment.metrics else None,
        descending=old.descending if same else True,
        empty=fragment.empty if fragment.empty != "hide" else (old.empty if same and not fragment.metrics else "hide"),
        rank=None,
        shape="count" if fragment.shape == "count" else (old.shape if same and not fragment.metrics else "figures"),
        share=fragment.share,
        compare_to=None if fragment.periods or fragment.by else old.compare_to,
        assumptions=fragment.assumptions,
    )
    return _ordered(question, fragment)


def _other_members(fragment: Fragment, old: SalesQuestion) -> SalesQuestion | None:
    """Read "and customers in Japan?" after members were counted: other members are counted."""
    counted = set(MEMBER_METRICS.values())
    if (
        fragment.metrics
        or len(fragment.by) != 1
        or fragment.ranking
        or fragment.shape
        or not counted >= set(old.metrics)
    ):
        return None
    metric = MEMBER_METRICS.get(fragment.by[0])
    if metric is None or old.by or metric in old.metrics:
        return None
    named = {each.dimension for each in fragment.filters}
    replaced = named | (_PLACES if named & _PLACES else set())
    kept = tuple(each for each in old.filters if each.dimension not in replaced)
    return SalesQuestion(metrics=(metric,), filters=(*kept, *fragment.filters))


def _beside(fragment: Fragment, old: SalesQuestion) -> Fragment | None:
    """Read "compare with Darcel" after another was spoken of: both are shown; None where there is no other."""
    spoken = {each.dimension: each.values for each in old.filters if not each.exclude}
    if any(each.exclude or each.dimension not in spoken for each in fragment.filters):
        return None
    both = tuple(
        NameFilter(dimension=each.dimension, values=tuple(dict.fromkeys((*spoken[each.dimension], *each.values))))
        for each in fragment.filters
    )
    return msgspec.structs.replace(
        fragment, filters=both, by=tuple(each.dimension for each in both), compare=False, asks_number=False
    )


def _of_the_same_deals(fragment: Fragment, old: SalesQuestion) -> Fragment:
    """Read "and in number of deals?" as the deals that were measured: after what was sold, those that were won."""
    metric = _COUNT_OF.get(old.metrics[0])
    if not fragment.any_state or fragment.metrics != ("opportunities",) or metric is None:
        return fragment
    assumptions: dict[Metric, tuple[Assumption, ...]] = {
        "won_deals": ("deals_are_won",),
        "closed_deals": ("closed_are_won_and_lost",),
    }
    return msgspec.structs.replace(fragment, metrics=(metric,), assumptions=assumptions.get(metric, ()))


def _listed(fragment: Fragment, old: SalesQuestion) -> Dimension | None:
    """Give the members that "which are they?" asks for, after they were counted."""
    if fragment.shape != "names" or fragment.by or fragment.metrics or old.by:
        return None
    return next((dimension for dimension, metric in MEMBER_METRICS.items() if metric in old.metrics), None)


def _merged_metrics(fragment: Fragment, old: SalesQuestion, same: bool) -> tuple[Metric, ...]:
    if fragment.metrics:
        return fragment.metrics
    members = {*MEMBER_METRICS.values(), "list_price"}
    kept = tuple(each for each in old.metrics if same or each not in members)
    return kept or old.metrics


def _merged_filters(fragment: Fragment, old: SalesQuestion, by: Sequence[Dimension]) -> tuple[NameFilter, ...]:
    replaced = {each.dimension for each in fragment.filters} | set(fragment.by)
    kept = (each for each in old.filters if each.dimension not in replaced or (each.exclude and each.dimension in by))
    return (*kept, *fragment.filters)


def _meant(previous: Previous) -> NameFilter | None:
    """Say whom a pronoun means: the one name that was asked for, or the one row that was told."""
    for dimension in ("agent", "manager", "account", "product"):
        for each in previous.question.filters:
            if each.dimension == dimension and len(each.values) == 1:
                return each
    return _row_told(previous)


def _row_told(previous: Previous) -> NameFilter | None:
    """Give the one row that was told, as a name."""
    if not previous.question.by or not previous.rows or previous.question.by[0] in TIME_DIMENSIONS:
        return None
    dimension = previous.question.by[0]
    row = previous.rows[-1] if len(previous.rows) == previous.question.limit else previous.rows[0]
    value = row.get(dimension)
    return NameFilter(dimension=dimension, values=(value,)) if isinstance(value, str) else None


def _ordered(question: SalesQuestion, fragment: Fragment) -> SalesQuestion | Gap:
    """Settle order, number of rows and rank."""
    replace = msgspec.structs.replace
    times = [each for each in question.by if each in TIME_DIMENSIONS]
    if fragment.rank is not None and question.by:
        return replace(
            question,
            order_by=question.metrics[0],
            descending=fragment.ranking.descending if fragment.ranking else question.descending,
            limit=fragment.rank,
            rank=fragment.rank if fragment.rank > 1 else None,
            shape="figures",
        )
    if fragment.ranking is not None and fragment.growth and times:
        return "dimension"
    if fragment.ranking is not None and fragment.growth and question.by:
        return replace(question, order_by=f"{question.metrics[0]}_change_pct", limit=None)
    if fragment.ranking is not None and fragment.ranking.limit is not None and len(question.by) > 1:
        return "per_group"
    if fragment.ranking is not None and question.by:
        return replace(
            question,
            order_by=question.metrics[0],
            descending=fragment.ranking.descending,
            limit=fragment.ranking.limit,
            shape="figures",
        )
    if fragment.ranking is not None or fragment.rank is not None:
        return "dimension"
    if question.empty == "only":
        return replace(question, shape="names")
    if question.order_by is None and question.by:
        order: str = times[0] if times else question.metrics[0]
        return replace(question, order_by=order, descending=not times)
    return question


def _with_times(
    question: SalesQuestion, fragment: Fragment, today: date, previous: Previous | None
) -> tuple[SalesQuestion, ...]:
    """Give the question its period and comparison; several times that are not compared make several questions."""
    replace = msgspec.structs.replace
    spoken_of = previous.days if previous else None
    periods = _split_growth(fragment)
    timed = bool(TIME_DIMENSIONS.intersection(question.by))
    members = any(len(each.values) > 1 for each in fragment.filters)
    compares = (fragment.compare and not members) or (fragment.growth and not timed)
    if len(periods) == 2 and compares:
        later, earlier = _two(periods[0], periods[1], today, spoken_of)
        return (replace(question, period=later, compare_to=earlier),)
    if len(periods) >= 2:
        return tuple(replace(question, period=resolve(each, today, spoken_of)) for each in periods)
    if periods:
        return (_with_one_time(question, periods[0], compares, today, spoken_of),)
    if question.order_by == f"{question.metrics[0]}_change_pct" and question.compare_to is None:
        return (replace(question, order_by=question.metrics[0]),)
    if compares and question.period not in {None, "all_time"} and not timed:
        return (replace(question, compare_to="previous"),)
    if fragment.growth and not question.by:
        return (replace(question, by=("month",), order_by="month", descending=False),)
    return (question,)


def _with_one_time(
    question: SalesQuestion, period: Period, compares: bool, today: date, spoken_of: Days | None
) -> SalesQuestion:
    replace = msgspec.structs.replace
    if not compares:
        return replace(question, period=resolve(period, today, spoken_of))
    if spoken_of is not None and question.period not in {None, "all_time"}:
        return replace(question, compare_to=resolve(period, today, spoken_of))
    base = _base_of(period)
    if base is None:
        return replace(question, period=resolve(period, today, spoken_of), compare_to="previous")
    days = days_of(base, today)
    return replace(question, period=base.spec, compare_to=resolve(period, today, days))


def _base_of(period: Period) -> Period | None:
    """Give the current period where something is compared only to "last month", "the year before"."""
    if period.kind == "previous" and period.unit in {"month", "quarter", "year"}:
        return Period(kind="relative", spec=f"this_{period.unit}")
    if period.kind == "year_before":
        return Period(kind="relative", spec="this_month")
    if period.kind == "relative" and period.spec in {"last_month", "last_quarter", "last_year"}:
        return Period(kind="relative", spec=period.spec.replace("last", "this"))
    return None


def _split_growth(fragment: Fragment) -> tuple[Period, ...]:
    """Read "growth from March to June" as two times, not as a range."""
    periods = fragment.periods
    only = periods[0] if len(periods) == 1 else None
    if only is None or not fragment.growth or only.kind != "range" or only.start is None or only.end is None:
        return periods
    start = only.start
    if start.year is None and start.kind == only.end.kind:
        start = msgspec.structs.replace(start, year=only.end.year)
    return (start, only.end)


def _two(one: Period, other: Period, today: date, spoken_of: Days | None) -> tuple[str, str]:
    """Give two times that are compared, the later first."""
    first = days_of(one, today, spoken_of)
    second = days_of(other, today, first if other.kind in {"previous", "year_before"} else spoken_of)
    leaning = first if other.kind in {"previous", "year_before"} else spoken_of
    texts = resolve(one, today, spoken_of), resolve(other, today, leaning)
    return texts if first.first >= second.first else (texts[1], texts[0])
