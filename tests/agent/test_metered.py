"""`Metered`: a provider whose calls are held to daily budgets, on a real Redis. How calls end badly: its neighbour."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from loguru import logger

from agent.providers.scripted import Finish, Pause, Report, Say, ScriptedProvider, Think
from agent.routing.metered import SLICE_TOKENS
from core.budgets import BudgetLimits, Payer
from core.errors import TurnLimit
from core.models import Caller, ModelRequest, TextDelta, ToolSpec, Usage
from memory.backends import Memory
from tests.agent.agent_support import FlatPrice
from tests.agent.metered_support import ANA, INPUT, TOKEN, Away, metered, read, request, spent_and_held, texts


class Unknown(FlatPrice):
    """Nobody knows what anything costs."""

    def cost_microusd(self, provider: str, model: str, usage: Usage, *, tenant: str | None = None) -> int:
        return 0

    def is_known(self, provider: str, model: str, *, tenant: str | None = None) -> bool:
        return False


async def test_a_call_is_settled_at_what_the_vendor_reported(memory: Memory) -> None:
    limits = BudgetLimits(tenant_day_microusd=100_000, user_day_microusd=100_000)
    script = [
        Say("a"),
        Report(Usage(input=5, output=1)),
        Say("b"),
        Report(Usage(input=90, output=7, cached=20, reasoning=3)),  # cumulative: the last one counts
    ]
    provider = metered(memory, ScriptedProvider([script]), limits)

    events = await read(provider)
    await provider.settled()

    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "ab"
    assert await spent_and_held(memory, limits) == [(97, 0), (97, 0)]


async def test_a_call_without_a_report_is_settled_at_the_estimate(memory: Memory) -> None:
    limits = BudgetLimits(tenant_day_microusd=100_000)
    provider = metered(memory, ScriptedProvider([[Think(TOKEN * 10), Say(TOKEN * 50)]]), limits)

    await read(provider)
    await provider.settled()

    assert await spent_and_held(memory, limits) == [(INPUT + 120, 0)]


async def test_while_it_streams_it_holds_its_whole_output_limit(memory: Memory) -> None:
    limits = BudgetLimits(tenant_day_microusd=100_000)
    pause = Pause(asyncio.Event(), asyncio.Event())
    provider = metered(memory, ScriptedProvider([[Say("a"), pause]]), limits)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(read(provider))
        assert pause.reached is not None
        await pause.reached.wait()
        held = await spent_and_held(memory, limits)
        pause.until.set()

    assert held == [(0, INPUT + 1_000)]


async def test_without_room_for_its_tokens_no_call_is_made(memory: Memory) -> None:
    limits = BudgetLimits(user_day_microusd=100)
    vendor = ScriptedProvider([[Say("a")]])
    provider = metered(memory, vendor, limits)

    with pytest.raises(TurnLimit) as error:
        await read(provider)

    assert error.value.code == "budget_exceeded"
    assert vendor.requests == []


async def test_the_refusal_says_which_budget_and_when_it_resets(memory: Memory) -> None:
    zone = BudgetLimits(user_day_microusd=100, zone="America/Sao_Paulo")
    organisation = BudgetLimits(tenant_day_microusd=100)

    with pytest.raises(
        TurnLimit, match=r"^Your budget for today is used up; it resets at \d{4}-\d\d-\d\d 00:00 "
    ) as own:
        await read(metered(memory, ScriptedProvider([]), zone))
    with pytest.raises(TurnLimit, match=r"organisation.*it resets at \d{4}-\d\d-\d\d 00:00 UTC\.$") as shared:
        await read(metered(memory, ScriptedProvider([]), organisation))

    assert own.value.message.endswith("America/Sao_Paulo.")
    assert not own.value.retryable
    assert 0 < (shared.value.retry_after_ms or 0) <= 86_400_000


async def test_a_refusal_because_of_answers_under_way_may_be_tried_again(memory: Memory) -> None:
    limits = BudgetLimits(user_day_microusd=600)
    await memory.budgets.reserve(
        "call_1",
        Payer(tenant="acme", user_id="ana", limits=limits),
        need_microusd=500,
        want_microusd=500,
    )

    with pytest.raises(TurnLimit, match="answers under way") as error:
        await read(metered(memory, ScriptedProvider([]), limits))

    assert error.value.retryable
    assert error.value.code == "budget_exceeded"


async def test_a_stream_ends_where_the_budget_does(memory: Memory) -> None:
    most = INPUT + 3 * SLICE_TOKENS + 11
    limits = BudgetLimits(user_day_microusd=most)
    vendor = ScriptedProvider([[Say(TOKEN) for _ in range(2_000)]])
    provider = metered(memory, vendor, limits)
    shown: list[str] = []

    with pytest.raises(TurnLimit, match="Your budget for today is used up"):
        await texts(provider, request(max_output_tokens=4_000), shown)
    await provider.settled()

    assert (vendor.open_streams, vendor.closed_early) == (0, 1)
    [(spent, held)] = await spent_and_held(memory, limits)
    assert held == 0
    assert spent == INPUT + 2 * len(shown)  # what was shown is what is paid
    assert 0 < spent - most <= 2  # the one read that used it up


async def test_an_answer_longer_than_one_slice_goes_on_where_the_budget_allows_it(memory: Memory) -> None:
    limits = BudgetLimits(user_day_microusd=3_000)  # past half of it: slices
    vendor = ScriptedProvider([[Say(TOKEN) for _ in range(1_000)]])
    provider = metered(memory, vendor, limits)

    events = await read(provider, request(max_output_tokens=2_000))
    await provider.settled()

    assert len(events) == 1_001
    assert await spent_and_held(memory, limits) == [(INPUT + 2_000, 0)]


async def test_what_a_vendor_reports_in_mid_stream_counts_though_nothing_is_shown(memory: Memory) -> None:
    limits = BudgetLimits(user_day_microusd=1_000)
    reports = [Report(Usage(input=8, output=output)) for output in range(0, 2_000, 100)]
    vendor = ScriptedProvider([reports])
    provider = metered(memory, vendor, limits)

    with pytest.raises(TurnLimit):
        await read(provider, request(max_output_tokens=4_000))
    await provider.settled()

    [(spent, _)] = await spent_and_held(memory, limits)
    assert 1_000 < spent <= 1_000 + 108  # one report more than there was money for


@pytest.mark.parametrize(
    ("caller", "limits"),
    [
        pytest.param(None, BudgetLimits(user_day_microusd=0), id="nobodys_call"),
        pytest.param(ANA, None, id="nobody_limits_it"),
        pytest.param(ANA, BudgetLimits(), id="no_limit_is_set"),
    ],
)
async def test_where_no_budget_applies_redis_is_not_asked(
    memory: Memory, caller: Caller | None, limits: BudgetLimits | None
) -> None:
    vendor = ScriptedProvider([[Say("a")]])
    provider = metered(memory, vendor, limits, budgets=Away(memory, after=0))

    assert len(await read(provider, request(caller=caller))) == 2
    assert provider.name == vendor.name


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is logged."""
    logged: list[str] = []
    sink = logger.add(lambda line: logged.append(str(line)), format="{message}")
    yield logged
    logger.remove(sink)


