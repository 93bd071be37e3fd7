"""The log as Server-Sent Events, and commands by POST: the protocol for whom a WebSocket is not to be had."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.errors import BackendError, UserError
from core.measurements import ConnectionsChanged, Measure
from core.turns import Principal
from core.view import SessionView
from core.wire.codec import Decoded, Invalid, Malformed, TooLarge, decode_client, encode, join
from core.wire.frames import (
    ClientFrame,
    DeliveryReport,
    DeliveryTake,
    Ping,
    Pong,
    SessionClose,
    SessionErased,
    SessionHandle,
    SessionLive,
    SessionOpen,
    Snapshot,
)
from server.auth import Authenticator
from server.commands import ServiceCommand, SessionCommand, Speaker, deliver, execute, not_built
from server.cursor import Cursor, Opening
from server.http import guarded, json_response, principal_of, read_body
from server.leaving import Leaving
from server.sessions import Sessions
from server.sse import AWAY_S, EventStreamResponse, is_set, split, sse


class EventStream:
    """`GET .../events` and `POST .../commands`."""

    def __init__(self, sessions: Sessions, authenticator: Authenticator, measure: Measure, leaving: Leaving) -> None:
        self._sessions = sessions
        self._authenticator = authenticator
        self._measure = measure
        self._count = 0
        self._leaving = leaving

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("/api/v1/sessions/{session_id}/events", guarded(self.events), methods=["GET"]),
            Route("/api/v1/sessions/{session_id}/commands", guarded(self.command), methods=["POST"]),
        ]

    async def events(self, request: Request) -> Response:
        """A snapshot (or what was missed since `Last-Event-ID`), then everything as it happens.

        The stream ends when the node goes away or the session is gone; the client comes back with `Last-Event-ID`.
        """
        principal = principal_of(self._authenticator, request)
        head = await self._sessions.find(principal, request.path_params["session_id"])
        wake = asyncio.Event()
        cursor = Cursor(head.session, self._sessions.log, self._sessions.store, wake.set)
        try:
            opening = await cursor.open(_last_event(request.headers.get("last-event-id")))
        except BaseException:
            cursor.close()
            raise
        stream = self._stream(cursor, opening, wake)
        return EventStreamResponse(stream, cursor.close)

    async def command(self, request: Request) -> Response:
        """Do one command; the body is the client frame, the answer its `ok`, `history` or an error.

        Of several frames (`delivery.take`) it is an array, as on the WebSocket.
        """
        principal = principal_of(self._authenticator, request)
        head = await self._sessions.find(principal, request.path_params["session_id"])
        frame = _command(await read_body(request), head.session.session_id)
        if isinstance(frame, DeliveryTake | DeliveryReport):
            return json_response(join(await deliver(self._sessions, principal, frame)))
        speaker = Speaker(principal=principal, session=head.session, channel=_channel(principal))
        reply = await execute(self._sessions, speaker, frame)
        return json_response(reply) if reply is not None else Response(status_code=204)

    async def _stream(self, cursor: Cursor, opening: Opening, wake: asyncio.Event) -> AsyncIterator[bytes]:
        session_id, epoch = cursor.session.session_id, opening.head.epoch
        self._counted(+1)
        self._leaving.watch(wake)
        try:
            if opening.snapshot is not None:
                epoch = opening.snapshot.epoch
                yield _snapshot(session_id, opening.snapshot)
            if opening.live_seq is not None:
                yield _signal("session.live", SessionLive(session_id=session_id, seq=opening.live_seq))
            while not self._leaving.begun:
                if not cursor.has_work and not await is_set(wake):
                    yield b":\n\n"
                    continue
                wake.clear()
                if cursor.erased:
                    yield _signal("session.erased", SessionErased(session_id=session_id))
                    return
                try:
                    batch = await cursor.next_batch()
                except BackendError:  # Redis is away: the stream stays and goes on when it is back
                    yield b":\n\n"
                    await is_set(wake, AWAY_S)
                    continue
                except UserError:  # Redis has lost the session: who comes back is told so
                    return
                if batch.snapshot is not None:
                    epoch = batch.snapshot.epoch
                    yield _snapshot(session_id, batch.snapshot)
                if batch.payloads:
                    yield b"".join(_events(epoch, payload) for payload in batch.payloads)
                if batch.live_seq is not None:
                    yield _signal("session.live", SessionLive(session_id=session_id, seq=batch.live_seq))
        finally:
            self._counted(-1)
            self._leaving.unwatch(wake)
            cursor.close()

    def _counted(self, change: int) -> None:
        self._count += change
        self._measure.emit(ConnectionsChanged(transport="sse", count=self._count))


def _snapshot(session_id: str, view: SessionView) -> bytes:
    return sse("session.snapshot", encode(Snapshot.of(session_id, view)), f"{view.epoch}:{view.seq}")


def _signal(kind: str, signal: Any) -> bytes:
    return sse(kind, encode(signal))


def _events(epoch: str, payload: bytes) -> bytes:
    return b"".join(sse(event.type, event.raw, f"{epoch}:{event.seq}") for event in split(payload))


def _last_event(value: str | None) -> tuple[str, int] | None:
    """`<epoch>:<seq>`; anything else begins with a snapshot."""
    epoch, separator, seq = (value or "").rpartition(":")
    return (epoch, int(seq)) if separator and seq.isascii() and seq.isdigit() and len(seq) < 16 else None


def _channel(principal: Principal) -> str:
    return "api" if principal.is_service else "web"


def _command(body: bytes, session_id: str) -> SessionCommand | ServiceCommand:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise UserError("The body is not valid JSON.", status=400) from None
    match decode_client(text):
        case TooLarge():
            raise UserError("A command may have 64 KiB at most.", code="too_large")
        case Malformed(message=message):
            raise UserError(message, status=400 if not _is_json(body) else None)
        case Invalid(message=message):
            raise UserError(message)
        case Decoded(frame=frame):
            return _session_command(frame, session_id)


def _session_command(frame: ClientFrame, session_id: str) -> SessionCommand | ServiceCommand:
    match frame:
        case DeliveryTake() | DeliveryReport():
            return frame
        case SessionHandle():
            raise not_built(frame)
        case SessionOpen() | SessionClose() | Ping() | Pong():
            raise UserError("This frame is not a command on a session.")
        case _:
            if frame.session_id != session_id:
                raise UserError("session_id of the command is not that of the address.")
            return frame


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
