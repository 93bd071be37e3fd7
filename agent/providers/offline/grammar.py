"""The grammar: what the spans of one clause say together, as a `Fragment`. Pure; knows roles, not words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal, cast

import msgspec

from agent.providers.offline.clause import WHO, any_says, dimension_of, name_of, next_of
from agent.providers.offline.lexicon import Meaning, Span
from agent.providers.offline.metrics import MEMBER_METRICS, Measured, measure
from agent.providers.offline.question import (
    TIME_DIMENSIONS,
    Dimension,
    Empty,
    Fragment,
    Metric,
    NameFilter,
    Period,
    Shape,
)
from agent.providers.offline.ranking import ORDERS, opposed, rank_of, ranking_of

_PARTS_OF: Final[dict[str, frozenset[str]]] = {
    "agent": frozenset({"manager", "regional_office"}),
    "manager": frozenset({"regional_office"}),
    "account": frozenset({"sector", "country"}),
    "product": frozenset({"series"}),
}
_BY: Final[dict[str, Dimension]] = {"by_month": "month", "by_quarter": "quarter", "by_year": "year"}
_AVERAGES: Final = frozenset({"average_ticket", "days_to_close", "win_rate"})

_NOTHING: Final = frozenset({"nothing", "nada"})
_IN_TERMS_OF: Final = frozenset({"em", "in", "en", "por", "by"})
_WHOLE: Final = frozenset({"total", "totais", "geral", "tudo", "todo", "overall", "all", "general", "altogether"})
_MEASURING: Final = ("count", "how_much", "deal", "sale", "won", "lost", "open", "closed", "average")

_Role = Literal["by", "qualifier", "counted", "missing"]


def fragment_of(spans: Sequence[Span]) -> Fragment:
    """Read the spans of a clause whose names and times are settled."""
    said = _with_buyers([span for span in spans if not span.is_filler])
    roles = _roles(said)
    without = _without_what(said, roles)
    measured = measure(said, _after_commas(spans))
    counted = [dimension_of(said[position]) for position, role in roles.items() if role == "counted"]
    filters = (*_name_filters(said), *_missing(said, roles), *measured.filters)
    most = None if measured.metrics else _most_of(said, roles)
    if most is not None:
        roles[most] = "qualifier"
        measured = Measured(metrics=(MEMBER_METRICS[cast("Dimension", dimension_of(said[most]))],))
    ranking, used = ranking_of(said, [at for at, role in roles.items() if role == "by"])
    several = any(len(each.values) > 1 and not each.exclude for each in filters)
    if ranking is not None and ranking.limit == 1 and several and any_says(said, "count", "how_much"):
        ranking = msgspec.structs.replace(ranking, limit=None)
    metrics, shape, counted_by = _counting(counted, measured, bool(_periods(said)))
    active = bool(counted) and shape == "count" and not measured.metrics and metrics == ("won_deals",)
    by = _by(said, roles, filters)
    by = tuple(dict.fromkeys((*counted_by, *(each for each in by if not _holds(each, counted_by)))))
    periods = _periods(said)
    anaphor = _points_back(said) and not (by or filters or periods)
    fragment = Fragment(
        metrics=metrics,
        by=by,
        filters=filters,
        periods=periods,
        compare=any_says(said, "compare") and not _sets_stages_apart(said),
        growth=any_says(said, "growth"),
        trend=any_says(said, "trend"),
        chronological=any_says(said, "chronological"),
        ranking=ranking,
        rank=rank_of(said),
        empty=without,
        shape=shape or ("names" if _lists(said, by) else None),
        share=any_says(said, "share") and "win_rate" not in metrics,
        follow_up=anaphor or _follows(spans, said, bool(metrics)),
        pronoun=any_says(said, "pronoun"),
        asks_number=any(span.says("count", "how_much") and not span.says("tally") for span in said),
        anaphor=anaphor,
        any_state=measured.any_state,
        whole=any(word in _WHOLE for span in spans for word in span.text.lower().split()),
        joined=bool(said) and said[0].says("and"),
        assumptions=("members_with_won_deals",) if active else measured.assumptions,
    )
    return _with_loose(fragment, said, used, roles, measured.unclear)


def _follows(spans: Sequence[Span], said: Sequence[Span], measures: bool) -> bool:
    """Whether it begins as what goes on: "and ...", or "in deals won", which measures the same thing anew."""
    if not said:
        return False
    terms = measures and spans[0].text.lower() in _IN_TERMS_OF and not any_says(said, "which", *ORDERS)
    named = any(dimension_of(span) or name_of(span) for span in said)
    return said[0].says("follow") or (terms and not named)


def _points_back(said: Sequence[Span]) -> bool:
    """Whether it begins or ends with a word for what was told: "how many deals is that?"."""
    return bool(said) and (said[0].says("anaphor") or said[-1].says("anaphor"))


def _with_buyers(said: list[Span]) -> list[Span]:
    """Read the "who" of "who buys the most" as the customer; else it is the agent."""
    if not any_says(said, "buy"):
        return said
    buyer = (Meaning("dimension", "account"),)
    return [msgspec.structs.replace(span, meanings=buyer) if span.text.lower() in WHO else span for span in said]


def _after_commas(spans: Sequence[Span]) -> frozenset[int]:
    """Give the first tokens of what follows a comma, fillers left out: there a list goes on."""
    found = set()
    for position, span in enumerate(spans):
        if span.text == ",":
            found.add(next((each.first for each in spans[position:] if not each.is_filler), -1))
    return frozenset(found)


def _sets_stages_apart(said: Sequence[Span]) -> bool:
    """Whether what is compared is two stages, "won vs lost": two figures of one time."""
    states = ("won", "lost", "open", "closed")
    around = ((next_of(said, at, -1), next_of(said, at)) for at, span in enumerate(said) if span.says("compare"))
    return any(one is not None and two is not None and one.says(*states) and two.says(*states) for one, two in around)


def _lists(said: Sequence[Span], by: Sequence[Dimension]) -> bool:
    """Whether members are asked for: "which products ...", "list the agents", "customers in Germany"."""
    measures = any(span.value("metric") or span.says(*_MEASURING) for span in said)
    asks = any_says(said, "which") or any(span.text.lower() in WHO for span in said)
    if any_says(said, "list") or (asks and (by or not measures)):
        return True
    return bool(by) and bool(said) and said[0].plural and dimension_of(said[0]) == by[0]


def _with_loose(
    fragment: Fragment, said: Sequence[Span], used: set[int], roles: dict[int, _Role], unclear: Sequence[str]
) -> Fragment:
    loose = (*_loose(said, used, roles, fragment), *unclear)
    return msgspec.structs.replace(fragment, loose=loose) if loose else fragment


def _periods(said: Sequence[Span]) -> tuple[Period, ...]:
    return tuple(span.period for span in said if span.period is not None)


def _roles(said: Sequence[Span]) -> dict[int, _Role]:
    """Give the role of every dimension's word, by position; "who" gives way to the members that are named."""
    roles = {position: _role(said, position) for position in range(len(said)) if dimension_of(said[position])}
    grouped = [position for position, role in roles.items() if role == "by"]
    asked = [position for position in grouped if said[position].text.lower() in WHO]
    split = all(_after(said, position, "by") for position in grouped if position not in asked)
    if len(grouped) > len(asked) and not (split and any_says(said, *ORDERS)):
        roles.update(dict.fromkeys(asked, "qualifier"))
    return roles


