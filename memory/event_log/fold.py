"""From stored bytes to a `SessionView`: the stored fold and the log after it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from loguru import logger

from core.events import Event
from core.messages import Message
from core.view import SNAPSHOT_BYTES, SNAPSHOT_MESSAGES, SessionView, apply

STORED_MESSAGES: Final = 2 * SNAPSHOT_MESSAGES
STORED_BYTES: Final = 2 * SNAPSHOT_BYTES
"""What a stored fold holds at most: twice what a snapshot shows, so that a retry or an erasure leaves it full."""

_EVENTS: Final = msgspec.json.Decoder(list[Event])
_EVENT: Final = msgspec.json.Decoder(Event)
_RAW: Final = msgspec.json.Decoder(list[msgspec.Raw])
_VIEW: Final = msgspec.json.Decoder(SessionView)


class _Numbered(msgspec.Struct):
    seq: int


_NUMBERED: Final = msgspec.json.Decoder(_Numbered)


def fold(epoch: str, stored: bytes, payloads: Iterable[bytes]) -> SessionView:
    """Apply the log's payloads to the stored view (empty: to a new one). Raises ValueError on a gap."""
    view = _VIEW.decode(stored) if stored else SessionView(epoch=epoch)
    for payload in payloads:
        _apply_all(view, payload)
    return view


def fold_what_is_there(epoch: str, stored: bytes, payloads: Sequence[bytes]) -> SessionView:
    """The same, but a gap ends the fold: for a log that begins anew anyway."""
    view = _VIEW.decode(stored) if stored else SessionView(epoch=epoch)
    try:
        for payload in payloads:
            _apply_all(view, payload)
    except ValueError as error:
        logger.warning("log.incomplete", epoch=epoch, seq=view.seq, error=str(error))
    return view


def _apply_all(view: SessionView, payload: bytes) -> None:
    try:
        events = _EVENTS.decode(payload)
    except msgspec.ValidationError:
        for raw in _RAW.decode(payload):
            _apply_known(view, raw)
        return
    for event in events:
        apply(view, event)


def _apply_known(view: SessionView, raw: msgspec.Raw) -> None:
    """Events of a newer version are kept by the log and change nothing here."""
    try:
        event = _EVENT.decode(raw)
    except msgspec.ValidationError:
        seq = _NUMBERED.decode(raw).seq
        if seq == view.seq + 1:
            view.seq = seq
        elif seq > view.seq:
            raise ValueError(f"gap in the log: have {view.seq}, got {seq}") from None
        return
    apply(view, event)


def storable(view: SessionView) -> SessionView:
    """The view cut to what is stored: the newest messages, and every one of the turn that runs."""
    kept: list[Message] = []
    size = 0
    running = view.turn.turn_id if view.turn is not None else None
    for message in reversed(view.messages):
        size += len(msgspec.json.encode(message))
        full = len(kept) >= STORED_MESSAGES or size > STORED_BYTES
        if full and kept and message.turn_id != running and message.status != "running":
            break
        kept.append(message)
    kept.reverse()
    return msgspec.structs.replace(view, messages=kept, more=view.more or len(kept) < len(view.messages))
