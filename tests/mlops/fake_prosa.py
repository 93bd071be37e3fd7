"""A Prosa that is none: `/ready` and `/chat/stream` as Prosa speaks them, each answer written by the test."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Play = Callable[[dict[str, Any], "Stream"], Awaitable[None]]


@dataclass
class Stream:
    """One answer under way."""

    request: web.Request
    number: int
    response: web.StreamResponse | None = None

    async def send(self, name: str, **data: Any) -> None:
        """One event."""
        if self.response is None:
            self.response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
            await self.response.prepare(self.request)
        await self.response.write(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())

    async def refuse(self, status: int, body: str) -> None:
        """An answer that is no stream."""
        self.response = web.Response(status=status, text=body)

    def hang_up(self) -> None:
        """Close the connection in the middle."""
        assert self.request.transport is not None
        self.request.transport.close()


async def answers(body: dict[str, Any], stream: Stream, text: str = "It is 42.") -> None:
    """A whole turn."""
    turn = {"session_id": "ses_1", "turn_id": f"turn_{stream.number}"}
    await stream.send("ok", re="1", turn_id=turn["turn_id"])
    await stream.send("turn.started", **turn)
    await stream.send("message.delta", session_id="ses_1", message_id="m", off=0, text=text)
    usage = {"input": 100, "output": 7, "total": 107}
    await stream.send("turn.completed", **turn, usage=usage, cost_usd=0.001)
    provider, _, model = body["model"].partition(":")
    result = {"response": text, "state": "completed", "provider": provider, "model": model, "cost_usd": 0.001}
    await stream.send("chat.result", **turn, **result, cached=False, tools_called=["sales_query"])


@dataclass
class FakeProsa:
    """What was asked of it, and where it is."""

    url: str = ""
    play: Play = answers
    bodies: list[dict[str, Any]] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    commands: list[dict[str, Any]] = field(default_factory=list)
    is_ready: bool = True
    asked: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until_asked(self, times: int) -> None:
        """Wait for so many questions."""
        async with self.asked:
            await self.asked.wait_for(lambda: len(self.bodies) >= times)

    async def ready(self, request: web.Request) -> web.Response:
        """`/ready`."""
        return web.json_response({"ready": self.is_ready}, status=200 if self.is_ready else 503)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """`/chat/stream`."""
        body = await request.json()
        async with self.asked:
            self.bodies.append(body)
            self.heads.append(dict(request.headers))
            self.asked.notify_all()
        stream = Stream(request, len(self.bodies))
        await self.play(body, stream)
        assert stream.response is not None
        return stream.response

    async def command(self, request: web.Request) -> web.Response:
        """A command of the live protocol."""
        self.commands.append(await request.json())
        return web.json_response({"type": "ok"})


@asynccontextmanager
async def fake_prosa(play: Play = answers) -> AsyncIterator[FakeProsa]:
    """Serve it on a port of this machine."""
    fake = FakeProsa(play=play)
    application = web.Application()
    application.router.add_get("/ready", fake.ready)
    application.router.add_post("/chat/stream", fake.stream)
    application.router.add_post("/api/v1/sessions/{session_id}/commands", fake.command)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield fake
    finally:
        await runner.cleanup()