def _role(said: Sequence[Span], position: int) -> _Role:
    """Say what a dimension's word does in its sentence."""
    dimension = dimension_of(said[position])
    before, after = next_of(said, position, -1), next_of(said, position)
    if before is not None and before.says("without"):
        return "missing"
    if after is not None and after.says("without") and (last := next_of(said, position, 2)) and last.says("filled"):
        return "missing"
    if before is not None and before.says("count"):
        return "counted"
    named = name_of(after)
    if named is not None and named[0] == dimension:
        return "qualifier"
    named_before = name_of(before)
    if named_before is not None and named_before[0] == dimension:
        return "qualifier"
    if before is not None and before.says("by"):
        return "by"
    if named is not None and named[0] in _PARTS_OF.get(dimension or "", ()) and not _asks_for_members(said, position):
        return "qualifier"
    return "by"


def _asks_for_members(said: Sequence[Span], position: int) -> bool:
    if said[position].text.lower() in WHO or any(span.says(*ORDERS, "which", "list", "without") for span in said):
        return True
    return not any(span.value("metric") or span.says(*_MEASURING) for span in said)


def _by(said: Sequence[Span], roles: dict[int, _Role], filters: Sequence[NameFilter]) -> tuple[Dimension, ...]:
    found: list[Dimension] = []
    missing = {each.dimension for each in filters if None in each.values}
    for position, span in enumerate(said):
        dimension = dimension_of(span)
        if dimension is not None and roles[position] == "by" and dimension not in missing:
            found.append(dimension)
        if span.period is None:
            found += [_BY[key] for key in _BY if span.says(key)]
    if not (found and any_says(said, *ORDERS)):
        found += [each.dimension for each in filters if len(each.values) > 1 and not each.exclude]
    if any_says(said, "trend") and not TIME_DIMENSIONS.intersection(found):
        found.append("month")
    return tuple(dict.fromkeys(found))


