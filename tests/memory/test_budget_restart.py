"""Redis goes and comes back: what was spent and held is there, and calls go on where they were."""

from __future__ import annotations

from core.budgets import BudgetLimits, Hold, Payer
from memory.backends import Memory
from tests.memory.conftest import all_written
from tests.servers import RedisServer

ANA = Payer(tenant="acme", user_id="ana", limits=BudgetLimits(tenant_day_microusd=1_000, user_day_microusd=1_000))


async def test_budgets_survive_a_restart_of_redis_in_mid_call(memory: Memory, server: RedisServer) -> None:
    budgets = memory.budgets
    await budgets.settle("call_0", ANA, actual_microusd=70)
    await budgets.reserve("call_1", ANA, need_microusd=200, want_microusd=200)
    await all_written(server.url)
    server.kill()
    server.start()

    more = await budgets.extend("call_1", ANA, number=1, need_microusd=1, want_microusd=50)
    again = await budgets.reserve("call_1", ANA, need_microusd=200, want_microusd=200)
    await budgets.settle("call_0", ANA, actual_microusd=70)
    await budgets.settle("call_1", ANA, actual_microusd=240)

    assert (more, again) == (Hold(held_microusd=250), Hold(held_microusd=250))
    assert [(each.spent_microusd, each.held_microusd) for each in await budgets.standing(ANA)] == [(310, 0)] * 2


async def test_a_call_that_redis_lost_is_held_and_counted_anew(memory: Memory, server: RedisServer) -> None:
    budgets = memory.budgets
    await budgets.reserve("call_1", ANA, need_microusd=200, want_microusd=200)
    with server.client() as client:  # as a crash that takes the last second back
        client.delete(*client.scan_iter("*:b[tc]:*"), *client.scan_iter("*:bu:*"))

    more = await budgets.extend("call_1", ANA, number=1, need_microusd=1, want_microusd=50)
    await budgets.settle("call_1", ANA, actual_microusd=240)

    assert more == Hold(held_microusd=50)
    assert [(each.spent_microusd, each.held_microusd) for each in await budgets.standing(ANA)] == [(240, 0)] * 2
