"""The day by which something is to be done, found in a text in Portuguese, English or Spanish. No clock.

Unlike the times of questions (`times`), these lie ahead: "15/01" is the next one, "Monday" the Monday to come.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

import msgspec

from agent.providers.offline.normalise import fold
from agent.providers.offline.question import Language

_MONTHS: Final = (
    "janeiro|january|enero|jan",
    "fevereiro|february|febrero|feb|fev",
    "marco|march|marzo|mar",
    "abril|april|abr|apr",
    "maio|may|mayo",
    "junho|june|junio|jun",
    "julho|july|julio|jul",
    "agosto|august|ago|aug",
    "setembro|september|septiembre|setiembre|set|sep|sept",
    "outubro|october|octubre|out|oct",
    "novembro|november|noviembre|nov",
    "dezembro|december|diciembre|dez|dec|dic",
)
_WEEKDAYS: Final = (
    "segunda|monday|lunes",
    "terca|tuesday|martes",
    "quarta|wednesday|miercoles",
    "quinta|thursday|jueves",
    "sexta|friday|viernes",
    "sabado|saturday",
    "domingo|sunday",
)
_DAYS_AHEAD: Final = {
    "hoje": 0, "today": 0, "hoy": 0,
    "amanha": 1, "tomorrow": 1, "manana": 1,
    "depois de amanha": 2, "day after tomorrow": 2, "pasado manana": 2,
}  # fmt: skip
_NUMBERS: Final = {
    word: number
    for number, words in enumerate(
        ("um|uma|one|a|un|una", "dois|duas|two|dos", "tres|three", "quatro|four|cuatro", "cinco|five", "seis|six",
         "sete|seven|siete", "oito|eight|ocho", "nove|nine|nueve", "dez|ten|diez"),
        start=1,
    )
    for word in words.split("|")
}  # fmt: skip
_UNIT_DAYS: Final = {"d": 1, "s": 7, "w": 7}
"""By the first letter of dia, day, semana, week."""
_ANY_MONTH: Final = "|".join(sorted("|".join(_MONTHS).split("|"), key=len, reverse=True))
_ANY_WEEKDAY: Final = "|".join(_WEEKDAYS)
_LEAD: Final = (
    r"(?:\b(?:com prazo|com vencimento|ate|para|pra|no|na|em|dia|prazo|by|on|due|until|till|before|the|hasta|antes de|"
    r"el|al|o|a|as|for)\b[\s:,]*)*"
)
_NO_DIGIT: Final = r"(?![\d/])"

_ISO: Final = re.compile(r"\b(\d{4})-(\d{1,2})-(\d{1,2})" + _NO_DIGIT)
_NUMERIC: Final = re.compile(
    r"(?<![\d/.-])(\d{1,2})(?:/(\d{1,2})(?:/(\d{4}|\d\d))?|[.-](\d{1,2})[.-](\d{4}))" + _NO_DIGIT
)
_DAY_MONTH: Final = re.compile(
    rf"\b(\d{{1,2}})(?:o|st|nd|rd|th|º)?\s+(?:de\s+|of\s+)?({_ANY_MONTH})\b(?:,?\s+(?:de\s+|del\s+|of\s+)?(\d{{4}}))?"
)
_MONTH_DAY: Final = re.compile(rf"\b({_ANY_MONTH})\s+(\d{{1,2}})(?:st|nd|rd|th)?\b(?:,?\s+(\d{{4}}))?")
_NEAR: Final = re.compile(
    r"\b(depois de amanha|(?:the )?day after tomorrow|pasado manana|hoje|today|hoy|amanha|tomorrow|manana)\b"
)
_AHEAD: Final = re.compile(
    rf"\b(?:em|daqui a|dentro de|in|within|en)\s+(\d{{1,3}}|{'|'.join(_NUMBERS)})\s+(dias?|semanas?|days?|weeks?)\b"
)
_WEEKDAY: Final = re.compile(
    rf"\b(?:(?:na|no|ate|para|pra|on|by|until|el|al|hasta)\s+(?:a\s+|o\s+|el\s+|la\s+)?)?"
    rf"(?:(proxim[ao]|next|this|esta|este)\s+)?({_ANY_WEEKDAY})([- ]feira)?(\s+que vem|\s+que viene)?\b"
)


class DueDate(msgspec.Struct, frozen=True, kw_only=True):
    """A day and where in the text it was said. `day` is None where today must be known first, or no such day is."""

    first: int
    last: int
    day: date | None
    needs_today: bool = False


def flat(text: str) -> str:
    """The text in lower case without accents, each character in its place."""
    return "".join(folded if len(folded := fold(sign)) == 1 else sign.lower()[:1] for sign in text)


def find_due_date(text: str, language: Language, today: date | None) -> DueDate | None:
    """The first day that a text names, with the words that lead to it ("até o dia")."""
    plain = flat(text)
    for pattern, read in _READERS:
        for found in pattern.finditer(plain):
            day = read(found, language, today)
            if day is not None:
                first = re.search(_LEAD + r"$", plain[: found.start()])
                return msgspec.structs.replace(day, first=first.start() if first else found.start())
    return None


_Read = Callable[[re.Match[str], Language, date | None], DueDate | None]


def _at(found: re.Match[str], day: date | None, *, needs_today: bool = False) -> DueDate:
    return DueDate(first=found.start(), last=found.end(), day=day, needs_today=needs_today)


def _iso(found: re.Match[str], language: Language, today: date | None) -> DueDate | None:
    year, month, day = (int(part) for part in found.groups())
    return _at(found, _day(year, month, day))


def _numeric(found: re.Match[str], language: Language, today: date | None) -> DueDate | None:
    """`15/01/2018`, `15/1`, `15-01-2018`; in English the month may come first, and 03/04 is not guessed at."""
    first, second = int(found[1]), int(found[2] or found[4])
    if language == "en":
        if first <= 12 and second <= 12 and first != second:
            return _at(found, None)
        first, second = (second, first) if second > 12 else (first, second)
    return _dated(found, first, second, found[3] or found[5], today)


def _day_month(found: re.Match[str], language: Language, today: date | None) -> DueDate | None:
    return _dated(found, int(found[1]), _place(found[2], _MONTHS) + 1, found[3], today)


def _month_day(found: re.Match[str], language: Language, today: date | None) -> DueDate | None:
    return _dated(found, int(found[2]), _place(found[1], _MONTHS) + 1, found[3], today)


def _near(found: re.Match[str], language: Language, today: date | None) -> DueDate | None:
    return _ahead_of(found, today, _DAYS_AHEAD[found[1].removeprefix("the ")])


def _ahead(found: re.Match[str], language: Language, today: date | None) -> DueDate | None:
    count = int(found[1]) if found[1].isdigit() else _NUMBERS[found[1]]
    return _ahead_of(found, today, count * _UNIT_DAYS[found[2][0]])


def _weekday(found: re.Match[str], language: Language, today: date | None) -> DueDate | None:
    """The next one after today. Portuguese names are numbers too: alone, without "na" or "-feira", they are no day."""
    if found[0] == found[2] and found[2] in ("segunda", "terca", "quarta", "quinta", "sexta"):
        return None
    if today is None:
        return _at(found, None, needs_today=True)
    ahead = (_place(found[2], _WEEKDAYS) - today.weekday() - 1) % 7 + 1
    return _at(found, today + timedelta(days=ahead))


_READERS: Final[tuple[tuple[re.Pattern[str], _Read], ...]] = (
    (_ISO, _iso),
    (_NUMERIC, _numeric),
    (_DAY_MONTH, _day_month),
    (_MONTH_DAY, _month_day),
    (_NEAR, _near),
    (_AHEAD, _ahead),
    (_WEEKDAY, _weekday),
)


def _ahead_of(found: re.Match[str], today: date | None, days: int) -> DueDate:
    return _at(found, None, needs_today=True) if today is None else _at(found, today + timedelta(days=days))


def _dated(found: re.Match[str], day: int, month: int, year: str | None, today: date | None) -> DueDate:
    if year is not None:
        return _at(found, _day(int(year) + (2000 if len(year) == 2 else 0), month, day))
    if today is None:
        return _at(found, None, needs_today=True)
    this_year = _day(today.year, month, day)
    return _at(found, this_year if this_year and this_year >= today else _day(today.year + 1, month, day))


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _place(word: str, names: tuple[str, ...]) -> int:
    return next(place for place, spellings in enumerate(names) if word in spellings.split("|"))
