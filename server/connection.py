"""One live connection: the wire machine on one side, cursors into sessions' logs on the other.

It owns no task while it is idle. Replies and events leave through one short-lived flush task, which
exists only while there is something to send; a peer that does not read stops that task and nothing else.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from loguru import logger

from core.clock import Clock
from core.errors import BackendError, ProsaError, UserError
from core.turns import Principal, SessionRef
from core.wire.close_codes import CloseCode
from core.wire.codec import encode, encode_ok, join
from core.wire.frames import (
    ApprovalRespond,
    ClientFrame,
    DeliveryReport,
    DeliveryTake,
    Draining,
    ErrorFrame,
    Heartbeat,
    Ping,
    Pong,
    SessionClose,
    SessionErased,
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
from server.commands import SessionCommand, Speaker, execute, not_built
from server.cursor import LIVE_TAIL_BYTES, Cursor
from server.sessions import Sessions

STALLED_S: Final = 30.0
"""A peer that took nothing for so long is closed with 4003 (protocol.md, slow clients)."""
SESSIONS_MOST: Final = 10_000
"""Sessions that one connection may have open."""


class Transport(Protocol):
    """What carries a connection's frames."""

    async def send(self, frame: bytes) -> None:
        """Send one text frame; waits while the peer does not read. Raises ConnectionError once closed."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close; harmless when repeated."""
        ...


