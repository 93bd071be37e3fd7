"""Results to figures. Pure: the same results give the same figures, in the same order.

A question counts once, however often it was repeated: repeats of one question are not independent of each other, and
counting each would make the intervals narrower than they are. A failure counts as not right: that user got no answer.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from statistics import fmean
from typing import NamedTuple

import msgspec

from mlops.compare.results import Result, Results, Run
from mlops.compare.statistics import holm, percentile, sign_test, wilson
from mlops.questions import Question
from mlops.scoring import judge


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds of so many answers; None without any."""

    count: int
    p50_ms: float | None
    p95_ms: float | None
    most_ms: float | None


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What share was right, of so many questions; `low` to `high` is Wilson's 95 % interval for that many."""

    right: float
    questions: int
    low: float
    high: float


class FailureCount(msgspec.Struct, frozen=True, kw_only=True):
    """How often something failed in one way, and what was said the first time."""

    label: str
    count: int
    message: str


class ModelFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One model. Times are of answers; tokens and money of everything asked, failures included."""

    model: str
    asked: int
    answered: int
    share: Share | None
    share_by_lang: dict[str, Share]
    share_by_tag: dict[str, Share]
    latency: Times
    ttft: Times
    input_tokens: int
    output_tokens: int
    cost_usd: float
    cost_usd_per_answer: float | None
    failures: tuple[FailureCount, ...]
    from_cache: int
    served_by: dict[str, int]


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two models on the same questions. `p` of the exact sign test; `p_holm` adjusted for the number of pairs."""

    first: str
    second: str
    first_better: int
    second_better: int
    same: int
    p: float
    p_holm: float


class Asked(NamedTuple):
    """How one model did on one question."""

    right: int
    times: int
    why_not: str


class QuestionFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One question: for each model how often it was right, of how many times, and why not the first time."""

    question_id: str
    question: str
    by_model: dict[str, Asked]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """All that a report says."""

    runs: tuple[Run, ...]
    first_ms: int
    last_ms: int
    questions: int
    judged_questions: int
    results: int
    models: tuple[ModelFigures, ...]
    pairs: tuple[Pair, ...]
    disagreements: tuple[QuestionFigures, ...]
    nobody_right: tuple[str, ...]


def summarise(results: Results, questions: Sequence[Question]) -> Summary:
    """Make the figures of all results."""
    models = results.settings.models
    judged = [each for each in questions if each.judged_as != "none"]
    figures = [_question(question, results.results, models) for question in judged]
    shares = {model: {each.question_id: _share_of(each, model) for each in figures} for model in models}
    times = [result.started_at_ms for result in results.results]
    return Summary(
        runs=results.runs,
        first_ms=min(times, default=0),
        last_ms=max(times, default=0),
        questions=len(questions),
        judged_questions=len(judged),
        results=len(results.results),
        models=tuple(_model(model, results.results, judged, shares[model]) for model in models),
        pairs=_pairs(models, shares),
        disagreements=tuple(each for each in figures if len({_share_of(each, model) for model in models}) > 1),
        nobody_right=tuple(
            each.question_id for each in figures if not any(one.right for one in each.by_model.values())
        ),
    )


def _model(
    model: str, results: Iterable[Result], judged: Sequence[Question], shares: Mapping[str, float | None]
) -> ModelFigures:
    mine = [result for result in results if result.model == model]
    answers = [result for result in mine if result.failure is None]
    cost_usd = sum(result.cost_usd for result in mine)
    return ModelFigures(
        model=model,
        asked=len(mine),
        answered=len(answers),
        share=_share(shares.values()),
        share_by_lang=_by({question.id: (question.lang,) for question in judged if question.lang}, shares),
        share_by_tag=_by({question.id: question.tags for question in judged}, shares),
        latency=_times([result.latency_ms for result in answers]),
        ttft=_times([result.ttft_ms for result in answers if result.ttft_ms is not None]),
        input_tokens=sum(result.input_tokens for result in mine),
        output_tokens=sum(result.output_tokens for result in mine),
        cost_usd=round(cost_usd, 9),
        cost_usd_per_answer=round(cost_usd / len(answers), 9) if answers else None,
        failures=_failures(mine),
        from_cache=sum(result.from_cache for result in mine),
        served_by=dict(sorted(Counter(result.served_by or "not told" for result in answers).items())),
    )


def _question(question: Question, results: Iterable[Result], models: Sequence[str]) -> QuestionFigures:
    verdicts: dict[str, list[str]] = {model: [] for model in models}
    for result in sorted(results, key=lambda result: result.repeat):
        if result.question_id == question.id and result.model in verdicts:
            verdicts[result.model].append(_why_not(question, result))
    return QuestionFigures(
        question_id=question.id,
        question=question.question,
        by_model={
            model: Asked(reasons.count(""), len(reasons), next(filter(None, reasons), ""))
            for model, reasons in verdicts.items()
        },
    )


def _why_not(question: Question, result: Result) -> str:
    """Say why a result is not right; empty where it is."""
    if result.failure is not None:
        return f"failed: {result.failure.label}"
    verdict = judge(question, result.text)
    return "" if verdict.right else verdict.why_not or "wrong"


def _share_of(figures: QuestionFigures, model: str) -> float | None:
    asked = figures.by_model[model]
    return asked.right / asked.times if asked.times else None


def _share(shares: Iterable[float | None]) -> Share | None:
    known = [share for share in shares if share is not None]
    if not known:
        return None
    right = fmean(known)
    low, high = wilson(right, len(known))
    return Share(right=round(right, 6), questions=len(known), low=round(low, 6), high=round(high, 6))


def _by(groups: Mapping[str, Iterable[str]], shares: Mapping[str, float | None]) -> dict[str, Share]:
    gathered: defaultdict[str, list[float | None]] = defaultdict(list)
    for question_id, names in groups.items():
        for name in names:
            gathered[name].append(shares.get(question_id))
    found = {name: _share(values) for name, values in sorted(gathered.items())}
    return {name: share for name, share in found.items() if share is not None}


def _times(values: Sequence[float]) -> Times:
    def rounded(percent: float) -> float | None:
        value = percentile(values, percent)
        return None if value is None else round(value, 3)

    return Times(count=len(values), p50_ms=rounded(50), p95_ms=rounded(95), most_ms=rounded(100))


def _failures(results: Sequence[Result]) -> tuple[FailureCount, ...]:
    failures = [result.failure for result in results if result.failure is not None]
    messages = {failure.label: failure.message for failure in reversed(failures)}
    counts = Counter(failure.label for failure in failures)
    return tuple(
        FailureCount(label=label, count=count, message=messages[label])
        for label, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )


def _pairs(models: Sequence[str], shares: Mapping[str, Mapping[str, float | None]]) -> tuple[Pair, ...]:
    counted = []
    for first, second in combinations(models, 2):
        both = [
            (one, other)
            for question_id, one in shares[first].items()
            if one is not None and (other := shares[second].get(question_id)) is not None
        ]
        better = sum(one > other for one, other in both)
        worse = sum(one < other for one, other in both)
        if both:
            counted.append((first, second, better, worse, len(both) - better - worse, sign_test(better, worse)))
    adjusted = holm([each[-1] for each in counted])
    return tuple(
        Pair(
            first=first,
            second=second,
            first_better=better,
            second_better=worse,
            same=same,
            p=round(p, 9),
            p_holm=round(p_holm, 9),
        )
        for (first, second, better, worse, same, p), p_holm in zip(counted, adjusted, strict=True)
    )
