"""Finds times among spans: "mês passado", "nov/17", "Q3 2017", "de março a junho", "last 90 days"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal

from agent.providers.offline.lexicon import Meaning, Span
from agent.providers.offline.periods import is_year
from agent.providers.offline.question import Period

_Found = tuple[Period, int] | None
_Reader = Callable[[Sequence[Span], int], _Found]
_OF: Final = frozenset(
    {"de", "do", "da", "of", "del", "in", "ano", "el", "la", "o", "the", "year", "em", "no", "mes", "ano de"}
)
_ORDINAL_SIGNS: Final = frozenset({"º", "ª", "o", "a", "st", "nd", "rd", "th", "°"})
_OF_THE: Final = frozenset({"do", "no", "del"})
_MOST_DAYS: Final = 3660
_MOST_MONTHS: Final = 120
_FORECAST: Final = Meaning("topic", "forecast")
_YEARS_BACK: Final = {"this_year": 0, "last_year": 1}
_UNIT_NUMBERS: Final = {"quarter": 4, "half": 2}


def read_times(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Replace what says a time by one span that holds its `Period`; a coming time becomes the topic "forecast"."""
    return _read(_read(_read(spans, _READERS), (_same_of_last_year,)), (_since, _until, _range))


def _read(spans: Sequence[Span], readers: Sequence[_Reader]) -> tuple[Span, ...]:
    found: list[Span] = []
    position = 0
    while position < len(spans):
        match = _first_match(spans, position, readers)
        if match is None:
            found.append(spans[position])
            position += 1
            continue
        period, end = match
        found.append(_time_span(spans, position, end, period))
        position = end
    return tuple(found)


def _time_span(spans: Sequence[Span], first: int, end: int, period: Period) -> Span:
    coming = period.kind == "relative" and period.spec == "next"
    return Span(
        first=spans[first].first,
        last=spans[end - 1].last,
        meanings=(_FORECAST if coming else Meaning("period", period.kind),),
        text=" ".join(span.text for span in spans[first:end]),
        period=None if coming else period,
    )


def _at(spans: Sequence[Span], position: int) -> Span | None:
    return spans[position] if position < len(spans) else None


def _number(spans: Sequence[Span], position: int) -> int | None:
    """Give a number of at most four digits, in digits or as a word."""
    span = _at(spans, position)
    value = span.value("number") if span else None
    return int(value) if value and value.isascii() and value.isdigit() and len(value) <= 4 else None


def _sign(spans: Sequence[Span], position: int, *signs: str) -> bool:
    span = _at(spans, position)
    return span is not None and span.text in signs


def _unit(spans: Sequence[Span], position: int) -> str | None:
    span = _at(spans, position)
    return span.value("unit") if span else None


def _says(spans: Sequence[Span], position: int, *operators: str) -> bool:
    span = _at(spans, position)
    return span is not None and span.says(*operators)


def _after_of(spans: Sequence[Span], position: int) -> int:
    while (span := _at(spans, position)) is not None and (span.text.lower() in _OF or span.text == ","):
        position += 1
    return position


def _year(spans: Sequence[Span], position: int) -> tuple[int | None, int]:
    """Read a year that belongs to what stands before: `2017`, `de 2017`, `/17`, `'17`."""
    if _sign(spans, position, "/", "-", "'", "’", "."):
        year = _number(spans, position + 1)
        if year is not None and (year < 100 or is_year(str(year))):
            return (2000 + year if year < 100 else year), position + 2
    after = _after_of(spans, position + 1 if _sign(spans, position, ".") else position)
    year = _number(spans, after)
    if year is not None and is_year(str(year)):
        return year, after + 1
    return None, position


def _whole_date(spans: Sequence[Span], position: int) -> _Found:
    """`2017-11-30`, `30/11/2017`, `2017-11`, `11/2017`."""
    one = _number(spans, position)
    two = _number(spans, position + 2)
    if not spans[position].text[:1].isdigit():
        return None
    if one is None or two is None or not _sign(spans, position + 1, "-", "/"):
        return None
    three = _number(spans, position + 4) if _sign(spans, position + 3, "-", "/") else None
    if is_year(str(one)) and 1 <= two <= 12:
        if three is not None and 1 <= three <= 31:
            return Period(kind="day", number=three, month=two, year=one), position + 5
        return Period(kind="month", number=two, year=one), position + 3
    if three is not None and 1 <= one <= 31 and 1 <= two <= 12 and (is_year(str(three)) or three < 100):
        return Period(kind="day", number=one, month=two, year=three + 2000 if three < 100 else three), position + 5
    if 1 <= one <= 12 and is_year(str(two)):
        return Period(kind="month", number=one, year=two), position + 3
    if _sign(spans, position + 1, "/") and 1 <= one <= 31 and 1 <= two <= 12:
        return Period(kind="day", number=one, month=two), position + 3
    return None


