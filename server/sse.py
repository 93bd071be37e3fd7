"""Server-Sent Events: the encoding that two transports share (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

import msgspec
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

HEADERS: Final = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
"""Proxies must neither keep nor gather what streams."""
KEEPALIVE_S: Final = 15.0
"""A comment goes out after so long a silence (protocol.md, Without WebSocket)."""
AWAY_S: Final = 1.0
"""A stream that could not read, because Redis is away, tries again after so long."""


class EventStreamResponse(StreamingResponse):
    """A stream of events; `on_end` is called however it ends, even where the client left before it began."""

    def __init__(self, content: AsyncIterator[bytes], on_end: Callable[[], None]) -> None:
        super().__init__(content, media_type="text/event-stream", headers=HEADERS)
        self._on_end = on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the stream."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._on_end()


class LogEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a payload: its JSON and what is needed to route it."""

    raw: bytes
    type: str
    seq: int
    message_id: str | None


class _Head(msgspec.Struct):
    type: str
    seq: int
    message_id: str | None = None


async def is_set(wake: asyncio.Event, timeout_s: float = KEEPALIVE_S) -> bool:
    """Wait for an event; False where it was not set in time."""
    try:
        async with asyncio.timeout(timeout_s):
            await wake.wait()
    except TimeoutError:
        return False
    return True


_Raws: Final = msgspec.json.Decoder(list[msgspec.Raw])
_Heads: Final = msgspec.json.Decoder(_Head)


def split(payload: bytes) -> list[LogEvent]:
    """The events of a payload (a JSON array), each with its own bytes."""
    events = []
    for raw in _Raws.decode(payload):
        head = _Heads.decode(raw)
        events.append(LogEvent(raw=bytes(raw), type=head.type, seq=head.seq, message_id=head.message_id))
    return events


def sse(event: str, data: bytes, event_id: str | None = None) -> bytes:
    """One Server-Sent Event; `data` is JSON on one line."""
    id_line = f"id: {event_id}\n".encode() if event_id is not None else b""
    return id_line + b"event: " + event.encode() + b"\ndata: " + data + b"\n\n"
