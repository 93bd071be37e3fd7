"""What a turn does where its route cannot be found: it ends with a sentence, or is left to another run."""

from __future__ import annotations

from typing import Any

import pytest

from agent.settings import AgentConfig
from core.errors import BackendError, TurnLimit
from core.events import TurnFailed
from core.turns import TakenTurn
from tests.agent.agent_support import Bench, taken


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
