"""`GET /ws`: protocol v1 over WebSocket, as a plain ASGI application.

Refusals after the Origin check accept the socket and close it with a code, because a browser shows a
failed handshake only as 1006.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from loguru import logger
from starlette.datastructures import Headers
from starlette.types import Receive, Scope
from starlette.types import Send as AsgiSend

from core.errors import UserError
from core.turns import Principal
from core.wire.close_codes import CloseCode
from server.auth import Authenticator
from server.connection import Connection
from server.outbound import Transport
from server.uvicorn_protocol import PEER_EXTENSION, Peer

SUBPROTOCOL: Final = "prosa.v1"
CLOSE_S: Final = 1.0
"""How long an orderly close may wait for a peer that does not read; then it is dropped."""

MakeConnection = Callable[[Principal | None, Transport], Connection]


class WebSocketDoor:
    """The ASGI application behind `/ws`."""

    def __init__(self, authenticator: Authenticator, make: MakeConnection, connections: set[Connection]) -> None:
        self._authenticator = authenticator
        self._make = make
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: AsgiSend) -> None:
        """Serve one WebSocket from handshake to close."""
        headers = Headers(scope=scope)
        await receive()  # websocket.connect
        if not self._authenticator.allows_origin(headers.get("origin"), headers.get("host")):
            logger.warning("connection.refused", origin=headers.get("origin"), hint="is it in ALLOWED_ORIGINS?")
            await send({"type": "websocket.close", "code": CloseCode.FORBIDDEN})  # before accept: HTTP 403
            return
        offered = scope.get("subprotocols") or []
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if SUBPROTOCOL in offered else None})
        transport = _AsgiTransport(send, scope.get("extensions", {}).get(PEER_EXTENSION))
        try:
            principal = self._authenticator.by_header(headers.get("authorization"))
        except UserError:
            await self._make(None, transport).refuse(CloseCode.UNAUTHORIZED, "unauthorized")
            return
        connection = self._make(principal, transport)
        self._connections.add(connection)
        try:
            await _pump(connection, receive)
        except Exception:  # noqa: BLE001 - the outer edge of a connection: it is told to come back
            logger.exception("connection.failed")
            await connection.refuse(CloseCode.INTERNAL, "internal")
        finally:
            self._connections.discard(connection)
            transport.gone()
            await connection.end()


async def _pump(connection: Connection, receive: Receive) -> None:
    """Hand frames to the connection until the peer is gone: the one task that an idle connection owns."""
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        text = message.get("text")
        if text is not None:
            await connection.on_text(text)
        else:
            await connection.on_binary()


class _AsgiTransport:
    """`server.outbound.Transport` over ASGI's send."""

    def __init__(self, send: AsgiSend, peer: Peer | None) -> None:
        self._send = send
        self._peer = peer
        self._is_open = True

    async def ready(self) -> None:
        """Wait while the peer does not read."""
        if self._peer is not None:
            await self._peer.ready()

    async def send(self, frame: bytes) -> None:
        """Send a text frame."""
        if not self._is_open:
            raise ConnectionError("closed")
        try:
            await self._send({"type": "websocket.send", "text": frame.decode()})
        except (RuntimeError, OSError) as error:  # Starlette and uvicorn: sent after close
            self._is_open = False
            raise ConnectionError("closed") from error

    async def close(self, code: int, reason: str) -> None:
        """Close with a code."""
        if not self._is_open:
            return
        self._is_open = False
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except TimeoutError:  # what is unsent blocks the close: the peer does not read
            self.drop(code, reason)
        except (RuntimeError, OSError):
            logger.debug("connection.closed_already")

    def drop(self, code: int, reason: str) -> None:
        """Close although the peer does not read."""
        self._is_open = False
        if self._peer is not None:
            self._peer.drop(code, reason)

    def unsent_bytes(self) -> int:
        """What waits for the peer to read."""
        return self._peer.unsent_bytes() if self._peer is not None else 0

    def gone(self) -> None:
        """The peer has closed."""
        self._is_open = False
