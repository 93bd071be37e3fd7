"""Bytes to types and back, for both ends, and the words in which a wrong client frame is refused.

A refusal names the field and what was expected; it never repeats what was sent.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any, Final, NoReturn, get_args

import msgspec

from core.events import Event
from core.wire.frames import ClientFrame, Command, HistoryGet, MessageSend, SessionOpen, Signal
from core.wire.limits import (
    EXPECTED,
    FRAME_BYTES,
    HISTORY_LIMIT_MOST,
    content_problem,
    forbidden_character,
    user_id_problem,
)

# ---------------------------------------------------------------- what a client's text frame turned out to be


class Decoded(msgspec.Struct, frozen=True, kw_only=True):
    """A frame that is in order."""

    frame: ClientFrame


class Invalid(msgspec.Struct, frozen=True, kw_only=True):
    """A JSON object with a string `type` that is not in order: `error invalid_request`; the connection stays."""

    type: str
    re: str | None
    """The frame's cid, where it could be read."""
    message: str


class Malformed(msgspec.Struct, frozen=True, kw_only=True):
    """Not a JSON object with a string `type`; the fifth closes the connection."""

    message: str


class TooLarge(msgspec.Struct, frozen=True, kw_only=True):
    """Over 64 KiB: close 1009."""


ClientText = Decoded | Invalid | Malformed | TooLarge

_CLIENT: Final[msgspec.json.Decoder[ClientFrame]] = msgspec.json.Decoder(ClientFrame)
_CLIENT_TYPES: Final = frozenset(kind.__struct_config__.tag for kind in get_args(ClientFrame))
_ENCODER: Final = msgspec.json.Encoder()
_SORTED: Final = msgspec.json.Encoder(order="sorted")
_MISSING: Final = re.compile(r"Object missing required field `(\w+)`(?: - at `\$\.([\w.\[\]]+)`)?$")
_WRONG: Final = re.compile(r" - at `\$\.([\w.\[\]]+)`$")
_NOT_AN_OBJECT: Final = 'A frame must be one JSON object with a string "type".'


def decode_client(text: str) -> ClientText:
    """Read one text frame of a client. Never raises, whatever the text."""
    if len(text) > FRAME_BYTES or (not text.isascii() and len(text.encode("utf-8", "replace")) > FRAME_BYTES):
        return TooLarge()
    try:
        frame = _CLIENT.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        return _explain(text, str(error))
    problem = _problem(frame)
    if problem is None and "\\u0000" in text:
        problem = _forbidden(json.loads(text))
    if problem is not None:
        return Invalid(type=frame_type(frame), re=_readable_cid(getattr(frame, "cid", None)), message=problem)
    if isinstance(frame, HistoryGet) and frame.limit > HISTORY_LIMIT_MOST:
        frame = msgspec.structs.replace(frame, limit=HISTORY_LIMIT_MOST)
    return Decoded(frame=frame)


def frame_type(frame: ClientFrame | Signal | Event) -> str:
    """The `type` of a frame or event on the wire."""
    return str(frame.__struct_config__.tag)


def encode(frame: ClientFrame | Signal | Event) -> bytes:
    """One frame or event as JSON."""
    return _ENCODER.encode(frame)


def encode_ok(re: str, result: dict[str, Any], duplicate: bool = False) -> bytes:
    """An `ok`: `result` stands flat beside `re`; it holds neither `type`, `re` nor `duplicate`."""
    body = {"type": "ok", "re": re, **result}
    if duplicate:
        body["duplicate"] = True
    return _ENCODER.encode(body)


def join(frames: Iterable[bytes]) -> bytes:
    """One text frame of several that are ready, in order; one alone stays an object.

    A frame may itself be an array (a payload of events from the log); its members are taken in.
    """
    ready = list(frames)
    if len(ready) == 1:
        return ready[0]
    members = (frame[1:-1] if frame.startswith(b"[") else frame for frame in ready)
    return b"[" + b",".join(member for member in members if member) + b"]"


def digest(command: Command) -> str:
    """A hash of the command without its cid: the same body has the same digest, however it was written."""
    body = msgspec.to_builtins(command)
    del body["cid"]
    return hashlib.sha256(_SORTED.encode(body)).hexdigest()


def _problem(frame: ClientFrame) -> str | None:
    match frame:
        case MessageSend():
            return content_problem(frame.content)
        case SessionOpen(user_id=str(user_id)):
            return user_id_problem(user_id)
        case _:
            return None


def _forbidden(value: Any) -> str | None:
    place = forbidden_character(value)
    return f"{place} must hold neither NUL nor lone surrogates." if place is not None else None


def _readable_cid(cid: Any) -> str | None:
    if isinstance(cid, str) and 1 <= len(cid) <= 64 and forbidden_character(cid) is None:
        return cid
    return None


def _explain(text: str, reason: str) -> Invalid | Malformed:
    """Find out what is wrong with a text that did not decode; `reason` is the decoder's, which may quote the text."""
    try:
        value = json.loads(text, parse_int=_number, parse_float=_number, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return Malformed(message=_NOT_AN_OBJECT)
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        return Malformed(message=_NOT_AN_OBJECT)
    kind = value["type"]
    if kind not in _CLIENT_TYPES:
        message = "Unknown frame type; see the protocol for the types that a client may send."
    else:
        message = _forbidden(value) or _sentence(kind, reason)
    return Invalid(type=kind, re=_readable_cid(value.get("cid")), message=message)


def _sentence(kind: str, reason: str) -> str:
    missing = _MISSING.match(reason)
    if missing is not None:
        field, parent = missing.groups()
        place = f"{parent}.{field}" if parent else field
        return f"{kind} needs {place}: {EXPECTED[field]}."
    wrong = _WRONG.search(reason)
    place = wrong.group(1) if wrong is not None else "a field"
    field = place.rpartition(".")[2].partition("[")[0]
    return f"{place} of {kind} must be {EXPECTED.get(field, 'of another type')}."


def _number(_: str) -> int:
    """Numbers do not matter where a frame is only explained; Python would refuse very long ones."""
    return 0


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
