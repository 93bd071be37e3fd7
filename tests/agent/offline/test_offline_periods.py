"""Times as they are said, and the tool's form of them. Today is a Sunday, 31 December 2017."""

from __future__ import annotations

from datetime import date

import pytest

from agent.providers.offline.lexicon import spans_of
from agent.providers.offline.normalise import tokenise
from agent.providers.offline.periods import Days, before, resolve, whole_month
from agent.providers.offline.question import Language, Period
from agent.providers.offline.times import read_times

TODAY = date(2017, 12, 31)
NOVEMBER = whole_month(2017, 11)


def read(text: str, language: Language) -> list[Period]:
    spans = read_times(spans_of(tokenise(text), language))
    return [span.period for span in spans if span.period is not None]


@pytest.mark.parametrize(
    ("language", "text", "form"),
    [
        ("pt", "hoje", "today"),
        ("pt", "ontem", "2017-12-30"),
        ("pt", "esta semana", "2017-12-25..2017-12-31"),
        ("pt", "semana passada", "2017-12-18..2017-12-24"),
        ("pt", "este semestre", "2017-07-01..2017-12-31"),
        ("pt", "semestre passado", "2017-01-01..2017-06-30"),
        ("pt", "mês anterior", "last_month"),
        ("pt", "semana anterior", "2017-12-18..2017-12-24"),
        ("pt", "março", "2017-03"),
        ("pt", "mar/16", "2016-03"),
        ("pt", "nov. de 2016", "2016-11"),
        ("pt", "15/11", "2017-11-15"),
        ("pt", "15 de novembro", "2017-11-15"),
        ("pt", "31 de fevereiro de 2017", "2017-02-28"),
        ("pt", "3º tri de 2016", "2016-Q3"),
        ("pt", "3T17", "2017-Q3"),
        ("pt", "trimestre 2", "2017-Q2"),
        ("pt", "segundo semestre de 2016", "2016-07-01..2016-12-31"),
        ("pt", "últimas 2 semanas", "last_14_days"),
        ("pt", "últimos 2 anos", "last_24_months"),
        ("pt", "90 últimos dias", "last_90_days"),
        ("pt", "últimos 9999 dias", "last_3660_days"),
        ("pt", "3 meses atrás", "2017-09"),
        ("pt", "ano de 2016", "2016"),
        ("pt", "novembro passado", "2017-11"),
        ("pt", "de novembro a fevereiro de 2017", "2016-11-01..2017-02-28"),
        ("pt", "de dezembro de 2017 a março de 2017", "2017-03-01..2017-12-31"),
        ("pt", "do mês passado até hoje", "2017-11-01..2017-12-31"),
        ("pt", "dos últimos 3 meses até hoje", "2017-Q4"),
        ("pt", "dos últimos 7 dias até hoje", "2017-12-25..2017-12-31"),
        ("pt", "desde 2017-12-20", "2017-12-20..2017-12-31"),
        ("pt", "entre 01/10/2017 e 15/10/2017", "2017-10-01..2017-10-15"),
        ("pt", "de julho até setembro", "2017-Q3"),
        ("en", "until June 2017", "2017-01-01..2017-06-30"),
        ("en", "November 15, 2017", "2017-11-15"),
        ("en", "November 2nd", "2017-11-02"),
        ("en", "2 months ago", "2017-10"),
        ("en", "Q1 2016", "2016-Q1"),
        ("en", "2017-03..2017-06", "2017-03-01..2017-06-30"),
        ("en", "third quarter", "2017-Q3"),
        ("en", "same month last year", "2016-12"),
        ("en", "yesterday", "2017-12-30"),
        ("en", "year to date", "this_year"),
        ("es", "hasta junio", "2017-01-01..2017-06-30"),
        ("es", "trimestre pasado", "last_quarter"),
        ("es", "de marzo a mayo", "2017-03-01..2017-05-31"),
        ("es", "el año pasado", "last_year"),
    ],
)
def test_a_time_becomes_the_tools_form(language: Language, text: str, form: str) -> None:
    assert [resolve(period, TODAY) for period in read(text, language)] == [form]


@pytest.mark.parametrize(
    "text", ["45/13", "13/2017/99", "trimestre 7", "há muito tempo", "mesmo vendedor", "2 vezes atrás"]
)
def test_what_is_no_time_is_left_alone(text: str) -> None:
    assert [period for period in read(text, "pt") if period.kind != "year"] == []


@pytest.mark.parametrize(
    ("language", "text"),
    [("pt", "mês que vem"), ("pt", "próximo trimestre"), ("en", "next year"), ("es", "el mes que viene")],
)
def test_a_coming_time_is_a_forecast(language: Language, text: str) -> None:
    spans = read_times(spans_of(tokenise(text), language))

    assert [span.value("topic") for span in spans if span.value("topic")] == ["forecast"]


@pytest.mark.parametrize(
    ("period", "spoken_of", "form"),
    [
        (Period(kind="previous", unit="month"), NOVEMBER, "2017-10"),
        (Period(kind="previous", unit="quarter"), NOVEMBER, "2017-Q3"),
        (Period(kind="previous", unit="year"), NOVEMBER, "2016"),
        (Period(kind="previous", unit="day"), NOVEMBER, "2017-10"),
        (Period(kind="previous"), NOVEMBER, "2017-10"),
        (Period(kind="previous", unit="day"), Days(date(2017, 11, 10), date(2017, 11, 12)), "2017-11-07..2017-11-09"),
        (Period(kind="month", number=3), whole_month(2016, 5), "2016-03"),
        (Period(kind="year_before"), NOVEMBER, "2016-11"),
        (Period(kind="year_before"), Days(date(2016, 2, 10), date(2016, 2, 29)), "2015-02-10..2015-02-28"),
        (Period(kind="year_before"), None, "2016-12"),
    ],
)
def test_what_leans_on_the_thread_follows_its_time(period: Period, spoken_of: Days | None, form: str) -> None:
    assert resolve(period, TODAY, spoken_of) == form


def test_a_month_that_has_not_begun_is_last_years() -> None:
    assert resolve(Period(kind="month", number=11), date(2017, 6, 1)) == "2016-11"


def test_before_whole_months_are_as_many_whole_months() -> None:
    assert before(Days(date(2017, 3, 1), date(2017, 4, 30))) == Days(date(2017, 1, 1), date(2017, 2, 28))
