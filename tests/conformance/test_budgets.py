"""`core.ports.Budgets`: holds and spending of a day, the same on all nodes, whatever is repeated or lost."""

from __future__ import annotations

import asyncio

import pytest
import redis
from loguru import logger

from core.budgets import BudgetLimits, BudgetRefusal, BudgetStanding, Hold, Payer
from core.clock import SystemClock
from core.measurements import BudgetRefused, BudgetWarned, Measurement
from memory.backends import Memory
from memory.budgets.budgets import RedisBudgets
from memory.budgets.days import Days
from memory.keys import user_key
from tests.conformance.conftest import Nodes

DOLLAR = 1_000_000
DAY_MS = 86_400_000


def payer(
    user_id: str = "ana", *, tenant_day: int | None = None, user_day: int | None = None, tenant: str = "acme"
) -> Payer:
    limits = BudgetLimits(tenant_day_microusd=tenant_day, user_day_microusd=user_day)
    return Payer(tenant=tenant, user_id=user_id, limits=limits)


async def sums(memory: Memory, who: Payer) -> list[tuple[str, int, int]]:
    """Kind, spent and held of each budget."""
    return [(each.kind, each.spent_microusd, each.held_microusd) for each in await memory.budgets.standing(who)]


async def spend(memory: Memory, call_id: str, who: Payer, microusd: int) -> None:
    held = await memory.budgets.reserve(call_id, who, need_microusd=microusd, want_microusd=microusd)
    assert isinstance(held, Hold)
    await memory.budgets.settle(call_id, who, actual_microusd=microusd)


async def more(memory: Memory, who: Payer, number: int, *, need: int, want: int) -> Hold | BudgetRefusal:
    return await memory.budgets.extend("call_1", who, number=number, need_microusd=need, want_microusd=want)


class Told:
    """Remembers measurements."""

    def __init__(self) -> None:
        self.all: list[Measurement] = []

    def emit(self, measurement: Measurement) -> None:
        self.all.append(measurement)

    @property
    def warnings(self) -> list[tuple[str, int]]:
        return [(one.kind, one.percent) for one in self.all if isinstance(one, BudgetWarned)]


async def test_what_a_call_cost_takes_the_place_of_what_it_held(memory: Memory) -> None:
    who = payer(tenant_day=DOLLAR, user_day=DOLLAR)

    held = await memory.budgets.reserve("call_1", who, need_microusd=100, want_microusd=900)

    assert held == Hold(held_microusd=900)
    assert await sums(memory, who) == [("tenant", 0, 900), ("user", 0, 900)]
    await memory.budgets.settle("call_1", who, actual_microusd=250)
    assert await sums(memory, who) == [("tenant", 250, 0), ("user", 250, 0)]


async def test_both_nodes_count_for_one_budget(nodes: Nodes) -> None:
    who = payer(tenant_day=1_000)
    await spend(nodes.one, "call_1", who, 600)

    refusal = await nodes.two.budgets.reserve("call_2", who, need_microusd=500, want_microusd=500)

    assert isinstance(refusal, BudgetRefusal)
    assert await sums(nodes.two, who) == [("tenant", 600, 0)]


async def test_past_half_of_a_budget_a_call_gets_what_it_needs_and_no_more(memory: Memory) -> None:
    who = payer(tenant_day=1_000)
    await spend(memory, "call_1", who, 450)

    assert await memory.budgets.reserve("call_2", who, need_microusd=10, want_microusd=60) == Hold(held_microusd=10)
    assert await memory.budgets.reserve("call_3", who, need_microusd=10, want_microusd=40) == Hold(held_microusd=40)


async def test_the_tighter_of_two_budgets_counts(memory: Memory) -> None:
    who = payer(tenant_day=DOLLAR, user_day=100)

    refusal = await memory.budgets.reserve("call_1", who, need_microusd=101, want_microusd=101)

    assert isinstance(refusal, BudgetRefusal)
    assert refusal.kind == "user"
    assert await sums(memory, who) == [("tenant", 0, 0), ("user", 0, 0)]


async def test_users_of_a_tenant_have_a_day_each_and_tenants_too(memory: Memory) -> None:
    await spend(memory, "call_1", payer("ana", user_day=100, tenant_day=1_000), 90)

    assert await sums(memory, payer("bia", user_day=100, tenant_day=1_000)) == [("tenant", 90, 0), ("user", 0, 0)]
    assert await sums(memory, payer("ana", user_day=100, tenant_day=1_000, tenant="other")) == [
        ("tenant", 0, 0),
        ("user", 0, 0),
    ]


