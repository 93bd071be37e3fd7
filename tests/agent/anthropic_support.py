"""Reading what the Anthropic provider gives, for its tests."""

from __future__ import annotations

from typing import Any

import pytest

from agent.providers.anthropic import AnthropicProvider
from agent.providers.http import Timeouts
from core.errors import ProviderError
from core.messages import ToolCall, UserMessage
from core.models import (
    ModelEvent,
    ModelFinished,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    ToolCallReady,
    Usage,
    UsageReported,
)
from tests.agent.chat_server import ChatServer

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
