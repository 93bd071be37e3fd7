"""Results of `sales_query` as a sentence, a list or a table. Says only what the rows hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from agent.providers.offline.conversation import days_in, rows_of
from agent.providers.offline.figures import SPEECHES, capital, change, figure, name, number, time
from agent.providers.offline.question import ROSTER, Dimension, Language, Metric, NameFilter, SalesQuestion
from agent.providers.offline.speech import Speech

_ADDITIVE: Final = frozenset({"revenue", "won_deals", "lost_deals", "closed_deals", "open_deals", "opportunities"})
_COUNTS: Final = frozenset({*_ADDITIVE, *ROSTER} - {"revenue", "list_price"})
_OPEN: Final = frozenset({"open_deals", "open_pipeline_value"})
_MOST_NAMES: Final = 40
"""A longer list of names under a count is left out."""


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """A question, its result and the parts of the sentence that name them."""

    question: SalesQuestion
    speech: Speech
    data: dict[str, Any]
    rows: tuple[dict[str, Any], ...]
    what: str
    by: str
    names: str
    time: str

    def fill(self, template: str, **more: str) -> str:
        """Fill a sentence with the parts that every sentence may name."""
        return capital(template.format(what=self.what, by=self.by, names=self.names, time=self.time, **more))


def tell(question: SalesQuestion, data: dict[str, Any], language: Language) -> str:
    """Give the answer that a result holds, with what was assumed."""
    told = _told(question, data, SPEECHES[language])
    return "\n\n".join((_body(told), *_remarks(told)))


def describe(question: SalesQuestion, language: Language) -> str:
    """Name a question without its times."""
    speech = SPEECHES[language]
    return f"{_what(question, speech)}{_by(question, speech)}{_names(question.filters, speech)}"


def _told(question: SalesQuestion, data: dict[str, Any], speech: Speech) -> _Told:
    filters = _filters(data) or question.filters
    timeless = ROSTER.issuperset(question.metrics)
    days = days_in(data.get("period"))
    return _Told(
        question=question,
        speech=speech,
        data=data,
        rows=tuple(rows_of(data)),
        what=_what(question, speech),
        by=_by(question, speech),
        names=_names(filters, speech),
        time="" if timeless else f", {time(days, speech)}" if days is None else f" {time(days, speech)}",
    )


def _body(told: _Told) -> str:
    question, rows = told.question, told.rows
    if question.rank is not None:
        return _ranked(told, question.rank)
    if question.shape == "count":
        return _count(told)
    if question.shape == "names":
        return _members(told)
    if not rows or (not question.by and _is_empty(told)):
        return told.fill(told.speech.no_rows)
    if not question.by:
        return _single(told)
    if question.limit == 1 and len(rows) == 1:
        return _winner(told, _superlative(told), rows[0])
    return _table(told)


def _is_empty(told: _Told) -> bool:
    """Whether a total of nothing was found, now and in the time that it is compared with."""
    names = (*told.question.metrics, *(f"{metric}_before" for metric in told.question.metrics))
    return not any(row.get(each) for row in told.rows for each in names)


def _superlative(told: _Told) -> str:
    speech, descending = told.speech, told.question.descending
    if told.question.metrics[0] in _COUNTS:
        return speech.most if descending else speech.fewest
    return speech.highest if descending else speech.lowest


def _single(told: _Told) -> str:
    """Tell the one row of an answer without groups."""
    row, speech = told.rows[0], told.speech
    metrics = told.question.metrics
    other = days_in(told.data.get("compare_to"))
    if told.question.compare_to is not None and other is not None:
        return "\n".join(_compared(told, metric, row, time(other, speech)) for metric in metrics)
    if len(metrics) == 1:
        return told.fill(speech.single, value=figure(row.get(metrics[0]), metrics[0], speech))
    lines = (f"- {capital(speech.metrics[each])}: **{figure(row.get(each), each, speech)}**" for each in metrics)
    return "\n".join((told.fill(speech.heading), "", *lines))


def _compared(told: _Told, metric: Metric, row: dict[str, Any], other_time: str) -> str:
    speech = told.speech
    one = msgspec.structs.replace(told, what=speech.metrics[metric])
    return one.fill(
        speech.compared,
        value=figure(row.get(metric), metric, speech),
        other_time=other_time,
        other=figure(row.get(f"{metric}_before"), metric, speech),
        change=change(row.get(f"{metric}_change_pct"), speech),
    )


def _ranked(told: _Told, rank: int) -> str:
    if len(told.rows) < rank:
        return told.speech.fewer_rows.format(rank=rank)
    return _winner(told, told.speech.ranked.format(rank=rank), told.rows[rank - 1])


def _winner(told: _Told, order: str, row: dict[str, Any]) -> str:
    speech, metrics = told.speech, told.question.metrics
    first = msgspec.structs.replace(told, what=speech.metrics[metrics[0]])
    member = " · ".join(name(row.get(each), speech) for each in told.question.by)
    others = (f"{speech.metrics[each]}: {figure(row.get(each), each, speech)}" for each in metrics[1:])
    value = "; ".join((figure(row.get(metrics[0]), metrics[0], speech), *others))
    return first.fill(speech.winner, order=order, member=member, value=value)


def _count(told: _Told) -> str:
    speech = told.speech
    dimension = told.question.by[0]
    members = [row for row in told.rows if row.get(dimension) is not None]
    at_least = "≥ " if told.data.get("truncated") else ""
    line = told.fill(
        speech.counted, count=f"{at_least}{number(len(members), speech)}", members=speech.plurals[dimension]
    )
    if not members or len(members) > _MOST_NAMES or told.data.get("truncated"):
        return line.rstrip(":") + "."
    return f"{line} {', '.join(name(row[dimension], speech) for row in members)}."


def _members(told: _Told) -> str:
    speech = told.speech
    dimension = told.question.by[0]
    template = speech.members_without if told.question.empty == "only" else speech.members
    listed = [row for row in told.rows if row.get(dimension) is not None]
    rows = list({row[dimension]: row for row in listed}.values())
    heading = told.fill(template, members=capital(speech.plurals[dimension]), count=number(len(rows), speech))
    if not rows:
        return heading.rstrip(":") + "."
    shown = told.question.by if len(rows) == len(listed) else (dimension,)
    return "\n".join((heading, "", *(f"- {_member(row, shown, told)}" for row in rows)))


def _member(row: dict[str, Any], shown: Sequence[Dimension], told: _Told) -> str:
    """Name a member with what it was split by, where that is one thing, and with its price."""
    speech = told.speech
    names = " · ".join(name(row.get(each), speech) for each in shown)
    if told.question.metrics[0] != "list_price":
        return names
    return f"{names}: {figure(row.get('list_price'), 'list_price', speech)}"


def _table(told: _Told) -> str:
    speech, question = told.speech, told.question
    compared = question.compare_to is not None
    columns = [capital(speech.dimensions[each]) for each in question.by]
    shared = question.metrics[0] if question.share and question.metrics[0] in _ADDITIVE and _is_whole(told) else None
    for metric in question.metrics:
        columns.append(capital(speech.metrics[metric]))
        columns += [capital(speech.before), capital(speech.change)] if compared else []
    columns += [capital(speech.share)] if shared else []
    total = sum(_amount(row.get(shared)) for row in told.rows) if shared else 0.0
    lines = [
        "| " + " | ".join(columns) + " |",
        "|" + " --- |" * len(question.by) + " ---: |" * (len(columns) - len(question.by)),
    ]
    for row in told.rows:
        cells = [name(row.get(each), speech) for each in question.by]
        for metric in question.metrics:
            cells += _metric_cells(row, metric, speech, compared)
        cells += [f"{number(100 * _amount(row.get(shared)) / total, speech, 2)}%"] if shared and total else []
        lines.append("| " + " | ".join(cells) + " |")
    other = days_in(told.data.get("compare_to"))
    against = f" ({speech.before}: {time(other, speech)})" if compared and other is not None else ""
    heading = told.fill(speech.heading).removesuffix(":")
    return "\n".join((f"{heading}{against}:", "", *lines))


def _is_whole(told: _Told) -> bool:
    return told.question.limit is None and not told.data.get("truncated")


def _amount(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _metric_cells(row: dict[str, Any], metric: Metric, speech: Speech, compared: bool) -> list[str]:
    cells = [figure(row.get(metric), metric, speech)]
    if compared:
        cells.append(figure(row.get(f"{metric}_before"), metric, speech))
        cells.append(change(row.get(f"{metric}_change_pct"), speech))
    return cells


def _remarks(told: _Told) -> Iterator[str]:
    """Give what was assumed and what a reader may trip over."""
    speech, question = told.speech, told.question
    said = [speech.assumptions[each] for each in question.assumptions]
    if told.data.get("period") and told.time:
        if _OPEN.intersection(question.metrics):
            said.append(speech.notes["open"])
        elif "opportunities" in question.metrics and question.period not in {None, "all_time"}:
            said.append(speech.notes["engaged"])
    if told.data.get("truncated") and question.limit is None:
        said.append(speech.cut)
    if said:
        yield " ".join(said)


def _what(question: SalesQuestion, speech: Speech) -> str:
    return speech.conjunction.join(speech.metrics[each] for each in question.metrics)


def _by(question: SalesQuestion, speech: Speech) -> str:
    if not question.by:
        return ""
    return speech.by.format(dimensions=speech.conjunction.join(speech.dimensions[each] for each in question.by))


def _names(filters: Sequence[NameFilter], speech: Speech) -> str:
    return "".join(
        (speech.excluding if each.exclude else speech.only_with).format(
            dimension=speech.dimensions[each.dimension], values=", ".join(name(value, speech) for value in each.values)
        )
        for each in filters
    )


def _filters(data: dict[str, Any]) -> tuple[NameFilter, ...]:
    """Read the filters as the tool normalised them."""
    try:
        return msgspec.convert(data.get("filters", ()), tuple[NameFilter, ...])
    except msgspec.ValidationError:
        return ()