def _name_filters(said: Sequence[Span]) -> tuple[NameFilter, ...]:
    """Gather names by their dimension; a name after "except" leaves its rows out."""
    kept: dict[tuple[Dimension, bool], list[str]] = {}
    excluding = False
    for span in said:
        name = name_of(span)
        if name is not None:
            values = kept.setdefault((name[0], excluding), [])
            if name[1] not in values:
                values.append(name[1])
        elif not span.says("and") and dimension_of(span) is None:
            excluding = span.says("except", "without")
    return tuple(
        NameFilter(dimension=dimension, values=tuple(values), exclude=exclude)
        for (dimension, exclude), values in kept.items()
    )


def _missing(said: Sequence[Span], roles: dict[int, _Role]) -> tuple[NameFilter, ...]:
    missing = dict.fromkeys(dimension_of(said[position]) for position, role in roles.items() if role == "missing")
    return tuple(NameFilter(dimension=dimension, values=(None,)) for dimension in missing if dimension)


def _without_what(said: Sequence[Span], roles: dict[int, _Role]) -> Empty:
    """Whether members with nothing are asked for: "agents without deals"."""
    for position, span in enumerate(said):
        if span.period is None and span.says("without") and any(role == "by" for role in roles.values()):
            after = next_of(said, position)
            before = next_of(said, position, -1)
            if span.text.lower() in _NOTHING and before is not None and before.says("sale", "won", "deal"):
                return "only"
            if after is not None and (after.says("deal", "sale", "won", "lost", "open") or after.value("metric")):
                return "only"
    return "hide"


def _holds(dimension: Dimension, counted: Sequence[Dimension]) -> bool:
    """Whether a dimension's members have one of the counted ones: in "how many countries have customers"."""
    return any(each in _PARTS_OF.get(dimension, ()) for each in counted)


def _counting(
    counted: Sequence[Dimension | None], measured: Measured, timed: bool
) -> tuple[tuple[Metric, ...], Shape | None, tuple[Dimension, ...]]:
    """Say how members are counted: by a metric of their own, or by counting the rows of a grouping."""
    if not counted:
        return measured.metrics, None, ()
    own = [MEMBER_METRICS[each] for each in counted if each in MEMBER_METRICS]
    if len(own) == len(counted) and not measured.metrics and not timed:
        return tuple(dict.fromkeys(own)), None, ()
    dimension = counted[0]
    assert dimension is not None
    fallback: Metric = "opportunities" if dimension in {"stage", *TIME_DIMENSIONS} else _member_metric(dimension)
    metrics = measured.metrics or (("won_deals",) if timed else (fallback,))
    return metrics[:1], "count", (dimension,)


def _member_metric(dimension: Dimension) -> Metric:
    if dimension in {"sector", "country", "account"}:
        return "accounts"
    return "products" if dimension in {"series", "product"} else "agents"


def _most_of(said: Sequence[Span], roles: dict[int, _Role]) -> int | None:
    """Find the members that are counted in "which manager has the most agents"."""
    for position, span in enumerate(said):
        after = position + 1
        if span.says("more", "less") and roles.get(after) == "by" and dimension_of(said[after]) in MEMBER_METRICS:
            return after if any(role == "by" for at, role in roles.items() if at != after) else None
    return None


def _loose(said: Sequence[Span], used: set[int], roles: dict[int, _Role], fragment: Fragment) -> Iterator[str]:
    """Give what is known but fits nowhere: better to ask than to leave it out in silence."""
    against = tuple(opposed(said))
    for position, span in enumerate(said):
        if span.period is not None or not span.meanings:
            continue
        kinds = {meaning.kind for meaning in span.meanings}
        unused = kinds <= {"number"} and position not in used
        by_day = span.value("unit") == "day" and _after(said, position, "by")
        means = span.says("average") and fragment.metrics and not _AVERAGES.intersection(fragment.metrics)
        negates = span.says("without") and fragment.empty == "hide" and "missing" not in roles.values()
        negates = negates and name_of(next_of(said, position)) is None
        whole = not fragment.by and not fragment.compare and "win_rate" not in fragment.metrics
        parts = span.says("share") and (not fragment.metrics or whole)
        grown = span.says("growth") and fragment.ranking is not None and not fragment.periods
        excepts = span.says("except") and not any(each.exclude for each in fragment.filters)
        first = span.value("ordinal") is not None and _dimension_after(said, position) in TIME_DIMENSIONS
        if (
            span.says("before", "last")
            or span in against
            or any((unused, kinds <= {"unit", "month"}, by_day, means, negates, excepts, parts, grown, first))
        ):
            yield span.text


def _dimension_after(said: Sequence[Span], position: int) -> Dimension | None:
    after = next_of(said, position)
    return dimension_of(after) if after is not None else None


def _after(said: Sequence[Span], position: int, *operators: str) -> bool:
    before = next_of(said, position, -1)
    return before is not None and before.says(*operators)
