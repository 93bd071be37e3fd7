"""Figures, days and names as a language writes them."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from agent.providers.offline.periods import Days, whole_month
from agent.providers.offline.question import Language, Metric
from agent.providers.offline.speech import Speech
from agent.providers.offline.speech_en import SPEECH as ENGLISH
from agent.providers.offline.speech_es import SPEECH as SPANISH
from agent.providers.offline.speech_pt import SPEECH as PORTUGUESE

SPEECHES: Final[dict[Language, Speech]] = {"pt": PORTUGUESE, "en": ENGLISH, "es": SPANISH}
_USD: Final = frozenset({"revenue", "average_ticket", "open_pipeline_value", "list_price"})
_LONGEST_NAME: Final = 80
"""Characters of a name that are shown: names are data, and data may be anything."""


def number(value: float, speech: Speech, decimals: int | None = None) -> str:
    """Write a number: two decimals where it has any, or as many as are asked for."""
    places = decimals if decimals is not None else (0 if float(value).is_integer() else 2)
    plain = f"{value:,.{places}f}"
    return plain.translate({ord(","): speech.thousands, ord("."): speech.decimal})


def figure(value: Any, metric: Metric, speech: Speech) -> str:
    """Write a metric's value with its unit."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return speech.nothing
    if metric in _USD:
        return f"US$ {number(value, speech)}"
    if metric == "win_rate":
        return f"{number(value, speech, 2)}%"
    if metric == "days_to_close":
        return speech.days.format(value=number(value, speech))
    return number(value, speech)


def change(value: Any, speech: Speech) -> str:
    """Write a change in percent, with its sign."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return speech.nothing
    return f"{'+' if value > 0 else ''}{number(value, speech, 2)}%"


def name(value: Any, speech: Speech) -> str:
    """Write a name of the data on one line, harmless inside Markdown."""
    if value is None:
        return speech.not_filled
    plain = " ".join(str(value).split())[:_LONGEST_NAME]
    return "".join(f"\\{sign}" if sign in "|*_`[]<>\\#" else sign for sign in plain)


def time(days: Days | None, speech: Speech) -> str:
    """Name a period in words: its month, quarter or year where it is one, else its first and last day."""
    if days is None:
        return speech.whole_time
    first, last = days.first, days.last
    if first == last:
        return speech.on_day.format(day=day(first, speech))
    if days == whole_month(first.year, first.month):
        return speech.in_month.format(month_name=speech.months[first.month - 1], year=first.year)
    if first == date(first.year, 1, 1) and last == date(first.year, 12, 31):
        return speech.in_year.format(year=first.year)
    if first.day == 1 and first.month % 3 == 1 and last == whole_month(first.year, first.month + 2).last:
        return speech.in_quarter.format(quarter=first.month // 3 + 1, year=first.year)
    return speech.from_to.format(first=day(first, speech), last=day(last, speech))


def day(value: date, speech: Speech) -> str:
    """Write a date."""
    return speech.day.format(
        day=value.day, month=value.month, month_name=speech.months[value.month - 1], year=value.year
    )


def capital(text: str) -> str:
    """Give the text with a capital first letter; the others stay."""
    return text[:1].upper() + text[1:]
