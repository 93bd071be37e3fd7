"""A chat with Ollama's double: its lines, one exchange, and what was heard."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.providers.ollama import OllamaProvider
from core.errors import ProviderError
from core.messages import ToolCall, UserMessage
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
from tests.agent.chat_server import ChatServer

REQUEST = ModelRequest(model="qwen3", messages=(UserMessage(content="Olá"),))
TOOL = ToolSpec(name="crm.look", title="Look", description="Looks.", parameters={"type": "object", "properties": {}})


def line(content: str = "", **more: Any) -> bytes:
    """One line of a chat."""
    message = {"role": "assistant", "content": content} | more.pop("message", {})
    return json.dumps({"model": "qwen3", "message": message, "done": False} | more).encode() + b"\n"


def last(reason: str | None = "stop", **more: Any) -> bytes:
    """The line that ends a chat."""
    return line(done=True, done_reason=reason, **more)


def provider_at(server: ChatServer, **options: Any) -> OllamaProvider:
    return OllamaProvider(base_url=server.url.removesuffix("/v1"), **options)


async def read(server: ChatServer, request: ModelRequest = REQUEST, **options: Any) -> list[ModelEvent]:
    provider = provider_at(server, **options)
    try:
        async with provider.stream(request) as events:
            return [event async for event in events]
    finally:
        await provider.close()


async def collect(server: ChatServer, seen: list[ModelEvent]) -> None:
    """Read into `seen`, which keeps what came before an error."""
    provider = provider_at(server)
    try:
        async with provider.stream(REQUEST) as events:
            async for event in events:
                seen.append(event)  # noqa: PERF401 - a comprehension would lose it
    finally:
        await provider.close()


async def failure(server: ChatServer, request: ModelRequest = REQUEST, **options: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await read(server, request, **options)
    assert "canary" not in caught.value.message
    return caught.value


def text_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def thoughts_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, ReasoningDelta))


def calls_of(events: list[ModelEvent]) -> list[ToolCall]:
    return [event.call for event in events if isinstance(event, ToolCallReady)]


def usage_of(events: list[ModelEvent]) -> list[Usage]:
    return [event.usage for event in events if isinstance(event, UsageReported)]
