"""Thousands of WebSocket clients in one process, with as little as each can be made of: open a session, then idle or stall."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: prosa.v1\r\n\r\n"
)
PORTS_AN_ADDRESS = 20_000
"""Connections from one of 127.0.0.x, whose ports run out at about 28,000."""
AT_ONCE = 200
STALLED_RECEIVE_BYTES = 16_384
"""The kernel's buffer of a client that stalls: small, so that what is unread stays with the server."""


class BarePeer(asyncio.Protocol):
    """One client. `is_live` is set with `session.live`; `close_code` once the server has closed."""

    def __init__(self, user_id: str, *, stalls: bool = False) -> None:
        self._user_id = user_id
        self._stalls = stalls
        self._buffer = b""
        self._is_open = False
        self.is_live: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ended: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(HANDSHAKE)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._is_open:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            assert head.startswith(b"HTTP/1.1 101"), head
            self._is_open, self._buffer = True, rest
            self._say({"type": "session.open", "cid": "o", "user_id": self._user_id})
        while frame := self._next_frame():
            self._take(*frame)

    def connection_lost(self, error: Exception | None) -> None:
        for future in (self.ended, self.is_live):
            if not future.done():
                future.set_result(None)

    def _next_frame(self) -> tuple[int, bytes] | None:
        """The next server frame, opcode and payload (RFC 6455, section 5.2; servers do not mask)."""
        size, start = self._buffer[1] if len(self._buffer) > 1 else 0, 2
        if size > 125:
            start = 4 if size == 126 else 10
            size = int.from_bytes(self._buffer[2:start], "big")
        if len(self._buffer) < start + size or len(self._buffer) < 2:
            return None
        opcode, payload = self._buffer[0] & 15, self._buffer[start : start + size]
        self._buffer = self._buffer[start + size :]
        return opcode, payload

    def _take(self, opcode: int, payload: bytes) -> None:
        if opcode == 8 and not self.ended.done():
            self.ended.set_result(int.from_bytes(payload[:2], "big"))
        elif b'"type":"ping"' in payload:
            self._say({"type": "pong"})
        elif b'"type":"session.live"' in payload and not self.is_live.done():
            self.is_live.set_result(None)
            if self._stalls:
                self.read(False)

    def read(self, on: bool) -> None:
        """Read on, or stop reading."""
        assert self.transport is not None
        if self.transport.is_closing():
            return
        if on:
            self.transport.resume_reading()
        else:
            self.transport.pause_reading()

    def _say(self, frame: dict[str, object]) -> None:
        """Send a text frame under a mask of zeros."""
        assert self.transport is not None
        payload = json.dumps(frame).encode()
        self.transport.write(bytes([0x81, 0x80 | len(payload)]) + b"\0\0\0\0" + payload)


class Crowd:
    """Clients of one kind."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.peers: list[BarePeer] = []

    async def join(self, users: list[str], *, stalls: bool = False) -> None:
        """One more client for each of these users, live; `stalls`: it reads nothing more from then on."""
        for start in range(0, len(users), AT_ONCE):
            await asyncio.gather(*(self._join(user, stalls) for user in users[start : start + AT_ONCE]))

    async def _join(self, user: str, stalls: bool) -> None:
        peer = BarePeer(user, stalls=stalls)
        self.peers.append(peer)
        address = f"127.0.0.{1 + len(self.peers) // PORTS_AN_ADDRESS}"
        raw = socket.socket()
        raw.setblocking(False)
        if stalls:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STALLED_RECEIVE_BYTES)
        raw.bind((address, 0))
        loop = asyncio.get_running_loop()
        await loop.sock_connect(raw, ("127.0.0.1", self._port))
        await loop.create_connection(lambda: peer, sock=raw)
        await peer.is_live

    async def close_codes(self) -> Counter[int | None]:
        """Read on, wait until the server has closed every one, and count the codes; None: cut without one."""
        for peer in self.peers:
            peer.read(True)
        return Counter(await asyncio.gather(*(peer.ended for peer in self.peers)))

    def leave(self) -> None:
        """Cut every connection."""
        for peer in self.peers:
            if peer.transport is not None:
                peer.transport.abort()
