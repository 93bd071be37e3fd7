"""How far a budget can be overshot: 100 turns at once, over two nodes, against one budget."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from agent.budget import TokenCounter, estimate_tokens
from agent.routing.metered import SLICE_TOKENS, Metered
from core.budgets import BudgetLimits, Payer
from core.clock import SystemClock
from core.errors import TurnLimit
from core.ids import SystemIds
from core.messages import UserMessage
from core.models import Caller, ModelEvent, ModelFinished, ModelRequest, TextDelta, Usage, UsageReported
from memory.backends import Memory, open_memory
from tests.servers import RedisServer

TURNS = 100
READ_TOKENS = 8
"""What comes with one network read: 28 characters, so that the estimate of 3.5 characters a token is right."""
ANSWER_TOKENS = 1_400
MICROUSD_PER_TOKEN = 10
"""10 dollars a million: what the dearer models ask for."""
QUESTION = "quanto vendemos"


class TenDollars:
    """One price for all tokens."""

    def cost_microusd(self, provider: str, model: str, usage: Usage, *, tenant: str | None = None) -> int:
        return MICROUSD_PER_TOKEN * (usage.input + usage.output)

    def is_known(self, provider: str, model: str, *, tenant: str | None = None) -> bool:
        return True


class Vendor:
    """Gives a few tokens a read, and knows what each call made it make, which is what it would charge for."""

    name = "vendor"

    def __init__(self, *, hidden_tokens: int = 0) -> None:
        self.billed_tokens = 0
        self.open = 0
        self.most_open = 0
        self.cut = 0
        self._hidden_tokens = hidden_tokens

    @property
    def billed_microusd(self) -> int:
        return self.billed_tokens * MICROUSD_PER_TOKEN

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[ModelEvent]]:
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        self.billed_tokens += estimate_tokens(len(QUESTION)) + 4 + self._hidden_tokens
        events = self._events()
        try:
            yield events
        except BaseException:
            self.cut += 1
            raise
        finally:
            await events.aclose()  # type: ignore[attr-defined]
            self.open -= 1

    async def _events(self) -> AsyncIterator[ModelEvent]:
        made = 0
        while made < ANSWER_TOKENS:
            await asyncio.sleep(0)  # others' reads come between
            made += READ_TOKENS
            self.billed_tokens += READ_TOKENS
            yield TextDelta(text="x" * 28)
        usage = Usage(input=estimate_tokens(len(QUESTION)) + 4, output=self._hidden_tokens + made)
        yield UsageReported(usage=usage)
        yield ModelFinished(reason="stop")

    async def close(self) -> None: ...


def say(line: str) -> None:
    """For who runs this with `-s`: the figures."""
    sys.stdout.write(f"{line}\n")


@pytest.fixture
async def nodes(valkey: RedisServer, tmp_path: Path) -> AsyncIterator[list[Memory]]:
    with valkey.client() as client:
        client.flushall()
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                open_memory(redis_url=valkey.url, data_dir=tmp_path, node=SystemIds().new("node"))
            )
            for _ in range(2)
        ]


async def answer(provider: Metered, number: int) -> str:
    caller = Caller(
        tenant="acme", user_id="ana", session_id=f"ses_{number}", turn_id=f"turn_{number}", agent="sales", step=1
    )
    request = ModelRequest(
        model="one", messages=(UserMessage(content=QUESTION),), max_output_tokens=ANSWER_TOKENS * 2, caller=caller
    )
    try:
        async with provider.stream(request) as events:
            async for _ in events:
                pass
    except TurnLimit as error:
        return error.code
    return "completed"


def providers_of(nodes: list[Memory], vendor: Vendor, limits: BudgetLimits) -> list[Metered]:
    return [
        Metered(
            vendor,
            budgets=node.budgets,
            limits_for=lambda _: limits,
            pricing=TenDollars(),
            counter=TokenCounter(),
            clock=SystemClock(),
            ids=SystemIds(),
        )
        for node in nodes
    ]


async def all_at_once(providers: list[Metered], turns: int = TURNS) -> list[str]:
    """Run the turns, every other one on the other node; gives how they ended."""
    ends = await asyncio.gather(*(answer(providers[number % 2], number) for number in range(turns)))
    for provider in providers:
        await provider.settled()
    return ends


async def spent(node: Memory, limits: BudgetLimits) -> int:
    [standing] = await node.budgets.standing(Payer(tenant="acme", user_id="ana", limits=limits))
    assert standing.held_microusd == 0
    return standing.spent_microusd


@pytest.mark.parametrize("dollars", [0.1, 0.5, 1.0, 1.3])
async def test_100_turns_at_once_pass_a_budget_by_at_most_one_read_each(nodes: list[Memory], dollars: float) -> None:
    limit = round(dollars * 1_000_000)
    vendor, limits = Vendor(), BudgetLimits(tenant_day_microusd=limit)

    ends = await all_at_once(providers_of(nodes, vendor, limits))

    bound = TURNS * READ_TOKENS * MICROUSD_PER_TOKEN
    counted, billed = await spent(nodes[0], limits), vendor.billed_microusd
    say(f"limit {limit} counted {counted} billed {billed} overshoot {max(counted, billed) - limit} of {bound}")
    assert "budget_exceeded" in ends
    assert vendor.open == 0
    assert counted <= limit + bound
    assert billed <= limit + bound


async def test_100_turns_that_a_budget_has_room_for_all_complete(nodes: list[Memory]) -> None:
    vendor, limits = Vendor(), BudgetLimits(tenant_day_microusd=60_000_000)

    ends = await all_at_once(providers_of(nodes, vendor, limits))

    assert ends == ["completed"] * TURNS
    assert await spent(nodes[0], limits) == vendor.billed_microusd
    assert vendor.most_open == TURNS


async def test_what_is_left_of_a_budget_is_used(nodes: list[Memory]) -> None:
    """Holds of calls that are over come back, so that later turns get what there is, down to less than a slice."""
    vendor = Vendor()
    limits = BudgetLimits(tenant_day_microusd=500_000)

    await all_at_once(providers_of(nodes, vendor, limits))
    late = await all_at_once(providers_of(nodes, vendor, limits), turns=10)

    assert "budget_exceeded" in late
    assert await spent(nodes[0], limits) > 500_000 - SLICE_TOKENS * MICROUSD_PER_TOKEN


async def test_hidden_reasoning_that_nobody_knew_of_is_bounded_by_the_output_limit(nodes: list[Memory]) -> None:
    """A vendor that shows nothing of its reasoning until the end, at the first calls ever made to it."""
    vendor = Vendor(hidden_tokens=600)
    limits = BudgetLimits(tenant_day_microusd=500_000)

    ends = await all_at_once(providers_of(nodes, vendor, limits))

    bound = TURNS * ANSWER_TOKENS * 2 * MICROUSD_PER_TOKEN
    overshoot = vendor.billed_microusd - 500_000
    say(f"hidden, unknown: limit 500000 billed {vendor.billed_microusd} overshoot {overshoot} of {bound}")
    assert "budget_exceeded" in ends
    assert overshoot <= bound


async def test_hidden_reasoning_that_was_seen_once_is_held_and_counted(nodes: list[Memory]) -> None:
    vendor = Vendor(hidden_tokens=600)
    limits = BudgetLimits(tenant_day_microusd=300_000)
    providers = providers_of(nodes, vendor, limits)
    first = await all_at_once(providers, turns=2)

    ends = await all_at_once(providers)

    bound = TURNS * READ_TOKENS * MICROUSD_PER_TOKEN
    overshoot = vendor.billed_microusd - 300_000
    say(f"hidden, known: limit 300000 billed {vendor.billed_microusd} overshoot {overshoot} of {bound}")
    assert first == ["completed"] * 2
    assert "budget_exceeded" in ends
    assert overshoot <= bound
