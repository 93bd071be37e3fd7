"""The provider that answers with no API key: reads the request, calls tools or speaks. Keeps no state."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Final

import msgspec

from agent.providers.offline.conversation import sort_out
from agent.providers.offline.planner import CallTools, plan
from agent.providers.offline.speak import text_of
from core.ids import Ids, SystemIds
from core.messages import AssistantMessage, ModelMessage, ToolCall
from core.models import (
    ModelEvent,
    ModelFinished,
    ModelRequest,
    TextDelta,
    ToolCallReady,
    ToolSpec,
    Usage,
    UsageReported,
)

MODEL: Final = "offline-demo"
_PIECE: Final = re.compile(r"\S+\s*|\s+")
_CHARACTERS_PER_TOKEN: Final = 4
"""A rule of thumb for Latin text; these tokens are an estimate and cost nothing."""


class OfflineProvider:
    """A small planner over the sales tools, not a language model. Implements `core.ports.Provider`."""

    name = "offline"

    def __init__(
        self,
        *,
        pace_s: float = 0.015,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        ids: Ids | None = None,
    ) -> None:
        """Pause `pace_s` (default 15 ms; 0: never) between words, so that streaming can be seen."""
        self._pace_s = pace_s
        self._sleep = sleep
        self._ids = ids or SystemIds()

    def stream(self, request: ModelRequest) -> AbstractAsyncContextManager[AsyncIterator[ModelEvent]]:
        """Plan one step and stream it: tool calls, or the answer word by word. Raises nothing."""
        return _closing(self._events(request))

    async def close(self) -> None:
        """Nothing is held."""

    async def _events(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        step = plan(sort_out(request), request.locale)
        if isinstance(step, CallTools):
            written = ""
            for name, arguments in step.calls:
                text = msgspec.json.encode(arguments).decode()
                written += name + text
                yield ToolCallReady(call=ToolCall(call_id=self._ids.new("call"), name=name, arguments=text))
        else:
            written = text_of(step)
            async for delta in self._words(written):
                yield delta
        yield UsageReported(usage=_usage(request, written))
        yield ModelFinished(reason="stop", model=MODEL)

    async def _words(self, text: str) -> AsyncIterator[TextDelta]:
        for piece in _PIECE.findall(text):
            yield TextDelta(text=piece)
            if self._pace_s > 0:
                await self._sleep(self._pace_s)


@asynccontextmanager
async def _closing(events: AsyncIterator[ModelEvent]) -> AsyncIterator[AsyncIterator[ModelEvent]]:
    async with aclosing(events):  # type: ignore[type-var]
        yield events


def _usage(request: ModelRequest, written: str) -> Usage:
    """Estimate the tokens that a model would have read and written."""
    read = sum(len(_text_of(message)) for message in request.messages) + sum(map(_length, request.tools))
    tokens_in, tokens_out = _tokens(read), _tokens(len(written))
    return Usage(input=tokens_in, output=tokens_out, total=tokens_in + tokens_out)


def _tokens(characters: int) -> int:
    return math.ceil(characters / _CHARACTERS_PER_TOKEN)


def _text_of(message: ModelMessage) -> str:
    if isinstance(message, AssistantMessage):
        return message.content + "".join(call.name + call.arguments for call in message.tool_calls)
    return message.content


def _length(tool: ToolSpec) -> int:
    return len(tool.name) + len(tool.description) + len(msgspec.json.encode(tool.parameters))
