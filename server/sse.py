"""Server-Sent Events: the encoding that two transports share (WHATWG HTML, section 9.2)."""

from __future__ import annotations

from typing import Final

import msgspec

HEADERS: Final = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}
"""Proxies must neither keep nor gather what streams."""
KEEPALIVE_S: Final = 15.0
"""A comment goes out after so long a silence (protocol.md, Without WebSocket)."""


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
