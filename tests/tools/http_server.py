"""A real HTTP server on loopback whose answers a test writes byte by byte: whole, cut, hanging, huge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Script = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class ScriptedServer:
    """Plays one script a request, the last one for ever; keeps what was asked."""

    scripts: list[Script] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def play(self, *scripts: Script) -> None:
        self.scripts = list(scripts)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.requests.append(head.split(" ")[1])
        self.headers.append(head.lower())
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        try:
            await script(writer)
            await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass  # the client had enough
        finally:
            writer.close()


@asynccontextmanager
async def scripted_server() -> AsyncIterator[ScriptedServer]:
    scripted = ScriptedServer()
    server = await asyncio.start_server(scripted.handle, "127.0.0.1", 0)
    scripted.port = server.sockets[0].getsockname()[1]
    try:
        yield scripted
    finally:
        server.close()


def answer(body: str | bytes, status: str = "200 OK", headers: str = "") -> Script:
    content = body.encode() if isinstance(body, str) else body

    async def play(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n{headers}\r\n".encode() + content)

    return play


def redirect(location: str, status: str = "302 Found") -> Script:
    return answer("", status, f"Location: {location}\r\n")


def cut_in_mid_body(body: str) -> Script:
    async def play(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body) * 2}\r\n\r\n{body}".encode())

    return play


def hang() -> Script:
    async def play(writer: asyncio.StreamWriter) -> None:
        await writer.wait_closed()

    return play


def hang_in_mid_body(body: str) -> Script:
    async def play(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body) * 2}\r\n\r\n{body}".encode())
        await writer.drain()
        await asyncio.Event().wait()

    return play


def endless() -> Script:
    """Chunks without end, and no length told beforehand."""

    async def play(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            await writer.drain()

    return play
