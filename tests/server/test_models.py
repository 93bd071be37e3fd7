"""Which model answers, and in which order others are tried."""

from __future__ import annotations

import pytest

from agent.providers.scripted import ScriptedProvider
from agent.settings import AgentConfig, PromptRef
from core.errors import SettingsError, UserError
from core.turns import TurnInput
from server.models import ModelChooser

PROVIDERS = {"scripted": ScriptedProvider([]), "offline": ScriptedProvider([], name="offline")}


def agent(model: str | None = None, fallbacks: tuple[str, ...] | None = None) -> AgentConfig:
    """An agent with a model of its own, or none."""
    instructions = PromptRef(id="sales", version=1)
    return AgentConfig(name="sales", title="Sales", instructions=instructions, model=model, fallbacks=fallbacks)


def question(model: str | None = None) -> TurnInput:
    """A turn that asks for a model, or does not."""
    return TurnInput(
        turn_id="turn_1", message_ids=("m",), content="oi", channel="web", agent="sales", model=model, accepted_ms=1
    )


@pytest.mark.parametrize(
    ("asked", "of_the_agent", "fallbacks", "expected"),
    [
        pytest.param(None, None, None, ["default", "spare"], id="the_servers"),
        pytest.param(None, "scripted:own", None, ["own", "spare"], id="the_agents_before_the_servers"),
        pytest.param("scripted:asked", "scripted:own", None, ["asked", "spare"], id="the_callers_before_all"),
        pytest.param(None, None, (), ["default"], id="an_agent_without_fallbacks"),
        pytest.param("offline:spare", None, None, ["spare"], id="none_is_tried_twice"),
    ],
)
def test_models_are_tried_in_order(
    asked: str | None, of_the_agent: str | None, fallbacks: tuple[str, ...] | None, expected: list[str]
) -> None:
    choose = ModelChooser(PROVIDERS, "scripted:default", ["offline:spare"])
    choices = choose(question(asked), agent(of_the_agent, fallbacks))
    assert [choice.model for choice in choices] == expected


@pytest.mark.parametrize("name", ["gpt", "nobody:x", ":", "scripted:"])
def test_a_model_that_nobody_serves_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="model"):
        ModelChooser(PROVIDERS, "scripted:default", []).choice(name)


def test_a_default_that_nobody_serves_is_the_operators_mistake() -> None:
    with pytest.raises(SettingsError, match="LLM_MODEL"):
        ModelChooser(PROVIDERS, "nobody:x", [])
