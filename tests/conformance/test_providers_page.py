"""docs/providers.md names the doubles, behaviours and promises that there are, and no provider breaks one."""

from __future__ import annotations

import pytest

from tests.conformance.providers_page import BEGIN, END, NAMES, NONE, PAGE, TITLES, functions, sentence
from tests.conformance.vendors.dialects import DIALECTS
from tests.conformance.vendors.registry import VENDORS
from tests.conformance.vendors.vendor import BEHAVIOURS, Vendor

TEXT = PAGE.read_text(encoding="utf-8")
PART = TEXT.partition(BEGIN)[2].partition(END)[0]
TABLE = [[cell.strip() for cell in line.strip("|").split("|")] for line in PART.splitlines() if line.startswith("| ")]
HEADS = [row[1:] for row in TABLE if row[0] in ("behaviour", "promise")]
ROWS = {row[0]: dict(zip(NAMES, row[1:], strict=True)) for row in TABLE if row[0] not in ("behaviour", "promise")}
AGAIN = "write it anew: python -m tests.conformance.providers_page"


def test_both_tables_have_a_column_for_each_double() -> None:
    assert [list(NAMES)] * 2 == HEADS, AGAIN


def test_there_is_a_row_for_each_behaviour_and_each_promise() -> None:
    behaviours = [f"{TITLES[row]} (`{row}`)" for row in BEHAVIOURS]
    assert list(ROWS) == [*behaviours, *(sentence(row) for row in functions())], AGAIN


@pytest.mark.parametrize("vendor", VENDORS, ids=NAMES)
def test_what_a_vendor_has_not_is_what_its_double_has_not(vendor: Vendor) -> None:
    shown = {row for row in BEHAVIOURS if ROWS[f"{TITLES[row]} (`{row}`)"][vendor.name] == NONE}
    assert shown == {row for row in BEHAVIOURS if vendor.answer(row) is None}, AGAIN


def test_no_promise_is_broken() -> None:
    assert "**no**" not in PART


@pytest.mark.parametrize("name", NAMES)
def test_each_double_has_its_score_of_function_calling_and_its_dialect(name: str) -> None:
    assert float(ROWS["calls survive the way to a vendor and back"][name]) >= 0.99
    assert DIALECTS[name]
    assert f"\n### {name}\n\n{DIALECTS[name]}\n" in PART, AGAIN
