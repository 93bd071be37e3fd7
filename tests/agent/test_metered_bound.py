"""How far a budget can be overshot: 100 turns at once, over two nodes, against one budget."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from agent.budget import TokenCounter, estimate_tokens
from agent.routing.metered import Metered
from core.budgets import BudgetLimits, Payer
from core.clock import SystemClock
from core.errors import TurnLimit
from core.ids import SystemIds
from core.messages import UserMessage
from core.models import Caller, ModelEvent, ModelFinished, ModelRequest, TextDelta, Usage, UsageReported
from memory.backends import Memory, open_memory
from tests.servers import RedisServer, valkey_server

TURNS = 100
READ_TOKENS = 7
"""What comes with one network read."""
ANSWER_TOKENS = 1_400
MICROUSD_PER_TOKEN = 10
"""10 dollars a million: what the dearer models ask for."""
CHARACTERS_PER_TOKEN = 3.5
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
            yield TextDelta(text="x" * int(READ_TOKENS * CHARACTERS_PER_TOKEN + 0.5))
        usage = Usage(input=estimate_tokens(len(QUESTION)) + 4, output=self._hidden_tokens + made)
        yield UsageReported(usage=usage)
        yield ModelFinished(reason="stop")

    async def close(self) -> None: ...


def say(line: str) -> None:
    """For who runs this with `-s`: the figures."""
    sys.stdout.write(f"{line}\n")


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with valkey_server("--maxmemory-policy", "noeviction") as running:
        yield running


@pytest.fixture
async def nodes(server: RedisServer, tmp_path: Path) -> AsyncIterator[list[Memory]]:
    with server.client() as client:
        client.flushall()
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                open_memory(redis_url=server.url, data_dir=tmp_path, node=SystemIds().new("node"))
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


async def all_at_once(nodes: list[Memory], vendor: Vendor, limits: BudgetLimits) -> tuple[list[str], int]:
    """Run the turns, every other one on the other node; gives how they ended and what is on the budget."""
    providers = [
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
    ends = await asyncio.gather(*(answer(providers[number % 2], number) for number in range(TURNS)))
    for provider in providers:
        await provider.settled()
    payer = Payer(tenant="acme", user_id="ana", limits=limits)
    [standing] = await nodes[0].budgets.standing(payer)
    assert standing.held_microusd == 0
    return ends, standing.spent_microusd


@pytest.mark.parametrize("dollars", [0.1, 0.5, 1.0, 1.3])
async def test_100_turns_at_once_pass_a_budget_by_at_most_one_read_each(nodes: list[Memory], dollars: float) -> None:
    limit = round(dollars * 1_000_000)
    vendor = Vendor()

    ends, spent = await all_at_once(nodes, vendor, BudgetLimits(tenant_day_microusd=limit))

    # The text of a read is rounded to whole characters, so a read may look one token more than it is.
    bound = TURNS * (READ_TOKENS + 1) * MICROUSD_PER_TOKEN
    billed = vendor.billed_tokens * MICROUSD_PER_TOKEN
    say(
        f"limit {limit} spent {spent} billed {billed} overshoot {max(spent, billed) - limit} of {bound}; "
        f"{ends.count('completed')} turns completed"
    )
    assert "budget_exceeded" in ends
    assert vendor.open == 0
    assert spent <= limit + bound
    assert billed <= limit + bound


async def test_100_turns_that_a_budget_has_room_for_all_complete(nodes: list[Memory]) -> None:
    vendor = Vendor()

    ends, spent = await all_at_once(nodes, vendor, BudgetLimits(tenant_day_microusd=60_000_000))

    assert ends == ["completed"] * TURNS
    assert spent == vendor.billed_tokens * MICROUSD_PER_TOKEN
    assert vendor.most_open == TURNS


async def test_what_is_left_of_a_budget_is_used(nodes: list[Memory]) -> None:
    """Holds of calls that are refused come back, so that turns one after the other get what there is."""
    vendor = Vendor()
    limits = BudgetLimits(tenant_day_microusd=500_000)
    _, first = await all_at_once(nodes, vendor, limits)
    _, second = await all_at_once(nodes, vendor, limits)

    assert first > 0.9 * 500_000
    assert second >= first


async def test_hidden_reasoning_overshoots_by_no_more_than_was_not_held(nodes: list[Memory]) -> None:
    """A vendor that shows nothing of its reasoning until the end: the stated bound is the output limit of each call."""
    vendor = Vendor(hidden_tokens=600)
    limit = 500_000

    ends, spent = await all_at_once(nodes, vendor, BudgetLimits(tenant_day_microusd=limit))

    bound = TURNS * ANSWER_TOKENS * 2 * MICROUSD_PER_TOKEN
    billed = vendor.billed_tokens * MICROUSD_PER_TOKEN
    say(f"hidden: limit {limit} spent {spent} billed {billed} overshoot {billed - limit} of {bound}")
    assert "budget_exceeded" in ends
    assert spent <= limit + bound
    assert billed <= limit + bound
