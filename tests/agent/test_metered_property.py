"""Whatever calls are made at once and however they end: a budget is passed by one read a call at most, and all is settled."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.providers.scripted import Cut, Fail, Finish, Item, Pause, Report, Say, ScriptedProvider
from agent.routing.metered import Metered
from core.budgets import BudgetLimits
from core.errors import ProviderError, TurnLimit
from core.ids import SystemIds
from core.models import Usage
from memory.backends import open_memory
from tests.agent.metered_support import INPUT, TOKEN, metered, request, spent_and_held
from tests.servers import RedisServer


class Planned(msgspec.Struct, frozen=True):
    """A call: its reads in pairs of tokens, how it ends, and whether its request says how long it may be."""

    reads: tuple[int, ...]
    end: str
    limited: bool

    @property
    def most(self) -> int:
        """The tokens of its largest read."""
        return 2 * max(self.reads)

    def script(self) -> list[Item]:
        """What its vendor plays; each read waits its turn on the event loop."""
        go = asyncio.Event()
        go.set()
        items: list[Item] = [item for read in self.reads for item in (Pause(go), Say(TOKEN * read))]
        match self.end:
            case "reported":
                return [*items, Report(Usage(input=INPUT, output=2 * sum(self.reads))), Finish("stop")]
            case "cut":
                return [*items, Cut()]
            case "failed":
                return [*items, Fail(ProviderError("the vendor fails"))]
            case "stopped":
                return [*items, Pause(asyncio.Event())]
            case _:
                return [*items, Finish("stop")]


PLANNED = st.builds(
    Planned,
    st.lists(st.integers(1, 150), min_size=1, max_size=12).map(tuple),
    st.sampled_from(["reported", "estimated", "cut", "failed", "stopped"]),
    st.booleans(),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(PLANNED, min_size=1, max_size=10), limit=st.integers(0, 6_000))
def test_a_budget_is_passed_by_at_most_one_read_a_call_and_nothing_stays_held(
    valkey: RedisServer, calls: list[Planned], limit: int
) -> None:
    asyncio.run(live(valkey, calls, limit))


async def live(valkey: RedisServer, calls: list[Planned], limit: int) -> None:
    with valkey.client() as client:
        client.flushall()
    limits = BudgetLimits(tenant_day_microusd=limit)
    folder = Path(tempfile.gettempdir())
    async with (
        open_memory(redis_url=valkey.url, data_dir=folder, node=SystemIds().new("node")) as one,
        open_memory(redis_url=valkey.url, data_dir=folder, node=SystemIds().new("node")) as two,
    ):
        nodes = [one, two]
        providers = [
            metered(nodes[number % 2], ScriptedProvider([call.script()]), limits) for number, call in enumerate(calls)
        ]
        shown = await asyncio.gather(
            *(tokens_of(provider, call) for provider, call in zip(providers, calls, strict=True))
        )
        for provider in providers:
            await provider.settled()
        [(spent, held)] = await spent_and_held(one, limits)
    assert held == 0
    assert spent == sum(shown)
    assert spent <= limit + sum(call.most for call in calls)


async def tokens_of(provider: Metered, call: Planned) -> int:
    """Make the call, and stop it where nothing more comes; gives the tokens that it used, as they were seen."""
    tokens = 0
    asked = request(max_output_tokens=2 * sum(call.reads) if call.limited else None)
    try:
        async with asyncio.timeout(None) as patience, provider.stream(asked) as events:
            tokens = INPUT
            left = len(call.reads)
            async for event in events:
                text = getattr(event, "text", "")
                tokens += 2 * len(text) // len(TOKEN)
                left -= bool(text)
                if left == 0 and call.end == "stopped":
                    patience.reschedule(asyncio.get_running_loop().time())
    except (TurnLimit, ProviderError, TimeoutError):
        pass
    return tokens
