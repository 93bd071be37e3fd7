"""The server's end of one connection, as a state machine: it eats frames and gives back what to do.

No socket, no clock, no await: the time comes in, in seconds of any clock that never goes back. What the
server must do comes out as actions, in order. The whole of it is `TRANSITIONS`.

      ┌──────── session.open succeeded: opened() ───────┐
    WAITING ────────────────────────────────────────▶ OPEN
      │ no open in time (4502)                           │
      └──────────▶ CLOSED ◀── bad frames, size, binary, no pong ──┘
"""

from __future__ import annotations

from enum import StrEnum, auto
from typing import Final, assert_never

import msgspec

from core.errors import ErrorCode
from core.wire.close_codes import CloseCode
from core.wire.codec import ClientText, Decoded, Invalid, Malformed, TooLarge, decode_client, encode
from core.wire.frames import ClientFrame, ErrorFrame, Heartbeat, Ping, Pong, SessionOpen

OPEN_TIMEOUT_S: Final = 5.0
OPEN_RETRY_S: Final = 35.0
"""While an open is being worked on or was refused for a passing reason, the client's longest back-off (30 s) and the
deadline itself are allowed: a Redis that is away must not cost a client its connection for good."""
BAD_FRAMES: Final = 5
"""This many frames that are not a JSON object with a string `type` close the connection."""


class Send(msgspec.Struct, frozen=True):
    """Send these bytes as one text frame."""

    payload: bytes


class Close(msgspec.Struct, frozen=True):
    """Close the connection; nothing follows."""

    code: CloseCode
    reason: str


class Handle(msgspec.Struct, frozen=True):
    """Do what the client asks; never a ping or pong."""

    frame: ClientFrame


Action = Send | Close | Handle


class State(StrEnum):
    """Where a connection is."""

    WAITING = auto()
    """No `session.open` has succeeded yet."""
    OPEN = auto()
    CLOSED = auto()


class Input(StrEnum):
    """What a frame of the client turned out to be."""

    OPEN = auto()
    PING = auto()
    PONG = auto()
    OTHER = auto()
    """A frame in order, of any other type."""
    INVALID_OPENING = auto()
    """A `session.open`, `ping` or `pong` with a wrong field."""
    INVALID_OTHER = auto()
    MALFORMED = auto()
    TOO_LARGE = auto()
    BINARY = auto()


class Reaction(StrEnum):
    """What the machine does about it."""

    DO = auto()
    """What the frame calls for: `Handle` it, answer the ping, or say that it is invalid."""
    IGNORE = auto()
    REFUSE = auto()
    """`error unauthorized`: nothing but `session.open` and `ping` before an open succeeded."""
    STRIKE = auto()
    """`error invalid_request`; the fifth closes with 4500."""
    CLOSE_TOO_LARGE = auto()
    CLOSE_BINARY = auto()


TRANSITIONS: Final[dict[tuple[State, Input], Reaction]] = {
    (State.WAITING, Input.OPEN): Reaction.DO,
    (State.WAITING, Input.PING): Reaction.DO,
    (State.WAITING, Input.PONG): Reaction.IGNORE,
    (State.WAITING, Input.OTHER): Reaction.REFUSE,
    (State.WAITING, Input.INVALID_OPENING): Reaction.DO,
    (State.WAITING, Input.INVALID_OTHER): Reaction.REFUSE,
    (State.WAITING, Input.MALFORMED): Reaction.STRIKE,
    (State.WAITING, Input.TOO_LARGE): Reaction.CLOSE_TOO_LARGE,
    (State.WAITING, Input.BINARY): Reaction.CLOSE_BINARY,
    (State.OPEN, Input.OPEN): Reaction.DO,
    (State.OPEN, Input.PING): Reaction.DO,
    (State.OPEN, Input.PONG): Reaction.IGNORE,
    (State.OPEN, Input.OTHER): Reaction.DO,
    (State.OPEN, Input.INVALID_OPENING): Reaction.DO,
    (State.OPEN, Input.INVALID_OTHER): Reaction.DO,
    (State.OPEN, Input.MALFORMED): Reaction.STRIKE,
    (State.OPEN, Input.TOO_LARGE): Reaction.CLOSE_TOO_LARGE,
    (State.OPEN, Input.BINARY): Reaction.CLOSE_BINARY,
}
"""What happens on each input. A closed connection ignores everything."""


