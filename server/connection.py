"""One live connection: the wire machine on one side, cursors into sessions' logs on the other.

It owns no task while it is idle. Commands are worked on one after the other, by a task that exists only while there
are any; pings are answered meanwhile. What is sent, and how it is bounded, is `server/outbound.py`'s.
"""

from __future__ import annotations

import asyncio
from typing import Final

from loguru import logger

from core.clock import Clock
from core.errors import BackendError, ProsaError, UserError
from core.turns import Principal, SessionRef
from core.wire.close_codes import CloseCode
from core.wire.codec import Decoded, decode_client, encode, encode_ok
from core.wire.frames import (
    ClientFrame,
    DeliveryReport,
    DeliveryTake,
    Draining,
    ErrorFrame,
    Heartbeat,
    Ping,
    Pong,
    SessionClose,
    SessionHandle,
    SessionLive,
    SessionOpen,
    SessionOpened,
    Snapshot,
    Typing,
    TypingSignal,
    WireLimits,
)
from core.wire.server_side import Action, Close, Handle, Send, ServerSide
from server.auth import Authenticator
from server.commands import ServiceCommand, SessionCommand, Speaker, deliver, execute, not_built
from server.cursor import Cursor
from server.outbound import Outbound, Transport
from server.sessions import Sessions

SESSIONS_MOST: Final = 10_000
"""Sessions that one connection may have open."""
WAITING_CHARS: Final = 64 * 1024
"""Commands that wait for the one before them; with more the peer is read no further until they are done."""
LAST_COMMANDS_S: Final = 5.0
HEARTBEAT: Final = Heartbeat()
_PING_CHARS: Final = 256


