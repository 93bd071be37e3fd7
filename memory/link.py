"""One connection to Redis that many callers share: their scripts are pipelined in the order in which they were called.

A caller that is cancelled leaves its future behind; the reply is still read and thrown away, so no reply
ever reaches another caller and no connection is reused half way through a command. What is called in one
iteration of the event loop goes out in one write.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from loguru import logger
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import NoScriptError, ReadOnlyError, RedisError, ResponseError

from memory import scripts
from memory.scripts import Script

Argument = str | bytes | int

_BACKOFF_S: Final = (0.0, 0.02, 0.05, 0.1, 0.25, 0.5)
"""How long to wait before connecting again, by failures in a row; the last one stays."""


class LinkLost(Exception):
    """The connection ended before the reply came: nobody knows whether the script ran."""


class _Call:
    __slots__ = ("arguments", "future", "partition_prefix", "script", "sent_at")

    def __init__(self, script: Script, prefix: str, arguments: Sequence[Argument], future: asyncio.Future[Any]) -> None:
        self.script = script
        self.partition_prefix = prefix
        self.arguments = arguments
        self.future = future
        self.sent_at = math.inf


class Link:
    """See the module. `connect_s` bounds a connection attempt, `reply_s` the wait for the oldest reply.

    `greeted` is called on each new connection before anything else is sent on it.
    """

    def __init__(
        self,
        name: str,
        make_connection: Callable[[], AbstractConnection],
        *,
        connect_s: float = 3.0,
        reply_s: float = 5.0,
        greeted: Callable[[AbstractConnection, bytes], Awaitable[None]] | None = None,
    ) -> None:
        self._greeted = greeted
        self.name = name
        self.instance = b""
        """Redis' `run_id`, read on each new connection before anything else is sent on it."""
        self.up = asyncio.Event()
        """Set while connected."""
        self._make_connection = make_connection
        self._connect_s = connect_s
        self._reply_s = reply_s
        self._queued: deque[_Call] = deque()
        self._sent: deque[_Call] = deque()
        self._work = asyncio.Event()
        self._down_since: float | None = None

    def silent_s(self) -> float:
        """For how long Redis has given no sign of life although it should have: away, or an answer is due."""
        now = asyncio.get_running_loop().time()
        if not self.up.is_set():
            return now - self._down_since if self._down_since is not None else 0.0
        return now - self._sent[0].sent_at if self._sent else 0.0

    def call(self, script: Script, prefix: str, arguments: Sequence[Argument]) -> asyncio.Future[Any]:
        """Queue a script; the future gets its reply, LinkLost, or redis-py's ResponseError."""
        future = asyncio.get_running_loop().create_future()
        self._queued.append(_Call(script, prefix, arguments, future))
        self._work.set()
        return future

    async def run(self) -> None:
        """Connect, serve, and connect again, until cancelled."""
        failures = 0
        while True:
            await asyncio.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
            connection = self._make_connection()
            try:
                async with asyncio.timeout(self._connect_s):
                    self.instance = await greet(connection)
                    await _load_scripts(connection)
                    if self._greeted is not None:
                        await self._greeted(connection, self.instance)
                failures = 0
                self._down_since = None
                self.up.set()
                self._work.set()
                await self._serve(connection)
            except (RedisError, OSError, TimeoutError) as error:
                failures += 1
                self._queued = deque(call for call in self._queued if not call.future.done())
                logger.debug("redis.link_lost", link=self.name, error=str(error))
            finally:
                self.up.clear()
                if self._down_since is None:
                    self._down_since = asyncio.get_running_loop().time()
                self._lose_sent()
                await connection.disconnect(nowait=True)

    async def _serve(self, connection: AbstractConnection) -> None:
        tasks = [
            asyncio.create_task(self._write(connection), name=f"redis-{self.name}-write"),
            asyncio.create_task(self._read(connection), name=f"redis-{self.name}-read"),
            asyncio.create_task(self._watch(), name=f"redis-{self.name}-watch"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _write(self, connection: AbstractConnection) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._work.wait()
            self._work.clear()
            packed: list[bytes] = []
            now = loop.time()
            while self._queued:
                call = self._queued.popleft()
                if call.future.done():
                    continue
                call.sent_at = now
                self._sent.append(call)
                packed.append(_pack_call(call, self.instance))
            if packed:
                await connection.send_packed_command([b"".join(packed)], check_health=False)

    async def _read(self, connection: AbstractConnection) -> None:
        while True:
            try:
                reply = await connection.read_response(disable_decoding=True, timeout=math.inf)
            except NoScriptError:
                call = self._sent.popleft()
                packed = _pack(b"EVAL", call.script.text, b"1", call.partition_prefix, self.instance, *call.arguments)
                self._sent.append(call)
                await connection.send_packed_command([packed], check_health=False)
            except ReadOnlyError:
                raise  # connected to a replica: the primary is elsewhere now
            except ResponseError as error:
                _settle(self._sent.popleft().future, error)
            else:
                future = self._sent.popleft().future
                if not future.done():
                    future.set_result(reply)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._reply_s / 10)
            if self._sent and loop.time() - self._sent[0].sent_at > self._reply_s:
                raise TimeoutError(f"no reply from Redis in {self._reply_s} s")

    def _lose_sent(self) -> None:
        while self._sent:
            _settle(self._sent.popleft().future, LinkLost("connection to Redis lost"))


def _settle(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


async def greet(connection: AbstractConnection) -> bytes:
    """Connect, and read the server's `run_id`."""
    await connection.connect()  # type: ignore[no-untyped-call]
    await connection.send_command("INFO", "server", check_health=False)
    return info_fields(await connection.read_response(disable_decoding=True))[b"run_id"]


def info_fields(text: bytes) -> dict[bytes, bytes]:
    """What INFO says, by field."""
    return dict(line.split(b":", 1) for line in text.splitlines() if b":" in line)


async def _load_scripts(connection: AbstractConnection) -> None:
    await connection.send_packed_command(
        [_pack(b"SCRIPT", b"LOAD", script.text) for script in scripts.ALL], check_health=False
    )
    for _ in scripts.ALL:
        await connection.read_response(disable_decoding=True)


def _pack_call(call: _Call, instance: bytes) -> bytes:
    return _pack(b"EVALSHA", call.script.digest, b"1", call.partition_prefix, instance, *call.arguments)


def _pack(*arguments: Argument) -> bytes:
    """RESP: an array of bulk strings."""
    pieces = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        data = argument if isinstance(argument, bytes) else str(argument).encode()
        pieces.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(pieces)
