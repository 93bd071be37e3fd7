"""Figures that can be looked up: Wilson's interval, percentiles, the exact sign test, Holm's adjustment."""

from __future__ import annotations

import pytest

from mlops.compare.order import schedule
from mlops.compare.statistics import holm, percentile, sign_test, wilson


@pytest.mark.parametrize(
    ("share", "count", "low", "high"),
    [
        # worked by hand: none of n has the upper end z² / (n + z²), half of them is symmetric
        (0.5, 10, 0.2366, 0.7634),
        (1.0, 24, 0.8620, 1.0),
        (0.0, 24, 0.0, 0.1380),
        (0.0, 0, 0.0, 1.0),
    ],
)
def test_wilsons_interval(share: float, count: int, low: float, high: float) -> None:
    assert wilson(share, count) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


@pytest.mark.parametrize(
    ("values", "percent", "found"),
    [([], 50, None), ([3.0], 95, 3.0), ([4.0, 1.0, 3.0, 2.0], 50, 2.5), ([0.0, 10.0], 95, 9.5)],
)
def test_percentiles_lie_between_two_values_in_proportion(
    values: list[float], percent: float, found: float | None
) -> None:
    assert percentile(values, percent) == (None if found is None else pytest.approx(found))


@pytest.mark.parametrize(
    ("wins", "losses", "p"), [(0, 0, 1.0), (5, 5, 1.0), (8, 2, 0.109375), (0, 6, 0.03125), (15, 0, 2 / 2**15)]
)
def test_the_sign_test_is_exact_and_two_sided(wins: int, losses: int, p: float) -> None:
    assert sign_test(wins, losses) == pytest.approx(p)
    assert sign_test(losses, wins) == pytest.approx(p)


def test_holm_adjusts_each_by_its_rank_and_never_below_one_before() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def test_every_combination_is_asked_once_and_a_question_of_all_models_before_the_next() -> None:
    asks = schedule(["a", "b", "c"], ["Q1", "Q2", "Q3", "Q4"], repeats=2, seed=7)

    assert len(set(asks)) == len(asks) == 24
    assert all(len({(ask.question_id, ask.repeat) for ask in asks[at : at + 3]}) == 1 for at in range(0, 24, 3))
    assert asks == schedule(["a", "b", "c"], ["Q1", "Q2", "Q3", "Q4"], repeats=2, seed=7)
    assert asks != schedule(["a", "b", "c"], ["Q1", "Q2", "Q3", "Q4"], repeats=2, seed=8)
