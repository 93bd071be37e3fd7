"""A compact server of protocol v1 that a test plays by hand, for faults that a real server does not make on demand.

It serves the committed page and widget under the strictest content security policy, keeps sessions in
memory, and hands each accepted turn to the test (`next_turn`). It never answers by itself.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from tests.browser.fake_session import FakeSession, FakeTurn

STATIC = Path(__file__).parents[2] / "static"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; "
    "font-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)
STARTERS = {
    "pt": ["Qual foi a receita por região?", "Quem mais vendeu no último trimestre?", "Quais negócios estão abertos?"],
    "en": ["What was the revenue by region?", "Who sold the most last quarter?", "Which deals are open?"],
    "es": ["¿Cuáles fueron los ingresos por región?", "¿Quién vendió más?", "¿Qué negocios están abiertos?"],
}


class FakeServer:
    """Sessions, connections, and what the test may do to them."""

    def __init__(self) -> None:
        self.sessions: dict[tuple[str, str], FakeSession] = {}
        self.connections: list[FakeConnection] = []
        self.commands: list[dict[str, Any]] = []
        self.config: dict[str, Any] = {"agent": "sales", "title": "Prosa", "starters": STARTERS, "offline": False}
        self.refuse_messages: dict[str, Any] | None = None
        """An error frame's fields to answer `message.send` with, once."""
        self.silent = False
        """While true, frames are read but nothing is answered."""
        self.approval_reply: dict[str, Any] | None = {"type": "ok", "state": "approved"}
        """What `approval.respond` is answered with; None: nothing."""
        self._turns: asyncio.Queue[FakeTurn] = asyncio.Queue()
        self._arrived = asyncio.Condition()

    def session(self, user_id: str, name: str = "main") -> FakeSession:
        """The session of a user, made if new. A session's own id finds it too."""
        for session in self.sessions.values():
            if session.session_id == name:
                return session
        return self.sessions.setdefault((user_id, name), FakeSession(f"ses_{len(self.sessions) + 1}"))

    async def next_turn(self) -> FakeTurn:
        """The next turn that was accepted."""
        async with asyncio.timeout(10):
            return await self._turns.get()

    async def command(self, kind: str, count: int = 1) -> dict[str, Any]:
        """The `count`-th command of that type, as soon as it came."""
        async with asyncio.timeout(10), self._arrived:
            await self._arrived.wait_for(lambda: len(self.commands_of(kind)) >= count)
        return self.commands_of(kind)[count - 1]

    def commands_of(self, kind: str) -> list[dict[str, Any]]:
        """All commands of a type that came."""
        return [command for command in self.commands if command["type"] == kind]

    def send_raw(self, text: str) -> None:
        """Put a frame of any text on each connection."""
        for connection in self.connections:
            connection.outbox.put_nowait(text)

    def close_all(self, code: int) -> None:
        """Close each connection with a code."""
        for connection in self.connections:
            connection.outbox.put_nowait(code)

    def begin_epoch(self, session: FakeSession, epoch: str, *, forget_last_messages: int = 0) -> None:
        """A new epoch, with its snapshot to everybody who listens."""
        session.begin_epoch(epoch, forget_last_messages=forget_last_messages)
        self.send_raw(json.dumps([session.snapshot(), _live(session)]))

    async def note(self, command: dict[str, Any]) -> None:
        """Remember a command and tell who waits for it."""
        async with self._arrived:
            self.commands.append(command)
            self._arrived.notify_all()

    def hand_over(self, turn: FakeTurn) -> None:
        """Give a turn to the test."""
        self._turns.put_nowait(turn)

    def app(self) -> Starlette:
        """The application: page, widget, configuration and socket."""
        return Starlette(
            routes=[
                Route("/", _page("index.html")),
                Route("/widget.js", _page("dist/widget.js")),
                Route("/host", _host_page),
                Route("/api/v1/config", self._config),
                WebSocketRoute("/ws", self._serve),
                Mount("/static", StaticFiles(directory=STATIC / "assets")),
            ]
        )

    async def _config(self, _: Request) -> Response:
        return JSONResponse(self.config)

    async def _serve(self, socket: WebSocket) -> None:
        await socket.accept(subprotocol="prosa.v1")
        connection = FakeConnection(self, socket)
        self.connections.append(connection)
        try:
            await connection.serve()
        finally:
            self.connections.remove(connection)


