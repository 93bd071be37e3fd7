"""What `Metered` charges for calls that were given up before their first word, and what it remembers of tools."""

from __future__ import annotations

import pytest

from agent.budget import TokenCounter
from agent.providers.scripted import Report, Say, ScriptedProvider
from agent.routing.metered import Metered
from agent.routing.request_tokens import RequestTokens
from core.budgets import BudgetLimits
from core.models import ModelRequest, ToolSpec, Usage
from memory.backends import Memory
from tests.agent.metered_support import INPUT, metered, read, request, spent_and_held


async def stopped_at_once(provider: Metered) -> None:
    """A call that is given up before it says anything."""
    async with provider.stream(request()):
        pass
    await provider.settled()


async def test_a_call_that_is_stopped_before_its_first_word_costs_its_input(memory: Memory) -> None:
    limits = BudgetLimits(tenant_day_microusd=100_000)
    await stopped_at_once(metered(memory, ScriptedProvider([[Say("never")]]), limits))
    assert await spent_and_held(memory, limits) == [(INPUT, 0)]


async def test_one_of_a_model_that_was_seen_to_hide_output_costs_that_too(memory: Memory) -> None:
    limits = BudgetLimits(tenant_day_microusd=100_000)
    scripts = [[Report(Usage(input=INPUT, output=60)), Say("")], [Say("never")]]
    provider = metered(memory, ScriptedProvider(scripts), limits)
    await read(provider)
    await stopped_at_once(provider)
    assert await spent_and_held(memory, limits) == [(INPUT + 60 + INPUT + 60, 0)]


def test_of_many_tools_not_all_counts_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.routing.request_tokens._REMEMBERED", 2)
    tokens = RequestTokens(TokenCounter())
    for number in range(5):
        spec = ToolSpec(name=f"t{number}", title="T", description="Does.", parameters={})
        asked = ModelRequest(model="one", messages=(), tools=(spec,))
        assert tokens.of(asked) == tokens.of(asked) > 0
        assert len(tokens._tools) <= 2
