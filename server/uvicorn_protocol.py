"""uvicorn's WebSocket protocol with two things added. Each is to be removed when uvicorn offers it.

- A way to drop a connection whose peer does not read: ASGI's `websocket.close` waits behind what is unsent.
- An answer to a handshake that cannot be parsed (a header over 8 KiB, say), which uvicorn leaves open for ever.
"""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

ABORT_EXTENSION = "prosa.abort"
"""The ASGI scope extension that holds the function."""
BAD_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Adds `scope["extensions"]["prosa.abort"]` and refuses what is no handshake."""

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
            scope["extensions"][ABORT_EXTENSION] = self.transport.abort
