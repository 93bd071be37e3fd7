"""One pub/sub connection a node: hears what is appended anywhere and says so to whoever listens here.

It carries bytes and knows no positions: `event_log/topic.py` decides what a message means for a session's
readers. The connection speaks RESP2, where messages are plain replies; as many as come at a time are parsed at once,
because redis-py's `read_response` awaits each of them. A probe to the node's own channel each second shows that it
lives; none in 3 s is a reconnect, after which everything is subscribed anew and `on_connected` is called, because
messages were missed.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any, Final

from hiredis import Reader
from loguru import logger
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import InvalidResponse, RedisError, ResponseError

from core.errors import BackendError
from memory.connection import Database
from memory.link import greet
from memory.scripts import SAY

PROBE_S: Final = 1.0
SILENCE_S: Final = 3.0
_CONNECT_S: Final = 3.0
_SUBSCRIBE_S: Final = 3.0
_BACKOFF_S: Final = 0.1
_READ_BYTES: Final = 256 * 1024

Listener = Callable[[bytes], None]


class Hub:
    """See the module. `run` and `probe` must be running while it is used."""

    def __init__(self, database: Database, node: str) -> None:
        self._database = database
        self._node_channel = database.keys.node_channel(node)
        self._node = node
        self._listeners: dict[bytes, Listener] = {self._node_channel.encode(): lambda _: None}
        self._unacknowledged: dict[bytes, asyncio.Event] = {}
        self._connection: AbstractConnection | None = None
        self._waiting_for: set[bytes] = set()
        """What a new connection has not been told yet to be subscribed."""
        self._outgoing: list[bytes] = []
        self._work = asyncio.Event()
        self._heard_at = -math.inf
        self._is_silent = asyncio.Event()
        self._connected_callbacks: list[Callable[[], None]] = []

    def on_connected(self, call: Callable[[], None]) -> None:
        """Call that after each new connection: messages may have been missed."""
        self._connected_callbacks.append(call)

    def listen(self, channel: str, listener: Listener) -> None:
        """Give every message of a channel to `listener`, now and after each reconnect."""
        name = channel.encode()
        self._listeners[name] = listener
        self._unacknowledged[name] = asyncio.Event()
        self._send(b"SSUBSCRIBE", name)

    async def listening(self, channel: str) -> None:
        """Wait until Redis has acknowledged the subscription. Raises BackendError after 3 s."""
        event = self._unacknowledged.get(channel.encode())
        if event is None:
            return
        try:
            async with asyncio.timeout(_SUBSCRIBE_S):
                await event.wait()
        except TimeoutError as error:
            raise BackendError("Redis does not answer at the moment; try again.") from error

    def leave(self, channel: str) -> None:
        """Stop listening to a channel."""
        name = channel.encode()
        self._listeners.pop(name, None)
        self._unacknowledged.pop(name, None)
        self._send(b"SUNSUBSCRIBE", name)

    async def run(self) -> None:
        """Connect, hear, and connect again, until cancelled."""
        while True:
            connection = self._database.make_connection(protocol=2)
            try:
                async with asyncio.timeout(_CONNECT_S):
                    await greet(connection)
                await self._serve(connection)
            except (RedisError, OSError, TimeoutError) as error:
                logger.debug("hub.lost", error=str(error))
            finally:
                self._connection = None
                for name in self._listeners:
                    self._unacknowledged.setdefault(name, asyncio.Event())
                await connection.disconnect(nowait=True)
            await asyncio.sleep(_BACKOFF_S)

    async def _serve(self, connection: AbstractConnection) -> None:
        self._connection = connection
        self._heard_at = asyncio.get_running_loop().time()
        self._is_silent.clear()
        self._outgoing.clear()
        self._outgoing += [_resp(b"SSUBSCRIBE", name) for name in self._listeners]
        self._work.set()
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(self._speak(connection), name="hub-speak"),
            asyncio.create_task(self._hear(connection), name="hub-hear"),
            asyncio.create_task(self._is_silent.wait(), name="hub-silence"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _speak(self, connection: AbstractConnection) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            commands, self._outgoing = self._outgoing, []
            await connection.send_packed_command([b"".join(commands)], check_health=False)

    async def _hear(self, connection: AbstractConnection) -> None:
        self._waiting_for = set(self._listeners)
        loop = asyncio.get_running_loop()
        stream: asyncio.StreamReader = connection._reader  # type: ignore[assignment]  # set by `connect`
        replies = Reader(protocolError=InvalidResponse, replyError=ResponseError)
        while data := await stream.read(_READ_BYTES):
            self._heard_at = loop.time()
            replies.feed(data)
            while (reply := replies.gets()) is not False:
                if isinstance(reply, RedisError):
                    raise reply
                self._take(*reply)
        raise ConnectionError("Redis has closed the pub/sub connection")

    def _take(self, kind: bytes, channel: bytes, data: bytes) -> None:
        if kind == b"smessage":
            self._tell(channel, data)
        elif kind == b"ssubscribe":
            if event := self._unacknowledged.pop(channel, None):
                event.set()
            if self._waiting_for:
                self._waiting_for.discard(channel)
                if not self._waiting_for:
                    for call in self._connected_callbacks:
                        call()

    def _tell(self, channel: bytes, message: bytes) -> None:
        listener = self._listeners.get(channel)
        if listener is None:
            return
        try:
            listener(message)
        except Exception:  # noqa: BLE001 - one channel's trouble must not make the node deaf to the others
            logger.exception("hub.listener_failed", channel=channel.decode())

    async def probe(self) -> None:
        """Say something to oneself each second; 3 s of silence end the connection, so that `run` makes another."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(PROBE_S)
            if self._connection is not None and loop.time() - self._heard_at > SILENCE_S:
                logger.warning("hub.silent", silence_s=round(loop.time() - self._heard_at, 1))
                self._is_silent.set()
            try:
                async with asyncio.timeout(PROBE_S):
                    await self._database.call(SAY, 0, f"node:{self._node}", "P", retry=False)
            except (BackendError, TimeoutError) as error:
                logger.debug("hub.probe_failed", error=str(error))

    def _send(self, command: bytes, channel: bytes) -> None:
        """Send without waiting: acknowledgements come as messages. With no connection `run` subscribes all anyway."""
        if self._connection is not None:
            self._outgoing.append(_resp(command, channel))
            self._work.set()


def _resp(*arguments: bytes) -> bytes:
    return b"*%d\r\n" % len(arguments) + b"".join(b"$%d\r\n%b\r\n" % (len(a), a) for a in arguments)
