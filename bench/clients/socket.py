"""A WebSocket client that costs little: the handshake, pings and whole messages on a bare asyncio protocol."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable
from typing import cast

from bench.clients.frames import CLOSE, PING, PONG, TEXT, FrameReader, client_frame


class WebSocket(asyncio.Protocol):
    """One connection to `/ws`. `on_text` gets each message; `on_lost` says why no more comes."""

    def __init__(
        self, port: int, on_text: Callable[[bytes], None] | None = None, on_lost: Callable[[str], None] | None = None
    ) -> None:
        self.is_open = False
        self.pongs = 0
        self._port = port
        self._on_text = on_text
        self._on_lost = on_lost
        self._head: bytes | None = b""
        self._frames = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._pong: asyncio.Future[bool] | None = None

    async def open(self) -> None:
        """Connect. Raises ConnectionError where the server refuses."""
        loop = asyncio.get_running_loop()
        self._upgraded: asyncio.Future[None] = loop.create_future()
        await loop.create_connection(lambda: self, "127.0.0.1", self._port)
        await self._upgraded
        self.is_open = True

    def send(self, payload: bytes) -> None:
        """Send a text message."""
        assert self._transport is not None
        self._transport.write(client_frame(TEXT, payload))

    async def ping(self) -> bool:
        """Ping and wait for the answer; False where the connection is or goes away."""
        if not self.is_open or self._transport is None:
            return False
        self._pong = asyncio.get_running_loop().create_future()
        self._transport.write(client_frame(PING, b"bench"))
        return await self._pong

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop has its own kind
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            (
                "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Protocol: prosa.v1\r\n\r\n"
            ).encode()
        )

    def connection_lost(self, error: Exception | None) -> None:
        """Whoever waits learns that nothing comes."""
        self.is_open = False
        if not self._upgraded.done():
            self._upgraded.set_exception(ConnectionError("the server refused the WebSocket"))
        self._answer_ping(alive=False)
        self._lost("the server hung up")

    def data_received(self, data: bytes) -> None:
        """Take bytes in."""
        if self._head is None:
            self.receive(data)
        elif rest := self._read_head(data):
            self.receive(rest)

    def receive(self, data: bytes) -> None:
        """Take bytes of the connection in, after the handshake."""
        for opcode, payload in self._frames.feed(data):
            if opcode == TEXT and self._on_text is not None:
                self._on_text(payload)
            elif opcode == PING and self._transport is not None:
                self._transport.write(client_frame(PONG, payload))
            elif opcode == PONG:
                self.pongs += 1
                self._answer_ping(alive=True)
            elif opcode == CLOSE:
                self.is_open = False
                self._lost(f"closed with {int.from_bytes(payload[:2], 'big')}")

    def _lost(self, why: str) -> None:
        if self._on_lost is not None:
            self._on_lost(why)

    def _answer_ping(self, *, alive: bool) -> None:
        if self._pong is not None and not self._pong.done():
            self._pong.set_result(alive)

    def _read_head(self, data: bytes) -> bytes:
        head = (self._head or b"") + data
        end = head.find(b"\r\n\r\n")
        if end < 0:
            self._head = head
            return b""
        self._head = None
        if head.startswith(b"HTTP/1.1 101"):
            self._upgraded.set_result(None)
        else:
            self._upgraded.set_exception(ConnectionError(head[: head.find(b"\r\n")].decode()))
        return head[end + 4 :]
