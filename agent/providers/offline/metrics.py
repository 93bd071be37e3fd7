"""From words to metrics: "quantos negócios ganhamos" is COUNT + DEAL + WON, so `won_deals`."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Final, cast

import msgspec

from agent.providers.offline.lexicon import Span
from agent.providers.offline.question import Assumption, Dimension, Metric, NameFilter

_COUNTS: Final = frozenset({"won_deals", "lost_deals", "closed_deals", "open_deals", "opportunities"})
_STATES: Final = ("won", "lost", "open", "closed", "engaging", "prospecting")
_HEADS: Final = ("count", "tally", "how_much", "average", "share")
_COUNTED: Final[dict[str, Metric]] = {
    "won": "won_deals",
    "lost": "lost_deals",
    "open": "open_deals",
    "closed": "closed_deals",
    "engaging": "opportunities",
    "prospecting": "opportunities",
}
_STAGES: Final = {"engaging": "Engaging", "prospecting": "Prospecting"}
MEMBER_METRICS: Final[dict[Dimension, Metric]] = {"account": "accounts", "agent": "agents", "product": "products"}


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """The metrics of a text, the stage that they are kept to, and what was assumed."""

    metrics: tuple[Metric, ...] = ()
    filters: tuple[NameFilter, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    unclear: tuple[str, ...] = ()
    """Words that go against each other: "lost more than it won"."""
    any_state: bool = False
    """Deals are counted, and no word says whether they are won, lost or open."""


def measure(spans: Sequence[Span], listed: Container[int] = ()) -> Measured:
    """Compose the metrics of a clause, in the order in which they are said; `listed`: tokens that follow a comma."""
    metrics: list[Metric] = []
    filters: list[NameFilter] = []
    assumptions: list[Assumption] = []
    any_state = False
    unclear: list[str] = []
    for chunk in _whole_chunks(spans, listed):
        part = _of_chunk(chunk)
        any_state = any_state or part.any_state
        unclear += part.unclear
        qualifies = bool(metrics) and not _counted(chunk) and not chunk[0].says("and", "compare")
        qualifies = qualifies and chunk[0].first not in listed
        for metric in part.metrics:
            if metric not in metrics and not (qualifies and metric in _COUNTS and metrics[-1] not in _COUNTS):
                metrics.append(metric)
                assumptions += part.assumptions
        filters += part.filters
    if any(_is_bare_tally(spans, position) for position in range(len(spans))):
        metrics, assumptions = _in_numbers(metrics, assumptions)
    return Measured(
        metrics=tuple(metrics),
        filters=tuple(filters),
        assumptions=tuple(dict.fromkeys(assumptions)),
        any_state=any_state,
        unclear=tuple(unclear),
    )


def _in_numbers(metrics: list[Metric], assumptions: list[Assumption]) -> tuple[list[Metric], list[Assumption]]:
    """Count what would be summed: "which product sells most, in units"."""
    if not metrics:
        return ["won_deals"], ["deals_are_won"]
    counted: list[Metric] = ["won_deals" if each == "revenue" else each for each in metrics]
    return counted, [each for each in assumptions if each != "sales_are_won_revenue"]


def _is_bare_tally(spans: Sequence[Span], position: int) -> bool:
    """Whether a word such as "in units" stands by itself: it counts neither members nor what a verb says."""
    if not spans[position].says("tally") or spans[position].period is not None:
        return False
    if position and spans[position - 1].says("count", "how_much"):
        return False
    after = spans[position + 1] if position + 1 < len(spans) else None
    if after is None or not (after.value("dimension") or after.value("metric")):
        chunk = next(each for each in _chunks(spans) if spans[position] in each)
        said = {operator for span in chunk for operator in _operators(span)}
        return not said & {"deal", "sale", "days", "value", *_STATES} and not any(
            each.value("metric") for each in chunk
        )
    return False


def _whole_chunks(spans: Sequence[Span], listed: Container[int]) -> Iterator[Sequence[Span]]:
    """Give the chunks, "in how many days" put before what it measures."""
    before: Sequence[Span] = ()
    for chunk in _chunks(spans, listed):
        said = {operator for span in (*before, *chunk) for operator in _operators(span)}
        if not before and "days" in said and said & set(_HEADS) and not _of_chunk(chunk).metrics:
            before = chunk
        else:
            yield (*before, *chunk)
            before = ()
    if before:
        yield before


def _chunks(spans: Sequence[Span], listed: Container[int] = ()) -> Iterator[Sequence[Span]]:
    """Cut where another quantity begins: after "and", at a question word of quantity, a new metric, a listed state."""
    start = 0
    for position, span in enumerate(spans):
        goes_on = span.first in listed and span.says(*_STATES)
        if position > start and (goes_on or span.says("and", "compare", *_HEADS) or span.value("metric")):
            before = spans[start:position]
            joined = span.value("metric") and not any(each.value("metric") for each in before) and _introduces(before)
            if not joined:
                yield before
                start = position
    if spans:
        yield spans[start:]


def _introduces(chunk: Sequence[Span]) -> bool:
    """Whether a chunk only leads up to a metric: "how much ...", "won ...", "quais foram as ..."."""
    counts = _counted(chunk) and any(span.says(*_STATES) for span in chunk)
    return not counts and not any(span.says("deal", "sale") for span in chunk)


def _counted(chunk: Sequence[Span]) -> bool:
    return any(span.says("count") for span in chunk)


def _of_chunk(chunk: Sequence[Span]) -> Measured:
    stages = tuple(_STAGES[state] for state in _STAGES if any(span.says(state) for span in chunk))
    filters = (NameFilter(dimension="stage", values=stages),) if stages else ()
    explicit = next((value for span in chunk if (value := span.value("metric"))), None)
    if explicit is not None:
        return Measured(metrics=(cast("Metric", explicit),), filters=filters if explicit in _COUNTS else ())
    said = {operator for span in chunk for operator in _operators(span)}
    metric, assumption = _composed(said)
    ended = [span.text for span in chunk if span.says("won", "lost")]
    return Measured(
        metrics=(metric,) if metric else (),
        filters=filters,
        assumptions=(assumption,) if assumption else (),
        unclear=tuple(ended[1:]) if {"won", "lost"} <= said else (),
        any_state=metric == "opportunities" and not stages and "opportunity" not in said,
    )


def _operators(span: Span) -> Iterator[str]:
    return (meaning.value for meaning in span.meanings if meaning.kind == "operator")


def _composed(said: set[str]) -> tuple[Metric | None, Assumption | None]:
    """Say what a set of operators measures; the rules stand in order of precedence."""
    state = next((each for each in _STATES if each in said), None)
    if "days" in said and (said & {"closed", "won"} or ("sale" in said and said & set(_HEADS))):
        return "days_to_close", None
    if "share" in said:
        if state is not None:
            return ("win_rate" if state == "won" else None), None
        return ("revenue", "sales_are_won_revenue") if "sale" in said else (None, None)
    if "average" in said:
        return ("average_ticket" if said & {"value", "deal", "won"} else None), None
    if said & {"count", "tally"}:
        return _counted_metric(said, state)
    if "how_much" in said or "value" in said:
        return _money_metric(said, state)
    if "deal" in said or state not in {None, "engaging", "prospecting"}:
        return _counted_metric(said, state)
    if "sale" in said:
        return "revenue", "sales_are_won_revenue"
    return ("opportunities" if state else None), None


def _counted_metric(said: set[str], state: str | None) -> tuple[Metric | None, Assumption | None]:
    if state == "closed" and "sale" in said and "deal" not in said:
        return "won_deals", None
    if state is not None:
        return _COUNTED[state], "closed_are_won_and_lost" if state == "closed" else None
    if "deal" in said:
        return "opportunities", None
    return ("won_deals" if "sale" in said else None), None


def _money_metric(said: set[str], state: str | None) -> tuple[Metric | None, Assumption | None]:
    if state == "lost":
        return "lost_deals", "lost_have_no_value"
    if state in {"open", "engaging", "prospecting"}:
        return "open_pipeline_value", None
    if state == "won":
        return "revenue", None
    if said & {"sale", "closed"}:
        return "revenue", "sales_are_won_revenue"
    return ("revenue", None) if "how_much" in said and not said & {"days", "deal"} else (None, None)
