"""Claude's thoughts on their way back: unchanged and in place, and only where nothing before them changed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from core.messages import AssistantMessage, ModelMessage, SystemMessage, UserMessage
from core.models import ModelRequest
from tests.agent.anthropic_rules import assert_accepted
from tests.agent.anthropic_support import (
    LOOK,
    OK,
    USER,
    answered,
    calls_of,
    failure,
    finish_of,
    messages_of,
    read,
    said,
    text_of,
    use,
)
from tests.agent.chat_server import Answer, ChatServer
from tests.conformance.vendors.anthropic import call, end, error, refused, start, text, thinking

THOUGHT = {"type": "thinking", "thinking": "Let me see.", "signature": "sig"}
LOOPED = ModelRequest(model="claude-opus-5-5", messages=(SystemMessage(content="Be brief."), USER), tools=(LOOK,))


async def first_step(server: ChatServer, provider: str = "anthropic") -> AssistantMessage:
    """A step that thinks, speaks, thinks again and calls: as the history keeps it."""
    server.play(
        Answer(
            pieces=[
                start(),
                *thinking(0, "Let me ", "see.", signature="sig"),
                *text(1, "Hm, ", "ação."),
                *thinking(2, signature="sig-2"),
                *call(3, "look", {}),
                *end("tool_use"),
            ]
        )
    )
    events = await read(server, LOOPED)
    return AssistantMessage(
        content=text_of(events), tool_calls=tuple(calls_of(events)), provider=provider, opaque=finish_of(events).opaque
    )


def thoughts_in(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [block for message in body["messages"] for block in message["content"] if "thinking" in block["type"]]


async def second_body(server: ChatServer, request: ModelRequest, *more: ModelMessage) -> dict[str, Any]:
    server.play(OK)
    await read(server, msgspec.structs.replace(request, messages=(*request.messages, *more)))
    assert_accepted(server.bodies[-1])
    return server.bodies[-1]


async def test_thoughts_go_back_unchanged_and_in_their_place(server: ChatServer) -> None:
    step = await first_step(server)

    body = await second_body(server, LOOPED, step, answered("toolu_03"))

    assert body["messages"][1]["content"] == [
        THOUGHT,
        said("Hm, ação."),
        {"type": "thinking", "thinking": "", "signature": "sig-2"},
        use("toolu_03"),
    ]


async def test_thoughts_of_each_step_of_a_loop_go_back(server: ChatServer) -> None:
    step = await first_step(server)
    looped = msgspec.structs.replace(LOOPED, messages=(*LOOPED.messages, step, answered("toolu_03")))
    server.play(Answer(pieces=[start(), *thinking(0, "Now."), *call(1, "look", {}), *end("tool_use")]))
    events = await read(server, looped)
    second = AssistantMessage(
        content="", tool_calls=tuple(calls_of(events)), provider="anthropic", opaque=finish_of(events).opaque
    )

    body = await second_body(server, looped, second, answered("toolu_01"))

    assert [block["thinking"] for block in thoughts_in(body)] == ["Let me see.", "", "Now."]


async def test_thoughts_of_an_earlier_turn_go_back_while_nothing_before_them_changed(server: ChatServer) -> None:
    step = await first_step(server)

    body = await second_body(server, LOOPED, step, answered("toolu_03"), AssistantMessage(content="Dez."), USER)

    assert len(thoughts_in(body)) == 2


CHANGED: dict[str, ModelRequest] = {
    "other_instructions": msgspec.structs.replace(LOOPED, messages=(SystemMessage(content="Be long."), USER)),
    "no_tools": msgspec.structs.replace(LOOPED, tools=()),
    "another_model": msgspec.structs.replace(LOOPED, model="claude-haiku-5-5"),
    "another_window": msgspec.structs.replace(
        LOOPED, messages=(LOOPED.messages[0], UserMessage(content="Oi"), AssistantMessage(content="Olá!"), USER)
    ),
}


@pytest.mark.parametrize("changed", CHANGED.values(), ids=CHANGED.keys())
async def test_thoughts_stay_away_where_something_before_them_changed(
    server: ChatServer, changed: ModelRequest
) -> None:
    """The vendor would refuse the request: their signatures say what they were thought about."""
    step = await first_step(server)

    body = await second_body(server, changed, step, answered("toolu_03"))

    assert thoughts_in(body) == []
    assert [block["type"] for block in body["messages"][-2]["content"]] == ["text", "tool_use"]


async def test_thoughts_of_another_provider_stay_away(server: ChatServer) -> None:
    step = await first_step(server, provider="anthropic-proxy")

    assert thoughts_in(await second_body(server, LOOPED, step, answered("toolu_03"))) == []


async def test_thoughts_of_an_answer_that_was_shortened_stay_away(server: ChatServer) -> None:
    step = msgspec.structs.replace(await first_step(server), content="Hm")

    assert thoughts_in(await second_body(server, LOOPED, step, answered("toolu_03"))) == []


async def test_a_thought_at_an_answers_end_is_left_out(server: ChatServer) -> None:
    server.play(Answer(pieces=[start(), *text(0, "Dez."), *thinking(1, "Hm."), *end()]))
    events = await read(server, LOOPED)
    step = AssistantMessage(content="Dez.", provider="anthropic", opaque=finish_of(events).opaque)

    assert thoughts_in(await second_body(server, LOOPED, step, USER)) == []


NOT_HERE = (
    "messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound to a different conversation."
)
CHANGED_BLOCKS = "`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified."


@pytest.mark.parametrize("words", [NOT_HERE, CHANGED_BLOCKS])
async def test_a_request_that_is_refused_for_its_thoughts_goes_once_more_without_them(
    server: ChatServer, words: str
) -> None:
    """Such as after the key is another account's: else the session would be refused for ever."""
    step = await first_step(server)
    server.play(refused(400, error("invalid_request_error", words)))

    body = await second_body(server, LOOPED, step, answered("toolu_03"))

    assert [len(thoughts_in(body)) for body in server.bodies] == [0, 2, 0]
    assert body["messages"][1]["content"] == [said("Hm, ação."), use("toolu_03")]
    assert server.connections == 2  # the first step's, and one for both tries


async def test_a_request_without_thoughts_that_is_refused_for_them_is_refused(server: ChatServer) -> None:
    server.play(refused(400, error("invalid_request_error", NOT_HERE)))

    caught = await failure(server)

    assert (caught.status, caught.retryable) == (400, False)
    assert len(server.bodies) == 1


async def test_opaque_parts_of_another_shape_are_no_thoughts() -> None:
    step = AssistantMessage(content="Dez.", provider="anthropic", opaque={"blocks": "x", "signature": "y"})

    assert messages_of(USER, step, USER)[1] == {"role": "assistant", "content": [said("Dez.")]}
