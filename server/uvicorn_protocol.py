"""uvicorn's WebSocket protocol with five things added. Each is to be removed when uvicorn offers it.

- A way to send to a peer that reads without a task, and frames that were serialized before: ASGI's `send` is awaited,
  and serializes anew for each peer.
- A way to close a connection whose peer does not read: ASGI's `websocket.close` waits behind what is unsent.
- Bounds on what waits to be sent, here and in the kernel.
- Less memory for an idle connection: lean waiting, and nothing kept of the handshake once it is over.
- An answer to a handshake that cannot be parsed (a header over 8 KiB, say), which uvicorn leaves open for ever.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final, Protocol

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.http11 import Request
from websockets.protocol import State

from server.collector import ENDED
from server.waiting import Gate, Inbox

PEER_EXTENSION: Final = "prosa.peer"
"""The ASGI scope extension that holds the `Peer`."""
WRITE_BUFFER_BYTES: Final = 32 * 1024
"""Sending waits while more than this is unsent here (asyncio's own default is 64 KiB) ..."""
NOT_SENT_BYTES: Final = 64 * 1024
"""... and while more than this waits in the kernel for a peer that does not read (tcp(7), TCP_NOTSENT_LOWAT)."""
LINGER_S: Final = 10.0
"""A dropped peer that reads again within this time gets what was sent before, and the close code."""
BAD_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class Peer(Protocol):
    """What a transport may do beside ASGI."""

    def is_ready(self) -> bool:
        """Whether so little is unsent that more may be sent."""
        ...

    async def ready(self) -> object:
        """Wait while so much is unsent that more had better not be sent."""
        ...

    def write_frame(self, frame: bytes) -> None:
        """Send a serialized WebSocket frame, at once or behind what is unsent. Raises ConnectionError once closed."""
        ...

    def drop(self, code: int, reason: str) -> None:
        """Put a close frame behind what is unsent, and give up on it after 10 s."""
        ...

    def unsent_bytes(self) -> int:
        """How much of what was sent waits in this process: the size of the transport's buffer."""
        ...

    def forget_handshake(self) -> None:
        """Free what an accepted handshake has left, the contents of the ASGI scope too: nobody reads it any more."""
        ...


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Adds `scope["extensions"]["prosa.peer"]`, bounds its buffers, and refuses what is no handshake."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.queue = Inbox()  # type: ignore[assignment]
        self.writable = Gate()  # type: ignore[assignment]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Bound what may wait to be sent."""
        super().connection_made(transport)
        self.loop.call_soon(_free, transport.get_protocol())
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
            scope["extensions"][PEER_EXTENSION] = self

    # Peer

    def forget_handshake(self) -> None:
        """Free headers and scope; websockets' parser still holds the request itself."""
        if not self.handshake_complete:  # lost meanwhile: uvicorn will still say so, with what is in the scope
            return
        self.request.headers.clear()
        self.response.headers.clear()
        self.scope.clear()  # type: ignore[attr-defined]

    def is_ready(self) -> bool:
        """Whether less than the bound is unsent."""
        return self.writable.is_set()

    async def ready(self) -> object:
        """Wait until less than the bound is unsent, or the connection is lost."""
        return await self.writable.wait()

    def write_frame(self, frame: bytes) -> None:
        """Send a serialized frame."""
        if self.disconnected or self.conn.state is not State.OPEN:
            raise ConnectionError("closed")
        self.transport.write(frame)

    def drop(self, code: int, reason: str) -> None:
        """Close although the peer does not read."""
        if self.transport.is_closing():
            return
        if not self.close_sent and self.conn.state is State.OPEN:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
            self.conn.send_close(code, reason)
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
        self.transport.close()
        self.loop.call_later(LINGER_S, self.transport.abort)

    def unsent_bytes(self) -> int:
        """The size of the transport's buffer."""
        return self.transport.get_write_buffer_size()


def _free(http: asyncio.BaseProtocol) -> None:
    """Let go of the HTTP protocol that was upgraded: it and its parser hold each other until they are collected."""
    vars(http).pop("parser", None)