async def test_a_model_whose_price_nobody_knows_cannot_be_used_under_a_budget(memory: Memory, lines: list[str]) -> None:
    vendor = ScriptedProvider([[Say("a")]])
    limits = BudgetLimits(user_day_microusd=100_000)
    provider = metered(memory, vendor, limits, pricing=Unknown())

    for _ in range(2):
        with pytest.raises(TurnLimit, match="not known here") as error:
            await read(provider)

    assert error.value.code == "budget_exceeded"
    assert vendor.requests == []
    assert sum("budget.price_unknown" in line for line in lines) == 1


async def test_where_the_operator_allows_it_a_model_without_a_price_is_called(memory: Memory, lines: list[str]) -> None:
    vendor = ScriptedProvider([[Say("a")], [Say("b")]])
    limits = BudgetLimits(user_day_microusd=0)
    budgets = Away(memory, after=0)
    provider = metered(memory, vendor, limits, pricing=Unknown(), budgets=budgets, allow_unpriced=True)

    await read(provider)
    await read(provider)

    assert len(vendor.requests) == 2
    assert sum("budget.price_unknown" in line for line in lines) == 1


async def test_an_answer_that_is_held_whole_is_not_cut_by_an_estimate_that_is_too_high(memory: Memory) -> None:
    limits = BudgetLimits(user_day_microusd=2 * (INPUT + 200))
    script = [Say(TOKEN) for _ in range(150)]  # looks like 300 tokens, and is 200: all that was asked for
    vendor = ScriptedProvider([[*script, Report(Usage(input=INPUT, output=200))]])
    provider = metered(memory, vendor, limits, budgets=Away(memory, after=1))  # nothing more is asked of Redis

    events = await read(provider, request(max_output_tokens=200))

    assert len(events) == 152


async def test_an_answer_without_a_limit_of_its_own_goes_on_past_what_was_held_first(memory: Memory) -> None:
    limits = BudgetLimits(user_day_microusd=100_000)
    vendor = ScriptedProvider([[Say(TOKEN) for _ in range(3_000)]])
    provider = metered(memory, vendor, limits)

    await read(provider, request(max_output_tokens=None))
    await provider.settled()

    assert await spent_and_held(memory, limits) == [(INPUT + 6_000, 0)]


async def test_tools_are_part_of_what_is_held(memory: Memory) -> None:
    limits = BudgetLimits(user_day_microusd=100_000)
    tool = ToolSpec(name="t" * 7, title="t", description="d" * 68, parameters={"type": "object"})  # 93 characters
    pause = Pause(asyncio.Event(), asyncio.Event())
    provider = metered(memory, ScriptedProvider([[Say("a"), pause]]), limits)
    asked = ModelRequest(model="one", messages=request().messages, tools=(tool,), max_output_tokens=100, caller=ANA)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(read(provider, asked))
        assert pause.reached is not None
        await pause.reached.wait()
        held = await spent_and_held(memory, limits)
        pause.until.set()

    assert held == [(0, INPUT + 27 + 100)]


async def test_one_read_that_is_dearer_than_the_budget_is_shown_and_paid_and_is_the_last(memory: Memory) -> None:
    limits = BudgetLimits(user_day_microusd=INPUT + 256)
    vendor = ScriptedProvider([[Say(TOKEN * 400), Say("more"), Finish("stop")]])
    provider = metered(memory, vendor, limits)
    shown: list[str] = []

    with pytest.raises(TurnLimit):
        await texts(provider, request(max_output_tokens=4_000), shown)
    await provider.settled()

    assert shown == [TOKEN * 400]
    assert await spent_and_held(memory, limits) == [(INPUT + 800, 0)]
