"""Figures to Markdown. Pure; the same figures give the same page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from mlops.compare.summary import ModelFigures, Share, Summary, Times

PLOTS: Final = ("quality_cost.svg", "latency.svg")
_FEW: Final = 20
"""Answers below which a 95th percentile is hardly more than the slowest one."""
_QUESTION_CHARACTERS: Final = 90

_HOW: Final = (
    "Through Prosa ({where}, {agent}): `POST /chat/stream`, each question by a user and in a session of its own, "
    "{at_once} at a time, {most_s:g} s at most. Each question went to all models, in an order drawn with seed {seed}, "
    "before the next. Times are the asker's, tools and retries included: to the turn's end, and to the first text; of "
    "answers only. The asker asks nothing again that failed; Prosa repeats and reroutes calls by its own settings."
)
_RIGHT: Final = (
    "Right: every value that is known to be right is in the reply (`mlops/scoring.py`); a failure counts as not right. "
    "A question counts once however often it was repeated, since repeats of it are not independent; the interval is "
    "Wilson's for that many questions."
)


def page_of(summary: Summary, *, with_plots: bool) -> str:
    """Write the page."""
    parts = [
        _head(summary),
        _models(summary.models),
        *([_plots()] if with_plots else []),
        _money_and_tokens(summary.models),
        _failures(summary.models),
        _pairs(summary),
        _breakdown("language", {each.model: each.share_by_lang for each in summary.models}),
        _breakdown("tag", {each.model: each.share_by_tag for each in summary.models}),
        _disagreements(summary),
        _method(summary),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(summary: Summary) -> str:
    settings = summary.runs[0].settings
    return (
        "# Models compared\n\n"
        f"{len(settings.models)} models, {summary.questions} questions, {settings.repeats} time(s) each: "
        f"{summary.results} results, {_date(summary.first_ms)} to {_date(summary.last_ms)} (UTC). "
        f"{summary.judged_questions} questions have a known answer."
    )


def _models(models: Sequence[ModelFigures]) -> str:
    rows = [
        [
            f"`{each.model}`",
            _percent(each.share),
            _interval(each.share),
            f"{each.answered} of {each.asked}",
            *_both(each.latency),
            *_both(each.ttft),
        ]
        for each in models
    ]
    head = ["model", "right", "95 % interval", "answered", "latency p50", "p95", "first text p50", "p95"]
    few = [f"`{each.model}` ({each.latency.count})" for each in models if 0 < each.latency.count < _FEW]
    notes = [f"Few answers, so that a p95 says little more than the slowest one: {', '.join(few)}."] if few else []
    notes += [
        f"`{each.model}`: {each.from_cache} answers came from Prosa's cache of answers, so its times are not a model's."
        for each in models
        if each.from_cache
    ]
    return "\n\n".join(["## Quality and speed", _table(head, rows), *notes])


def _plots() -> str:
    quality, latency = PLOTS
    return (
        f"![Share of right answers against the cost of one]({quality})\n\n![Answers that are there by when]({latency})"
    )


def _money_and_tokens(models: Sequence[ModelFigures]) -> str:
    rows = [
        [
            f"`{each.model}`",
            str(each.input_tokens),
            str(each.output_tokens),
            "–" if each.cost_usd_per_answer is None else _dollars(each.cost_usd_per_answer),
            _dollars(each.cost_usd),
        ]
        for each in models
    ]
    head = ["model", "tokens in", "tokens out", "US$ an answer", "US$ in all"]
    free = [each.model for each in models if each.cost_usd == 0]
    note = ", ".join(f"`{model}`" for model in free)
    notes = [f"No cost was told for {note}: free, or without a price (`PRICES_FILE` gives it one)."] if free else []
    return "\n\n".join(["## Tokens and money", _table(head, rows), *notes])


def _failures(models: Sequence[ModelFigures]) -> str:
    rows = [
        [f"`{each.model}`", failure.label, str(failure.count), _cell(failure.message)]
        for each in models
        for failure in each.failures
    ]
    return f"## Failures\n\n{_table(['model', 'failure', 'times', 'what was said first'], rows) if rows else 'None.'}"


def _pairs(summary: Summary) -> str:
    if not summary.pairs:
        return ""
    rows = [
        [
            f"`{pair.first}`",
            f"`{pair.second}`",
            str(pair.first_better),
            str(pair.second_better),
            str(pair.same),
            _p(pair.p),
            _p(pair.p_holm),
        ]
        for pair in summary.pairs
    ]
    head = ["first", "second", "first better", "second better", "same", "p", "p, adjusted"]
    return (
        "## Two by two, on the same questions\n\n"
        f"{_table(head, rows)}\n\n"
        "Questions on which one was right more often than the other. p: how likely a difference at least so lopsided "
        "is where both are as good (exact sign test, with one repeat McNemar's); adjusted for so many pairs (Holm)."
    )


def _breakdown(name: str, shares: Mapping[str, Mapping[str, Share]]) -> str:
    counts = {group: share.questions for groups in shares.values() for group, share in groups.items()}
    if not counts:
        return ""
    rows = [
        [group, str(counts[group]), *(_percent(groups.get(group)) for groups in shares.values())]
        for group in sorted(counts)
    ]
    return f"## Right by {name}\n\n{_table([name, 'questions', *(f'`{model}`' for model in shares)], rows)}"


def _disagreements(summary: Summary) -> str:
    models = summary.runs[0].settings.models
    parts = ["## Where they disagree"]
    if summary.disagreements:
        rows = [
            [
                each.question_id,
                _cell(each.question),
                *(f"{asked.right} of {asked.times}" for asked in each.by_model.values()),
            ]
            for each in summary.disagreements
        ]
        parts.append(_table(["id", "question", *(f"`{model}`" for model in models)], rows))
    else:
        parts.append("Nowhere: on each question with a known answer all were right as often.")
    if summary.nobody_right:
        parts.append(f"Nobody was right on: {', '.join(summary.nobody_right)}.")
    return "\n\n".join(parts)


def _method(summary: Summary) -> str:
    settings = summary.runs[0].settings
    where = "a server started for the run" if settings.url is None else f"a server at `{settings.url}`"
    agent = "its default agent" if settings.agent is None else f"its agent `{settings.agent}`"
    lines = [
        "## How it was measured",
        _HOW.format(
            where=where, agent=agent, at_once=settings.concurrency, most_s=settings.timeout_s, seed=settings.seed
        ),
        _RIGHT,
        _table(
            ["begun", "commit", "Python", "system", "CPUs", "packages"],
            [
                [
                    _date(run.at_ms),
                    run.environment.prosa or "–",
                    run.environment.python,
                    run.environment.system,
                    str(run.environment.cpus),
                    ", ".join(f"{name} {found}" for name, found in sorted(run.environment.packages.items())) or "–",
                ]
                for run in summary.runs
            ],
        ),
        f"Questions: SHA-256 `{settings.questions_sha256[:16]}`.",
    ]
    others = [
        f"`{each.model}` was answered by {', '.join(f'`{name}` ({count})' for name, count in each.served_by.items())}."
        for each in summary.models
        if set(each.served_by) - {each.model}
    ]
    return "\n\n".join([*lines, *others])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    line = " ".join(text.split()).replace("|", "\\|")
    return line if len(line) <= _QUESTION_CHARACTERS else f"{line[: _QUESTION_CHARACTERS - 1]}…"


def _both(times: Times) -> tuple[str, str]:
    return _milliseconds(times.p50_ms), _milliseconds(times.p95_ms)


def _milliseconds(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value / 1000:.2f} s" if value >= 1000 else f"{value:.0f} ms"


def _percent(share: Share | None) -> str:
    return "–" if share is None else f"{share.right:.0%}"


def _interval(share: Share | None) -> str:
    return "–" if share is None else f"{share.low:.0%} to {share.high:.0%} (n = {share.questions})"


def _dollars(value: float) -> str:
    return f"{value:.6f}" if value else "0"


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def _date(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