def _day_of_month(spans: Sequence[Span], position: int) -> _Found:
    """`15 de novembro [de 2017]`, `November 15[, 2017]`."""
    day = _number(spans, position)
    if day is not None and 1 <= day <= 31:
        end = position + 1
        while (span := _at(spans, end)) is not None and span.text.lower() in _ORDINAL_SIGNS | _OF:
            end += 1
        month = _month_number(spans, end)
        return _day(spans, end + 1, day, month) if month else None
    month = _month_number(spans, position)
    day = _number(spans, position + 1) or _ordinal(spans, position + 1)
    if month and day is not None and 1 <= day <= 31:
        end = position + 3 if _sign(spans, position + 2, *_ORDINAL_SIGNS) else position + 2
        return _day(spans, end, day, month)
    return None


def _ordinal(spans: Sequence[Span], position: int) -> int | None:
    span = _at(spans, position)
    value = span.value("ordinal") if span else None
    return int(value) if value else None


def _day(spans: Sequence[Span], end: int, day: int, month: int) -> _Found:
    year, end = _year(spans, end)
    return Period(kind="day", number=day, month=month, year=year), end


def _month_number(spans: Sequence[Span], position: int) -> int:
    span = _at(spans, position)
    value = span.value("month") if span else None
    return int(value) if value else 0


def _month(spans: Sequence[Span], position: int) -> _Found:
    month = _month_number(spans, position)
    if not month:
        return None
    if _says(spans, position + 1, "last") and (_unit(spans, position + 2) == "year" or not _unit(spans, position + 2)):
        return Period(kind="month", number=month), position + 2
    year, end = _year(spans, position + 1)
    back, end = (None, end) if year is not None else _years_back(spans, end)
    return Period(kind="month", number=month, year=year, years_back=back), end


def _part_of_year(spans: Sequence[Span], position: int) -> _Found:
    """`Q3 2017`, `3T17`, `terceiro trimestre de 2017`, `3º tri`, `first half`, `trimestre 3`."""
    unit = _unit(spans, position)
    number, end = _number(spans, position + 1), position + 2
    if unit is None:
        span = spans[position]
        ordinal = span.value("ordinal")
        number = int(ordinal) if ordinal else _number(spans, position)
        end = position + 1
        while _sign(spans, end, *_ORDINAL_SIGNS):
            end += 1
        unit, end = _unit(spans, end), end + 1
    most = _UNIT_NUMBERS.get(unit or "")
    if most is None or number is None or not 1 <= number <= most:
        return None
    if (joined_year := _number(spans, end)) is not None and 10 <= joined_year < 100:
        year: int | None = 2000 + joined_year
        end += 1
    else:
        year, end = _year(spans, end)
    back, end = (None, end) if year is not None else _years_back(spans, end)
    kind: Literal["quarter", "half"] = "quarter" if unit == "quarter" else "half"
    return Period(kind=kind, number=number, year=year, years_back=back), end


def _years_back(spans: Sequence[Span], position: int) -> tuple[int | None, int]:
    """Read a year that is said by its distance: `deste ano`, `of the year`, `of last year`."""
    for at in (position, _after_of(spans, position)):
        for reader in _DISTANT if at < len(spans) else ():
            found = reader(spans, at)
            if found is not None and found[0].spec in _YEARS_BACK:
                return _YEARS_BACK[found[0].spec or ""], found[1]
    return None, position


def _counted(spans: Sequence[Span], position: int) -> _Found:
    """`últimos 90 dias`, `last 3 months`, `90 últimos dias`, `2 months ago`."""
    number = None
    end = position
    if _says(spans, position, "last"):
        number, end = _number(spans, position + 1), position + 2
    elif _number(spans, position) is not None and _says(spans, position + 1, "last"):
        number, end = _number(spans, position), position + 2
    elif (number := _number(spans, position)) is not None and _says(spans, position + 2, "ago"):
        unit = _unit(spans, position + 1)
        return (Period(kind="back", unit=unit, number=min(number, _MOST_MONTHS)), position + 3) if unit else None
    unit = _unit(spans, end)
    if number is None or unit is None or number < 1:
        return None
    return Period(kind="relative", spec=_last(number, unit)), end + 1


def _last(number: int, unit: str) -> str:
    months = {"month": 1, "quarter": 3, "half": 6, "year": 12}.get(unit)
    if months:
        return f"last_{min(number * months, _MOST_MONTHS)}_months"
    return f"last_{min(number * (7 if unit == 'week' else 1), _MOST_DAYS)}_days"


