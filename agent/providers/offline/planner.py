"""Decides the next step of a turn: which tools to call, or what to tell. Pure: all it knows is the request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final, Literal

import msgspec

from agent.providers.offline.conversation import FIND, MARKET, PROBE, QUERY, Answered, Conversation
from agent.providers.offline.follow_up_plan import TellFollowUp, follow_up_step
from agent.providers.offline.follow_ups import asks_for_follow_up
from agent.providers.offline.periods import days_of, needs_today
from agent.providers.offline.question import (
    ALL_ROWS,
    ROSTER,
    Fragment,
    Language,
    SalesQuestion,
    Series,
    Social,
    Topic,
)
from agent.providers.offline.reading import Reading, detect_language, read
from agent.providers.offline.thread import Gap, complete

_LONGEST_TEXT: Final = 600
"""Characters; a longer message is no everyday question, and is not guessed at."""
_MOST_QUESTIONS: Final = 12
_DEFAULTS: Final[dict[str, Any]] = {"descending": True, "empty": "hide", "period": "all_time"}
_ANY_DAY: Final = date(2000, 1, 1)
"""Stands for today where no time that was said depends on it."""
_RELATIVE: Final = frozenset({"relative", "previous"})


class CallTools(msgspec.Struct, frozen=True, kw_only=True):
    """Call these tools, in parallel; then plan again."""

    calls: tuple[tuple[str, dict[str, Any]], ...]


class TellAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Tell what the questions' results say."""

    language: Language
    answers: tuple[tuple[SalesQuestion, Answered], ...]


class TellMarket(msgspec.Struct, frozen=True, kw_only=True):
    """Tell a figure of the market."""

    language: Language
    series: Series
    result: Answered


class TellSocial(msgspec.Struct, frozen=True, kw_only=True):
    """Greet, thank, say what can be asked."""

    language: Language
    social: Social


class TellRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """Say what cannot be answered."""

    language: Language
    topic: Topic


class TellUnclear(msgspec.Struct, frozen=True, kw_only=True):
    """Say what was not understood, and what was: `guess` is what a "yes" will run."""

    language: Language
    why: Gap | Literal["words", "no_tools", "lost", "market_time"]
    words: tuple[str, ...] = ()
    guess: SalesQuestion | None = None


Step = CallTools | TellAnswer | TellFollowUp | TellMarket | TellSocial | TellRefusal | TellUnclear


def plan(conversation: Conversation, locale: str | None) -> Step:
    """Give the next step of the turn."""
    texts = conversation.texts
    language = detect_language(tuple(text[:_LONGEST_TEXT] for text in texts), locale)
    text = texts[-1] if texts else ""
    if len(text) > _LONGEST_TEXT:
        return TellUnclear(language=language, why="too_long")
    follow_up = follow_up_step(conversation, language)
    if follow_up is not None:
        return CallTools(calls=follow_up) if isinstance(follow_up, tuple) else follow_up
    looked = FIND not in conversation.tools or conversation.call(FIND) is not None
    reading = read(text, language, conversation.matches, found=looked)
    offered = conversation.offered and len(texts[-2]) <= _LONGEST_TEXT
    agreed = offered and reading.social == "yes" and not asks_for_follow_up(texts[-2], language)
    if agreed:
        text = texts[-2]
        language = detect_language(texts[:-1], locale)
        reading = read(text, language, conversation.matches, found=looked)
    return _step_of(reading, text, conversation, looked, agreed)


def arguments_of(question: SalesQuestion) -> dict[str, Any]:
    """Give the arguments of `sales_query`; what is the tool's default is left out."""
    timeless = ROSTER.issuperset(question.metrics)
    order = question.order_by
    arguments: dict[str, Any] = {
        "metrics": list(question.metrics),
        "by": list(question.by),
        "filters": [_filter(each.dimension, each.values, each.exclude) for each in question.filters],
        "period": None if timeless else question.period,
        "compare_to": None if timeless else question.compare_to,
        "order_by": order,
        "descending": question.descending if order else True,
        "limit": question.limit or (None if question.shape == "figures" else ALL_ROWS),
        "empty": question.empty,
    }
    return {
        name: value for name, value in arguments.items() if value not in (None, []) and value != _DEFAULTS.get(name)
    }


def _filter(dimension: str, values: Sequence[str | None], exclude: bool) -> dict[str, Any]:
    plain: dict[str, Any] = {"dimension": dimension, "values": list(values)}
    return {**plain, "exclude": True} if exclude else plain