class Connection:
    """A peer, its open sessions and the commands that it gave."""

    __slots__ = (
        "__weakref__",
        "_authenticator",
        "_clock",
        "_cursors",
        "_leaving",
        "_machine",
        "_outbound",
        "_principal",
        "_reopening",
        "_sessions",
        "_speakers",
        "_waiting",
        "_waiting_chars",
        "_worked",
        "_working",
    )

    def __init__(
        self,
        *,
        sessions: Sessions,
        authenticator: Authenticator,
        principal: Principal | None,
        transport: Transport,
        clock: Clock,
    ) -> None:
        self._sessions = sessions
        self._authenticator = authenticator
        self._principal = principal
        self._clock = clock
        self._machine = ServerSide(clock.monotonic_s(), HEARTBEAT)
        self._outbound = Outbound(transport, clock, self._forget)
        self._speakers: dict[str, Speaker] = {}
        self._cursors: dict[str, Cursor] = {}
        self._reopening: str | None = None
        """The session whose older subscription is held still: what it sent would be gone back on by the new one."""
        self._waiting: list[str] = []
        self._waiting_chars = 0
        self._working: asyncio.Task[None] | None = None
        self._worked: asyncio.Event | None = None  # made by the first one that waits
        self._leaving = False

    # what the transport calls

    async def on_text(self, text: str) -> None:
        """Take a text frame; returns when the peer may be read further. A ping never waits for a command."""
        if self._leaving:
            return
        if self._working is None:
            self._begin(self._machine.receive_text(text, self._clock.monotonic_s()))
        elif _is_sign_of_life(text):
            self._act(self._machine.receive_text(text, self._clock.monotonic_s()))
        else:
            self._waiting.append(text)
            self._waiting_chars += len(text)
        while self._waiting_chars > WAITING_CHARS and not self._outbound.closed:
            self._worked = self._worked or asyncio.Event()
            self._worked.clear()
            await self._worked.wait()
        await self._outbound.room()

    async def on_binary(self) -> None:
        """Take a binary frame."""
        self._act(self._machine.receive_binary(self._clock.monotonic_s()))

    async def refuse(self, code: CloseCode, reason: str) -> None:
        """Close before anything was said."""
        self._close(code, reason)
        await self._outbound.sent()

    async def end(self) -> None:
        """The peer is gone: free everything. What it said before it went is still done, for 5 s at most."""
        await self._outbound.end()
        self._tell_worked()
        if self._working is not None:
            await asyncio.wait([self._working], timeout=LAST_COMMANDS_S)
        self._machine.closed()
        if self._working is not None:
            self._working.cancel()
            await asyncio.wait([self._working])
        for cursor in self._cursors.values():
            cursor.close()
        self._cursors.clear()

    # what the node calls

    def tick(self) -> None:
        """Do what is due: open deadline, heartbeat, stalled peers, a read that Redis did not answer."""
        now_s = self._clock.monotonic_s()
        self._outbound.tick(now_s)
        deadline_s = self._machine.deadline_s()
        if deadline_s is not None and now_s >= deadline_s:
            self._act(self._machine.tick(now_s))

    def drain(self, reconnect_in_ms: int) -> None:
        """Say that this node goes away, and when to be elsewhere; until then everything goes on."""
        self._outbound.reply(encode(Draining(reconnect_in_ms=reconnect_in_ms)))

    def leave(self) -> None:
        """Close with 1012 as soon as the commands that were given are answered."""
        self._leaving = True
        if self._working is None:
            self._close(CloseCode.RESTARTING, "restarting")

    def drop(self) -> None:
        """Close with 1012 at once."""
        self._machine.closed()
        self._outbound.drop(CloseCode.RESTARTING, "restarting")

    # commands

    def _begin(self, actions: list[Action]) -> None:
        """Do what needs no waiting at once, the rest in a task."""
        if not any(isinstance(action, Handle) for action in actions):
            self._act(actions)
            return
        work = self._work(actions)
        self._working = asyncio.get_running_loop().create_task(work, name="connection.work")

    async def _work(self, actions: list[Action]) -> None:
        try:
            while True:
                await self._do(actions)
                await self._outbound.room()
                if not self._waiting:
                    return
                text = self._waiting.pop(0)
                self._waiting_chars -= len(text)
                self._tell_worked()
                actions = self._machine.receive_text(text, self._clock.monotonic_s())
        finally:
            self._working = None
            self._tell_worked()
            if self._leaving:
                self._close(CloseCode.RESTARTING, "restarting")

    def _tell_worked(self) -> None:
        if self._worked is not None:
            self._worked.set()

    async def _do(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Handle):
                await self._handle(action.frame)
            else:
                self._act([action])

    def _act(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send(payload):
                    self._outbound.reply(payload)
                case Close(code, reason):
                    self._close(code, reason)
                case Handle():
                    raise AssertionError("a command is worked on by a task")

    async def _handle(self, frame: ClientFrame) -> None:
        re = getattr(frame, "cid", None)
        try:
            match frame:
                case SessionOpen():
                    await self._open(frame)
                case SessionClose():
                    self._forget(frame.session_id)
                    self._outbound.reply(encode_ok(frame.cid, {}))
                case SessionHandle():
                    raise not_built(frame)
                case DeliveryTake() | DeliveryReport():
                    await self._deliver(frame)
                case Ping() | Pong():
                    pass
                case _:
                    await self._command(frame)
        except ProsaError as error:
            if not isinstance(frame, Typing):
                self._outbound.reply(error_frame(re, error))
            if isinstance(frame, SessionOpen):
                self._open_failed(error)
        except Exception:  # noqa: BLE001 - the outer edge of a command
            logger.exception("command.failed")
            self._outbound.reply(error_frame(re, BackendError("Something went wrong on our side; try again.")))

    async def _deliver(self, frame: ServiceCommand) -> None:
        if self._principal is None:
            raise UserError("Send session.open first.", code="unauthorized")
        for reply in await deliver(self._sessions, self._principal, frame):
            self._outbound.reply(reply)

    async def _command(self, frame: SessionCommand) -> None:
        speaker = self._speakers.get(frame.session_id)
        if speaker is None:
            raise UserError("This session is not open on this connection; send session.open first.", code="not_found")
        reply = await execute(self._sessions, speaker, frame)
        if reply is not None:
            self._outbound.reply(reply)

    async def _open(self, frame: SessionOpen) -> None:
        principal = self._authenticate(frame)
        head = await self._sessions.open(principal, session=frame.session_id, user_id=frame.user_id)
        session = head.session
        if len(self._cursors) >= SESSIONS_MOST and session.session_id not in self._cursors:
            raise UserError(f"At most {SESSIONS_MOST} sessions may be open on one connection; close some.", code="busy")
        cursor = Cursor(
            session,
            self._sessions.log,
            self._sessions.store,
            lambda: self._on_work(session.session_id),
            self._on_typing,
            self._outbound.tail,
        )
        resume = (frame.resume.epoch, frame.resume.seq) if frame.resume is not None else None
        self._reopening = session.session_id
        self._outbound.drop_session(session.session_id)
        try:
            opening = await cursor.open(resume, with_snapshot=frame.snapshot)
        except BaseException:
            cursor.close()  # an older subscription stays
            self._reopening = None
            self._on_work(session.session_id)
            raise
        self._reopening = None
        self._forget(session.session_id)
        self._principal = principal
        opened = SessionOpened(
            re=frame.cid,
            session_id=session.session_id,
            user_id=session.user_id,
            epoch=opening.head.epoch,
            head=max(opening.head.seq, cursor.position),
            recovered=opening.recovered,
            reason=opening.reason,
            heartbeat=HEARTBEAT,
            limits=WireLimits(),
        )
        self._outbound.reply(encode(opened))
        if opening.snapshot is not None:
            self._outbound.reply(encode(Snapshot.of(session.session_id, opening.snapshot)))
        if opening.live_seq is not None:
            self._outbound.reply(encode(SessionLive(session_id=session.session_id, seq=opening.live_seq)))
        locale = frame.client.locale if frame.client is not None else None
        self._speakers[session.session_id] = Speaker(
            principal=principal, session=session, channel=frame.channel or "web", locale=locale
        )
        self._cursors[session.session_id] = cursor
        self._machine.opened()
        if cursor.has_work:
            self._outbound.on_work(session.session_id, cursor)

    def _authenticate(self, frame: SessionOpen) -> Principal:
        if frame.ticket is not None:
            raise UserError("This server gives no tickets; send an API key.", code="unauthorized")
        if self._principal is not None:
            return self._principal
        if frame.token is not None:
            return self._authenticator.by_key(frame.token)
        raise UserError("Send an API key in the handshake's Authorization header or as `token`.", code="unauthorized")

    def _open_failed(self, error: ProsaError) -> None:
        self._machine.open_failed(self._clock.monotonic_s(), retryable=error.retryable)
        if error.code == "unauthorized":
            self._close(CloseCode.UNAUTHORIZED, "unauthorized")

    def _forget(self, session_id: str) -> None:
        self._speakers.pop(session_id, None)
        self._outbound.drop_session(session_id)
        cursor = self._cursors.pop(session_id, None)
        if cursor is not None:
            cursor.close()

    def _on_work(self, session_id: str) -> None:
        cursor = self._cursors.get(session_id)
        if cursor is not None and cursor.has_work and session_id != self._reopening:
            self._outbound.on_work(session_id, cursor)

    def _on_typing(self, session: SessionRef, by: str, on: bool) -> None:
        if not self._outbound.is_full:
            self._outbound.reply(encode(TypingSignal(session_id=session.session_id, by=by, on=on)))

    def _close(self, code: CloseCode, reason: str) -> None:
        self._machine.closed()
        self._outbound.close(code, reason)


def _is_sign_of_life(text: str) -> bool:
    if len(text) > _PING_CHARS:
        return False
    match decode_client(text):
        case Decoded(frame=Ping() | Pong()):
            return True
        case _:
            return False


def error_frame(re: str | None, error: ProsaError) -> bytes:
    """An error as a frame. What is not meant for clients is left out by the error itself."""
    return encode(
        ErrorFrame(
            re=re,
            code=error.code,
            message=error.message,
            retryable=error.retryable,
            retry_after_ms=error.retry_after_ms,
            session_id=error.moved_to,
            duplicate=error.duplicate,
        )
    )
