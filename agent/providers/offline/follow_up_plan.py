"""The next step of a turn that is about a follow-up: look the customer up, ask for what is missing, create it, tell."""

from __future__ import annotations

import re
from datetime import date
from typing import Any, Final, Literal

import msgspec

from agent.providers.offline.conversation import CREATE, FIND, PROBE, QUERY, Answered, Conversation
from agent.providers.offline.figures import SPEECHES, day, name
from agent.providers.offline.follow_up_speech import FOLLOW_UP_SPEECHES, TELL, is_question
from agent.providers.offline.follow_ups import Slot, Wish, asks_for_follow_up, read_wish
from agent.providers.offline.question import Language

Calls = tuple[tuple[str, dict[str, Any]], ...]
_LONGEST_LOOKUP: Final = 2_000
_TAKEN_BACK: Final = re.compile(
    r"\W*(?:nao|no|cancel[ae]?|cancelar|deixa|esquece|never ?mind|forget it|olvidalo|nada|stop|pare)\b", re.IGNORECASE
)
_NEAREST: Final = re.compile(r"Nearest: ([^\n]*?)\.(?:\s|$)")


class TellFollowUp(msgspec.Struct, frozen=True, kw_only=True):
    """Say what came of it, or what is still missing; `past`: the day that was said is over, and today is `today`."""

    language: Language
    wish: Wish
    missing: tuple[Slot | Literal["past"], ...] = ()
    today: date | None = None
    result: Answered | None = None


def follow_up_step(conversation: Conversation, language: Language) -> Calls | TellFollowUp | None:
    """Give the next step; None where the turn is about something else."""
    texts = _texts(conversation, language) if CREATE in conversation.tools else ()
    if not texts:
        return None
    lookup = {"text": "\n".join(texts)[:_LONGEST_LOOKUP]}
    wish = read_wish(texts, language, conversation.matches_in(lookup), conversation.today)
    created = conversation.call(CREATE)
    if created is not None:
        return TellFollowUp(language=wish.language, wish=wish, result=created)
    calls: list[tuple[str, dict[str, Any]]] = []
    if FIND in conversation.tools and conversation.call(FIND, lookup) is None:
        calls.append((FIND, lookup))
    if wish.needs_today and QUERY in conversation.tools and conversation.call(QUERY, PROBE) is None:
        calls.append((QUERY, PROBE))
    return tuple(calls) or _asked_or_created(wish, conversation.today)


def text_of_follow_up(telling: TellFollowUp) -> str:
    """Give the sentence."""
    speech = FOLLOW_UP_SPEECHES[telling.language]
    if telling.result is not None:
        return _outcome(telling.result, telling)
    if "past" in telling.missing:
        return speech.past.format(today=_day(str(telling.today), telling.language))
    wanted = [speech.slots[slot] for slot in telling.missing if slot != "past"]
    listed = speech.conjunction.join([", ".join(wanted[:-1]), wanted[-1]] if len(wanted) > 1 else wanted)
    return f"{speech.asking} {TELL[telling.language]} {listed}."


def _texts(conversation: Conversation, language: Language) -> tuple[str, ...]:
    """The message that asks for a follow-up and the answers to what was missing; none where it is about another."""
    texts = conversation.texts
    if not texts or asks_for_follow_up(texts[-1], language):
        return texts[-1:]
    first = len(texts) - 1
    while first > 0 and is_question(conversation.replies[first - 1]):
        first -= 1
    asked = first < len(texts) - 1 and asks_for_follow_up(texts[first], language)
    turned_away = "?" in texts[-1] or _TAKEN_BACK.match(texts[-1].replace("ã", "a").replace("Ã", "a")) is not None
    return texts[first:] if asked and not turned_away else ()


def _asked_or_created(wish: Wish, today: date | None) -> Calls | TellFollowUp:
    if wish.missing:
        return TellFollowUp(language=wish.language, wish=wish, missing=wish.missing)
    if today is not None and wish.due_date is not None and wish.due_date < today:
        return TellFollowUp(language=wish.language, wish=wish, missing=("past",), today=today)
    arguments = {"account": wish.account, "note": wish.note, "due_date": str(wish.due_date)}
    return ((CREATE, arguments),)


def _outcome(result: Answered, telling: TellFollowUp) -> str:
    speech, numbers = FOLLOW_UP_SPEECHES[telling.language], SPEECHES[telling.language]
    if result.data is not None:
        account, due = name(result.data.get("account"), numbers), _day(result.data.get("due_date"), telling.language)
        return speech.done.format(account=account, day=due, note=result.data.get("note"))
    if "No account is named" in result.content:
        near = _NEAREST.search(result.content)
        said = speech.unknown_account.format(account=name(telling.wish.account, numbers))
        return said + (speech.nearest.format(names=near[1]) if near else "")
    if past := re.search(r"in the past: today is (\d{4}-\d{2}-\d{2})", result.content):
        return speech.past.format(today=_day(past[1], telling.language))
    if "unknown" in result.content:
        return speech.unknown_outcome
    return speech.not_allowed if "was not run" in result.content else speech.failed


def _day(written: object, language: Language) -> str:
    """A day as the language writes it; what is no day, as it is."""
    try:
        return day(date.fromisoformat(str(written)), SPEECHES[language])
    except ValueError:
        return name(written, SPEECHES[language])
