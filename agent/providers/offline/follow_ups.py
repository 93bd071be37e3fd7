"""A wish for a follow-up: for which customer, what is to be done, by when; said in one message or in several.

"Crie um follow-up para a Cancity: ligar sobre a renovação, até 15/01/2018"
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final, Literal

import msgspec

from agent.providers.offline.due_dates import find_due_date, flat
from agent.providers.offline.question import LANGUAGES, Language
from agent.providers.offline.reading import NameMatch

Slot = Literal["account", "note", "due_date"]
LONGEST_NOTE: Final = 1_000
_SURE: Final = 0.75
"""The least score of a customer's name that is taken; a worse one is left to the tool, which names the nearest."""

_POLITE: Final = (
    r"\W*(?:(?:oi|ola|hi|hello|hey|hola|por favor|please|pode|poderia|podes|voce pode|can you|could you|would you|"
    r"puedes|podrias|quero|queria|gostaria de|preciso|preciso de|i want to|i want|i need to|i need|i'd like to|"
    r"quiero|quisiera|necesito|me|voce|also|tambem|tambien|e|and|y)\b\W*)*"
)
_NOUNS: Final[dict[Language, str]] = {
    "pt": r"follow-?\s?ups?|lembretes?|acompanhamentos?",
    "en": r"follow-?\s?ups?|reminders?",
    "es": r"seguimientos?|recordatorios?|follow-?\s?ups?",
}
_VERBS: Final[dict[Language, str]] = {
    "pt": r"cri[ea]|criar|agend[ae]|agendar|marque|marcar|adicion[ae]|adicionar|registre|registrar|faca|fazer|"
    r"abra|anote",
    "en": r"create|schedule|add|set up|set|make|book|open",
    "es": r"crea|cree|crear|creame|agenda|agende|agendar|agrega|agregar|anade|anadir|programa|programar|"
    r"haz|pon|registra",
}
_REMIND: Final[dict[Language, str]] = {
    "pt": r"lembr[ea](?:-| )me|me lembr[ea]|lembrar",
    "en": r"remind me|remember",
    "es": r"recuerdame|recuerdeme|recordarme",
}
_CREATE: Final = {
    language: re.compile(
        rf"{_POLITE}\b(?:(?:{_VERBS[language]})\W+(?:\w+\W+){{0,2}}?(?:{_NOUNS[language]})|(?:{_NOUNS[language]})(?=\W))\b"
    )
    for language in LANGUAGES
}
_REMINDER: Final = {
    language: re.compile(rf"{_POLITE}\b(?:{_REMIND[language]})\b(?:\s+(?:de|to|que|about|sobre)\b)?")
    for language in LANGUAGES
}
_FOR: Final = (
    r"(?:para|pra|com|for|with|con|al?|do|da|de|del)\s+(?:(?:o|a|os|as|el|la|the|cliente|customer|account)\s+)*"
)
_CUSTOMER: Final = re.compile(rf"^\W*{_FOR}([^:,;.\n]+)")
_LEADING: Final = re.compile(r"^(?:\W|\b(?:para|pra|to|que|de|sobre|about|e|and|y|com|nota|note|anotar)\b(?=\s|:))+")
_TRAILING: Final = re.compile(r"(?:\W|\b(?:e|and|y|para|pra|by|ate|hasta|the|o|a)\b)+$")


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a follow-up so far."""

    language: Language
    account: str | None = None
    note: str | None = None
    due_date: date | None = None
    needs_today: bool = False
    """A day was said that depends on what today is."""

    @property
    def missing(self) -> tuple[Slot, ...]:
        """What still is to be asked for."""
        slots: dict[Slot, object] = {"account": self.account, "note": self.note, "due_date": self.due_date}
        return tuple(slot for slot, value in slots.items() if value is None)


class _Opening(msgspec.Struct, frozen=True, kw_only=True):
    language: Language
    last: int
    reminds: bool


def asks_for_follow_up(text: str, language: Language) -> bool:
    """Whether a text asks for one to be made."""
    return _opening(text, language) is not None


def read_wish(texts: Sequence[str], language: Language, matches: Iterable[NameMatch], today: date | None) -> Wish:
    """Read the message that asks (the first one) and the answers to what was missing. Raises nothing."""
    opening = _opening(texts[0], language)
    wish = Wish(language=language if opening is None or len(texts) > 1 else opening.language)
    known = [match for match in matches if match.dimension == "account" and match.score >= _SURE]
    for place, text in enumerate(texts):
        wish = _filled(wish, text, opening if place == 0 else None, known, today)
    return wish


def _opening(text: str, language: Language) -> _Opening | None:
    plain = flat(text)
    for each in sorted(LANGUAGES, key=lambda other: other != language):
        for patterns, reminds in ((_CREATE, False), (_REMINDER, True)):
            found = patterns[each].match(plain)
            if found is not None:
                return _Opening(language=each, last=found.end(), reminds=reminds)
    return None


def _filled(wish: Wish, text: str, opening: _Opening | None, known: Sequence[NameMatch], today: date | None) -> Wish:
    """Take over what a text says; what was said before stays unless it is said anew."""
    rest = text[opening.last :] if opening is not None else text
    due = find_due_date(rest, wish.language, today)
    if due is not None:
        rest = f"{rest[: due.first]} {rest[due.last :]}"
        wish = msgspec.structs.replace(wish, due_date=due.day, needs_today=due.needs_today)
    account, without = _account(rest, known, opening is not None)
    if account is not None and (wish.account is None or opening is None):
        wish = msgspec.structs.replace(wish, account=account)
        rest = rest if opening is not None and opening.reminds else without
    note = _note(rest, whole=opening is not None and opening.reminds)
    if note is not None and wish.note is None:
        wish = msgspec.structs.replace(wish, note=note)
    return wish


def _account(text: str, known: Sequence[NameMatch], opened: bool) -> tuple[str | None, str]:
    """The customer, and the text without: a known name, or whatever stands where a name would."""
    plain = flat(text)
    for match in sorted(known, key=lambda each: (-each.score, -len(each.matched_text))):
        found = re.search(rf"(?:\b{_FOR})?{re.escape(flat(match.matched_text))}", plain)
        if found is not None:
            return match.value, f"{text[: found.start()]} {text[found.end() :]}"
    found = _CUSTOMER.match(plain) if opened and ":" in text else None
    if found is None:
        return None, text
    return text[found.start(1) : found.end(1)].strip(), text[found.end() :]


def _note(text: str, *, whole: bool) -> str | None:
    """What is to be done: after a colon where there is one, else all that is left."""
    _, colon, after = text.partition(":")
    said = after if colon and not whole else text
    plain = flat(said)
    leading = _LEADING.match(plain)
    first = leading.end() if leading and not whole else 0
    trailing = _TRAILING.search(plain, first)
    kept = said[first : trailing.start() if trailing else len(said)].strip(" \t\n,;.:-")
    kept = " ".join(kept.split()).replace(" ,", ",")
    return kept[:LONGEST_NOTE] if sum(sign.isalpha() for sign in kept) > 1 else None
