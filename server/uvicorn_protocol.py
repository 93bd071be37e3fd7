"""uvicorn's WebSocket protocol with one thing added: a way to drop a connection whose peer does not read.

ASGI has none: `websocket.close` waits behind what is unsent. Remove when ASGI or uvicorn offers it.
"""

from __future__ import annotations

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

ABORT_EXTENSION = "prosa.abort"
"""The ASGI scope extension that holds the function."""


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """Adds `scope["extensions"]["prosa.abort"]`."""

    def handle_connect(self, event: Request) -> None:
        """Begin a handshake."""
        super().handle_connect(event)
        scope = getattr(self, "scope", None)
        if scope is not None:
            scope["extensions"][ABORT_EXTENSION] = self.transport.abort