class Connection:
    """A peer, its open sessions and what is still to be sent to it."""

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
        self._transport = transport
        self._clock = clock
        self._heartbeat = Heartbeat()
        self._machine = ServerSide(clock.monotonic_s(), self._heartbeat)
        self._speakers: dict[str, Speaker] = {}
        self._cursors: dict[str, Cursor] = {}
        self._ready: dict[str, Cursor] = {}  # cursors with something to send, oldest first
        self._replies: list[bytes] = []
        self._reply_bytes = 0
        self._drained = asyncio.Event()
        self._flush_task: asyncio.Task[None] | None = None
        self._sending_since_s: float | None = None
        self._closing: tuple[int, str] | None = None
        self._closed = False

    # what the transport calls

    async def on_text(self, text: str) -> None:
        """Take a text frame; returns when its command was answered and the peer is not too far behind."""
        await self._act(self._machine.receive_text(text, self._clock.monotonic_s()))
        while self._reply_bytes > LIVE_TAIL_BYTES and not self._closed:
            self._drained.clear()
            await self._drained.wait()

    async def on_binary(self) -> None:
        """Take a binary frame."""
        await self._act(self._machine.receive_binary(self._clock.monotonic_s()))

    async def refuse(self, code: CloseCode, reason: str) -> None:
        """Close before anything was said."""
        self._machine.closed()
        self._closing = (code, reason)
        self._wake()
        if self._flush_task is not None:
            await asyncio.wait([self._flush_task])

    async def end(self) -> None:
        """The peer is gone: free everything."""
        self._closed = True
        self._machine.closed()
        self._drained.set()
        for cursor in self._cursors.values():
            cursor.close()
        self._cursors.clear()
        self._ready.clear()
        if self._flush_task is not None:
            self._flush_task.cancel()
            await asyncio.wait([self._flush_task])

    # what the node calls

    async def tick(self) -> None:
        """Do what is due: open deadline, heartbeat, stalled peers, a flush that Redis had interrupted."""
        now_s = self._clock.monotonic_s()
        if self._sending_since_s is not None and now_s - self._sending_since_s > STALLED_S:
            await self._abort(CloseCode.TOO_SLOW, "nothing was read for 30 s")
            return
        deadline_s = self._machine.deadline_s()
        if deadline_s is not None and now_s >= deadline_s:
            await self._act(self._machine.tick(now_s))
        if self._ready:
            self._wake()

    def drain(self, reconnect_in_ms: int) -> None:
        """Say that this node goes away, and close with 1012."""
        self._reply(encode(Draining(reconnect_in_ms=reconnect_in_ms)))
        self._close(CloseCode.RESTARTING, "restarting")

    # commands

    async def _act(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send(payload):
                    self._reply(payload)
                case Close(code, reason):
                    self._close(code, reason)
                case Handle(frame):
                    await self._handle(frame)

    async def _handle(self, frame: ClientFrame) -> None:
        re = getattr(frame, "cid", None)
        try:
            match frame:
                case SessionOpen():
                    await self._open(frame)
                case SessionClose():
                    self._forget(frame.session_id)
                    self._reply(encode_ok(frame.cid, {}))
                case ApprovalRespond() | SessionHandle() | DeliveryTake() | DeliveryReport():
                    raise not_built(frame)
                case Ping() | Pong():
                    pass
                case _:
                    await self._command(frame)
        except ProsaError as error:
            if not isinstance(frame, Typing):
                self._reply(error_frame(re, error))
            if isinstance(frame, SessionOpen):
                self._open_failed(error)
        except Exception:  # noqa: BLE001 - the outer edge of a command
            logger.exception("command.failed")
            self._reply(error_frame(re, BackendError("Something went wrong on our side; try again.")))

    async def _command(self, frame: SessionCommand) -> None:
        speaker = self._speakers.get(frame.session_id)
        if speaker is None:
            raise UserError("This session is not open on this connection; send session.open first.", code="not_found")
        reply = await execute(self._sessions, speaker, frame)
        if reply is not None:
            self._reply(reply)

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
        )
        resume = (frame.resume.epoch, frame.resume.seq) if frame.resume is not None else None
        try:
            opening = await cursor.open(resume, with_snapshot=frame.snapshot)
        except BaseException:
            cursor.close()  # an older subscription stays
            raise
        self._forget(session.session_id)
        self._principal = principal
        opened = SessionOpened(
            re=frame.cid,
            session_id=session.session_id,
            user_id=session.user_id,
            epoch=opening.head.epoch,
            head=max(opening.head.seq, opening.live_seq),
            recovered=opening.recovered,
            reason=opening.reason,
            heartbeat=self._heartbeat,
            limits=WireLimits(),
        )
        self._reply(encode(opened))
        if opening.snapshot is not None:
            self._reply(encode(Snapshot.of(session.session_id, opening.snapshot)))
        for payload in opening.events:
            self._reply(payload)
        self._reply(encode(SessionLive(session_id=session.session_id, seq=opening.live_seq)))
        locale = frame.client.locale if frame.client is not None else None
        self._speakers[session.session_id] = Speaker(
            principal=principal, session=session, channel=frame.channel or "web", locale=locale
        )
        self._cursors[session.session_id] = cursor
        self._machine.opened()
        if cursor.has_work:
            self._on_work(session.session_id)

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
        self._ready.pop(session_id, None)
        cursor = self._cursors.pop(session_id, None)
        if cursor is not None:
            cursor.close()

    # sending

    def _reply(self, frame: bytes) -> None:
        self._replies.append(frame)
        self._reply_bytes += len(frame)
        self._wake()

    def _on_work(self, session_id: str) -> None:
        cursor = self._cursors.get(session_id)
        if cursor is not None:
            self._ready[session_id] = cursor
            self._wake()

    def _on_typing(self, session: SessionRef, by: str, on: bool) -> None:
        if self._reply_bytes < LIVE_TAIL_BYTES:
            self._reply(encode(TypingSignal(session_id=session.session_id, by=by, on=on)))

    def _close(self, code: CloseCode, reason: str) -> None:
        if self._closing is None:
            self._closing = (code, reason)
            self._machine.closed()
        self._wake()

    def _wake(self) -> None:
        if self._flush_task is None and not self._closed:
            self._flush_task = asyncio.get_running_loop().create_task(self._flush(), name="connection.flush")

    async def _flush(self) -> None:
        try:
            while not self._closed and (self._replies or self._ready):
                try:
                    await self._send_next()
                except BackendError as error:
                    logger.debug("connection.waits", reason=error.message)
                    if not self._replies:  # else they go out first
                        break  # `tick` tries again
            if self._closing is not None and not self._closed:
                self._closed = True
                await self._transport.close(*self._closing)
        except ConnectionError:
            self._closed = True  # the transport tells the receiving side
        except Exception:  # noqa: BLE001 - the outer edge of a task: the peer is told to come back
            logger.exception("connection.failed")
            self._closed = True
            await self._transport.close(CloseCode.INTERNAL, "internal")
        finally:
            self._sending_since_s = None
            self._flush_task = None
            self._drained.set()

    async def _send_next(self) -> None:
        frames = self._replies
        self._replies, self._reply_bytes = [], 0
        await self._gather(frames)
        if frames:
            self._sending_since_s = self._clock.monotonic_s()
            await self._transport.send(join(frames))
            self._sending_since_s = None
        self._drained.set()

    async def _gather(self, frames: list[bytes]) -> None:
        """Add what the ready cursors have; what was gathered goes out even where Redis fails midway."""
        for session_id in list(self._ready):
            cursor = self._ready.get(session_id)
            if cursor is None:  # closed while another one was read
                continue
            if cursor.erased:
                frames.append(encode(SessionErased(session_id=session_id)))
                self._forget(session_id)
                self._close(CloseCode.ERASED, "erased")
                continue
            try:
                view, payloads = await cursor.next_payloads()
            except BackendError:
                if not frames:
                    raise
                return
            except UserError:  # Redis has lost the session: the client comes back and opens another
                logger.warning("session.lost", session_id=session_id)
                self._forget(session_id)
                self._close(CloseCode.INTERNAL, "the session is gone")
                continue
            if view is not None:
                frames.append(encode(Snapshot.of(session_id, view)))
                frames.append(encode(SessionLive(session_id=session_id, seq=view.seq)))
            frames.extend(payloads)
            if not cursor.has_work and self._ready.get(session_id) is cursor:
                del self._ready[session_id]

    async def _abort(self, code: CloseCode, reason: str) -> None:
        """Close although a send is blocked."""
        self._closed = True
        self._machine.closed()
        self._drained.set()
        if self._flush_task is not None:
            self._flush_task.cancel()
        await self._transport.close(code, reason)


def error_frame(re: str | None, error: ProsaError) -> bytes:
    """An error as a frame. What is not meant for clients is left out by the error itself."""
    return encode(
        ErrorFrame(
            re=re,
            code=error.code,
            message=error.message,
            retryable=error.retryable,
            retry_after_ms=error.retry_after_ms,
            duplicate=error.duplicate,
        )
    )