def _step_of(reading: Reading, text: str, conversation: Conversation, looked: bool, agreed: bool) -> Step:
    language = reading.language
    if reading.unknown and not looked and QUERY in conversation.tools:
        probe = _probe(reading, conversation) if reading.topic is None else ()
        return CallTools(calls=((FIND, {"text": text}), *probe))
    if reading.topic is not None:
        return TellRefusal(language=language, topic=reading.topic)
    if reading.market is not None:
        return _market_step(reading, reading.market, conversation)
    if reading.social is not None:
        return TellSocial(language=language, social=reading.social)
    if QUERY not in conversation.tools:
        return TellUnclear(language=language, why="no_tools")
    probe = _probe(reading, conversation)
    if probe:
        asked = conversation.call(QUERY, PROBE) is not None
        return TellUnclear(language=language, why="lost") if asked else CallTools(calls=probe)
    return _sales_step(reading, conversation, agreed)


def _probe(reading: Reading, conversation: Conversation) -> tuple[tuple[str, dict[str, Any]], ...]:
    """Give the call that asks for the reference date, where a time depends on it and nothing has told it."""
    unknown = conversation.today is None and any(_needs_today(each) for each in reading.fragments)
    return ((QUERY, PROBE),) if unknown else ()


def _sales_step(reading: Reading, conversation: Conversation, agreed: bool) -> Step:
    questions = _questions(reading, conversation)
    words = () if agreed else (*reading.unknown, *(word for each in reading.fragments for word in each.loose))
    if isinstance(questions, str):
        known = not reading.is_blank and bool(words)
        return TellUnclear(language=reading.language, why="words" if known else questions, words=words)
    if words:
        return TellUnclear(language=reading.language, why="words", words=words, guess=questions[0])
    asked = [(question, arguments_of(question)) for question in questions]
    answers = [(question, conversation.call(QUERY, arguments)) for question, arguments in asked]
    missing = tuple((QUERY, arguments) for (_, arguments), (_, got) in zip(asked, answers, strict=True) if got is None)
    if missing:
        return CallTools(calls=missing)
    return TellAnswer(
        language=reading.language,
        answers=tuple((question, got) for question, got in answers if got is not None),
    )


def _questions(reading: Reading, conversation: Conversation) -> tuple[SalesQuestion, ...] | Gap:
    """Complete every clause; a later one takes times and names over from the first where it has none."""
    found: list[SalesQuestion] = []
    first: Fragment | None = None
    for fragment in reading.fragments:
        if first is not None:
            fragment = _leaning_on(first, fragment)
        completed = complete(fragment, conversation.previous, conversation.today or _ANY_DAY)
        if isinstance(completed, str):
            return completed
        found += [each for each in completed if each not in found]
        first = first or fragment
    if len(found) > _MOST_QUESTIONS:
        return "too_long"
    return tuple(found) or "nothing"


def _leaning_on(first: Fragment, fragment: Fragment) -> Fragment:
    named = {each.dimension for each in fragment.filters}
    return msgspec.structs.replace(
        fragment,
        metrics=fragment.metrics or first.metrics,
        periods=fragment.periods or first.periods,
        filters=(*(each for each in first.filters if each.dimension not in named), *fragment.filters),
        follow_up=False,
    )


def _needs_today(fragment: Fragment) -> bool:
    compared = fragment.compare or fragment.growth
    return any(needs_today(each) or (compared and each.kind in _RELATIVE) for each in fragment.periods)


def _market_step(reading: Reading, series: Series, conversation: Conversation) -> Step:
    """Ask for the latest figure, or that of a day that was said with its year; the market's today is not the data's."""
    language = reading.language
    if MARKET not in conversation.tools:
        return TellRefusal(language=language, topic="market")
    arguments: dict[str, Any] = {"series": [series]}
    times = [period for fragment in reading.fragments for period in fragment.periods if period.spec != "today"]
    if times:
        if len(times) > 1 or times[0].kind != "day" or times[0].year is None:
            return TellUnclear(language=language, why="market_time")
        arguments["date"] = days_of(times[0], _ANY_DAY).first.isoformat()
    result = conversation.call(MARKET, arguments)
    if result is None:
        return CallTools(calls=((MARKET, arguments),))
    return TellMarket(language=language, series=series, result=result)
