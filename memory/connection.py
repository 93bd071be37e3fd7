"""The way to Redis: checked once at start, then two links that heal by themselves.

One link carries the writes of runs, in order; the other everything else. With FSYNC_BEFORE_OK a third connection waits
for the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import msgspec
from loguru import logger
from redis.asyncio.connection import AbstractConnection, Connection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from core.errors import BackendError, SettingsError
from memory.commands import Argument, Call, LinkLost
from memory.fsync import Fsync, check_fsync
from memory.keys import Keys
from memory.link import Link, greet, info_fields
from memory.scripts import Script

CALL_PATIENCE_S: Final = 2.0
"""How long a call waits for Redis to come back before it raises BackendError; once Redis has been away for so long,
calls fail at once, so that commands do not pile up behind each other."""
WRITE_PATIENCE_S: Final = 15.0
"""The same for a run's writes: a short absence of Redis does not end a healthy run."""
_PROMISES: Final = frozenset({b"accepted", b"duplicate"})
_CONNECT_S: Final = 3.0
_RESTART_S: Final = 0.2
_OLDEST: Final = (7, 0)

Reply = list[Any]


class Database:
    """Redis as the adapters see it. `run_tasks` must be running while it is used."""

    def __init__(self, redis_url: str, keys: Keys, node: str, *, fsync_before_ok: bool = False) -> None:
        self._node = node
        self.keys = keys
        self.fsync_before_ok = fsync_before_ok
        self._url = redis_url
        self._calls = Link("calls", self.make_connection, greeted=_mend_append_only_file)
        self._writes = Link("writes", self.make_connection)
        self._fsync = Fsync(self.make_connection) if fsync_before_ok else None

    def make_connection(self, *, protocol: int = 3) -> AbstractConnection:
        """A connection of one's own, not yet connected, that never retries and never times a read out by itself."""
        options: dict[str, Any] = dict(parse_url(self._url))
        connection_class = options.pop("connection_class", Connection)
        options |= {
            "protocol": protocol,
            "client_name": f"prosa:{self._node}",
            "socket_timeout": None,
            "socket_connect_timeout": _CONNECT_S,
            "retry": Retry(NoBackoff(), 0),
        }
        return cast(AbstractConnection, connection_class(**options))

    async def check(self) -> None:
        """Refuse a Redis that cannot hold the promises. Raises SettingsError with one line that says what to do."""
        try:
            connection = self.make_connection()
        except ValueError as error:
            raise SettingsError(f"REDIS_URL is not usable: {error}") from error
        try:
            async with asyncio.timeout(_CONNECT_S):
                await greet(connection)
                server = info_fields(await _ask(connection, "INFO", "server"))
                memory = info_fields(await _ask(connection, "INFO", "memory"))
                cluster = info_fields(await _ask(connection, "INFO", "cluster"))
                check_server(server, memory, cluster)
                if self._fsync is not None:
                    await check_fsync(connection)
                await self._check_partitions(connection)
        except AuthenticationError as error:
            raise SettingsError("REDIS_URL: Redis refuses the user name or password") from error
        except (RedisError, OSError, TimeoutError) as error:
            raise SettingsError(f"REDIS_URL: Redis cannot be reached: {str(error) or 'no answer in time'}") from error
        finally:
            await connection.disconnect(nowait=True)

    async def _check_partitions(self, connection: AbstractConnection) -> None:
        """The first node writes the number of partitions down; all others must agree."""
        own = str(self.keys.partitions)
        written = await _ask(connection, "SET", "prosa:partitions", own, "NX", "GET")
        if written is not None and written.decode() != own:
            raise SettingsError(
                f"PARTITIONS is {own}, but this Redis was written with {written.decode()}: set it to that"
            )

    async def run_links(self) -> None:
        """Keep the links connected, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            if self._fsync is not None:
                tasks.create_task(self._fsync.run(), name="redis-fsync")
            tasks.create_task(self._calls.run(), name="redis-calls")
            tasks.create_task(self._writes.run(), name="redis-writes")

    @property
    def connected(self) -> bool:
        """Whether Redis answered the last time that it was asked."""
        return self._calls.up.is_set() and self._writes.up.is_set()

    async def connecting(self) -> None:
        """Wait until both links are connected. Raises SettingsError after 3 s."""
        try:
            async with asyncio.timeout(_CONNECT_S):
                await self._calls.up.wait()
                await self._writes.up.wait()
        except TimeoutError as error:
            raise SettingsError("REDIS_URL: Redis does not answer") from error

    async def call(self, script: Script, partition: int, *arguments: Argument, retry: bool = True) -> Reply:
        """Run a script; while Redis is away, wait and (only with `retry`) run it again, up to CALL_PATIENCE_S.

        Raises BackendError then, and at once where Redis has been away for so long already.
        """
        if self._calls.silent_s() > CALL_PATIENCE_S:
            raise BackendError("Redis is away at the moment; try again.")
        prefix = self.keys.prefix(partition)
        sent = self._calls.call(script, prefix, arguments, patience_s=CALL_PATIENCE_S, retry=retry)
        reply = await _reply(script, sent)
        if self._fsync is not None and script.promises and reply[0] in _PROMISES:
            await self._fsync.reached(self._calls.instance)
        return reply

    def write(self, script: Script, partition: int, *arguments: Argument) -> Awaitable[Reply]:
        """Run one of a run's idempotent writes, over the connection that keeps them in order.

        It is on its way when this returns; awaiting it gives the reply.
        """
        prefix = self.keys.prefix(partition)
        sent = self._writes.call(script, prefix, arguments, patience_s=WRITE_PATIENCE_S, retry=True)
        return _reply(script, sent)

    def send(self, call: Call) -> None:
        """Put one of a run's idempotent writes on its way, over the same connection. It is told what comes of it."""
        self._writes.send(call, patience_s=WRITE_PATIENCE_S)


