"""What a turn does where its route cannot be found: it ends with a sentence, or is left to another run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from agent.providers.scripted import Call, Say, ScriptedProvider
from agent.settings import AgentConfig
from core.errors import BackendError, StaleRun, TurnLimit
from core.events import Event, TurnFailed
from core.turns import JournalEntry, TakenTurn, ToolReturned
from tests.agent.agent_support import Bench, FakeWriter, taken


def failing(error: Exception) -> Any:
    async def choose(turn: TakenTurn, agent: AgentConfig) -> Any:
        raise error

    return choose


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(ValueError("sk-secret"), "internal", id="a_bug"),
        pytest.param(TurnLimit("no model is so cheap", code="budget_exceeded"), "budget_exceeded", id="a_limit"),
    ],
)
async def test_a_turn_whose_route_cannot_be_found_ends_with_a_sentence(bench: Bench, error: Any, code: str) -> None:
    record = await bench.runner(choose_models=failing(error)).run(taken(), bench.writer)
    ended = bench.writer.only(TurnFailed)
    assert (record and record.code, ended.code) == (code, code)
    assert "sk-secret" not in ended.message


async def test_where_redis_is_away_meanwhile_the_turn_is_left_to_another_run(bench: Bench) -> None:
    runner = bench.runner(choose_models=failing(BackendError("Redis is away")))
    assert await runner.run(taken(), bench.writer) is None
    assert bench.writer.events == []


class Stale(FakeWriter):
    """Another run has the turn: what a tool gave is refused, a moment after it was sent."""

    async def append(self, events: Sequence[Event], journal: Sequence[JournalEntry] = ()) -> str | None:
        if any(isinstance(entry, ToolReturned) for entry in journal):
            for _ in range(50):
                await asyncio.sleep(0)
            raise StaleRun("another run goes on")
        return await super().append(events, journal)


async def test_a_run_that_lost_its_turn_calls_no_model_any_more(bench: Bench) -> None:
    provider = ScriptedProvider([[Call("look")], [Say("never")]])
    assert await bench.runner(provider).run(taken(), Stale()) is None
    assert len(provider.requests) == 1
