"""Periods of time as people name them, relative to a reference date: `last_quarter` -> (from, to, label). Pure.

    period   = relative | absolute | absolute ".." absolute
    relative = all_time | today | this_month | last_month | this_quarter | last_quarter | this_year | last_year
             | last_<N>_days | last_<N>_months
    absolute = YYYY | YYYY-Qn | YYYY-MM | YYYY-MM-DD

Both ends belong to a period. `last_N_days` ends with the reference date; `last_N_months` too, and begins the
day after the same day N months before (31 December, 3 months: 1 October to 31 December).
"""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta
from typing import Final, Literal

import msgspec

GRAMMAR: Final = (
    "all_time, today, this_month, last_month, this_quarter, last_quarter, this_year, last_year, last_N_days, "
    "last_N_months, YYYY, YYYY-Qn, YYYY-MM, YYYY-MM-DD, or A..B of two of the last four"
)

Grain = Literal["day", "month", "quarter", "year", "span"]
"""What a period is one of; a span is anything else."""

_ABSOLUTE: Final = re.compile(r"(\d{4})(?:-(?:[Qq]([1-4])|(\d{2})(?:-(\d{2}))?))?")
_LAST_N: Final = re.compile(r"last_(\d{1,4})_(day|month)s?")
_MONTHS_OF: Final[dict[Grain, int]] = {"month": 1, "quarter": 3, "year": 12}


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """Days from `first` to `last`, both included. `label` is one of the absolute forms, such as `2017-Q3`."""

    first: date
    last: date
    label: str
    grain: Grain

    @property
    def days(self) -> int:
        """How many days it has; at least 1."""
        return (self.last - self.first).days + 1


class PeriodError(ValueError):
    """The text is not a period. The message says what is wrong and what is allowed."""


def parse_period(text: str, reference: date) -> Period | None:
    """Give the period that a text names; None for `all_time`. Raises PeriodError."""
    word = text.strip().lower()
    if word in ("all_time", ""):
        return None
    try:
        return _relative(word, reference) or _range(word) or _absolute(word)
    except (ValueError, OverflowError) as error:
        reason = f" ({error})" if isinstance(error, PeriodError) else ""
        raise PeriodError(f"{text[:40]!r} is not a period{reason}. Allowed: {GRAMMAR}.") from error


def previous_period(period: Period) -> Period:
    """The period of the same length that ends the day before: the month before a month, the 7 days before 7 days.

    Raises PeriodError at the beginning of the calendar.
    """
    try:
        if period.grain in _MONTHS_OF:
            return _calendar(_months_before(period.first, _MONTHS_OF[period.grain]), period.grain)
        last = period.first - timedelta(days=1)
        return _span(last - timedelta(days=period.days - 1), last)
    except (ValueError, OverflowError) as error:
        raise PeriodError(f"there is no period before {period.label}") from error


def month_labels(first: date, last: date) -> list[tuple[str, str, str]]:
    """(month, quarter, year) labels of every month that the days from `first` to `last` touch, in order."""
    start, end = first.year * 12 + first.month - 1, last.year * 12 + last.month - 1
    months = (date(index // 12, index % 12 + 1, 1) for index in range(start, end + 1))
    return [(f"{month.year:04}-{month.month:02}", _quarter_label(month), f"{month.year:04}") for month in months]


def _relative(word: str, reference: date) -> Period | None:
    numbered = _LAST_N.fullmatch(word)
    if numbered is not None:
        return _last_n(int(numbered[1]), numbered[2], reference)
    if word == "today":
        return _span(reference, reference)
    which, _, grain = word.partition("_")
    match which, grain:
        case "this", "month" | "quarter" | "year":
            return _calendar(reference, grain)
        case "last", "month" | "quarter" | "year":
            return previous_period(_calendar(reference, grain))
        case _:
            return None


def _last_n(count: int, unit: str, reference: date) -> Period:
    if count == 0:
        raise PeriodError("N must be at least 1")
    if unit == "day":
        return _span(reference - timedelta(days=count - 1), reference)
    return _span(_months_before(reference, count) + timedelta(days=1), reference)


def _range(word: str) -> Period | None:
    left, dots, right = word.partition("..")
    if not dots:
        return None
    first, last = _absolute(left.strip()), _absolute(right.strip())
    if last.last < first.first:
        raise PeriodError("it ends before it begins")
    return _span(first.first, last.last)


def _absolute(word: str) -> Period:
    parts = _ABSOLUTE.fullmatch(word)
    if parts is None:
        raise PeriodError("unknown form")
    year, quarter, month, day = parts.groups()
    if day is not None:
        exact = date(int(year), int(month), int(day))
        return _span(exact, exact)
    if month is not None:
        return _calendar(date(int(year), int(month), 1), "month")
    if quarter is not None:
        return _calendar(date(int(year), int(quarter) * 3 - 2, 1), "quarter")
    return _calendar(date(int(year), 1, 1), "year")


def _calendar(day: date, grain: Grain) -> Period:
    """The whole month, quarter or year that a day is in."""
    length = _MONTHS_OF[grain]
    first = date(day.year, (day.month - 1) // length * length + 1, 1)
    final_month = first.month + length - 1
    last = date(first.year, final_month, calendar.monthrange(first.year, final_month)[1])
    label = {"month": f"{first.year:04}-{first.month:02}", "quarter": _quarter_label(first)}.get(
        grain, f"{first.year:04}"
    )
    return Period(first=first, last=last, label=label, grain=grain)


def _span(first: date, last: date) -> Period:
    if first == last:
        return Period(first=first, last=last, label=first.isoformat(), grain="day")
    return Period(first=first, last=last, label=f"{first.isoformat()}..{last.isoformat()}", grain="span")


def _quarter_label(day: date) -> str:
    return f"{day.year:04}-Q{(day.month + 2) // 3}"


def _months_before(day: date, count: int) -> date:
    return _months_after(day, -count)


def _months_after(day: date, count: int) -> date:
    """The same day `count` months on, or the month's last where it has no such day."""
    year, month = divmod(day.year * 12 + day.month - 1 + count, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
