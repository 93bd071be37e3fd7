"""A provider that says what a script tells it: for tests, ours and those of whoever builds on Prosa.

    provider = ScriptedProvider([[Call("sales_query", {"metrics": ["revenue"]})], [Say("Ten "), Say("dollars.")]])

Each model call takes the next script; one that does not say `Finish`, `Fail` or `Cut` ends well by itself.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, assert_never

import msgspec

from core.errors import ProviderError, StreamCut
from core.messages import ToolCall
from core.models import (
    FinishReason,
    ModelEvent,
    ModelFinished,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    ToolCallReady,
    Usage,
    UsageReported,
)


class Say(msgspec.Struct, frozen=True):
    """A piece of the answer."""

    text: str


class Think(msgspec.Struct, frozen=True):
    """A piece of reasoning."""

    text: str


class Call(msgspec.Struct, frozen=True):
    """A tool call; `arguments` is an object, or the text as a careless model writes it. `call_id` None: `call_<n>`."""

    name: str
    arguments: dict[str, Any] | str = {}
    call_id: str | None = None


class Pause(msgspec.Struct, frozen=True):
    """Wait until `until` is set. `reached` is set when the stream gets here."""

    until: asyncio.Event
    reached: asyncio.Event | None = None


class Report(msgspec.Struct, frozen=True):
    """Usage so far."""

    usage: Usage


class Fail(msgspec.Struct, frozen=True):
    """The vendor fails here."""

    error: ProviderError


class Cut(msgspec.Struct, frozen=True):
    """The stream breaks off here."""


class Finish(msgspec.Struct, frozen=True):
    """The stream ends."""

    reason: FinishReason = "stop"
    opaque: dict[str, Any] | None = None


Item = Say | Think | Call | Pause | Report | Fail | Cut | Finish


class ScriptedProvider:
    """Plays scripts in order and remembers what it was asked.

    `requests` are all requests, `open_streams` those that are streaming now, `closed_early` counts streams that
    were left before their end. A call without a script left raises ProviderError, not retryable. With `repeat` the
    scripts begin again after the last, for ever, and `requests` stays empty: it would grow as long as it is asked.
    """

    def __init__(self, scripts: Sequence[Sequence[Item]], *, name: str = "scripted", repeat: bool = False) -> None:
        self.name = name
        self.requests: list[ModelRequest] = []
        self.open_streams = 0
        self.closed_early = 0
        self._scripts = deque(scripts)
        self._repeat = repeat
        self._calls = 0

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[ModelEvent]]:
        """Play the next script."""
        play = self._play(self._next(request), request.model)
        self.open_streams += 1
        whole = False
        try:
            yield play
            whole = True
        finally:
            await play.aclose()
            self.open_streams -= 1
            self.closed_early += not whole

    async def close(self) -> None:
        """Nothing to free."""

    def _next(self, request: ModelRequest) -> Sequence[Item]:
        if not self._repeat:
            self.requests.append(request)
        if not self._scripts:
            raise ProviderError("the scripted provider has no script left", retryable=False)
        if self._repeat:
            self._scripts.rotate(-1)
            return self._scripts[-1]
        return self._scripts.popleft()

    async def _play(self, script: Sequence[Item], model: str) -> AsyncGenerator[ModelEvent, None]:
        for item in script:
            match item:
                case Say(text=text):
                    yield TextDelta(text=text)
                case Think(text=text):
                    yield ReasoningDelta(text=text)
                case Call():
                    yield ToolCallReady(call=self._call(item))
                case Pause(until=until, reached=reached):
                    if reached is not None:
                        reached.set()
                    await until.wait()
                case Report(usage=usage):
                    yield UsageReported(usage=usage)
                case Fail(error=error):
                    raise error
                case Cut():
                    raise StreamCut(f"the stream of {self.name!r} was cut")
                case Finish(reason=reason, opaque=opaque):
                    yield ModelFinished(reason=reason, model=model, opaque=opaque)
                    return
                case _:
                    assert_never(item)
        yield ModelFinished(reason="stop", model=model)

    def _call(self, item: Call) -> ToolCall:
        self._calls += 1
        arguments = item.arguments if isinstance(item.arguments, str) else json.dumps(item.arguments)
        return ToolCall(call_id=item.call_id or f"call_{self._calls}", name=item.name, arguments=arguments)
