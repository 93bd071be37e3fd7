"""Whatever is asked of budgets, in whatever order, twice and on two nodes: the sums are those of the answers.

And what is spent and held passes a limit only by what calls cost beyond what they held.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.budgets import BudgetLimits, Hold, Payer
from core.ids import SystemIds
from core.ports import Budgets
from memory.backends import open_memory
from tests.servers import RedisServer, valkey_server

CALLS = 6


class Reserve(msgspec.Struct, frozen=True):
    call: int
    need: int
    more: int


class Extend(msgspec.Struct, frozen=True):
    call: int
    need: int
    more: int


class Settle(msgspec.Struct, frozen=True):
    call: int
    actual: int


Step = Reserve | Extend | Settle
_CALL, _MONEY = st.integers(0, CALLS - 1), st.integers(0, 400)
STEP = st.one_of(
    st.builds(Reserve, _CALL, st.integers(1, 400), _MONEY),
    st.builds(Extend, _CALL, st.integers(1, 100), _MONEY),
    st.builds(Settle, _CALL, _MONEY),
)
ROUND = st.lists(STEP, min_size=1, max_size=CALLS, unique_by=lambda step: step.call)
"""What happens at once: of each call one thing."""


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with valkey_server("--maxmemory-policy", "noeviction") as running:
        yield running


class Ledger:
    """What the answers say that there must be."""

    def __init__(self, payer: Payer) -> None:
        self.payer = payer
        self.held: dict[int, int] = {}
        self.spent: dict[int, int] = {}
        self.beyond = 0
        self.numbers = dict.fromkeys(range(CALLS), 0)

    async def do(self, budgets: list[Budgets], step: Step, repeat: bool) -> None:
        """Ask it, where `repeat` of both nodes at once, which has to be answered alike."""
        if isinstance(step, Extend):
            self.numbers[step.call] += 1
        asked = [self._ask(each, step) for each in (budgets if repeat else budgets[:1])]
        answers = await asyncio.gather(*asked)
        assert all(answer == answers[0] for answer in answers)
        self._take(step, answers[0])

    def _ask(self, budgets: Budgets, step: Step) -> Any:
        call_id, payer = f"{self.payer.tenant}_{step.call}", self.payer
        match step:
            case Reserve():
                return budgets.reserve(call_id, payer, need_microusd=step.need, want_microusd=step.need + step.more)
            case Extend():
                return budgets.extend(
                    call_id,
                    payer,
                    number=self.numbers[step.call],
                    need_microusd=step.need,
                    want_microusd=step.need + step.more,
                )
            case Settle():
                return budgets.settle(call_id, payer, actual_microusd=step.actual)

    def _take(self, step: Step, answer: Any) -> None:
        if isinstance(step, Settle):
            if step.call not in self.spent:
                held = self.held.pop(step.call, 0)
                self.spent[step.call] = step.actual
                self.beyond += max(0, step.actual - held)
        elif isinstance(answer, Hold) and step.call not in self.spent:
            assert answer.held_microusd >= self.held.get(step.call, 0)
            self.held[step.call] = answer.held_microusd
        elif isinstance(answer, Hold):
            assert answer.held_microusd == 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rounds=st.lists(st.tuples(ROUND, st.booleans()), min_size=1, max_size=12),
    tenant_day=st.integers(0, 1_500),
    user_day=st.none() | st.integers(0, 1_500),
)
def test_sums_are_those_of_the_answers_and_pass_a_limit_only_by_what_was_not_held(
    server: RedisServer, rounds: list[tuple[list[Step], bool]], tenant_day: int, user_day: int | None
) -> None:
    asyncio.run(live(server, rounds, BudgetLimits(tenant_day_microusd=tenant_day, user_day_microusd=user_day)))


async def live(server: RedisServer, rounds: list[tuple[list[Step], bool]], limits: BudgetLimits) -> None:
    ledger = Ledger(Payer(tenant=SystemIds().new("key"), user_id="ana", limits=limits))
    folder = Path(tempfile.gettempdir())
    async with (
        open_memory(redis_url=server.url, data_dir=folder, node=SystemIds().new("node")) as one,
        open_memory(redis_url=server.url, data_dir=folder, node=SystemIds().new("node")) as two,
    ):
        for steps, repeat in rounds:
            nodes = [[one.budgets, two.budgets], [two.budgets, one.budgets]]
            await asyncio.gather(*(ledger.do(nodes[step.call % 2], step, repeat) for step in steps))
            for standing in await one.budgets.standing(ledger.payer):
                assert standing.spent_microusd == sum(ledger.spent.values())
                assert standing.held_microusd == sum(ledger.held.values())
                taken = standing.spent_microusd + standing.held_microusd
                assert taken <= standing.limit_microusd + ledger.beyond
