"""The client's end of one connection at a time, as a state machine, for one session or many.

No socket, no clock, no await: times come in, in seconds of any clock that never goes back; ids and chance are
given. What is to be done comes out as actions, in order. Each session is a `Cursor` (its view is the fold of what
came), the commands are in a `CommandOutbox`. Bridges, the bench and tests stand on it; static/ has the same in
TypeScript or JavaScript.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ldexp
from typing import Final, assert_never

import msgspec

from core.events import Event, MessageCompleted, SessionMerged
from core.view import SessionView
from core.wire.client_actions import (
    Action,
    Applied,
    Done,
    Drop,
    Erased,
    GiveUp,
    Live,
    Mismatch,
    Opened,
    OpenRefused,
    Reconnect,
    Refused,
    Replaced,
    Send,
    Told,
)
from core.wire.client_cursor import Cursor, Phase, Step
from core.wire.client_outbox import CommandOutbox
from core.wire.close_codes import comes_back
from core.wire.codec import encode
from core.wire.frames import (
    ClientFrame,
    Command,
    DeliveryReady,
    Draining,
    ErrorFrame,
    Heartbeat,
    History,
    Ok,
    Ping,
    Pong,
    SessionClose,
    SessionErased,
    SessionLive,
    SessionOpen,
    SessionOpened,
    Snapshot,
    TypingSignal,
)
from core.wire.server_text import OkReceived, Received, Unknown, decode_server

RECONNECT_FIRST_S: Final = 0.5
RECONNECT_MOST_S: Final = 30.0
WAKE_TIMEOUT_S: Final = 3.0
"""After sleep a frame must come within this time of the ping, else the connection is taken for dead."""


class ClientSide:
    """A client. `new_cid` makes ids for its own frames; `chance` gives numbers in [0, 1) for jitter."""

    def __init__(self, *, new_cid: Callable[[], str], chance: Callable[[], float]) -> None:
        self._new_cid = new_cid
        self._chance = chance
        self._heartbeat = Heartbeat()
        self._cursors: dict[str, Cursor] = {}
        self._outbox = CommandOutbox()
        self._connection = 0
        self._connected = False
        self._ticket: str | None = None
        self._attempts = 0
        self._received_s = 0.0
        self._pinged = False
        self._awake_by_s: float | None = None
        self._leave_at_s: float | None = None

    # ------------------------------------------------------------ what the client's owner asks

    def open(self, key: str, opening: SessionOpen, now_s: float) -> list[Action]:
        """Follow a session under a name of the caller's; `cid` and `resume` of `opening` are set by the machine."""
        self._cursors[key] = Cursor(opening)
        return [self._open(self._cursors[key])] if self._connected else []

    def leave(self, key: str) -> list[Action]:
        """Follow a session no more (services)."""
        cursor = self._cursors.pop(key)
        self._outbox.drop(key)
        if cursor.session_id is None or not self._connected:
            return []
        return [_send(SessionClose(cid=self._new_cid(), session_id=cursor.session_id))]

    def send(self, key: str | None, command: Command, now_s: float) -> list[Action]:
        """Send a command, now or as soon as its session is open, until it is answered.

        `key` is the session's, whose id is filled in; None: a command of no session, such as `delivery.take`.
        """
        self._outbox.add(key, command, now_s)
        return self._send_due(key, now_s)

    def view(self, key: str) -> SessionView | None:
        """What the session shows; None before its first snapshot. Not to be changed by the caller."""
        return self._cursors[key].view

    def session_id(self, key: str) -> str | None:
        """The server's id of the session, once it was opened."""
        return self._cursors[key].session_id

    def phase(self, key: str) -> Phase:
        """Where the session is on the present connection."""
        return self._cursors[key].phase

    def woke(self, now_s: float) -> list[Action]:
        """The device comes back from sleep: ask at once whether the connection lives."""
        if not self._connected:
            return []
        self._awake_by_s = now_s + WAKE_TIMEOUT_S
        return [_send(Ping())]

    # ------------------------------------------------------------ what the connection does

    def connected(self, now_s: float, ticket: str | None = None) -> list[Action]:
        """A connection is there: open every session from where it was. `ticket` goes with each opening."""
        self._connected, self._connection, self._ticket = True, self._connection + 1, ticket
        self._received_s, self._pinged, self._awake_by_s, self._leave_at_s = now_s, False, None, None
        return [self._open(cursor) for cursor in self._cursors.values()]

    def disconnected(self, code: int, now_s: float) -> Reconnect | GiveUp:
        """The connection has ended; 1006 where there was no close frame. Full jitter, 0.5 s to 30 s, for ever."""
        self._connected = False
        for cursor in self._cursors.values():
            cursor.phase = Phase.CLOSED
        if not comes_back(code):
            return GiveUp(code=code)
        if self._leave_at_s is not None:
            return Reconnect(delay_s=max(0.0, self._leave_at_s - now_s))
        return Reconnect(delay_s=self._backoff_s())

    def receive_text(self, text: str | bytes, now_s: float) -> list[Action]:
        """Take a text frame of the server. Raises ProtocolError where it is not one: drop the connection."""
        self._received_s, self._pinged, self._awake_by_s = now_s, False, None
        return [action for frame in decode_server(text) for action in self._take(frame, now_s)]

    def deadline_s(self) -> float | None:
        """When `tick` is due next; None where nothing is."""
        if not self._connected:
            return None
        times = [self._drop_at_s() if self._pinged else self._ping_at_s(), self._awake_by_s, self._leave_at_s]
        times += [cursor.retry_at_s for cursor in self._cursors.values()]
        return min(time_s for time_s in times if time_s is not None)

    def tick(self, now_s: float) -> list[Action]:
        """Do what is due; harmless at any other time."""
        if not self._connected:
            return []
        reason = self._death(now_s)
        if reason is not None:
            self._connected = False
            return [Drop(reason=reason)]
        actions: list[Action] = []
        if now_s >= self._ping_at_s() and not self._pinged:
            self._pinged = True
            actions.append(_send(Ping()))
        due = (cursor for cursor in self._cursors.values() if cursor.retry_at_s is not None)
        actions += [self._open(cursor) for cursor in due if (cursor.retry_at_s or 0.0) <= now_s]
        self._outbox.forget(now_s)
        return actions

    # ------------------------------------------------------------ frames of the server

    def _take(self, frame: Received, now_s: float) -> list[Action]:
        match frame:
            case SessionOpened() | Snapshot() | SessionLive() | SessionErased():
                return self._take_session(frame, now_s)
            case OkReceived():
                waited_for = self._outbox.answer(frame.re, now_s, refused=False)
                return [Done(cid=frame.re, result=frame.result, duplicate=frame.duplicate)] if waited_for else []
            case ErrorFrame():
                return self._take_error(frame, now_s)
            case History():
                self._outbox.answer(frame.re, now_s, refused=False)
                return [Told(signal=frame)]
            case DeliveryReady() | TypingSignal():
                return [Told(signal=frame)]
            case Ping():
                return [_send(Pong(t=frame.t))]
            case Draining():
                self._leave_at_s = now_s + frame.reconnect_in_ms / 1000
                return []
            case Pong() | Ok():
                return []
            case Unknown():
                return self._take_event(frame.session_id, frame.seq, None)
            case _:
                seq = frame.seq if isinstance(frame.seq, int) else None
                return self._take_event(frame.session_id, seq, frame)

    def _take_session(
        self, frame: SessionOpened | Snapshot | SessionLive | SessionErased, now_s: float
    ) -> list[Action]:
        found = self._find_opening(frame.re) if isinstance(frame, SessionOpened) else self._find(frame.session_id)
        if found is None:
            return []
        key, cursor = found
        match frame:
            case SessionOpened():
                self._attempts, self._heartbeat = 0, frame.heartbeat
                cursor.opened(frame)
                return [Opened(key=key, frame=frame)]
            case Snapshot():
                other_epoch = cursor.replace(frame)
                known = {message.re for message in frame.messages}
                self._outbox.shown(key, known)
                lost = self._outbox.lost(key, known, self._connection, now_s) if other_epoch else []
                return [Replaced(key=key), *(_send(self._addressed(key, command)) for command in lost)]
            case SessionLive():
                cursor.live()
                return [Live(key=key), *self._send_due(key, now_s), *self._send_due(None, now_s)]
            case SessionErased():
                del self._cursors[key]
                return [Erased(key=key, unanswered=tuple(self._outbox.drop(key)))]
            case _ as unreachable:
                assert_never(unreachable)

    def _take_error(self, frame: ErrorFrame, now_s: float) -> list[Action]:
        if frame.re is None:
            return [Told(signal=frame)]
        found = self._find_opening(frame.re)
        if found is None:
            waited_for = self._outbox.answer(frame.re, now_s, refused=True)
            return [Refused(cid=frame.re, error=frame)] if waited_for else []
        key, cursor = found
        cursor.phase, cursor.open_cid = Phase.CLOSED, None
        if frame.retryable:
            wait_s = self._backoff_s() if frame.retry_after_ms is None else frame.retry_after_ms / 1000
            cursor.retry_at_s = now_s + wait_s
        return [OpenRefused(key=key, error=frame)]

    def _take_event(self, session_id: str | None, seq: int | None, event: Event | None) -> list[Action]:
        found = self._find(session_id)
        if found is None or seq is None:
            return []
        key, cursor = found
        match cursor.take(seq, event):
            case Step.DROPPED:
                return []
            case Step.GAP:
                return [self._open(cursor)]
            case Step.APPLIED if event is None:
                return []
            case Step.APPLIED:
                applied = Applied(key=key, event=event)
                if isinstance(event, SessionMerged):
                    self._outbox.drop_answered(key)
                if isinstance(event, MessageCompleted) and not cursor.matches(event):
                    return [applied, Mismatch(key=key, message_id=event.message_id)]
                return [applied]
            case _ as unreachable:
                assert_never(unreachable)

    # ------------------------------------------------------------ helpers

    def _find(self, session_id: str | None) -> tuple[str, Cursor] | None:
        named = ((key, cursor) for key, cursor in self._cursors.items() if cursor.session_id == session_id)
        return next(named, None) if session_id is not None else None

    def _find_opening(self, cid: str) -> tuple[str, Cursor] | None:
        return next(((key, cursor) for key, cursor in self._cursors.items() if cursor.open_cid == cid), None)

    def _open(self, cursor: Cursor) -> Send:
        return _send(cursor.open(self._new_cid(), self._ticket))

    def _send_due(self, key: str | None, now_s: float) -> list[Action]:
        open_cursors = [cursor for name, cursor in self._cursors.items() if cursor.is_open and key in {None, name}]
        if not self._connected or not open_cursors:
            return []
        due = self._outbox.unsent(key, self._connection, now_s)
        return [_send(self._addressed(key, command)) for command in due]

    def _addressed(self, key: str | None, command: Command) -> Command:
        session_id = self._cursors[key].session_id if key is not None else None
        if session_id is None or "session_id" not in command.__struct_fields__:
            return command
        return msgspec.structs.replace(command, session_id=session_id)

    def _backoff_s(self) -> float:
        longest_s = min(RECONNECT_MOST_S, ldexp(RECONNECT_FIRST_S, min(self._attempts, 16)))
        self._attempts += 1
        return longest_s * self._chance()

    def _ping_at_s(self) -> float:
        return self._received_s + self._heartbeat.interval_ms / 1000

    def _drop_at_s(self) -> float:
        return self._ping_at_s() + self._heartbeat.timeout_ms / 1000

    def _death(self, now_s: float) -> str | None:
        if self._awake_by_s is not None and now_s >= self._awake_by_s:
            return "no frame after sleep"
        if now_s >= self._drop_at_s():
            return "no frame for too long"
        if self._leave_at_s is not None and now_s >= self._leave_at_s:
            return "the node goes away"
        return None


def _send(frame: ClientFrame) -> Send:
    return Send(payload=encode(frame))
