"""A WebSocket client that costs little: the handshake, pings and whole messages on a bare asyncio protocol."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Callable
from typing import cast

from bench.clients.frames import CLOSE, PING, PONG, TEXT, FrameReader, client_frame


class Socket(asyncio.Protocol):
    """The handshake, then bytes for whoever reads them. `target` is the path that is asked for, with its query."""

    def __init__(
        self,
        on_bytes: Callable[[bytes], None],
        on_lost: Callable[[str], None],
        *,
        target: str = "/ws",
        subprotocol: str = "prosa.v1",
    ) -> None:
        self._target = target
        self._subprotocol = f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol else ""
        self._on_bytes = on_bytes
        self._on_lost = on_lost
        self._head: bytes | None = b""
        self.upgraded: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the WebSocket."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop has its own kind
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(
            (
                f"GET {self._target} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{self._subprotocol}\r\n"
            ).encode()
        )

    def connection_lost(self, error: Exception | None) -> None:
        """Whoever waits for the handshake or for an answer learns that none comes."""
        if not self.upgraded.done():
            self.upgraded.set_exception(ConnectionError("the server refused the WebSocket"))
        self._on_lost("the server hung up")

    def data_received(self, data: bytes) -> None:
        """Take bytes in."""
        if self._head is None:
            self._on_bytes(data)
        elif rest := self._read_head(data):
            self._on_bytes(rest)

    def _read_head(self, data: bytes) -> bytes:
        head = (self._head or b"") + data
        end = head.find(b"\r\n\r\n")
        if end < 0:
            self._head = head
            return b""
        self._head = None
        if head.startswith(b"HTTP/1.1 101"):
            self.upgraded.set_result(None)
        else:
            self.upgraded.set_exception(ConnectionError(head[: head.find(b"\r\n")].decode()))
        return head[end + 4 :]


class WebSocket:
    """One connection. `on_text` gets each message; `on_lost` says why no more comes; the rest is as with `Socket`."""

    def __init__(
        self,
        port: int,
        on_text: Callable[[bytes], None] | None = None,
        on_lost: Callable[[str], None] | None = None,
        *,
        target: str = "/ws",
        subprotocol: str = "prosa.v1",
    ) -> None:
        self.is_open = False
        self.pongs = 0
        self._port = port
        self._target = target
        self._subprotocol = subprotocol
        self._on_text = on_text
        self._on_lost = on_lost
        self._frames = FrameReader()
        self._socket: Socket | None = None
        self._pong: asyncio.Future[bool] | None = None

    async def open(self) -> None:
        """Connect. Raises ConnectionError where the server refuses."""
        loop = asyncio.get_running_loop()
        _, socket = await loop.create_connection(self._handshake, "127.0.0.1", self._port)
        await socket.upgraded
        self.is_open = True

    def send(self, payload: bytes) -> None:
        """Send a text message."""
        self._write(TEXT, payload)

    async def ping(self) -> bool:
        """Ping and wait for the answer; False where the connection is or goes away."""
        if not self.is_open:
            return False
        self._pong = asyncio.get_running_loop().create_future()
        self._write(PING, b"bench")
        return await self._pong

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.transport.close()

    def receive(self, data: bytes) -> None:
        """Take bytes of the connection in, after the handshake."""
        for opcode, payload in self._frames.feed(data):
            if opcode == TEXT and self._on_text is not None:
                self._on_text(payload)
            elif opcode == PING:
                self._write(PONG, payload)
            elif opcode == PONG:
                self.pongs += 1
                self._answer_ping(alive=True)
            elif opcode == CLOSE:
                self.lost(f"closed with {int.from_bytes(payload[:2], 'big')}")

    def lost(self, why: str) -> None:
        """Whoever waits learns that nothing comes any more."""
        self.is_open = False
        self._answer_ping(alive=False)
        if self._on_lost is not None:
            self._on_lost(why)

    def _handshake(self) -> Socket:
        # Kept before a byte is read: a server may speak first, in the same read as the handshake.
        self._socket = Socket(self.receive, self.lost, target=self._target, subprotocol=self._subprotocol)
        return self._socket

    def _write(self, opcode: int, payload: bytes) -> None:
        assert self._socket is not None
        self._socket.transport.write(client_frame(opcode, payload))

    def _answer_ping(self, *, alive: bool) -> None:
        if self._pong is not None and not self._pong.done():
            self._pong.set_result(alive)
