from __future__ import annotations

import pytest

from mlops.numerals import numbers_in


@pytest.mark.parametrize(
    ("text", "values"),
    [
        pytest.param("R$ 1.234,56", [1234.56], id="portuguese_decimals"),
        pytest.param("$1,234.56", [1234.56], id="english_decimals"),
        pytest.param("10.005.534", [10_005_534], id="portuguese_thousands"),
        pytest.param("10,005,534.", [10_005_534], id="english_thousands_and_a_full_stop"),
        pytest.param("1\u202f234\u202f567", [1_234_567], id="thousands_by_narrow_spaces"),
        pytest.param("1.425", [1.425, 1425], id="both_ways_where_nobody_can_tell"),
        pytest.param("63,15 %", [63.15], id="comma_that_can_only_be_decimal"),
        pytest.param("**2360.91**", [2360.91], id="in_bold"),
        pytest.param("10,01 milhões", [10.01, 10_010_000], id="millions_in_portuguese"),
        pytest.param("1.5 million", [1.5, 1_500_000], id="millions_in_english"),
        pytest.param("2 mil", [2, 2000], id="thousand_in_portuguese_and_spanish"),
        pytest.param("938k", [938, 938_000], id="k"),
        pytest.param("5 milhas", [5], id="a_word_that_only_begins_like_a_scale"),
        pytest.param("Q4, GTX500", [], id="digits_within_a_word"),
        pytest.param("1. West\n2. East", [], id="marks_of_a_numbered_list"),
        pytest.param("-5 %", [5], id="sign_left_out"),
        pytest.param("none", [], id="no_number"),
    ],
)
def test_numbers_are_read_as_three_languages_write_them(text: str, values: list[float]) -> None:
    assert [told.value for told in numbers_in(text)] == values


def test_where_a_number_begins_is_told() -> None:
    assert [told.at for told in numbers_in("1. West 12\n2. East 7")] == [8, 19]