def _near(spans: Sequence[Span], position: int) -> _Found:
    """`este mês`, `mês atual`, `last quarter`, `trimestre passado`, `mês anterior`, `next year`."""
    unit = _unit(spans, position + 1)
    where, end = _at(spans, position), position + 2
    if unit is None or where is None or not where.says("this", "last", "next", "previous"):
        unit, where = _unit(spans, position), _at(spans, position + 1)
        while where is not None and where.text.lower() in {"do", "que"}:
            where, end = _at(spans, end), end + 1
    if unit is None or where is None:
        return None
    if where.says("this"):
        return _whole_unit("this", unit, 0), end
    if where.says("last"):
        unit_follows = end < len(spans) and where is spans[end - 1] and _unit(spans, end) is not None
        return None if unit_follows and where is not _at(spans, position) else (_whole_unit("last", unit, 1), end)
    if where.says("next"):
        return Period(kind="relative", spec="next"), end
    return (Period(kind="previous", unit=unit, number=1), end) if where.says("previous") else None


def _whole_unit(which: str, unit: str, number: int) -> Period:
    if unit in {"month", "quarter", "year"}:
        return Period(kind="relative", spec=f"{which}_{unit}")
    return Period(kind="back", unit=unit, number=number)


def _phrase(spans: Sequence[Span], position: int) -> _Found:
    spec = spans[position].value("period") if spans[position].period is None else None
    if spec == "yesterday":
        return Period(kind="back", unit="day", number=1), position + 1
    return (Period(kind="relative", spec=spec), position + 1) if spec else None


def _bare_year(spans: Sequence[Span], position: int) -> _Found:
    year = _number(spans, position)
    return (Period(kind="year", number=year), position + 1) if year is not None and is_year(str(year)) else None


def _prefixed(spans: Sequence[Span], position: int) -> _Found:
    """`mês de agosto`, `ano de 2017`, `dia 15/11`: the unit says nothing new."""
    unit = _unit(spans, position)
    if unit is None:
        return None
    found = _first_match(spans, _after_of(spans, position + 1), _DATED)
    return found if found is not None and found[0].kind == unit else None


def _bare_unit(spans: Sequence[Span], position: int) -> _Found:
    """`vendas do mês`, `no ano`: the current one, where no more is said of it."""
    unit = _unit(spans, position + 1)
    if unit not in {"month", "quarter", "year"} or spans[position].text.lower() not in _OF_THE:
        return None
    if _first_match(spans, position + 1, (*_DATED, _counted, _near, _prefixed)) is not None:
        return None
    return _whole_unit("this", unit, 0), position + 2


def _first_match(spans: Sequence[Span], position: int, readers: Sequence[_Reader]) -> _Found:
    if position >= len(spans):
        return None
    return next((match for reader in readers if (match := reader(spans, position))), None)


_DISTANT: Final = (_bare_unit, _near, _phrase)
_DATED: Final = (_whole_date, _day_of_month, _month, _part_of_year, _bare_year)
_READERS: Final = (
    _prefixed,
    _bare_unit,
    _whole_date,
    _day_of_month,
    _month,
    _part_of_year,
    _counted,
    _near,
    _phrase,
    _bare_year,
)


def _same_of_last_year(spans: Sequence[Span], position: int) -> _Found:
    """`mesmo mês do ano passado`, `same period last year`."""
    if not _says(spans, position, "same"):
        return None
    for end in range(position + 1, min(position + 5, len(spans))):
        period = spans[end].period
        if period is not None:
            return (
                (Period(kind="year_before"), end + 1) if period.spec == "last_year" or period.unit == "year" else None
            )
    return None


def _since(spans: Sequence[Span], position: int) -> _Found:
    if not _says(spans, position, "since"):
        return None
    found = _next_time(spans, position + 1)
    if found is None or _joins(spans, found[1]):
        return None
    return Period(kind="range", start=found[0]), found[1]


def _until(spans: Sequence[Span], position: int) -> _Found:
    before = _says(spans, position, "before")
    found = _next_time(spans, position + 1) if before or _says(spans, position, "until") else None
    return (Period(kind="range", end=found[0], open_end=before), found[1]) if found else None


def _range(spans: Sequence[Span], position: int) -> _Found:
    """`[de] março a junho`, `from March to June`, `entre março e junho`, `2017-03..2017-06`."""
    between = _says(spans, position, "between")
    first = _next_time(spans, position + 1) if _says(spans, position, "between", "from") else None
    if first is None:
        period = spans[position].period
        first = (period, position + 1) if period is not None else None
    if first is None or not (_joins(spans, first[1]) or (between and _says(spans, first[1], "and"))):
        return None
    end = first[1] + 1
    while _sign(spans, end, "."):
        end += 1
    second = _next_time(spans, end)
    return (Period(kind="range", start=first[0], end=second[0]), second[1]) if second else None


def _joins(spans: Sequence[Span], position: int) -> bool:
    dots = _sign(spans, position, ".") and _sign(spans, position + 1, ".")
    return dots or _says(spans, position, "to") or _sign(spans, position, "-", "–")


def _next_time(spans: Sequence[Span], position: int) -> _Found:
    """Give the time that stands here or after one filler word."""
    for at in (position, position + 1):
        span = _at(spans, at)
        if span is None or (at > position and not spans[position].is_filler):
            return None
        if span.period is not None:
            return span.period, at + 1
    return None
