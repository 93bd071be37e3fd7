"""`Metered` where a call does not end well: stopped, broken off, refused by its vendor, over midnight, without Redis."""

from __future__ import annotations

import asyncio

import pytest

from agent.providers.scripted import Cut, Pause, Report, Say, ScriptedProvider
from agent.routing.metered import SLICE_TOKENS
from core.budgets import BudgetLimits
from core.clock import FakeClock, SystemClock
from core.errors import BackendError, ProviderError, TurnLimit
from core.models import ModelRequest, Usage
from memory.backends import Memory
from tests.agent.agent_support import FlatPrice
from tests.agent.metered_support import INPUT, TOKEN, Away, metered, read, request, spent_and_held, texts


class ByTheRequest(FlatPrice):
    """Some vendors charge for each request too."""

    def cost_microusd(self, provider: str, model: str, usage: Usage, *, tenant: str | None = None) -> int:
        return 500 + usage.input + usage.output


async def test_a_call_that_breaks_off_is_paid_as_far_as_it_came(memory: Memory) -> None:
    limits = BudgetLimits(user_day_microusd=100_000)
    provider = metered(memory, ScriptedProvider([[Say(TOKEN * 4), Cut()]]), limits)

    with pytest.raises(ProviderError):
        await read(provider)
    await provider.settled()

    assert await spent_and_held(memory, limits) == [(INPUT + 8, 0)]


async def test_input_that_was_reported_before_a_call_broke_off_is_not_guessed(memory: Memory) -> None:
    limits = BudgetLimits(user_day_microusd=100_000)
    script = [Report(Usage(input=400, output=1)), Say(TOKEN * 4), Cut()]
    provider = metered(memory, ScriptedProvider([script]), limits)

    with pytest.raises(ProviderError):
        await read(provider)
    await provider.settled()

    assert await spent_and_held(memory, limits) == [(408, 0)]


async def test_what_the_vendor_refuses_costs_nothing(memory: Memory) -> None:
    limits = BudgetLimits(user_day_microusd=100_000)

    class Refusing(ScriptedProvider):
        def stream(self, request: ModelRequest):  # type: ignore[no-untyped-def, override]
            raise ProviderError("too many requests", status=429)

    provider = metered(memory, Refusing([]), limits, pricing=ByTheRequest())

    with pytest.raises(ProviderError):
        await read(provider)
    await provider.settled()

    assert await spent_and_held(memory, limits) == [(0, 0)]


async def test_a_stopped_turn_is_settled_though_its_task_is_cancelled(memory: Memory) -> None:
    limits = BudgetLimits(user_day_microusd=100_000)
    pause = Pause(asyncio.Event(), asyncio.Event())
    vendor = ScriptedProvider([[Say(TOKEN * 3), pause]])
    provider = metered(memory, vendor, limits)
    turn = asyncio.create_task(read(provider))
    assert pause.reached is not None
    await pause.reached.wait()

    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert vendor.open_streams == 0
    await provider.settled()

    assert await spent_and_held(memory, limits) == [(INPUT + 6, 0)]


async def test_a_stop_while_the_reservation_is_on_its_way_leaves_nothing_held(memory: Memory) -> None:
    limits = BudgetLimits(user_day_microusd=100_000)
    vendor = ScriptedProvider([[Say("a")]])
    provider = metered(memory, vendor, limits)
    turn = asyncio.create_task(read(provider))
    await asyncio.sleep(0)  # the reservation is asked for

    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    await provider.settled()

    assert vendor.requests == []
    assert await spent_and_held(memory, limits) == [(0, 0)]


async def test_without_redis_a_call_under_a_budget_is_not_made(memory: Memory) -> None:
    vendor = ScriptedProvider([[Say("a")]])
    limits = BudgetLimits(user_day_microusd=100_000)
    provider = metered(memory, vendor, limits, budgets=Away(memory, after=0))

    with pytest.raises(BackendError):
        await read(provider)
    await provider.settled()

    assert vendor.requests == []


async def test_a_settlement_that_fails_leaves_the_money_held(memory: Memory) -> None:
    limits = BudgetLimits(user_day_microusd=100_000)
    provider = metered(memory, ScriptedProvider([[Say("a")]]), limits, budgets=Away(memory, after=1))

    await read(provider)
    await provider.settled()

    assert await spent_and_held(memory, limits) == [(0, INPUT + 1_000)]


async def test_a_stream_that_has_enough_held_does_not_mind_that_redis_went_away(memory: Memory) -> None:
    limits = BudgetLimits(user_day_microusd=1_000)
    vendor = ScriptedProvider([[Say(TOKEN) for _ in range(100)]])
    provider = metered(memory, vendor, limits, budgets=Away(memory, after=1))

    assert len(await read(provider, request(max_output_tokens=4_000))) == 101


async def test_a_stream_that_used_up_what_it_holds_ends_while_redis_is_away(memory: Memory) -> None:
    limits = BudgetLimits(user_day_microusd=1_000)
    vendor = ScriptedProvider([[Say(TOKEN) for _ in range(400)]])
    provider = metered(memory, vendor, limits, budgets=Away(memory, after=1))
    shown: list[str] = []

    with pytest.raises(BackendError):
        await texts(provider, request(max_output_tokens=4_000), shown)

    assert 2 * len(shown) in (SLICE_TOKENS + 1, SLICE_TOKENS + 2)
    assert vendor.closed_early == 1


async def test_a_call_that_goes_over_midnight_belongs_to_the_day_on_which_it_began(memory: Memory) -> None:
    """Redis' clock decides, so the day that is over is made by moving the call's own record back."""
    limits = BudgetLimits(user_day_microusd=600)
    pause = Pause(asyncio.Event(), asyncio.Event())
    script = [Say(TOKEN), pause, *(Say(TOKEN) for _ in range(1_000))]
    clock = FakeClock(SystemClock().now_ms())
    provider = metered(memory, ScriptedProvider([script]), limits, clock=clock)
    turn = asyncio.create_task(read(provider, request(max_output_tokens=4_000)))
    assert pause.reached is not None
    await pause.reached.wait()
    clock.advance(86_400)

    pause.until.set()
    with pytest.raises(TurnLimit, match="for the day that ended is used up; ask again") as error:
        await turn
    await provider.close()

    assert error.value.retryable
    assert (await spent_and_held(memory, limits))[0][1] == 0


async def test_a_call_that_is_stopped_while_the_model_reasons_costs_what_it_was_seen_to_hide(memory: Memory) -> None:
    limits = BudgetLimits(user_day_microusd=100_000)
    pause = Pause(asyncio.Event(), asyncio.Event())
    vendor = ScriptedProvider([[Say(TOKEN), Report(Usage(input=INPUT, output=702))], [pause]])
    provider = metered(memory, vendor, limits)
    await read(provider)

    turn = asyncio.create_task(read(provider))
    assert pause.reached is not None
    await pause.reached.wait()
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    await provider.settled()

    assert await spent_and_held(memory, limits) == [(INPUT + 702 + INPUT + 700, 0)]
