"""What is told at the end of a turn, in the user's language, under the demo's mark."""

from __future__ import annotations

from typing import assert_never

from agent.providers.offline.answers import describe, tell
from agent.providers.offline.figures import SPEECHES, name, number
from agent.providers.offline.follow_up_plan import TellFollowUp, text_of_follow_up
from agent.providers.offline.planner import TellAnswer, TellMarket, TellRefusal, TellSocial, TellUnclear
from agent.providers.offline.speech import Speech

Telling = TellAnswer | TellFollowUp | TellMarket | TellRefusal | TellSocial | TellUnclear


def text_of(telling: Telling) -> str:
    """Give the whole answer."""
    speech = SPEECHES[telling.language]
    return f"{_said(telling, speech)}\n\n{speech.mark}"


def _said(telling: Telling, speech: Speech) -> str:
    match telling:
        case TellAnswer():
            return _answer(telling, speech)
        case TellFollowUp():
            return text_of_follow_up(telling)
        case TellMarket():
            return _market(telling, speech)
        case TellSocial():
            return speech.social[telling.social]
        case TellRefusal():
            return f"{speech.topics[telling.topic]} {speech.instead}"
        case TellUnclear():
            return _unclear(telling, speech)
    assert_never(telling)


def _answer(telling: TellAnswer, speech: Speech) -> str:
    parts = []
    for question, result in telling.answers:
        if result.data is not None:
            part = tell(question, result.data, telling.language)
        else:
            part = speech.unknown_name if result.failed else speech.failed
        if part not in parts:
            parts.append(part)
    return "\n\n".join(parts)


def _market(telling: TellMarket, speech: Speech) -> str:
    data = telling.result.data or {}
    rows = data.get("series")
    row = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else None
    value = row.get("value") if row else None
    if row is None or isinstance(value, bool) or not isinstance(value, int | float):
        return speech.market_failed
    written = number(value, speech, 2)
    told = speech.market.format(
        name="USD/BRL" if telling.series == "usd_brl" else "Selic",
        date=name(str(row.get("date", ""))[:10], speech),
        value=f"R$ {written}" if telling.series == "usd_brl" else f"{written}%",
    )
    return told + (speech.market_stale if row.get("stale") is True else "")


def _unclear(telling: TellUnclear, speech: Speech) -> str:
    words = ", ".join(telling.words)
    if telling.why != "words":
        said = speech.unclear[telling.why]
    elif any(sign.isdigit() for sign in words) or len(words) > 60:
        said = speech.unclear["words_hidden"]
    else:
        said = speech.unclear["words"].format(words=words)
    if telling.guess is None:
        return f"{said}\n\n{speech.ask}"
    examples = speech.ask.partition("\n")[2]
    question = describe(telling.guess, telling.language)
    hidden = any(sign.isdigit() for sign in question)
    return f"{said}\n\n{speech.ask}" if hidden else f"{said} {speech.guess.format(question=question)}\n{examples}"
