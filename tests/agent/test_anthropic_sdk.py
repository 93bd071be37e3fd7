"""Anthropic's own SDK as a second opinion: what our double sends it reads alike, and what we send fits its types."""

from __future__ import annotations

import json
from typing import Any, get_type_hints

import anthropic
import msgspec
import pytest
from anthropic import types
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from pydantic import TypeAdapter, ValidationError

from agent.providers.anthropic_messages import request_body
from agent.providers.tool_names import ToolNames
from core.messages import AssistantMessage, SystemMessage, ToolCall, ToolMessage, UserMessage
from core.models import ModelRequest, ToolSpec
from tests.agent.anthropic_support import REQUEST, calls_of, finish_of, read, text_of, thought_of, usage_of
from tests.agent.chat_server import Answer, ChatServer
from tests.conformance.vendors.anthropic import VENDOR
from tests.conformance.vendors.vendor import KEY, Behaviour


async def read_by_sdk(server: ChatServer) -> types.Message:
    """The answer as the vendor's client puts it together; it asks the same server."""
    ask: types.MessageParam = {"role": "user", "content": "Olá"}
    async with (
        anthropic.AsyncAnthropic(api_key=KEY, base_url=server.url.removesuffix("/v1"), max_retries=0) as client,
        client.messages.stream(model="m-1", max_tokens=9, messages=[ask]) as stream,
    ):
        return await stream.get_final_message()


def answer_of(behaviour: Behaviour) -> Answer:
    answer = VENDOR.answer(behaviour)
    assert answer is not None
    return answer


WHOLE: list[Behaviour] = ["text", "reasoning", "length", "filtered", "empty", "calls", "structured"]
REASONS = {"end_turn": "stop", "tool_use": "stop", "max_tokens": "length", "refusal": "filtered"}


@pytest.mark.parametrize("behaviour", WHOLE)
async def test_the_vendors_own_reader_gets_the_same_of_an_answer(server: ChatServer, behaviour: Behaviour) -> None:
    server.play(answer_of(behaviour), answer_of(behaviour))

    ours, theirs = await read(server), await read_by_sdk(server)

    blocks = theirs.content
    assert text_of(ours) == "".join(block.text for block in blocks if block.type == "text")
    assert thought_of(ours) == "".join(block.thinking for block in blocks if block.type == "thinking")
    assert [(call.call_id, call.name, json.loads(call.arguments)) for call in calls_of(ours)] == [
        (block.id, block.name, block.input) for block in blocks if block.type == "tool_use"
    ]
    cached = (theirs.usage.cache_read_input_tokens or 0, theirs.usage.cache_creation_input_tokens or 0)
    assert usage_of(ours).input == theirs.usage.input_tokens + sum(cached)
    assert usage_of(ours).cached == cached[0]
    assert usage_of(ours).output == theirs.usage.output_tokens
    assert finish_of(ours).reason == REASONS[theirs.stop_reason or "none"]


REFUSALS: dict[Behaviour, type[anthropic.APIStatusError]] = {
    "wrong_key": anthropic.AuthenticationError,
    "unknown_model": anthropic.NotFoundError,
    "rate_limited": anthropic.RateLimitError,
    "out_of_quota": anthropic.RateLimitError,
    "too_long": anthropic.BadRequestError,
    "bad_request": anthropic.BadRequestError,
    "overloaded": anthropic.OverloadedError,
    "error_in_stream": anthropic.APIStatusError,
}


@pytest.mark.parametrize(("behaviour", "kind"), REFUSALS.items())
async def test_the_doubles_refusals_are_those_that_the_vendors_client_knows(
    server: ChatServer, behaviour: Behaviour, kind: type[anthropic.APIStatusError]
) -> None:
    server.play(answer_of(behaviour))

    with pytest.raises(kind) as caught:
        await read_by_sdk(server)

    assert caught.value.type is not None


# ---------------------------------------------------------------- what we send, by the types of the vendor's client

BLOCKS: dict[str, Any] = {
    "text": types.TextBlockParam,
    "image": types.ImageBlockParam,
    "tool_use": types.ToolUseBlockParam,
    "tool_result": types.ToolResultBlockParam,
    "thinking": types.ThinkingBlockParam,
    "redacted_thinking": types.RedactedThinkingBlockParam,
}
LOOK = ToolSpec(
    name="crm.look",
    title="Look",
    description="Looks.",
    parameters={"type": "object", "properties": {"at": {"type": "string"}}},
)
CALL = ToolCall(call_id="call:1", name="crm.look", arguments='{"at":"São Paulo"}')
EVERYTHING = ModelRequest(
    model="claude-opus-5-5",
    messages=(
        SystemMessage(content="Be brief."),
        UserMessage(content="Quanto?", images=("https://example.test/a.png", "data:image/png;base64,AAAA")),
        AssistantMessage(content="Let me see.", tool_calls=(CALL,), provider="google"),
        ToolMessage(call_id="call:1", name="crm.look", content="10", failed=True),
        UserMessage(content="E?"),
    ),
    tools=(LOOK,),
    output_schema={"type": "object", "properties": {"total": {"type": "integer", "minimum": 0}}},
)


def assert_typed(value: Any, typed: Any) -> None:
    """Raises AssertionError for a field that the type does not have, ValidationError for one that does not fit."""
    assert set(value) <= set(get_type_hints(typed)), (set(value), typed)
    TypeAdapter(typed).validate_python(value)


def assert_body_typed(body: dict[str, Any]) -> None:
    """pydantic looks into iterables only when they are read, so each level is looked at by itself."""
    assert_typed(body, MessageCreateParamsStreaming)
    for message in body["messages"]:
        assert_typed(message, types.UserMessageParam if message["role"] == "user" else types.AssistantMessageParam)
        for block in message["content"]:
            assert_typed(block, BLOCKS[block["type"]])
    for tool in body.get("tools", []):
        assert_typed(tool, types.ToolParam)
    if "output_config" in body:
        assert_typed(body["output_config"], types.OutputConfigParam)


def body_of(request: ModelRequest) -> dict[str, Any]:
    body = request_body(request, ToolNames(spec.name for spec in request.tools), provider="anthropic")
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(body))
    return decoded


def test_a_request_with_everything_in_it_is_one_by_the_types_of_the_vendors_client() -> None:
    body = body_of(EVERYTHING)

    kinds = {block["type"] for message in body["messages"] for block in message["content"]}
    assert kinds == {"text", "image", "tool_use", "tool_result"}
    assert_body_typed(body)


async def test_thoughts_that_go_back_are_those_of_the_vendors_types(server: ChatServer) -> None:
    server.play(answer_of("reasoning"))
    events = await read(server)
    said = AssistantMessage(content=text_of(events), provider="anthropic", opaque=finish_of(events).opaque)

    body = body_of(ModelRequest(model="m-1", messages=(*REQUEST.messages, said, UserMessage(content="E?"))))

    assert body["messages"][1]["content"][0]["type"] == "thinking"
    assert_body_typed(body)


@pytest.mark.parametrize(
    "broken",
    [
        {"messages": [{"role": "tool", "content": []}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "txt": "x"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": "x"}]}]},
        {"temprature": 1},
    ],
    ids=["a_role", "a_misspelt_field", "a_missing_field", "an_unknown_field"],
)
def test_what_the_vendors_types_do_not_have_is_noticed(broken: dict[str, Any]) -> None:
    with pytest.raises((AssertionError, ValidationError)):
        assert_body_typed(body_of(REQUEST) | broken)
