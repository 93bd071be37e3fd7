"""What the tests of `Metered` share: a request, what it is asked through, and where the money is afterwards."""

from __future__ import annotations

from agent.budget import TokenCounter
from agent.providers.scripted import ScriptedProvider
from agent.routing.metered import Metered
from core.budgets import BudgetLimits, Payer
from core.clock import SystemClock
from core.errors import BackendError
from core.ids import SystemIds
from core.messages import UserMessage
from core.models import Caller, ModelEvent, ModelRequest, TextDelta
from memory.backends import Memory
from tests.agent.agent_support import FlatPrice

ANA = Caller(tenant="acme", user_id="ana", session_id="ses_1", turn_id="turn_1", agent="sales", step=1)
INPUT = 8
"""Tokens of `request`'s only message: 4 of its frame and 4 of its 14 characters."""
TOKEN = "abcdefg"
"""Two tokens by the estimate: 3.5 characters each."""


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
