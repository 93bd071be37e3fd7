"""What an answer depends on is in its digest."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from agent.answer_cache import digest_of
from core.messages import AssistantMessage, SystemMessage, UserMessage
from core.models import Caller, ModelRequest, ToolSpec

LOOK = ToolSpec(name="look", title="Look", description="Looks.", parameters={"type": "object"})
CALLER = Caller(tenant="acme", user_id="ana", session_id="s", turn_id="t", agent="sales", step=1)
REQUEST = ModelRequest(
    model="", messages=(SystemMessage(content="Be brief."), UserMessage(content="How much?")), tools=(LOOK,)
)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"messages": (SystemMessage(content="Be long."), REQUEST.messages[1])}, id="instructions"),
        pytest.param(
            {"messages": (*REQUEST.messages[:1], AssistantMessage(content="x"), REQUEST.messages[1])}, id="history"
        ),
        pytest.param({"tools": ()}, id="tools"),
        pytest.param({"tools": (msgspec.structs.replace(LOOK, description="Sees."),)}, id="a_tools_description"),
        pytest.param({"tools": (msgspec.structs.replace(LOOK, parameters={}),)}, id="a_tools_parameters"),
        pytest.param(
            {"messages": (UserMessage(content="WHO?"), REQUEST.messages[1])},
            id="the_exact_words_of_what_was_asked_before",
        ),
        pytest.param({"caller": msgspec.structs.replace(CALLER, agent="other")}, id="the_agent"),
        pytest.param({"temperature": 0.1}, id="temperature"),
        pytest.param({"max_output_tokens": 5}, id="the_longest_answer"),
        pytest.param({"output_schema": {"type": "object"}}, id="the_answers_form"),
    ],
)
def test_all_that_an_answer_depends_on_is_in_its_digest(changed: dict[str, Any]) -> None:
    before = REQUEST
    if "caller" in changed:
        before = msgspec.structs.replace(REQUEST, caller=CALLER)
    elif isinstance(changed.get("messages", REQUEST.messages)[0], UserMessage):
        before = msgspec.structs.replace(REQUEST, messages=(UserMessage(content="who?"), REQUEST.messages[1]))
    other = msgspec.structs.replace(before, **changed)
    assert digest_of(other, ("a:b",), "1") != digest_of(before, ("a:b",), "1")


def test_so_are_models_and_the_datas_version() -> None:
    digests = {digest_of(REQUEST, models, version) for models in (("a:b",), ("a:c",)) for version in ("1", "2")}
    assert len(digests) == 4
