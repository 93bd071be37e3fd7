"""uvicorn's WebSocket protocol with three things added. Each is to be removed when uvicorn offers it.

- A way to close a connection whose peer does not read: ASGI's `websocket.close` waits behind what is unsent.
- Bounds on what waits to be sent, here and in the kernel.
- An answer to a handshake that cannot be parsed (a header over 8 KiB, say), which uvicorn leaves open for ever.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Final, NamedTuple, Protocol

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.protocol import State

from server.collector import ENDED

PEER_EXTENSION: Final = "prosa.peer"
"""The ASGI scope extension that holds a `Peer`."""
WRITE_BUFFER_BYTES: Final = 32 * 1024
"""Sending waits while more than this is unsent here (asyncio's own default is 64 KiB) ..."""
NOT_SENT_BYTES: Final = 64 * 1024
"""... and while more than this waits in the kernel for a peer that does not read (tcp(7), TCP_NOTSENT_LOWAT)."""
LINGER_S: Final = 10.0
"""A dropped peer that reads again within this time gets what was sent before, and the close code."""
BAD_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Drop(Protocol):
    """How a peer is dropped."""

    def __call__(self, code: int, reason: str) -> None:
        """Put a close frame behind what is unsent, and give up on it after 10 s."""
        ...


class Ready(Protocol):
    """How to wait for a peer."""

    async def __call__(self) -> object:
        """Wait while so much is unsent that more had better not be sent."""
        ...


class UnsentBytes(Protocol):
    """How much of what was sent waits in this process."""

    def __call__(self) -> int:
        """The size of the transport's buffer."""
        ...


class Peer(NamedTuple):
    """What a transport may do beside ASGI."""

    ready: Ready
    drop: Drop
    unsent_bytes: UnsentBytes


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Adds `scope["extensions"]["prosa.peer"]`, bounds its buffers, and refuses what is no handshake."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Bound what may wait to be sent."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        endpoint = transport.get_extra_info("socket")
        if hasattr(socket, "TCP_NOTSENT_LOWAT") and endpoint.family in (socket.AF_INET, socket.AF_INET6):
            endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOT_SENT_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        super().connection_lost(exc)
        ENDED.one_more()

    def data_received(self, data: bytes) -> None:
        """Take bytes of the peer."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            refusal = b"".join(self.conn.data_to_send())
            self.transport.write(refusal or BAD_REQUEST)
            self.transport.close()

    def handle_connect(self, event: Request) -> None:
        """Begin a handshake."""
        super().handle_connect(event)
        scope = getattr(self, "scope", None)
        if scope is not None:
            scope["extensions"][PEER_EXTENSION] = Peer(self.writable.wait, self._drop, self._unsent_bytes)

    def _unsent_bytes(self) -> int:
        return self.transport.get_write_buffer_size()

    def _drop(self, code: int, reason: str) -> None:
        if self.transport.is_closing():
            return
        if not self.close_sent and self.conn.state is State.OPEN:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
            self.conn.send_close(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
        self.transport.close()
        self.loop.call_later(LINGER_S, self.transport.abort)