async def test_a_refusal_says_when_the_day_ends(memory: Memory) -> None:
    who = payer(tenant_day=1)

    refusal = await memory.budgets.reserve("call_1", who, need_microusd=2, want_microusd=2)

    assert isinstance(refusal, BudgetRefusal)
    assert refusal.resets_ms % DAY_MS == 0
    assert 0 < refusal.resets_ms - SystemClock().now_ms() <= DAY_MS


async def test_a_day_may_be_that_of_another_zone(memory: Memory) -> None:
    limits = BudgetLimits(tenant_day_microusd=1, zone="Asia/Kolkata")  # half an hour off, all the year
    who = Payer(tenant="acme", user_id="ana", limits=limits)

    [standing] = await memory.budgets.standing(who)

    assert standing.resets_ms % DAY_MS == 18.5 * 3_600_000


async def test_a_refusal_says_whether_only_other_calls_stand_in_the_way(memory: Memory) -> None:
    who = payer(tenant_day=1_000)
    await memory.budgets.reserve("call_1", who, need_microusd=800, want_microusd=800)

    held = await memory.budgets.reserve("call_2", who, need_microusd=300, want_microusd=300)
    await memory.budgets.settle("call_1", who, actual_microusd=800)
    spent = await memory.budgets.reserve("call_3", who, need_microusd=300, want_microusd=300)

    assert isinstance(held, BudgetRefusal)
    assert held.only_held
    assert isinstance(spent, BudgetRefusal)
    assert not spent.only_held


async def test_an_extension_adds_to_what_a_call_holds(memory: Memory) -> None:
    who = payer(tenant_day=1_000)
    await memory.budgets.reserve("call_1", who, need_microusd=100, want_microusd=100)

    assert await more(memory, who, 1, need=1, want=50) == Hold(held_microusd=150)
    assert isinstance(await more(memory, who, 2, need=851, want=900), BudgetRefusal)
    assert await more(memory, who, 3, need=1, want=800) == Hold(held_microusd=950)


async def test_an_extension_gets_what_is_left_where_that_is_less_than_it_would_like(memory: Memory) -> None:
    who = payer(tenant_day=1_000, user_day=700)
    await memory.budgets.reserve("call_1", who, need_microusd=100, want_microusd=100)

    assert await more(memory, who, 1, need=600, want=800) == Hold(held_microusd=700)


async def test_an_extension_that_others_holds_stand_in_the_way_of_is_not_the_end_of_the_budget(memory: Memory) -> None:
    who = payer(tenant_day=1_000)
    await memory.budgets.reserve("call_1", who, need_microusd=300, want_microusd=300)
    await memory.budgets.reserve("call_2", who, need_microusd=700, want_microusd=700)

    refusal = await more(memory, who, 1, need=1, want=100)
    await memory.budgets.settle("call_2", who, actual_microusd=700)
    last = await more(memory, who, 2, need=1, want=100)

    assert isinstance(refusal, BudgetRefusal)
    assert refusal.only_held
    assert isinstance(last, BudgetRefusal)
    assert not last.only_held


async def test_whatever_is_repeated_counts_once_and_is_answered_alike(nodes: Nodes) -> None:
    who = payer(tenant_day=1_000, user_day=1_000)
    one, two = nodes.one.budgets, nodes.two.budgets

    reserved = [await each.reserve("call_1", who, need_microusd=100, want_microusd=100) for each in (one, two, one)]
    extended = [
        await each.extend("call_1", who, number=1, need_microusd=1, want_microusd=30) for each in (one, two, one)
    ]
    await asyncio.gather(*(each.settle("call_1", who, actual_microusd=120) for each in (one, two, one)))

    assert reserved == [Hold(held_microusd=100)] * 3
    assert extended == [Hold(held_microusd=130)] * 3
    assert await sums(nodes.one, who) == [("tenant", 120, 0), ("user", 120, 0)]


async def test_a_refusal_that_is_repeated_stays_one(memory: Memory) -> None:
    who = payer(tenant_day=1_000)
    await memory.budgets.reserve("call_1", who, need_microusd=1_000, want_microusd=1_000)
    first = await memory.budgets.reserve("call_2", who, need_microusd=1, want_microusd=1)

    await memory.budgets.settle("call_1", who, actual_microusd=0)
    second = await memory.budgets.reserve("call_2", who, need_microusd=1, want_microusd=1)

    assert isinstance(first, BudgetRefusal)
    assert second == first


