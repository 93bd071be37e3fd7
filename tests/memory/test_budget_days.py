"""Days end by Redis' clock, at a zone's midnight; a call belongs to the day on which it was reserved."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from core.budgets import BudgetLimits, BudgetRefusal, Hold, Payer
from core.clock import FakeClock, SystemClock
from core.measurements import NoMeasure
from memory.backends import Memory
from memory.budgets.budgets import RedisBudgets
from memory.budgets.days import Days
from tests.conformance.kit import eventually

ANA = Payer(tenant="acme", user_id="ana", limits=BudgetLimits(user_day_microusd=1_000))


class DaysThatEndSoon(Days):
    """Today ends in a moment."""

    def __init__(self, in_ms: int) -> None:
        super().__init__(SystemClock())
        self.ends_ms = SystemClock().now_ms() + in_ms

    def around(self, zone: str) -> tuple[str, ...]:
        hour_ms = 3_600_000
        ends = (self.ends_ms - hour_ms, self.ends_ms, self.ends_ms + hour_ms)
        return tuple(
            part for label, end in zip(("one", "two", "three"), ends, strict=True) for part in (label, str(end))
        )


async def test_a_call_that_goes_over_midnight_leaves_the_new_day_alone(memory: Memory) -> None:
    days = DaysThatEndSoon(in_ms=400)
    budgets = RedisBudgets(memory.database, days, NoMeasure())
    await budgets.reserve("call_1", ANA, need_microusd=900, want_microusd=900)
    await eventually(lambda: SystemClock().now_ms() > days.ends_ms + 5)

    late = await budgets.extend("call_1", ANA, number=1, need_microusd=200, want_microusd=200)
    more = await budgets.extend("call_1", ANA, number=2, need_microusd=1, want_microusd=100)
    await budgets.settle("call_1", ANA, actual_microusd=950)

    assert late == BudgetRefusal(kind="user", resets_ms=days.ends_ms, zone="UTC", only_held=False)
    assert more == Hold(held_microusd=1_000)
    [today] = await budgets.standing(ANA)
    assert (today.spent_microusd, today.held_microusd) == (0, 0)
    assert today.resets_ms == days.ends_ms + 3_600_000


async def test_a_new_day_has_a_whole_budget_and_its_own_warnings(memory: Memory) -> None:
    days = DaysThatEndSoon(in_ms=400)
    budgets = RedisBudgets(memory.database, days, NoMeasure())
    await budgets.settle("call_1", ANA, actual_microusd=1_000)
    assert isinstance(await budgets.reserve("call_2", ANA, need_microusd=1, want_microusd=1), BudgetRefusal)
    await eventually(lambda: SystemClock().now_ms() > days.ends_ms + 5)

    assert await budgets.reserve("call_3", ANA, need_microusd=1_000, want_microusd=1_000) == Hold(held_microusd=1_000)


async def test_a_node_whose_clock_is_hours_off_counts_for_the_same_day(memory: Memory) -> None:
    now_ms = SystemClock().now_ms()
    nodes = [
        RedisBudgets(memory.database, Days(FakeClock(now_ms + hours * 3_600_000)), NoMeasure())
        for hours in (-20, 0, 20)
    ]
    for number, budgets in enumerate(nodes):
        await budgets.settle(f"call_{number}", ANA, actual_microusd=100)

    assert [(await budgets.standing(ANA))[0].spent_microusd for budgets in nodes] == [300, 300, 300]


@pytest.mark.parametrize(
    ("zone", "now", "ends"),
    [
        pytest.param("UTC", "2026-03-01T23:59:59", "2026-03-02T00:00:00", id="utc"),
        pytest.param("America/Sao_Paulo", "2026-03-02T02:59:59", "2026-03-02T03:00:00", id="west"),
        pytest.param("Asia/Kolkata", "2026-03-01T18:30:00", "2026-03-02T18:30:00", id="half_an_hour"),
        pytest.param("Europe/Lisbon", "2026-03-29T12:00:00", "2026-03-29T23:00:00", id="the_day_with_23_hours"),
        pytest.param("Europe/Lisbon", "2026-10-25T12:00:00", "2026-10-26T00:00:00", id="the_day_with_25_hours"),
    ],
)
def test_a_day_ends_at_the_midnight_of_its_zone(zone: str, now: str, ends: str) -> None:
    clock = FakeClock(_ms(now))

    label, end = Days(clock).around(zone)[2:4]

    assert int(end) == _ms(ends)
    assert label == dt.datetime.fromtimestamp(_ms(now) / 1000, ZoneInfo(zone)).date().isoformat()


def test_days_follow_one_another_without_gap_also_where_clocks_change() -> None:
    clock = FakeClock(_ms("2026-03-01T00:30:00"))
    days = Days(clock)
    before = days.around("Europe/Lisbon")

    for _ in range(300 * 4):
        clock.advance(6 * 3_600)
        after = days.around("Europe/Lisbon")
        assert after == before or after[:4] == before[2:]
        assert int(after[1]) <= clock.now_ms() < int(after[3])
        before = after


def _ms(utc: str) -> int:
    return round(dt.datetime.fromisoformat(utc).replace(tzinfo=dt.UTC).timestamp() * 1000)
