"""What the tests of the Anthropic provider ask, and how they read what it gives and sends."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from agent.providers.anthropic import AnthropicProvider
from agent.providers.anthropic_messages import request_body
from agent.providers.http import Timeouts
from agent.providers.tool_names import ToolNames
from core.errors import ProviderError
from core.messages import AssistantMessage, ModelMessage, ToolCall, ToolMessage, UserMessage
from core.models import (
    ModelEvent,
    ModelFinished,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    ToolCallReady,
    ToolSpec,
    Usage,
    UsageReported,
)
from tests.agent.anthropic_rules import assert_accepted
from tests.agent.chat_server import Answer, ChatServer
from tests.conformance.vendors.anthropic import end, start, text

REQUEST = ModelRequest(model="m-1", messages=(UserMessage(content="Olá"),))
PATIENT = Timeouts(connect_s=5.0, first_token_s=30.0, between_tokens_s=30.0)


async def read(server: ChatServer, request: ModelRequest = REQUEST, timeouts: Timeouts = PATIENT) -> list[ModelEvent]:
    provider = AnthropicProvider(api_key="secret-key", base_url=server.url, timeouts=timeouts)
    try:
        async with provider.stream(request) as events:
            return [event async for event in events]
    finally:
        await provider.close()


async def failure(server: ChatServer, timeouts: Timeouts = PATIENT) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await read(server, timeouts=timeouts)
    assert "secret-key" not in caught.value.message
    return caught.value


def text_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def thought_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, ReasoningDelta))


def calls_of(events: list[ModelEvent]) -> list[ToolCall]:
    return [event.call for event in events if isinstance(event, ToolCallReady)]


def usage_of(events: list[ModelEvent]) -> Usage:
    return [event.usage for event in events if isinstance(event, UsageReported)][-1]


def finish_of(events: list[ModelEvent]) -> ModelFinished:
    last = events[-1]
    assert isinstance(last, ModelFinished)
    return last


def kept_by(events: list[ModelEvent]) -> list[dict[str, Any]]:
    opaque = finish_of(events).opaque
    assert opaque is not None
    blocks: list[dict[str, Any]] = opaque["blocks"]
    return blocks


# ---------------------------------------------------------------- what is sent


LOOK = ToolSpec(name="look", title="Look", description="Looks.", parameters={"type": "object", "properties": {}})
OK = Answer(pieces=[start(), *text(0, "Oi"), *end()])


def sent(*messages: ModelMessage, **fields: Any) -> dict[str, Any]:
    """The body of a request, as JSON makes it."""
    request = ModelRequest(messages=messages, **({"model": "claude-sonnet-4-5"} | fields))
    body = request_body(request, ToolNames(spec.name for spec in request.tools), provider="anthropic")
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(body))
    return decoded


def messages_of(*messages: ModelMessage, **fields: Any) -> list[dict[str, Any]]:
    body = sent(*messages, **fields)
    assert_accepted(body)
    found: list[dict[str, Any]] = body["messages"]
    return found


def said(content: str) -> dict[str, Any]:
    return {"type": "text", "text": content}


def use(call_id: str, name: str = "look", **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}


def result(call_id: str, content: str) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, "content": content}


def asked(*ids: str, content: str = "") -> AssistantMessage:
    calls = tuple(ToolCall(call_id=call_id, name="look", arguments="{}") for call_id in ids)
    return AssistantMessage(content=content, tool_calls=calls, provider="anthropic")


def answered(call_id: str, content: str = "10", *, failed: bool = False) -> ToolMessage:
    return ToolMessage(call_id=call_id, name="look", content=content, failed=failed)


USER = UserMessage(content="Quanto?")
