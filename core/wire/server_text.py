"""What a client makes of a server's text frame: typed signals and events; what it does not know is kept apart.

Additive changes stay in v1, so a type or a value that is not known here is `Unknown`, not an error; where it
is an event its `seq` still counts.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from core.errors import ProtocolError
from core.events import Event
from core.wire.close_codes import CloseCode
from core.wire.frames import Ok, Signal


class OkReceived(msgspec.Struct, frozen=True, kw_only=True):
    """An `ok` with whatever stands flat beside `re`."""

    re: str
    duplicate: bool
    result: dict[str, Any]


class Unknown(msgspec.Struct, frozen=True, kw_only=True):
    """A frame of a later server. With `session_id` and `seq` it is an event of that session."""

    type: str
    session_id: str | None = None
    seq: int | None = None


ServerFrame = Signal | Event
Received = ServerFrame | OkReceived | Unknown

_FRAME: Final[msgspec.json.Decoder[ServerFrame]] = msgspec.json.Decoder(ServerFrame)
_MEMBERS: Final[msgspec.json.Decoder[list[msgspec.Raw]]] = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT: Final[msgspec.json.Decoder[dict[str, Any]]] = msgspec.json.Decoder(dict[str, Any])
_UNKNOWN: Final[msgspec.json.Decoder[Unknown]] = msgspec.json.Decoder(Unknown)


def decode_server(text: str | bytes) -> list[Received]:
    """The frames of one text frame, in order. Raises ProtocolError where it is not JSON of objects with a `type`."""
    raw = text.encode() if isinstance(text, str) else text
    try:
        members = _MEMBERS.decode(raw) if raw.lstrip()[:1] == b"[" else [raw]
        return [_read(member) for member in members]
    except (msgspec.DecodeError, RecursionError) as error:
        raise ProtocolError("the server sent what is not a frame", close_code=CloseCode.INTERNAL) from error


def _read(member: msgspec.Raw | bytes) -> Received:
    try:
        frame = _FRAME.decode(member)
    except msgspec.ValidationError:
        return _UNKNOWN.decode(member)
    if isinstance(frame, Ok):
        body = _OBJECT.decode(member)
        result = {name: value for name, value in body.items() if name not in {"type", "re", "duplicate"}}
        return OkReceived(re=frame.re, duplicate=frame.duplicate, result=result)
    return frame