class ServerSide:
    """One connection. `now_s` is the time of its beginning; all later times are of the same clock."""

    __slots__ = (
        "_first_open_by_s",
        "_interval_s",
        "_open_by_s",
        "_pinged_s",
        "_received_s",
        "_state",
        "_strikes",
        "_timeout_s",
    )

    def __init__(self, now_s: float, heartbeat: Heartbeat | None = None) -> None:
        heartbeat = heartbeat or Heartbeat()
        self._interval_s = heartbeat.interval_ms / 1000
        self._timeout_s = heartbeat.timeout_ms / 1000
        self._state = State.WAITING
        self._first_open_by_s = now_s + OPEN_TIMEOUT_S
        self._open_by_s = self._first_open_by_s
        self._received_s = now_s
        self._pinged_s: float | None = None
        self._strikes = 0

    @property
    def state(self) -> State:
        """Where the connection is."""
        return self._state

    def receive_text(self, text: str, now_s: float) -> list[Action]:
        """Take a text frame; give what to do, in order."""
        return self._receive(_read(decode_client(text)), now_s)

    def receive_binary(self, now_s: float) -> list[Action]:
        """Take a binary frame, whatever it holds."""
        return self._receive(_Received(kind=Input.BINARY), now_s)

    def opened(self) -> None:
        """A `session.open` has succeeded: commands are taken from now on. Harmless when repeated."""
        if self._state is State.WAITING:
            self._state = State.OPEN

    def open_failed(self, now_s: float, *, retryable: bool) -> None:
        """A `session.open` was answered with an error. Not retryable: the first deadline holds again."""
        self._open_by_s = now_s + OPEN_RETRY_S if retryable else self._first_open_by_s

    def closed(self) -> None:
        """The connection has ended, from whichever side: nothing more is given."""
        self._state = State.CLOSED

    def tick(self, now_s: float) -> list[Action]:
        """Do what is due. To be called at `deadline_s` or a little later; harmless at any other time."""
        if self._state is State.CLOSED:
            return []
        if self._state is State.WAITING and now_s >= self._open_by_s:
            return self._close(CloseCode.NO_OPEN, "no session.open in time")
        if self._pinged_s is not None:
            late = now_s >= self._pinged_s + self._timeout_s
            return self._close(CloseCode.NO_PONG, "no frame after a ping") if late else []
        if now_s < self._received_s + self._interval_s:
            return []
        self._pinged_s = now_s
        return [Send(encode(Ping()))]

    def deadline_s(self) -> float | None:
        """When `tick` is due next; None once closed. It moves on with each frame: look again when it has passed."""
        if self._state is State.CLOSED:
            return None
        deadline_s = self._received_s + self._interval_s
        if self._pinged_s is not None:
            deadline_s = self._pinged_s + self._timeout_s
        return min(deadline_s, self._open_by_s) if self._state is State.WAITING else deadline_s

    def _receive(self, received: _Received, now_s: float) -> list[Action]:
        if self._state is State.CLOSED:
            return []
        self._received_s = now_s
        self._pinged_s = None
        match TRANSITIONS[self._state, received.kind]:
            case Reaction.DO:
                return self._do(received, now_s)
            case Reaction.IGNORE:
                return []
            case Reaction.REFUSE:
                return [_error("unauthorized", "Send session.open first, and wait for session.opened.", received.re)]
            case Reaction.STRIKE:
                return self._strike(received)
            case Reaction.CLOSE_TOO_LARGE:
                return self._close(CloseCode.TOO_LARGE, "a frame may have 64 KiB at most")
            case Reaction.CLOSE_BINARY:
                return self._close(CloseCode.BINARY, "text frames only")
            case _ as unreachable:
                assert_never(unreachable)

    def _do(self, received: _Received, now_s: float) -> list[Action]:
        if received.kind is Input.OPEN and self._state is State.WAITING:
            self._open_by_s = now_s + OPEN_RETRY_S
        return list(received.actions)

    def _strike(self, received: _Received) -> list[Action]:
        self._strikes += 1
        if self._strikes >= BAD_FRAMES:
            return self._close(CloseCode.BAD_FRAMES, "too many frames that are not of the protocol")
        return list(received.actions)

    def _close(self, code: CloseCode, reason: str) -> list[Action]:
        self._state = State.CLOSED
        return [Close(code, reason)]


class _Received(msgspec.Struct, frozen=True, kw_only=True):
    """An input with what it calls for in a connection that takes it."""

    kind: Input
    re: str | None = None
    actions: tuple[Action, ...] = ()


def _read(text: ClientText) -> _Received:
    match text:
        case Decoded(frame=SessionOpen() as frame):
            return _Received(kind=Input.OPEN, re=frame.cid, actions=(Handle(frame),))
        case Decoded(frame=Ping() as frame):
            return _Received(kind=Input.PING, actions=(Send(encode(Pong(t=frame.t))),))
        case Decoded(frame=Pong()):
            return _Received(kind=Input.PONG)
        case Decoded(frame=frame):
            return _Received(kind=Input.OTHER, re=getattr(frame, "cid", None), actions=(Handle(frame),))
        case Invalid():
            kind = Input.INVALID_OPENING if text.type in _OPENING else Input.INVALID_OTHER
            return _Received(kind=kind, re=text.re, actions=(_error("invalid_request", text.message, text.re),))
        case Malformed():
            return _Received(kind=Input.MALFORMED, actions=(_error("invalid_request", text.message, None),))
        case TooLarge():
            return _Received(kind=Input.TOO_LARGE)
        case _ as unreachable:
            assert_never(unreachable)


_OPENING: Final = frozenset({"session.open", "ping", "pong"})


def _error(code: ErrorCode, message: str, re: str | None) -> Send:
    return Send(encode(ErrorFrame(re=re, code=code, message=message, retryable=False)))
