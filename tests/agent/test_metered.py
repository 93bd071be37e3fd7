"""`Metered`: a provider whose calls are held to daily budgets, on a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from loguru import logger

from agent.budget import TokenCounter
from agent.providers.scripted import Cut, Finish, Pause, Report, Say, ScriptedProvider, Think
from agent.routing.metered import SLICE_TOKENS, Metered
from core.budgets import BudgetLimits, Payer
from core.clock import FakeClock, SystemClock
from core.errors import BackendError, ProviderError, TurnLimit
from core.ids import SystemIds
from core.messages import UserMessage
from core.models import Caller, ModelEvent, ModelRequest, TextDelta, ToolSpec, Usage
from memory.backends import Memory, open_memory
from tests.agent.agent_support import FlatPrice
from tests.servers import RedisServer, valkey_server

ANA = Caller(tenant="acme", user_id="ana", session_id="ses_1", turn_id="turn_1", agent="sales", step=1)
INPUT = 8
"""Tokens of `request`'s only message: 4 of its frame and 4 of its 14 characters."""
TOKEN = "abcdefg"
"""Two tokens by the estimate: 3.5 characters each."""


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with valkey_server("--maxmemory-policy", "noeviction") as running:
        yield running


@pytest.fixture
async def memory(server: RedisServer, tmp_path: Path) -> AsyncIterator[Memory]:
    with server.client() as client:
        client.flushall()
    async with open_memory(redis_url=server.url, data_dir=tmp_path, node=SystemIds().new("node")) as memory:
        yield memory


class Unknown(FlatPrice):
    """Nobody knows what anything costs."""

    def cost_microusd(self, provider: str, model: str, usage: Usage, *, tenant: str | None = None) -> int:
        return 0

    def is_known(self, provider: str, model: str, *, tenant: str | None = None) -> bool:
        return False


class Away:
    """Budgets on a Redis that is away from some moment on; what they are asked before that goes to real ones."""

    def __init__(self, memory: Memory, *, after: int) -> None:
        self._budgets, self._left = memory.budgets, after

    def __getattr__(self, name: str) -> object:
        async def ask(*arguments: object, **named: object) -> object:
            self._left -= 1
            if self._left < 0:
                raise BackendError("Redis does not answer at the moment; try again.")
            return await getattr(self._budgets, name)(*arguments, **named)

        return ask


def metered(memory: Memory, provider: ScriptedProvider, limits: BudgetLimits | None, **other: object) -> Metered:
    collaborators = {
        "budgets": memory.budgets,
        "limits_for": lambda _: limits,
        "pricing": FlatPrice(),
        "counter": TokenCounter(),
        "clock": SystemClock(),
        "ids": SystemIds(),
    } | other
    return Metered(provider, **collaborators)  # type: ignore[arg-type]


def request(*, max_output_tokens: int | None = 1_000, caller: Caller | None = ANA) -> ModelRequest:
    return ModelRequest(
        model="one",
        messages=(UserMessage(content="quanto vendemos"[:14]),),
        max_output_tokens=max_output_tokens,
        caller=caller,
    )


async def read(provider: Metered, asked: ModelRequest | None = None) -> list[ModelEvent]:
    """Everything that a call gives."""
    async with provider.stream(asked or request()) as stream:
        return [event async for event in stream]


async def texts(provider: Metered, asked: ModelRequest, into: list[str]) -> None:
    """The texts that a call gives, up to where it ends badly."""
    async with provider.stream(asked) as stream:
        async for event in stream:
            assert isinstance(event, TextDelta)
            into.append(event.text)


async def spent_and_held(memory: Memory, limits: BudgetLimits, user_id: str = "ana") -> list[tuple[int, int]]:
    standing = await memory.budgets.standing(Payer(tenant="acme", user_id=user_id, limits=limits))
    return [(each.spent_microusd, each.held_microusd) for each in standing]


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

    provider = metered(memory, Refusing([]), limits)

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


async def test_a_model_whose_price_nobody_knows_is_called_and_said_so_once(memory: Memory) -> None:
    limits = BudgetLimits(user_day_microusd=0)
    vendor = ScriptedProvider([[Say("a")], [Say("b")]])
    provider = metered(memory, vendor, limits, pricing=Unknown(), budgets=Away(memory, after=0))
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), format="{message}")

    await read(provider)
    await read(provider)
    logger.remove(sink)

    assert len(vendor.requests) == 2
    assert sum("budget.price_unknown" in line for line in lines) == 1


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