async def _reply(script: Script, sent: asyncio.Future[Any]) -> Reply:
    try:
        return cast(Reply, await sent)
    except (LinkLost, TimeoutError, ResponseError) as error:
        raise why_not(script, error) from error


def why_not(script: Script, error: Exception) -> BackendError:
    """In our words, why a script that was called has no reply: LinkLost, TimeoutError or redis-py's ResponseError."""
    match error:
        case LinkLost():
            return BackendError("The connection to Redis was lost; try again.")
        case TimeoutError():
            return BackendError("Redis does not answer at the moment; try again.")
        case _:
            logger.error("redis.refused", script=script.name, error=str(error))
            return BackendError("Something went wrong on our side; try again.")


async def _mend_append_only_file(connection: AbstractConnection, instance: bytes) -> None:
    """Have a Redis that was started anew write its append-only file anew, once over all nodes.

    Redis 7.0.15 that found its file cut inside a transaction leaves the open MULTI in it: what it writes
    afterwards is lost, or half applied, at its next start (seen with a file cut inside a command after MULTI).
    The data in memory is right, so a rewrite mends it. Valkey 9.1 cuts before the MULTI and needs no mending.
    """
    if await _ask(connection, "SET", "prosa:instance", instance.decode(), "GET") == instance:
        return
    try:
        await _ask(connection, "BGREWRITEAOF")
    except ResponseError as error:  # no right to it, or a child process is at work
        logger.warning("redis.rewrite_refused", error=str(error))


async def _ask(connection: AbstractConnection, *command: str) -> Any:
    await connection.send_command(*command, check_health=False)
    return await connection.read_response(disable_decoding=True)


def check_server(server: dict[bytes, bytes], memory: dict[bytes, bytes], cluster: dict[bytes, bytes]) -> None:
    """Refuse what INFO shows to be unfit. Raises SettingsError."""
    version = server[b"redis_version"].decode()  # Valkey says the Redis version that it is compatible with
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST:
        raise SettingsError(f"REDIS_URL: Redis {version} is too old; 7.0 or newer (or Valkey) is needed")
    policy = memory[b"maxmemory_policy"].decode()
    if policy != "noeviction":
        raise SettingsError(
            f"REDIS_URL: Redis' maxmemory-policy {policy!r} would delete accepted messages; set it to 'noeviction'"
        )
    if cluster.get(b"cluster_enabled") == b"1":
        raise SettingsError("REDIS_URL: Redis Cluster is not supported yet; name a single Redis or a primary")


@asynccontextmanager
async def running(**loops: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Run background loops around a block; leaving it cancels them. One that fails is logged and begun again."""
    tasks = [asyncio.create_task(_forever(name, loop), name=name) for name, loop in loops.items()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _forever(name: str, loop: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await loop()
        except Exception:  # noqa: BLE001 - a task's outer edge: all of a node hangs on these loops
            logger.exception("task.failed", task=name)
        await asyncio.sleep(_RESTART_S)


JSON: Final = msgspec.json.Encoder()
