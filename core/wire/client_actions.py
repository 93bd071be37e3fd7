"""What a client machine asks of its owner (`client_side`): things to send and things to show, in order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from core.events import Event
from core.wire.frames import Command, DeliveryReady, ErrorFrame, History, SessionOpened, TypingSignal


class Send(msgspec.Struct, frozen=True, kw_only=True):
    """Send this as one text frame."""

    payload: bytes


class Drop(msgspec.Struct, frozen=True, kw_only=True):
    """Close the socket, then call `disconnected`: it is dead, or its node goes away."""

    reason: str


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """The session is there."""

    key: str
    frame: SessionOpened


class OpenRefused(msgspec.Struct, frozen=True, kw_only=True):
    """The session could not be opened. Where `error.retryable` the machine tries again by itself."""

    key: str
    error: ErrorFrame


class Replaced(msgspec.Struct, frozen=True, kw_only=True):
    """The session's view is another: show it anew."""

    key: str


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """The session's view changed by this event."""

    key: str
    event: Event


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """A completed message's text is not what `message.completed` hashes: a bug of either end."""

    key: str
    message_id: str


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """All up to now has come."""

    key: str


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """The session was forgotten, and what was not answered with it."""

    key: str
    unanswered: tuple[Command, ...]


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A command was done. Comes again where a message had been lost and was sent anew."""

    cid: str
    result: Mapping[str, Any]
    duplicate: bool


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A command was refused. Where `error.retryable` it may be sent again with the same cid."""

    cid: str
    error: ErrorFrame


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A signal that changes no view: history, deliveries, typing, an error of no command."""

    signal: History | DeliveryReady | TypingSignal | ErrorFrame


Action = Send | Drop | Opened | OpenRefused | Replaced | Applied | Mismatch | Live | Erased | Done | Refused | Told


class Reconnect(msgspec.Struct, frozen=True, kw_only=True):
    """Connect anew after `delay_s`; a ticket was for once, get another."""

    delay_s: float


class GiveUp(msgspec.Struct, frozen=True, kw_only=True):
    """The server will not have this client; `code` says why."""

    code: int