async def test_settling_a_call_that_was_refused_changes_nothing(memory: Memory) -> None:
    who = payer(tenant_day=1_000)
    await spend(memory, "call_1", who, 900)
    await memory.budgets.reserve("call_2", who, need_microusd=200, want_microusd=200)

    await memory.budgets.settle("call_2", who, actual_microusd=0)

    assert await sums(memory, who) == [("tenant", 900, 0)]


async def test_a_reservation_that_comes_after_its_settlement_holds_nothing(memory: Memory) -> None:
    who = payer(tenant_day=1_000)
    await memory.budgets.settle("call_1", who, actual_microusd=0)

    late = await memory.budgets.reserve("call_1", who, need_microusd=100, want_microusd=100)

    assert late == Hold(held_microusd=0)
    assert await sums(memory, who) == [("tenant", 0, 0)]


async def test_a_cost_that_nothing_was_held_for_is_counted(memory: Memory) -> None:
    who = payer(tenant_day=1_000)

    await memory.budgets.settle("call_1", who, actual_microusd=70)

    assert await sums(memory, who) == [("tenant", 70, 0)]


async def test_a_call_that_cost_more_than_it_held_is_counted_in_full(memory: Memory) -> None:
    who = payer(tenant_day=1_000)
    await memory.budgets.reserve("call_1", who, need_microusd=1_000, want_microusd=1_000)

    await memory.budgets.settle("call_1", who, actual_microusd=1_300)

    assert await sums(memory, who) == [("tenant", 1_300, 0)]


async def test_what_was_never_settled_stays_counted(nodes: Nodes) -> None:
    who = payer(tenant_day=1_000)
    await nodes.one.budgets.reserve("call_1", who, need_microusd=999, want_microusd=999)

    refusal = await nodes.two.budgets.reserve("call_2", who, need_microusd=2, want_microusd=2)

    assert isinstance(refusal, BudgetRefusal)


async def test_a_warning_is_given_once_over_all_nodes(nodes: Nodes) -> None:
    told = Told()
    adapters = [RedisBudgets(node.database, Days(SystemClock()), told) for node in (nodes.one, nodes.two)]
    who = payer(tenant_day=1_000, user_day=10_000)

    for number in range(20):
        await adapters[number % 2].settle(f"call_{number}", who, actual_microusd=45)

    assert told.warnings == [("tenant", 80)]


async def test_a_warning_is_one_line_in_the_log_that_says_whose_budget_it_is(nodes: Nodes) -> None:
    lines: list[dict[str, object]] = []
    sink = logger.add(lambda line: lines.append({"event": line.record["message"], **line.record["extra"]}))
    who = payer("ana", tenant_day=100_000_000, user_day=1_000_000)

    for number in range(4):
        await [nodes.one, nodes.two][number % 2].budgets.settle(f"call_{number}", who, actual_microusd=210_000)
    logger.remove(sink)

    [line] = [line for line in lines if line["event"] == "budget.warned"]
    whose = {"kind": "user", "tenant": "acme", "user_id": "ana"}
    assert line == {"event": "budget.warned", **whose, "percent": 80, "limit_usd": 1.0, "zone": "UTC"}


async def test_a_call_that_passes_two_thresholds_warns_of_the_higher(memory: Memory) -> None:
    told = Told()
    limits = BudgetLimits(user_day_microusd=1_000, warn_at_percent=(50, 90, 10))
    who = Payer(tenant="acme", user_id="ana", limits=limits)

    await RedisBudgets(memory.database, Days(SystemClock()), told).settle("call_1", who, actual_microusd=600)

    assert told.warnings == [("user", 50)]


async def test_the_first_call_that_too_little_is_left_for_warns_that_the_budget_is_reached(memory: Memory) -> None:
    told = Told()
    budgets = RedisBudgets(memory.database, Days(SystemClock()), told)
    who = payer(user_day=1_000)
    await budgets.settle("call_1", who, actual_microusd=700)

    for number in range(3):
        await budgets.reserve(f"late_{number}", who, need_microusd=301, want_microusd=301)

    assert told.warnings == [("user", 100)]
    assert sum(isinstance(one, BudgetRefused) for one in told.all) == 3


