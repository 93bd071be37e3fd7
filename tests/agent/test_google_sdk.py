"""The Google provider beside the vendor's own SDK (google-genai): both ask the same, and hear the same in the same bytes.

The SDK is a second opinion for tests only; nothing that is served needs it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from google import genai
from google.genai import types

from agent.providers.google import GoogleProvider
from core.errors import ProviderError
from core.messages import AssistantMessage, ModelMessage, SystemMessage, ToolCall, ToolMessage, UserMessage
from core.models import (
    ModelEvent,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    ToolCallReady,
    ToolSpec,
    Usage,
    UsageReported,
)
from tests.agent.chat_server import Answer, ChatServer
from tests.conformance.vendors.google import VENDOR, chunk, text
from tests.conformance.vendors.vendor import Behaviour

MODEL = "gemini-3-flash"
ASKED = UserMessage(content="Quanto?")
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
SIGNATURE = base64.b64encode(b"signed").decode()


class Heard(msgspec.Struct, frozen=True):
    """What an answer says, whoever read it."""

    text: str
    thoughts: str
    calls: list[tuple[str, Any]]
    usage: Usage


@pytest.fixture
async def sdk(server: ChatServer) -> AsyncIterator[genai.client.AsyncClient]:
    options = types.HttpOptions(base_url=server.url.removesuffix("/v1"), api_version="v1beta")
    client = genai.Client(api_key="secret-key", http_options=options)
    yield client.aio
    await client.aio.aclose()
    client.close()


async def heard_by_us(server: ChatServer, *messages: ModelMessage, **more: Any) -> list[ModelEvent]:
    provider = GoogleProvider(api_key="secret-key", base_url=server.url.removesuffix("/v1"))
    try:
        async with provider.stream(ModelRequest(model=MODEL, messages=messages or (ASKED,), **more)) as events:
            return [event async for event in events]
    finally:
        await provider.close()


async def heard_by_sdk(
    sdk: genai.client.AsyncClient, contents: Any = "Quanto?", **config: Any
) -> list[types.GenerateContentResponse]:
    stream = await sdk.models.generate_content_stream(
        model=MODEL, contents=contents, config=types.GenerateContentConfig(**config) if config else None
    )
    return [chunk async for chunk in stream]


def ours(events: list[ModelEvent]) -> Heard:
    usage = [event.usage for event in events if isinstance(event, UsageReported)]
    return Heard(
        text="".join(event.text for event in events if isinstance(event, TextDelta)),
        thoughts="".join(event.text for event in events if isinstance(event, ReasoningDelta)),
        calls=[
            (event.call.name, json.loads(event.call.arguments)) for event in events if isinstance(event, ToolCallReady)
        ],
        usage=usage[-1] if usage else Usage(),
    )


def theirs(chunks: list[types.GenerateContentResponse]) -> Heard:
    parts = [part for chunk in chunks for part in chunk.parts or ()]
    told = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata is not None]
    thoughts = told[-1].thoughts_token_count or 0 if told else 0
    usage = (
        Usage(
            input=told[-1].prompt_token_count or 0,
            output=(told[-1].candidates_token_count or 0) + thoughts,
            cached=told[-1].cached_content_token_count or 0,
            reasoning=thoughts,
            total=told[-1].total_token_count or 0,
        )
        if told
        else Usage()
    )
    return Heard(
        text="".join(part.text for part in parts if part.text and not part.thought),
        thoughts="".join(part.text for part in parts if part.text and part.thought),
        calls=[(part.function_call.name or "", part.function_call.args) for part in parts if part.function_call],
        usage=usage,
    )


@pytest.mark.parametrize(
    "behaviour", ["text", "reasoning", "length", "filtered", "empty", "calls", "structured", "huge", "no_usage"]
)
async def test_the_double_is_heard_alike(
    server: ChatServer, sdk: genai.client.AsyncClient, behaviour: Behaviour
) -> None:
    answer = VENDOR.answer(behaviour)
    assert answer is not None
    server.play(answer, answer)

    assert ours(await heard_by_us(server)) == theirs(await heard_by_sdk(sdk))


@pytest.mark.parametrize(
    "behaviour",
    [
        "wrong_key",
        "unknown_model",
        "rate_limited",
        "out_of_quota",
        "too_long",
        "bad_request",
        "overloaded",
        "error_in_stream",
    ],
)
async def test_the_doubles_errors_are_errors_to_both(
    server: ChatServer, sdk: genai.client.AsyncClient, behaviour: Behaviour
) -> None:
    answer = VENDOR.answer(behaviour)
    assert answer is not None
    server.play(answer, answer)

    with pytest.raises(ProviderError) as our:
        await heard_by_us(server)
    with pytest.raises(genai.errors.APIError) as their:
        await heard_by_sdk(sdk)

    assert our.value.status == their.value.code


async def test_a_conversation_is_sent_as_the_sdk_sends_it(server: ChatServer, sdk: genai.client.AsyncClient) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    output = {"type": "object", "properties": {"total": {"type": "integer"}}}
    server.play(*[Answer(pieces=[chunk(text("x"), finish="STOP")])] * 2)
    opaque = {"id": "fc_1", "signature": SIGNATURE}
    calls = (
        ToolCall(call_id="fc_1", name="weather", arguments='{"city": "Rio"}', opaque=opaque),
        ToolCall(call_id="made", name="now", arguments="{}"),
    )

    await heard_by_us(
        server,
        SystemMessage(content="Be brief."),
        UserMessage(content="Tempo?", images=("data:image/png;base64,iVBORw==", "https://example.com/a.png")),
        AssistantMessage(content="Vejo.", tool_calls=calls, provider="google"),
        ToolMessage(call_id="fc_1", name="weather", content="sun"),
        ToolMessage(call_id="made", name="now", content="no clock", failed=True),
        tools=(
            ToolSpec(name="weather", title="w", description="Weather.", parameters=schema),
            ToolSpec(name="now", title="n", description="Time.", parameters={"type": "object", "properties": {}}),
        ),
        output_schema=output,
        temperature=0.5,
        max_output_tokens=99,
    )
    part = types.Part
    weather = types.FunctionCall(id="fc_1", name="weather", args={"city": "Rio"})
    await heard_by_sdk(
        sdk,
        [
            types.UserContent(
                [
                    part(text="Tempo?"),
                    part.from_bytes(data=base64.b64decode("iVBORw=="), mime_type="image/png"),
                    part.from_uri(file_uri="https://example.com/a.png", mime_type="image/png"),
                ]
            ),
            types.ModelContent(
                [
                    part(text="Vejo."),
                    part(function_call=weather, thought_signature=base64.b64decode(SIGNATURE)),
                    part.from_function_call(name="now", args={}),
                ]
            ),
            types.UserContent(
                [
                    part(
                        function_response=types.FunctionResponse(id="fc_1", name="weather", response={"output": "sun"})
                    ),
                    part.from_function_response(name="now", response={"error": "no clock"}),
                ]
            ),
        ],
        system_instruction=[part(text="Be brief.")],
        tools=[
            types.Tool(
                function_declarations=[
                    types.FunctionDeclaration(name="weather", description="Weather.", parameters_json_schema=schema),
                    types.FunctionDeclaration(name="now", description="Time."),
                ]
            )
        ],
        response_mime_type="application/json",
        response_json_schema=output,
        thinking_config=types.ThinkingConfig(include_thoughts=True),
        temperature=0.5,
        max_output_tokens=99,
    )

    assert [head.split("\r\n")[0] for head in server.heads] == [
        f"POST /v1beta/models/{MODEL}:streamGenerateContent?alt=sse HTTP/1.1"
    ] * 2
    assert all("x-goog-api-key: secret-key" in head for head in server.heads)
    theirs_sent = _camel(server.bodies[1])
    assert theirs_sent["systemInstruction"].pop("role") == "user"  # it says nothing
    assert server.bodies[0] == theirs_sent


def _camel(value: Any) -> Any:
    """A body with its keys as Google documents them: the SDK leaves some as Python's, which the API takes too."""
    if isinstance(value, dict):
        return {re.sub(r"_(\w)", lambda found: found[1].upper(), key): _camel(one) for key, one in value.items()}
    return [_camel(one) for one in value] if isinstance(value, list) else value