class FakeConnection:
    """One socket: a reader, and a writer fed by `outbox` (a text to send, or a code to close with)."""

    def __init__(self, server: FakeServer, socket: WebSocket) -> None:
        self._server = server
        self._socket = socket
        self.outbox: asyncio.Queue[str | int] = asyncio.Queue()
        self._session: FakeSession | None = None

    async def serve(self) -> None:
        """Until either side ends it."""
        writer = asyncio.create_task(self._write(), name="fake-writer")
        try:
            while True:
                command = json.loads(await self._socket.receive_text())
                await self._server.note(command)
                if not self._server.silent:
                    self._answer(command)
        except WebSocketDisconnect:
            pass
        finally:
            writer.cancel()
            with suppress(asyncio.CancelledError):
                await writer
            if self._session is not None and self._listen in self._session.listeners:
                self._session.listeners.remove(self._listen)

    async def _write(self) -> None:
        with suppress(RuntimeError, WebSocketDisconnect):
            while True:
                item = await self.outbox.get()
                if isinstance(item, int):
                    await self._socket.close(code=item)
                    return
                await self._socket.send_text(item)

    def _listen(self, payload: bytes) -> None:
        self.outbox.put_nowait(payload.decode())

    def _say(self, **frame: Any) -> None:
        self.outbox.put_nowait(json.dumps(frame))

    def _answer(self, command: dict[str, Any]) -> None:
        match command["type"]:
            case "session.open":
                self._open(command)
            case "ping":
                self._say(type="pong")
            case "message.send":
                self._accept(command)
            case "turn.retry":
                self._once(command, lambda session: session.accept_retry(command["turn_id"]))
            case "turn.cancel":
                self._cancel(command)
            case "history.get":
                self._history(command)
            case "approval.respond":
                if self._server.approval_reply is not None:
                    self._say(**self._server.approval_reply, re=command["cid"])
            case _:
                self._say(type="ok", re=command.get("cid"))

    def _open(self, command: dict[str, Any]) -> None:
        session = self._server.session(command.get("user_id", "ticket"), command.get("session_id", "main"))
        if self._session is not None and self._listen in self._session.listeners:
            self._session.listeners.remove(self._listen)
        self._session = session
        resume = command.get("resume")
        missed = session.missed(resume["epoch"], resume["seq"]) if resume is not None else None
        self._say(
            type="session.opened",
            re=command["cid"],
            session_id=session.session_id,
            user_id=command.get("user_id", "ticket"),
            epoch=session.view.epoch,
            head=session.view.seq,
            recovered=missed is not None,
            heartbeat={"interval_ms": 25_000, "timeout_ms": 10_000},
            limits={"message_chars": 16_000, "frame_bytes": 65_536, "queue": 8},
        )
        if missed is None:
            self._say(**session.snapshot())
        else:
            self.outbox.put_nowait(f"[{','.join(payload.decode() for payload in missed)}]")
        self._say(**_live(session))
        session.listeners.append(self._listen)

    def _accept(self, command: dict[str, Any]) -> None:
        refusal, self._server.refuse_messages = self._server.refuse_messages, None
        if refusal is not None:
            self._say(type="error", re=command["cid"], **refusal)
            return
        self._once(command, lambda session: session.accept(command["content"], command["cid"]))

    def _once(self, command: dict[str, Any], make: Any) -> None:
        session = self._session
        assert session is not None
        known = session.replies.get(command["cid"])
        if known is not None:
            self._say(**known, duplicate=True)
            return
        turn: FakeTurn = make(session)
        reply = {"type": "ok", "re": command["cid"], "turn_id": turn.turn_id, "seq": turn.seq, "position": 0}
        session.replies[command["cid"]] = reply
        self._say(**reply)
        self._server.hand_over(turn)

    def _cancel(self, command: dict[str, Any]) -> None:
        assert self._session is not None
        turn = self._session.turns[command["turn_id"]]
        if not turn.ended:
            turn.cancel()
        self._say(type="ok", re=command["cid"], state="cancelled")

    def _history(self, command: dict[str, Any]) -> None:
        assert self._session is not None
        messages = self._session.view.messages
        index = next(i for i, message in enumerate(messages) if message.message_id == command["before"])
        first = max(0, index - command.get("limit", 50))
        page = msgspec.to_builtins(messages[first:index])
        self._say(type="history", re=command["cid"], messages=page, more=first > 0)


def _live(session: FakeSession) -> dict[str, Any]:
    return {"type": "session.live", "session_id": session.session_id, "seq": session.view.seq}


def _page(name: str) -> Any:
    async def serve(_: Request) -> Response:
        return FileResponse(STATIC / name, headers={"Content-Security-Policy": CSP, "Cache-Control": "no-cache"})

    return serve


async def _host_page(request: Request) -> Response:
    attributes = " ".join(f'data-{name}="{value}"' for name, value in request.query_params.items())
    html = (Path(__file__).parent / "host.html").read_text(encoding="utf-8")
    return Response(html.replace("{attributes}", attributes), media_type="text/html")
