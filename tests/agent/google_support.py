"""What the tests of the Google provider share: one exchange with a local server, and what was heard in it."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from agent.providers.google import GoogleProvider
from agent.providers.http import Timeouts
from core.errors import ProviderError
from core.ids import SequentialIds
from core.messages import AssistantMessage, ModelMessage, ToolCall, UserMessage
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
from tests.agent.chat_server import Answer, ChatServer
from tests.conformance.vendors.google import chunk, text

KEY: Final = "secret-key"
ASKED: Final = UserMessage(content="Quanto?")
QUICK: Final = Timeouts(connect_s=5.0, first_token_s=0.2, between_tokens_s=0.2)
PATIENT: Final = Timeouts(connect_s=5.0, first_token_s=30.0, between_tokens_s=30.0)


def request(*messages: ModelMessage, model: str = "gemini-3-flash", **more: Any) -> ModelRequest:
    return ModelRequest(model=model, messages=messages, **more)


REQUEST: Final = request(ASKED)


def provider_at(url: str, timeouts: Timeouts = PATIENT) -> GoogleProvider:
    """Our provider, asking a local server."""
    return GoogleProvider(api_key=KEY, base_url=url.removesuffix("/v1"), timeouts=timeouts, ids=SequentialIds())


async def read(server: ChatServer, asked: ModelRequest = REQUEST, timeouts: Timeouts = PATIENT) -> list[ModelEvent]:
    """All events of one call."""
    provider = provider_at(server.url, timeouts)
    try:
        async with provider.stream(asked) as events:
            return [event async for event in events]
    finally:
        await provider.close()


async def sent(server: ChatServer, asked: ModelRequest) -> dict[str, Any]:
    """The body of a request that is answered."""
    server.play(Answer(pieces=[chunk(text("x"), finish="STOP")]))
    await read(server, asked)
    return server.bodies[-1]


async def failure(server: ChatServer, timeouts: Timeouts = PATIENT) -> ProviderError:
    """The error of one call, which does not quote the key."""
    with pytest.raises(ProviderError) as caught:
        await read(server, timeouts=timeouts)
    assert KEY not in caught.value.message
    return caught.value


def text_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def thoughts_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, ReasoningDelta))


def calls_of(events: list[ModelEvent]) -> list[ToolCall]:
    return [event.call for event in events if isinstance(event, ToolCallReady)]


def named_calls(events: list[ModelEvent]) -> list[tuple[str, Any]]:
    """Calls with their arguments parsed."""
    return [(call.name, json.loads(call.arguments)) for call in calls_of(events)]


def usage_of(events: list[ModelEvent]) -> Usage:
    """The usage that counts; nothing, where none was told."""
    told = [event.usage for event in events if isinstance(event, UsageReported)]
    return told[-1] if told else Usage()


def remembered(events: list[ModelEvent]) -> AssistantMessage:
    """The message that the history keeps of an answer, as `agent.model_step` puts it together and the journal has it."""
    finished = events[-1]
    assert isinstance(finished, ModelFinished)
    return AssistantMessage(
        content=text_of(events),
        tool_calls=tuple(calls_of(events)),
        provider="google",
        opaque=json.loads(json.dumps(finished.opaque)),
    )