async def test_thresholds_are_the_limits_own(memory: Memory) -> None:
    told = Told()
    budgets = RedisBudgets(memory.database, Days(SystemClock()), told)
    limits = BudgetLimits(tenant_day_microusd=1_000, warn_at_percent=(10, 50))
    who = Payer(tenant="acme", user_id="ana", limits=limits)

    for number in range(11):
        await budgets.settle(f"call_{number}", who, actual_microusd=90)
    await budgets.reserve("late", who, need_microusd=100, want_microusd=100)

    assert told.warnings == [("tenant", 10), ("tenant", 50)]


async def test_an_erasure_takes_what_was_counted_for_the_user(nodes: Nodes) -> None:
    who = payer("ana", tenant_day=1_000, user_day=1_000)
    await nodes.one.sessions.open("acme", "ana", None)
    await spend(nodes.one, "call_1", who, 300)
    await nodes.one.budgets.reserve("call_2", who, need_microusd=200, want_microusd=200)

    await nodes.two.sessions.erase("acme", "ana")
    await nodes.one.budgets.extend("call_2", who, number=1, need_microusd=1, want_microusd=10)
    await nodes.one.budgets.settle("call_2", who, actual_microusd=150)

    assert await sums(nodes.one, who) == [("tenant", 450, 0), ("user", 0, 0)]
    assert not keys_of(nodes, f"*bu:{user_key('acme', 'ana')}*")
    assert not keys_of(nodes, "*ana*")


async def test_a_call_from_before_an_erasure_leaves_what_came_after_alone(memory: Memory) -> None:
    who = payer("ana", user_day=1_000)
    await memory.budgets.reserve("old", who, need_microusd=400, want_microusd=400)
    await memory.budgets.forget("acme", "ana")
    await memory.budgets.reserve("new", who, need_microusd=100, want_microusd=100)

    await memory.budgets.settle("old", who, actual_microusd=400)

    assert await sums(memory, who) == [("user", 0, 100)]


async def test_all_that_is_kept_has_an_end_and_lies_in_the_tenants_partition(nodes: Nodes) -> None:
    who = payer("ana", tenant_day=1_000, user_day=1_000)
    await spend(nodes.one, "settled", who, 10)
    await nodes.one.budgets.reserve("open", who, need_microusd=10, want_microusd=10)
    await nodes.one.budgets.reserve("refused", who, need_microusd=2_000, want_microusd=2_000)

    prefix = nodes.one.database.keys.prefix(nodes.one.database.keys.of("acme"))
    with nodes.server.client() as client:
        lives = {key.decode(): client.pttl(key) for key in keys_of(nodes, "*:b[tuc]:*")}

    assert sorted(key.removeprefix(prefix).partition(":")[0] for key in lives) == ["bc", "bc", "bc", "bt", "bu"]
    assert all(0 < life_ms <= 2 * DAY_MS for life_ms in lives.values())
    assert 0 < lives[f"{prefix}bc:settled"] <= 600_000
    assert lives[f"{prefix}bc:open"] > DAY_MS


async def test_days_that_are_over_are_swept_from_the_counters(nodes: Nodes) -> None:
    who = payer(tenant_day=1_000)
    key = f"{nodes.one.database.keys.prefix(nodes.one.database.keys.of('acme'))}bt:acme"
    with nodes.server.client() as client:
        client.hset(key, mapping={"born": 1, "2020-01-01:spent": 5, "2020-01-01:held": 0, "2020-01-01:told": 80})

        await spend(nodes.one, "call_1", who, 10)

        assert not [field for field in client.hkeys(key) if field.startswith(b"2020")]
        assert await sums(nodes.one, who) == [("tenant", 10, 0)]


async def test_a_budget_of_nothing_refuses_what_costs_anything(memory: Memory) -> None:
    refusal = await memory.budgets.reserve("call_1", payer(user_day=0), need_microusd=1, want_microusd=1)

    assert isinstance(refusal, BudgetRefusal)
    assert not refusal.only_held


@pytest.mark.parametrize("zone", ["Nowhere/Land", "../etc/passwd", ""])
async def test_a_zone_that_nobody_knows_is_utc(memory: Memory, zone: str) -> None:
    who = Payer(tenant="acme", user_id="ana", limits=BudgetLimits(user_day_microusd=1, zone=zone))

    [standing] = await memory.budgets.standing(who)

    assert standing == BudgetStanding(
        kind="user", limit_microusd=1, spent_microusd=0, held_microusd=0, resets_ms=standing.resets_ms
    )
    assert standing.resets_ms % DAY_MS == 0


def keys_of(nodes: Nodes, pattern: str) -> list[bytes]:
    with nodes.server.client() as client:
        assert isinstance(client, redis.Redis)
        return list(client.scan_iter(pattern))
