"""OpenAI's own SDK (openai-python) hears the doubles of both APIs as we do, and reads our requests' types as its own.

The SDK is a second opinion for tests only; nothing that is served needs it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from pydantic import TypeAdapter, ValidationError

from core.messages import AssistantMessage, SystemMessage, ToolCall, ToolMessage, UserMessage
from core.models import ModelRequest
from tests.agent.chat_server import ChatServer
from tests.conformance.vendor_kit import MARKET, SALES, answer_of, answered, heard
from tests.conformance.vendors import openai, openai_responses
from tests.conformance.vendors.vendor import Behaviour, Vendor

WHOLE: list[Behaviour] = ["text", "length", "filtered", "empty", "calls", "structured", "huge", "no_usage"]


@pytest.fixture
async def sdk(server: ChatServer) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key="secret-key", base_url=server.url, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("behaviour", WHOLE)
async def test_it_hears_the_double_of_chat_completions_as_we_do(
    server: ChatServer, sdk: AsyncOpenAI, behaviour: Behaviour
) -> None:
    answer = answer_of(openai.VENDOR, behaviour)
    ours = heard((await answered(openai.VENDOR, answer)).events)
    server.play(answer)
    text, calls, usage = "", {}, None
    stream = await sdk.chat.completions.create(
        model="m-1", messages=[{"role": "user", "content": "Olá"}], stream=True, stream_options={"include_usage": True}
    )
    async for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            for part in choice.delta.tool_calls or ():
                name, arguments = calls.get(part.index, ("", ""))
                function = part.function
                assert function is not None
                calls[part.index] = (name + (function.name or ""), arguments + (function.arguments or ""))

    assert (text, list(calls.values())) == (ours.text, ours.calls)
    told = ours.usage and (ours.usage.input, ours.usage.output, ours.usage.total)
    assert (usage and (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)) == told


@pytest.mark.parametrize("behaviour", [*WHOLE, "reasoning", "reasoning_call"])
async def test_it_hears_the_double_of_responses_as_we_do(
    server: ChatServer, sdk: AsyncOpenAI, behaviour: Behaviour
) -> None:
    answer = answer_of(openai_responses.VENDOR, behaviour)
    ours = heard((await answered(openai_responses.VENDOR, answer)).events)
    server.play(answer)
    thoughts, last = "", None
    async for event in await sdk.responses.create(model="m-1", input="Olá", stream=True):
        if event.type == "response.reasoning_summary_text.delta":
            thoughts += event.delta
        if event.type in ("response.completed", "response.incomplete"):
            last = event.response

    assert last is not None
    calls = [(item.name, item.arguments) for item in last.output if item.type == "function_call"]
    assert (thoughts, last.output_text, calls) == (ours.thoughts, ours.text, ours.calls)
    told = ours.usage and (ours.usage.input, ours.usage.cached, ours.usage.output, ours.usage.reasoning)
    usage = last.usage
    assert told == (
        usage
        and (
            usage.input_tokens,
            usage.input_tokens_details.cached_tokens,
            usage.output_tokens,
            usage.output_tokens_details.reasoning_tokens,
        )
    )


SCHEMA = {"type": "object", "properties": {"total": {"type": "integer"}}, "required": ["total"]}
HISTORY = (
    SystemMessage(content="Be brief."),
    UserMessage(content="O que é?", images=("https://example.com/a.png", "data:image/png;base64,AAAA")),
    AssistantMessage(
        content="I look.", tool_calls=(ToolCall(call_id="functions.x:0", name="crm.look", arguments="{}"),)
    ),
    ToolMessage(call_id="functions.x:0", name="crm.look", content="10"),
    AssistantMessage(content="Dez."),
    UserMessage(content="E agora?"),
)
ASKED = ModelRequest(
    model="m-1",
    messages=HISTORY,
    tools=(SALES, MARKET),
    max_output_tokens=50,
    temperature=0.5,
    output_schema=SCHEMA,
)


@pytest.mark.parametrize(
    ("vendor", "params", "messages"),
    [
        (openai.VENDOR, CompletionCreateParamsStreaming, "messages"),
        (openai_responses.VENDOR, ResponseCreateParamsStreaming, "input"),
    ],
    ids=["chat", "responses"],
)
async def test_its_types_take_what_we_send(vendor: Vendor, params: Any, messages: str) -> None:
    body = (await answered(vendor, answer_of(vendor, "text"), ASKED)).body

    adapter = TypeAdapter(params)  # it must outlive what it gives, which checks as it is gone through
    taken = adapter.validate_python(body)

    assert set(taken) == set(body), "it knows every field"
    assert len(list(taken[messages])) == len(body[messages]), "and every message"
    assert len(list(taken["tools"])) == 2
    assert json.loads(json.dumps(body)) == body


async def test_its_types_refuse_what_is_no_request() -> None:
    """Else the test above would say nothing."""
    wrong = {"model": "m-1", "input": [{"type": "function_call", "name": 1}], "stream": True}
    with pytest.raises(ValidationError):
        list(TypeAdapter[Any](ResponseCreateParamsStreaming).validate_python(wrong)["input"])
