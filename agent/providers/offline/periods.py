"""Times: from phrases to `Period`, and from a `Period` to the tool's own form. No clock: "today" is given."""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta
from typing import Final

import msgspec

from agent.providers.offline.question import Period

_MONTHS_OF: Final = {"month": 1, "quarter": 3, "half": 6, "year": 12}
_NEEDS_YEAR: Final = frozenset({"day", "month", "quarter", "half"})
_LATER_YEAR: Final = re.compile(r"(?:19|20)\d\d")


class Days(msgspec.Struct, frozen=True):
    """A run of whole days, both ends included."""

    first: date
    last: date


def is_year(text: str) -> bool:
    """Whether a number is written like a year."""
    return _LATER_YEAR.fullmatch(text) is not None


def needs_today(period: Period) -> bool:
    """Whether the reference date is needed to say which days are meant."""
    if period.kind == "range":
        return period.end is None or any(needs_today(each) for each in (period.start, period.end) if each)
    return period.kind in {"back", "year_before"} or (period.kind in _NEEDS_YEAR and period.year is None)


def resolve(period: Period, today: date, spoken_of: Days | None = None) -> str:
    """Give the tool's form. `spoken_of` is the time that the thread is about: "previous" and bare months follow it."""
    if period.kind == "relative":
        return period.spec or "all_time"
    if period.kind == "previous" and spoken_of is None:
        return f"last_{period.unit}" if period.unit in {"month", "quarter", "year"} else _written(_back(period, today))
    return _written(days_of(period, today, spoken_of))


def days_of(period: Period, today: date, spoken_of: Days | None = None) -> Days:
    """Give the days of a period that is not the tool's own word."""
    match period.kind:
        case "range":
            return _range(period, today, spoken_of)
        case "back":
            return _back(period, today)
        case "previous":
            return _before(period, today, spoken_of)
        case "year_before":
            base = spoken_of or whole_month(today.year, today.month)
            return Days(_same_day(base.first, -1), _same_day(base.last, -1, end=_ends_month(base.last)))
        case "relative":
            return _relative(period.spec or "", today)
        case "year":
            return Days(date(period.number, 1, 1), date(period.number, 12, 31))
        case "day" | "month" | "quarter" | "half":
            return _of_year(period, _year_of(period, today, spoken_of))


def whole_month(year: int, month: int) -> Days:
    """Give the days of a month."""
    return Days(date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1]))


def before(days: Days) -> Days:
    """Give the period of the same length before: whole months stay whole months."""
    months = _whole_months(days)
    if months:
        first = _shifted(days.first, -months)
        return Days(first, days.first - timedelta(days=1))
    length = (days.last - days.first) + timedelta(days=1)
    return Days(days.first - length, days.last - length)


def _range(period: Period, today: date, spoken_of: Days | None) -> Days:
    end = Days(today, today) if period.end is None else days_of(period.end, today, spoken_of)
    if period.open_end:
        last = end.first - timedelta(days=1)
        return Days(date(last.year, 1, 1), last)
    if period.start is None:
        return Days(date(end.last.year, 1, 1), end.last)
    start = period.start
    if start.kind in _NEEDS_YEAR and start.year is None and period.end is not None:
        start = msgspec.structs.replace(start, year=end.last.year)
        if days_of(start, today).first > end.last:
            start = msgspec.structs.replace(start, year=end.last.year - 1)
    begin = days_of(start, today, spoken_of)
    return Days(begin.first, end.last) if begin.first <= end.last else Days(end.first, begin.last)


def _back(period: Period, today: date) -> Days:
    if period.unit == "day":
        day = today - timedelta(days=period.number)
        return Days(day, day)
    if period.unit == "week":
        monday = today - timedelta(days=today.weekday(), weeks=period.number)
        return Days(monday, monday + timedelta(days=6))
    months = _MONTHS_OF[period.unit or "month"]
    first_month = (today.month - 1) // months * months + 1
    first = _shifted(date(today.year, first_month, 1), -months * period.number)
    return Days(first, _shifted(first, months) - timedelta(days=1))


def _before(period: Period, today: date, spoken_of: Days | None) -> Days:
    if spoken_of is None:
        return _back(period, today)
    if period.unit is None:
        return before(spoken_of)
    months = _MONTHS_OF.get(period.unit)
    if months is None:
        return before(spoken_of)
    aligned = (spoken_of.first.month - 1) // months * months + 1
    first = _shifted(date(spoken_of.first.year, aligned, 1), -months)
    return Days(first, _shifted(first, months) - timedelta(days=1))


def _relative(spec: str, today: date) -> Days:
    kind, _, unit = spec.partition("_")
    if unit in _MONTHS_OF:
        return _back(Period(kind="back", unit=unit, number=0 if kind == "this" else 1), today)
    count, _, unit = unit.partition("_")
    if unit == "days":
        return Days(today - timedelta(days=int(count) - 1), today)
    if unit == "months":
        return Days(_shifted(date(today.year, today.month, 1), 1 - int(count)), today)
    return Days(today, today)


def _of_year(period: Period, year: int) -> Days:
    match period.kind:
        case "month":
            return whole_month(year, period.number)
        case "quarter" | "half":
            months = _MONTHS_OF[period.kind]
            first = date(year, (period.number - 1) * months + 1, 1)
            return Days(first, _shifted(first, months) - timedelta(days=1))
        case _:
            last = calendar.monthrange(year, period.month)[1]
            day = date(year, period.month, min(period.number, last))
            return Days(day, day)


def _year_of(period: Period, today: date, spoken_of: Days | None) -> int:
    """Give the year that was said, else the thread's, else the latest in which the period has begun."""
    if period.year is not None:
        return period.year
    if period.years_back is not None:
        return today.year - period.years_back
    if spoken_of is not None:
        return spoken_of.last.year
    return today.year if _of_year(period, today.year).first <= today else today.year - 1


def _written(days: Days) -> str:
    months = _whole_months(days)
    year, month = days.first.year, days.first.month
    if months == 1:
        return f"{year:04d}-{month:02d}"
    if months == 3 and month % 3 == 1:
        return f"{year:04d}-Q{month // 3 + 1}"
    if months == 12 and month == 1:
        return f"{year:04d}"
    if days.first == days.last:
        return days.first.isoformat()
    return f"{days.first.isoformat()}..{days.last.isoformat()}"


def _whole_months(days: Days) -> int:
    """Give how many whole calendar months the days are, 0 where they are not whole."""
    if days.first.day != 1 or not _ends_month(days.last):
        return 0
    return (days.last.year - days.first.year) * 12 + days.last.month - days.first.month + 1


def _ends_month(day: date) -> bool:
    return (day + timedelta(days=1)).day == 1


def _shifted(first_of_month: date, months: int) -> date:
    index = first_of_month.year * 12 + first_of_month.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def _same_day(day: date, years: int, *, end: bool = False) -> date:
    last = calendar.monthrange(day.year + years, day.month)[1]
    return day.replace(year=day.year + years, day=last if end else min(day.day, last))
