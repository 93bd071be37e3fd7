"""What the provider of OpenAI's Responses API sends, and what of an answer comes back with the next request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.errors import ProviderError
from core.messages import AssistantMessage, SystemMessage, ToolCall, ToolMessage, UserMessage
from core.models import ModelRequest
from tests.agent.chat_server import Answer, ChatServer
from tests.agent.responses_support import (
    FIXTURES,
    LOOK,
    REQUEST,
    THOUGHT,
    calls_of,
    done,
    ended,
    function,
    message,
    opaque_of,
    read,
    said,
    text_of,
)


async def test_the_request_is_in_the_vendors_words_and_nothing_is_stored(server: ChatServer) -> None:
    server.play(Answer(pieces=[said("x"), ended()]))
    call = ToolCall(call_id="call_1", name="crm.look", arguments="{}")
    schema = {"type": "object", "properties": {"total": {"type": "integer"}}}
    request = ModelRequest(
        model="m-1",
        messages=(
            SystemMessage(content="Be brief."),
            UserMessage(content="O que é?", images=("https://example.com/a.png",)),
            AssistantMessage(content="I look.", tool_calls=(call,), provider="openai-responses"),
            ToolMessage(call_id="call_1", name="crm.look", content="10"),
            AssistantMessage(content="Dez."),
        ),
        tools=(LOOK,),
        max_output_tokens=50,
        temperature=0.5,
        output_schema=schema,
    )

    await read(server, request)

    assert server.bodies[0] == {
        "model": "m-1",
        "input": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "O que é?"},
                    {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"},
                ],
            },
            {"role": "assistant", "content": "I look."},
            {"type": "function_call", "call_id": "call_1", "name": "crm_look", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "10"},
            {"role": "assistant", "content": "Dez."},
        ],
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "tools": [
            {
                "type": "function",
                "name": "crm_look",
                "description": "Looks.",
                "parameters": LOOK.parameters,
                "strict": False,
            }
        ],
        "text": {"format": {"type": "json_schema", "name": "answer", "schema": schema, "strict": False}},
        "max_output_tokens": 50,
        "temperature": 0.5,
    }
    assert server.heads[0].startswith("POST /v1/responses HTTP/1.1")
    assert "authorization: bearer secret-key" in server.heads[0].lower()


@pytest.mark.parametrize("model", ["gpt-4o-mini", "ft:gpt-4.1:acme::1", "gpt-5-chat-latest", "chatgpt-4o-latest"])
async def test_a_model_that_does_not_reason_is_not_asked_for_reasoning(server: ChatServer, model: str) -> None:
    server.play(Answer(pieces=[said("x"), ended()]))

    await read(server, ModelRequest(model=model, messages=REQUEST.messages))

    assert "include" not in server.bodies[0]


async def test_an_answers_items_go_back_in_their_order_and_phase(server: ChatServer) -> None:
    look, again = function("crm_look", {"n": 1}), function("crm_look", {"n": 2}, "call_2")
    second = THOUGHT | {"id": "rs_2", "encrypted_content": "gAAAAA-second"}
    server.play(
        Answer(
            pieces=[
                done(THOUGHT),
                said("I look.", 1),
                done(message("I look.", phase="commentary"), 1),
                done(look, 2),
                done(second, 3),
                done(again, 4),
                said("Soon.", 5),
                done(message("Soon.", phase="final_answer"), 5),
                ended(),
            ]
        )
    )
    events = await read(server, ModelRequest(model="m-1", messages=REQUEST.messages, tools=(LOOK,)))
    calls = tuple(calls_of(events))
    step = AssistantMessage(
        content=text_of(events), tool_calls=calls, provider="openai-responses", opaque=opaque_of(events)
    )
    server.play(Answer(pieces=[said("x"), ended()]))

    await read(server, ModelRequest(model="m-1", messages=(step,), tools=(LOOK,)))

    assert text_of(events) == "I look.\n\nSoon."
    assert server.bodies[1]["input"] == [
        THOUGHT,
        {"role": "assistant", "content": "I look.", "phase": "commentary"},
        look,
        second,
        again,
        {"role": "assistant", "content": "Soon.", "phase": "final_answer"},
    ]


BACK_ROWS: dict[str, tuple[str, str, bool]] = {
    "same_provider_and_model": ("openai-responses", "m-1", True),
    "another_provider": ("openai", "m-1", False),
    "another_model": ("openai-responses", "m-2", False),
}


@pytest.mark.parametrize(("provider", "model", "back"), BACK_ROWS.values(), ids=BACK_ROWS.keys())
async def test_reasoning_goes_back_only_to_the_model_that_made_it(
    server: ChatServer, provider: str, model: str, back: bool
) -> None:
    server.play(Answer(pieces=[done(THOUGHT), said("Ten.", 1), done(message("Ten."), 1), ended()]))
    opaque = opaque_of(await read(server))
    server.play(Answer(pieces=[said("x"), ended()]))

    said_before = AssistantMessage(content="Ten.", provider=provider, opaque=opaque)
    await read(server, ModelRequest(model=model, messages=(said_before,)))

    expected = {"role": "assistant", "content": "Ten."}
    assert server.bodies[1]["input"] == ([THOUGHT, expected] if back else [expected])


async def test_reasoning_that_nothing_follows_or_that_is_not_encrypted_is_not_sent_back(server: ChatServer) -> None:
    plain = {"type": "reasoning", "id": "rs_2", "summary": []}
    server.play(Answer(pieces=[done(plain), said("Ten.", 1), done(message("Ten."), 1), done(THOUGHT, 2), ended()]))
    opaque = opaque_of(await read(server))
    server.play(Answer(pieces=[said("x"), ended()]))

    said_before = AssistantMessage(content="Ten.", provider="openai-responses", opaque=opaque)
    await read(server, ModelRequest(model="m-1", messages=(said_before,)))

    assert server.bodies[1]["input"] == [{"role": "assistant", "content": "Ten."}]


async def test_an_answer_that_was_noted_upon_is_sent_with_its_note(server: ChatServer) -> None:
    items = [THOUGHT, {"type": "message", "characters": 3}, {"type": "message", "characters": 4}]
    noted = AssistantMessage(
        content="One\n\nFour\n\n[stopped]", provider="openai-responses", opaque={"model": "m-1", "output": items}
    )
    server.play(Answer(pieces=[said("x"), ended()]))

    await read(server, ModelRequest(model="m-1", messages=(noted,)))

    assert server.bodies[0]["input"] == [
        THOUGHT,
        {"role": "assistant", "content": "One"},
        {"role": "assistant", "content": "Four\n\n[stopped]"},
    ]


async def test_recorded_reasoning_goes_back_as_it_came_before_its_call(server: ChatServer) -> None:
    server.play(Answer(pieces=[(FIXTURES / "openai_responses_usage_reasoning.txt").read_bytes()]))
    events = await read(server)
    call = calls_of(events)[0]
    step = AssistantMessage(content="", tool_calls=(call,), provider="openai-responses", opaque=opaque_of(events))
    result = ToolMessage(call_id=call.call_id, name=call.name, content="ok")
    server.play(Answer(pieces=[said("x"), ended()]))

    await read(server, ModelRequest(model="m-1", messages=(*REQUEST.messages, step, result)))

    _, reasoning, sent_call, output = server.bodies[1]["input"]
    assert set(reasoning) == {"id", "type", "encrypted_content", "summary"}
    assert reasoning["encrypted_content"].startswith("gAAAAABoyXv")
    assert sent_call == {
        "type": "function_call",
        "call_id": call.call_id,
        "name": "final_result",
        "arguments": call.arguments,
    }
    assert output == {"type": "function_call_output", "call_id": call.call_id, "output": "ok"}


REFUSED_ROWS: dict[str, dict[str, Any]] = {
    "unreadable": {"code": "invalid_encrypted_content", "message": "The encrypted content gAAA could not be verified."},
    "not_supported": {"code": None, "message": "Encrypted content is not supported with this model."},
}


@pytest.mark.parametrize("refusal", REFUSED_ROWS.values(), ids=REFUSED_ROWS.keys())
async def test_a_request_that_is_refused_for_its_reasoning_goes_once_more_without(
    server: ChatServer, refusal: dict[str, Any]
) -> None:
    refused = Answer(status=400, pieces=[json.dumps({"error": refusal}).encode()])
    server.play(refused, Answer(pieces=[said("x"), ended()]), refused, refused)
    items = [THOUGHT, {"type": "message", "characters": 4}]
    step = AssistantMessage(content="Ten.", provider="openai-responses", opaque={"model": "m-1", "output": items})
    request = ModelRequest(model="m-1", messages=(step,))

    events = await read(server, request)
    with pytest.raises(ProviderError) as caught:
        await read(server, request)

    assert text_of(events) == "x"
    assert THOUGHT in server.bodies[0]["input"]
    assert "include" in server.bodies[0]
    assert server.bodies[1] == {
        "model": "m-1",
        "input": [{"role": "assistant", "content": "Ten."}],
        "stream": True,
        "store": False,
    }
    assert len(server.bodies) == 4, "only once more"
    assert not caught.value.retryable
