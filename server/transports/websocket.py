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
from websockets.frames import Frame, Opcode

from core.errors import UserError
from core.turns import Principal
from core.wire.close_codes import CloseCode
from core.wire.codec import join
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
        self._framer = Framer()

    async def __call__(self, scope: Scope, receive: Receive, send: AsgiSend) -> None:
        """Serve one WebSocket from handshake to close."""
        connection = await self._admit(scope, receive, send)
        if connection is None:
            return
        self._connections.add(connection)
        try:
            await _pump(connection, receive)
        except Exception:  # noqa: BLE001 - the outer edge of a connection: it is told to come back
            logger.exception("connection.failed")
            await connection.refuse(CloseCode.INTERNAL, "internal")
        finally:
            self._connections.discard(connection)
            await connection.end()

    async def _admit(self, scope: Scope, receive: Receive, send: AsgiSend) -> Connection | None:
        """Look at the handshake. Nothing of it is kept: most connections are idle most of the time."""
        headers = Headers(scope=scope)
        await receive()  # websocket.connect
        if not self._authenticator.allows_origin(headers.get("origin"), headers.get("host")):
            logger.warning("connection.refused", origin=headers.get("origin"), hint="is it in ALLOWED_ORIGINS?")
            await send({"type": "websocket.close", "code": CloseCode.FORBIDDEN})  # before accept: HTTP 403
            return None
        offered = scope.get("subprotocols") or []
        peer: Peer = scope["extensions"][PEER_EXTENSION]
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if SUBPROTOCOL in offered else None})
        transport = PeerTransport(peer, send, self._framer)
        authorization = headers.get("authorization")
        peer.forget_handshake()
        try:
            principal = self._authenticator.by_header(authorization)
        except UserError:
            await self._make(None, transport).refuse(CloseCode.UNAUTHORIZED, "unauthorized")
            return None
        return self._make(principal, transport)


async def _pump(connection: Connection, receive: Receive) -> None:
    """Hand frames to the connection until the peer is gone: the one task that an idle connection owns."""
    while (message := await receive())["type"] != "websocket.disconnect":
        text = message.get("text")
        del message  # the wait for the next one may be long
        if text is not None:
            await connection.on_text(text)
        else:
            await connection.on_binary()
        del text


class Framer:
    """Makes WebSocket frames. The last one is kept: a session's readers are sent the same, one after the other.

    A server's frames are not masked, and none is compressed, so that one is the same for every peer.
    """

    __slots__ = ("_frame", "_payloads")

    def __init__(self) -> None:
        self._payloads: list[bytes] = []
        self._frame = b""

    def frame(self, payloads: list[bytes]) -> bytes:
        """One text frame of all payloads, serialized."""
        if payloads != self._payloads:
            self._frame = Frame(Opcode.TEXT, join(payloads)).serialize(mask=False)
            self._payloads = payloads
        return self._frame


class PeerTransport:
    """`server.outbound.Transport` over the server's own peer, and ASGI's send for an orderly close."""

    __slots__ = ("_framer", "_is_open", "_peer", "_send")

    def __init__(self, peer: Peer, send: AsgiSend, framer: Framer) -> None:
        self._peer = peer
        self._send = send
        self._framer = framer
        self._is_open = True

    def is_ready(self) -> bool:
        """Whether the peer reads."""
        return self._peer.is_ready()

    async def ready(self) -> None:
        """Wait while the peer does not read."""
        await self._peer.ready()

    def write(self, frames: list[bytes]) -> None:
        """Send one text frame."""
        if not self._is_open:
            raise ConnectionError("closed")
        self._peer.write_frame(self._framer.frame(frames))

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
        self._peer.drop(code, reason)

    def unsent_bytes(self) -> int:
        """What waits for the peer to read."""
        return self._peer.unsent_bytes()
