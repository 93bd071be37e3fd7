from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.builtin.sales.periods import Period, PeriodError, month_labels, parse_period, previous_period

REFERENCE = date(2017, 12, 31)
days = st.dates(min_value=date(1900, 1, 1), max_value=date(2100, 12, 31))
calendar_words = st.sampled_from(["month", "quarter", "year"])


def parsed(text: str, reference: date = REFERENCE) -> Period:
    period = parse_period(text, reference)
    assert period is not None
    return period


def parsed_or_refused(text: str) -> Period | str | None:
    try:
        return parse_period(text, REFERENCE)
    except PeriodError as error:
        return str(error)


@pytest.mark.parametrize(
    ("text", "first", "last", "label"),
    [
        ("today", "2017-12-31", "2017-12-31", "2017-12-31"),
        ("this_month", "2017-12-01", "2017-12-31", "2017-12"),
        ("last_month", "2017-11-01", "2017-11-30", "2017-11"),
        ("this_quarter", "2017-10-01", "2017-12-31", "2017-Q4"),
        ("last_quarter", "2017-07-01", "2017-09-30", "2017-Q3"),
        ("this_year", "2017-01-01", "2017-12-31", "2017"),
        ("last_year", "2016-01-01", "2016-12-31", "2016"),
        ("last_1_day", "2017-12-31", "2017-12-31", "2017-12-31"),
        ("last_30_days", "2017-12-02", "2017-12-31", "2017-12-02..2017-12-31"),
        ("last_3_months", "2017-10-01", "2017-12-31", "2017-10-01..2017-12-31"),
        ("2016", "2016-01-01", "2016-12-31", "2016"),
        ("2017-Q2", "2017-04-01", "2017-06-30", "2017-Q2"),
        ("2017-q2", "2017-04-01", "2017-06-30", "2017-Q2"),
        ("2016-02", "2016-02-01", "2016-02-29", "2016-02"),
        ("2017-03-05", "2017-03-05", "2017-03-05", "2017-03-05"),
        ("2017-03..2017-Q2", "2017-03-01", "2017-06-30", "2017-03-01..2017-06-30"),
        (" 2017-03-05 .. 2017-03-06 ", "2017-03-05", "2017-03-06", "2017-03-05..2017-03-06"),
    ],
)
def test_a_period_is_read(text: str, first: str, last: str, label: str) -> None:
    period = parsed(text)

    assert (period.first.isoformat(), period.last.isoformat(), period.label) == (first, last, label)


@pytest.mark.parametrize("text", ["all_time", "", " ALL_TIME "])
def test_all_time_is_no_period(text: str) -> None:
    assert parse_period(text, REFERENCE) is None


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "2017-13",
        "2017-00",
        "2017-Q5",
        "2017-02-30",
        "17",
        "0000",
        "last_0_days",
        "last_99999_months",
        "last_x_days",
        "this_week",
        "2017-06..2017-05",
        "2017..",
        "..",
        "last_month..today",
        "2017-03; DROP TABLE accounts",
    ],
)
def test_what_is_no_period_says_what_is_allowed(text: str) -> None:
    with pytest.raises(PeriodError, match=r"is not a period.*last_N_days"):
        parse_period(text, REFERENCE)


@given(reference=days, grain=calendar_words)
def test_this_period_holds_the_reference_and_the_last_one_ends_the_day_before(reference: date, grain: str) -> None:
    this, last = parsed(f"this_{grain}", reference), parsed(f"last_{grain}", reference)

    assert this.first <= reference <= this.last
    assert last.last + timedelta(days=1) == this.first
    assert last == previous_period(this)


@given(reference=days, count=st.integers(1, 900))
def test_last_n_days_has_n_days_and_ends_today(reference: date, count: int) -> None:
    period = parsed(f"last_{count}_days", reference)

    assert (period.days, period.last) == (count, reference)


@given(reference=days, count=st.integers(1, 60))
def test_last_n_months_ends_today_and_twelve_are_a_year(reference: date, count: int) -> None:
    period = parsed(f"last_{count}_months", reference)

    assert period.last == reference
    assert count * 28 <= period.days <= count * 31


@given(reference=days, grain=calendar_words)
def test_the_label_of_a_period_names_it_again(reference: date, grain: str) -> None:
    period = parsed(f"this_{grain}", reference)

    assert parsed(period.label, REFERENCE) == period


@given(one=days, other=days)
def test_a_span_is_preceded_by_one_of_the_same_length(one: date, other: date) -> None:
    first, last = sorted([one, other])
    span = parsed(f"{first.isoformat()}..{last.isoformat()}")

    before = previous_period(span)

    assert before.days == span.days
    assert before.last + timedelta(days=1) == span.first


@given(text=st.text(max_size=30))
def test_any_text_is_a_period_or_refused_with_a_message(text: str) -> None:
    found = parsed_or_refused(text)

    assert found is None or ("Allowed" in found if isinstance(found, str) else found.first <= found.last)


@given(one=days, other=days)
def test_months_are_listed_without_a_gap(one: date, other: date) -> None:
    first, last = sorted([one, other])

    labels = [month for month, _, _ in month_labels(first, last)]

    assert labels == sorted(set(labels))
    assert (labels[0], labels[-1]) == (f"{first:%Y-%m}", f"{last:%Y-%m}")
    assert len(labels) == (last.year - first.year) * 12 + last.month - first.month + 1


def test_there_is_nothing_before_the_first_year() -> None:
    with pytest.raises(PeriodError, match="no period before"):
        previous_period(parsed("0001"))
