"""The provider of OpenAI's Responses API: recorded streams, what goes back, and the quirks of those who copy it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from agent.providers.openai_responses import OpenAIResponsesProvider
from core.errors import ProviderError, StreamCut
from core.messages import AssistantMessage, SystemMessage, ToolCall, ToolMessage, UserMessage
from core.models import (
    ModelEvent,
    ModelFinished,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    ToolCallReady,
    ToolSpec,
    UsageReported,
)
from tests.agent.chat_server import Answer, ChatServer, event, split, split_at_random

FIXTURES = Path(__file__).parent / "fixtures" / "openai-responses-streams"
ROWS = [json.loads(line) for line in (FIXTURES / "expected.jsonl").read_text(encoding="utf-8").splitlines()]
REQUEST = ModelRequest(model="m-1", messages=(UserMessage(content="Olá"),))
LOOK = ToolSpec(name="crm.look", title="Look", description="Looks.", parameters={"type": "object", "properties": {}})
CUTS = {
    "whole": lambda data: [data],
    "every_byte": lambda data: split(data, 1),
    "at_random": lambda data: split_at_random(data, Random(5), longest=60),
}


async def read(server: ChatServer, request: ModelRequest = REQUEST) -> list[ModelEvent]:
    provider = OpenAIResponsesProvider(api_key="secret-key", base_url=server.url)
    try:
        async with provider.stream(request) as events:
            return [event async for event in events]
    finally:
        await provider.close()


async def failure(server: ChatServer) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await read(server)
    return caught.value


def text_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def calls_of(events: list[ModelEvent]) -> list[ToolCall]:
    return [event.call for event in events if isinstance(event, ToolCallReady)]


def opaque_of(events: list[ModelEvent]) -> dict[str, Any] | None:
    end = events[-1]
    assert isinstance(end, ModelFinished)
    return end.opaque


def said(text: str, index: int = 0) -> bytes:
    return event({"type": "response.output_text.delta", "output_index": index, "item_id": "msg", "delta": text})


def done(item: dict[str, Any], index: int = 0) -> bytes:
    return event({"type": "response.output_item.done", "output_index": index, "item": item})


def ended(status: str = "completed", **values: Any) -> bytes:
    return event({"type": f"response.{status}", "response": {"status": status, "model": "m-1-x"} | values})


def function(name: str, arguments: Any, call_id: str = "call_1") -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": json.dumps(arguments)}


def message(text: str, **values: Any) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content} | values


THOUGHT = {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAAAA-encrypted", "summary": []}


# ---------------------------------------------------------------- recorded streams


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
@pytest.mark.parametrize("row", [row for row in ROWS if not row["error"]], ids=lambda row: row["file"])
async def test_a_recorded_response_is_read_right_however_it_is_cut(
    server: ChatServer, row: dict[str, Any], cut: Callable[[bytes], list[bytes]]
) -> None:
    server.play(Answer(pieces=cut((FIXTURES / row["file"]).read_bytes())))

    events = await read(server)

    usage = [event.usage for event in events if isinstance(event, UsageReported)][-1]
    assert text_of(events) == row["text"]
    assert [[call.name, json.loads(call.arguments)] for call in calls_of(events)] == row["calls"]
    assert [usage.input, usage.output] == row["usage"]
    assert isinstance(events[-1], ModelFinished)


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS.keys())
async def test_a_recorded_error_of_money_is_not_worth_another_try(
    server: ChatServer, cut: Callable[[bytes], list[bytes]]
) -> None:
    server.play(Answer(pieces=cut((FIXTURES / "openai_responses_quota_error.txt").read_bytes())))

    error = await failure(server)

    assert not error.retryable
    assert error.message == "the account at 'openai-responses' is out of quota (insufficient_quota)"


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


# ---------------------------------------------------------------- what is sent


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


# ---------------------------------------------------------------- quirks


@pytest.mark.parametrize("name", ["parallel", "multi_tool_use.parallel"])
async def test_calls_in_a_wrapper_that_nobody_offered_are_taken_out(server: ChatServer, name: str) -> None:
    uses = [
        {"recipient_name": "functions.crm_look", "parameters": {"city": "São Paulo"}},
        {"recipient_name": "crm_look"},
    ]
    server.play(Answer(pieces=[done(THOUGHT), done(function(name, {"tool_uses": uses}), 1), ended()]))

    events = await read(server, ModelRequest(model="m-1", messages=REQUEST.messages, tools=(LOOK,)))

    assert [(call.call_id, call.name, call.arguments) for call in calls_of(events)] == [
        ("call_1_0", "crm.look", '{"city": "São Paulo"}'),
        ("call_1_1", "crm.look", "{}"),
    ]
    opaque = opaque_of(events)
    assert opaque is not None
    assert opaque["output"][1] == {"type": "function_call", "calls": 2}


async def test_a_tool_of_ours_that_is_named_parallel_is_called(server: ChatServer) -> None:
    ours = ToolSpec(name="parallel", title="P", description="P.", parameters={"type": "object", "properties": {}})
    server.play(Answer(pieces=[done(function("parallel", {"tool_uses": []})), ended()]))

    events = await read(server, ModelRequest(model="m-1", messages=REQUEST.messages, tools=(ours,)))

    assert [(call.name, call.arguments) for call in calls_of(events)] == [("parallel", '{"tool_uses": []}')]


@pytest.mark.parametrize("arguments", [{"tool_uses": []}, {"other": 1}, []], ids=["empty", "other", "a_list"])
async def test_a_wrapper_that_holds_no_calls_is_given_as_it_is(server: ChatServer, arguments: Any) -> None:
    server.play(Answer(pieces=[done(function("parallel", arguments)), ended()]))

    assert [call.name for call in calls_of(await read(server))] == ["parallel"]


async def test_item_ids_that_change_in_mid_stream_do_not_matter(server: ChatServer) -> None:
    begun = {"type": "response.output_item.added", "output_index": 0, "item": {"id": "fc_a", "type": "function_call"}}
    delta = {"type": "response.function_call_arguments.delta", "output_index": 0, "item_id": "fc_b", "delta": "{}"}
    server.play(Answer(pieces=[event(begun), event(delta), done(function("f", {}) | {"id": "fc_c"}), ended()]))

    assert [(call.name, call.arguments) for call in calls_of(await read(server))] == [("f", "{}")]


async def test_summaries_of_several_parts_are_parted(server: ChatServer) -> None:
    thought = {"type": "response.reasoning_summary_text.delta", "output_index": 0, "item_id": "rs"}
    pieces = [event(thought | {"summary_index": n, "delta": text}) for n, text in ((0, "A"), (0, "B"), (1, "C"))]
    server.play(Answer(pieces=[*pieces, said("Ten.", 1), ended()]))

    events = await read(server)

    assert "".join(event.text for event in events if isinstance(event, ReasoningDelta)) == "AB\n\nC"


async def test_a_refusal_is_shown_and_ends_filtered(server: ChatServer) -> None:
    refusal = {"type": "response.refusal.delta", "output_index": 0, "delta": "I cannot."}
    server.play(Answer(pieces=[event(refusal), ended()]))

    events = await read(server)

    assert text_of(events) == "I cannot."
    assert events[-1] == ModelFinished(reason="filtered", model="m-1-x")


WHOLE = {"object": "response", "status": "completed", "model": "m-1-x", "output": [message("Ten."), function("f", {})]}


@pytest.mark.parametrize(
    "pieces",
    [
        [json.dumps(WHOLE).encode()],
        [ended(output=WHOLE["output"])],
        [done(message("Ten.")), done(function("f", {}), 1), ended(), b"data: [DONE]\n\n"],
    ],
    ids=["a_server_that_does_not_stream", "all_at_the_end", "items_without_deltas_and_a_done"],
)
async def test_a_server_that_sends_less_is_read_too(server: ChatServer, pieces: list[bytes]) -> None:
    server.play(Answer(pieces=pieces))

    events = await read(server)

    assert text_of(events) == "Ten."
    assert [call.name for call in calls_of(events)] == ["f"]


# ---------------------------------------------------------------- what goes wrong

STREAM_ROWS: dict[str, tuple[bytes, str, bool]] = {
    "an_error_of_the_old_shape": (
        event({"type": "error", "code": "rate_limit_exceeded", "message": "Slow.", "param": None}),
        "provider_unavailable",
        True,
    ),
    "an_error_without_a_code": (
        event({"type": "error", "error": {"type": "server_error", "code": None, "message": "Sorry."}}),
        "provider_unavailable",
        True,
    ),
    "failed_alone": (ended("failed", error={"code": "server_error", "message": "x"}), "provider_unavailable", True),
    "failed_without_a_status": (
        event({"type": "response.failed", "response": {"error": {"code": "server_error"}}}),
        "provider_unavailable",
        True,
    ),
    "a_prompt_it_does_not_take": (
        ended("failed", error={"code": "invalid_prompt", "message": "x"}),
        "provider_unavailable",
        False,
    ),
    "too_long": (
        ended("failed", error={"code": "context_length_exceeded", "message": "x"}),
        "context_overflow",
        False,
    ),
    "cancelled": (ended("cancelled"), "provider_unavailable", True),
    "a_bare_error": (b'{"error": {"code": "insufficient_quota"}}', "provider_unavailable", False),
    "no_json": (b"data: not json\n\n", "provider_unavailable", True),
    "an_item_that_is_none": (done([]), "provider_unavailable", True),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("piece", "code", "retryable"), STREAM_ROWS.values(), ids=STREAM_ROWS.keys())
async def test_an_error_inside_a_stream_of_status_200_is_an_error(
    server: ChatServer, piece: bytes, code: str, retryable: bool
) -> None:
    server.play(Answer(pieces=[said("Ten"), piece]))

    error = await failure(server)

    assert (error.code, error.retryable) == (code, retryable)
    assert not isinstance(error, StreamCut)


@pytest.mark.parametrize(
    "pieces",
    [[], [said("Ten")], [done(function("f", {}))], [b"data: [DONE]\n\n"]],
    ids=["none", "text", "call", "done"],
)
async def test_a_stream_without_the_responses_end_is_cut_not_whole(server: ChatServer, pieces: list[bytes]) -> None:
    server.play(Answer(pieces=pieces))

    assert isinstance(await failure(server), StreamCut)


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


async def test_a_model_that_is_not_there_is_named(server: ChatServer) -> None:
    error = {"error": {"message": "no", "type": "invalid_request_error", "param": "model", "code": "model_not_found"}}
    server.play(Answer(status=400, pieces=[json.dumps(error).encode()]))

    assert (await failure(server)).message == "the provider 'openai-responses' knows no model 'm-1' at its address"
