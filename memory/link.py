"""One connection to Redis that many callers share: their scripts are pipelined in the order in which they were called.

A caller that is cancelled leaves its future behind; the reply is still read and thrown away, so no reply
ever reaches another caller and no connection is reused half way through a command. What is called in one
iteration of the event loop goes out in one write; calls of a script that gathers go out as one command
(`memory/commands.py`). A call has a patience in place of a timeout of its caller's: one
timer looks after all of them, where `asyncio.timeout` costs a call more than its reply (docs/performance.md).
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
from memory.commands import Argument, Call, Command, LinkLost, gathered, pack
from memory.scripts import Script

_BACKOFF_S: Final = (0.0, 0.02, 0.05, 0.1, 0.25, 0.5)
"""How long to wait before connecting again, by failures in a row; the last one stays."""
_LOOK_S: Final = 0.1
"""How often calls are looked at whose patience is over: it may last so much longer."""


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
        self._queued: deque[Call] = deque()
        self._sent: deque[Command] = deque()
        self._work = asyncio.Event()
        self._down_since: float | None = None
        self._over = False
        self._loop: asyncio.AbstractEventLoop | None = None
        """Known while it runs: asking for the running loop costs a system call in Python 3.11."""

    def silent_s(self) -> float:
        """For how long Redis has given no sign of life although it should have: away, or an answer is due."""
        now = asyncio.get_running_loop().time()
        if not self.up.is_set():
            return now - self._down_since if self._down_since is not None else 0.0
        return now - self._sent[0].sent_at if self._sent else 0.0

    def call(
        self, script: Script, prefix: str, arguments: Sequence[Argument], *, patience_s: float, retry: bool
    ) -> asyncio.Future[Any]:
        """Queue a script; the future gets its reply, TimeoutError after `patience_s`, or redis-py's ResponseError.

        With `retry` it is sent again, in its order, where the connection was lost before the reply came; else the
        future gets LinkLost then.
        """
        call = Call(self._loop or asyncio.get_running_loop(), script, prefix, arguments, retry=retry)
        self.send(call, patience_s=patience_s)
        return call.future

    def send(self, call: Call, *, patience_s: float) -> None:
        """The same for a call that its caller has made."""
        if self._over:
            call.failed(LinkLost("the connection to Redis was closed"))
            return
        call.gives_up_at = (self._loop or asyncio.get_running_loop()).time() + patience_s
        self._queued.append(call)
        self._work.set()

    async def run(self) -> None:
        """Connect, serve, and connect again, until cancelled; what is called afterwards fails."""
        self._over = False
        self._loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._stay_connected(), name=f"redis-{self.name}")
                tasks.create_task(self._lose_patience(), name=f"redis-{self.name}-patience")
        finally:
            self._over = True
            for call in self._queued:
                call.failed(LinkLost("the connection to Redis was closed"))
            self._queued.clear()

    async def _stay_connected(self) -> None:
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
                logger.debug("redis.link_lost", link=self.name, error=str(error))
            finally:
                self.up.clear()
                if self._down_since is None:
                    self._down_since = asyncio.get_running_loop().time()
                self._lose_sent()
                await connection.disconnect(nowait=True)

    async def _lose_patience(self) -> None:
        """Give calls up whose time is over, sent or not; those that nobody waits for any more are not sent at all."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_LOOK_S)
            now = loop.time()
            for call in (*(call for command in self._sent for call in command.calls), *self._queued):
                if call.gives_up_at <= now:
                    call.failed(TimeoutError("no reply from Redis in time"))
            if not self.up.is_set():
                self._queued = deque(call for call in self._queued if not call.future.done())

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
            calls, self._queued = self._queued, deque()
            commands = gathered(call for call in calls if not call.future.done())
            now = loop.time()
            for command in commands:
                command.sent_at = now
            self._sent += commands
            if commands:
                packed = [command.packed(self.instance) for command in commands]
                await connection.send_packed_command([b"".join(packed)], check_health=False)

    async def _read(self, connection: AbstractConnection) -> None:
        while True:
            try:
                reply = await connection.read_response(disable_decoding=True, timeout=math.inf)
            except NoScriptError:
                command = self._sent.popleft()
                self._sent.append(command)
                await connection.send_packed_command([command.packed(self.instance, whole=True)], check_health=False)
            except ReadOnlyError:
                raise  # connected to a replica: the primary is elsewhere now
            except ResponseError as error:
                self._sent.popleft().failed(error)
            else:
                self._sent.popleft().answered(reply)

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._reply_s / 10)
            if self._sent and loop.time() - self._sent[0].sent_at > self._reply_s:
                raise TimeoutError(f"no reply from Redis in {self._reply_s} s")

    def _lose_sent(self) -> None:
        """Nobody knows which of them ran: those that may be repeated are sent again before all that waits."""
        while self._sent:
            for call in reversed(self._sent.pop().calls):
                if call.retry:
                    self._queued.appendleft(call)
                else:
                    call.failed(LinkLost("connection to Redis lost"))


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
        [pack(b"SCRIPT", b"LOAD", script.text) for script in scripts.ALL], check_health=False
    )
    for _ in scripts.ALL:
        await connection.read_response(disable_decoding=True)
