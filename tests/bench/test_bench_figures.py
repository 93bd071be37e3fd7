from __future__ import annotations

import pytest

from bench.figures import percentile, percentiles, spread


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        pytest.param([5.0], 0.99, 5.0, id="one_value_is_every_percentile"),
        pytest.param([1.0, 2.0, 3.0], 0.5, 2.0, id="the_middle_of_an_odd_number"),
        pytest.param([1.0, 2.0, 3.0, 4.0], 0.5, 2.5, id="between_the_two_in_the_middle"),
        pytest.param([4.0, 1.0, 3.0, 2.0], 0.0, 1.0, id="the_lowest_of_an_unordered_list"),
        pytest.param([4.0, 1.0, 3.0, 2.0], 1.0, 4.0, id="the_highest"),
        pytest.param([float(n) for n in range(101)], 0.99, 99.0, id="the_99th_of_a_hundred"),
        pytest.param([0.0, 10.0], 0.75, 7.5, id="linear_between_neighbours"),
    ],
)
def test_a_percentile_is_linear_between_its_neighbours(values: list[float], share: float, expected: float):
    assert percentile(values, share) == pytest.approx(expected)


def test_no_values_have_no_percentile():
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


@pytest.mark.parametrize("share", [-0.1, 1.1, 99])
def test_a_share_outside_0_to_1_is_refused(share: float):
    with pytest.raises(ValueError, match="between 0 and 1"):
        percentile([1.0], share)


def test_a_distribution_in_short():
    short = percentiles([3.0, 1.0, 2.0])

    assert short is not None
    assert (short.count, short.p50, short.highest) == (3, 2.0, 3.0)
    assert short.p99 == pytest.approx(2.98)


def test_nothing_measured_gives_no_distribution():
    assert percentiles([]) is None


def test_a_spread_keeps_every_repeat():
    found = spread([3.0, 1.0, 9.0])

    assert (found.median, found.low, found.high, found.values) == (3.0, 1.0, 9.0, (3.0, 1.0, 9.0))


def test_no_repeats_have_no_spread():
    with pytest.raises(ValueError, match="no repeats"):
        spread([])
