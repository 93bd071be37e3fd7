"""Waiting until Redis has its append-only file on the disk, for what was written before: FSYNC_BEFORE_OK.

`WAITAOF` (Redis 7.2, Valkey 7.2) waits for the last write of its own connection, and writes are on the disk in their
order. So this connection writes something small after what somebody waits for, and asks once for all who wait: those
who come meanwhile are served by the next round. Who waits for what another Redis process wrote, waits for nothing: that
one may have taken it along when it died.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any, Final

from loguru import logger
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError, ResponseError

from core.errors import BackendError, SettingsError
from memory.link import greet

PATIENCE_S: Final = 5.0
"""How long an `ok` waits for the disk before it becomes a retryable error; `appendfsync everysec` needs up to 2 s."""
_CONNECT_S: Final = 3.0
_BACKOFF_S: Final = 0.1
_MARK: Final = "prosa:fsync"


class Fsync:
    """See the module. `run` must be running while it is used."""

    def __init__(self, make_connection: Callable[[], AbstractConnection], *, patience_s: float = PATIENCE_S) -> None:
        self._make_connection = make_connection
        self._patience_s = patience_s
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._work = asyncio.Event()

    async def reached(self, instance: bytes) -> None:
        """Return when all that this Redis process (its `run_id`) has done until now is on its disk.

        Raises BackendError after 5 s, and where Redis is another process by now.
        """
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((instance, future))
        self._work.set()
        try:
            async with asyncio.timeout(self._patience_s):
                await future
        except TimeoutError as error:
            raise BackendError("Redis does not get it to its disk at the moment; try again.") from error

    async def run(self) -> None:
        """Connect, ask, and connect again, until cancelled."""
        while True:
            connection = self._make_connection()
            try:
                async with asyncio.timeout(_CONNECT_S):
                    instance = await greet(connection)
                while True:
                    await self._work.wait()
                    self._work.clear()
                    await self._round(connection, instance)
            except (RedisError, OSError, TimeoutError) as error:
                logger.debug("fsync.lost", error=str(error))
            finally:
                await connection.disconnect(nowait=True)
            await asyncio.sleep(_BACKOFF_S)

    async def _round(self, connection: AbstractConnection, instance: bytes) -> None:
        """One wait for all who are there when it begins; where it fails they stay, for the next one."""
        for other, future in self._waiting:
            if other != instance and not future.done():
                future.set_exception(BackendError("Redis was started anew; try again."))
        self._waiting = [(which, future) for which, future in self._waiting if not future.done()]
        served = [future for _, future in self._waiting]
        if not served:
            return
        try:
            async with asyncio.timeout(self._patience_s):
                reached = await wait_for_disk(connection, round(self._patience_s * 1000))
        finally:
            self._work.set()  # for those who came meanwhile, or are still there
        if not reached:
            raise TimeoutError("Redis did not reach its disk in time")
        for future in served:
            if not future.done():
                future.set_result(None)


async def wait_for_disk(connection: AbstractConnection, timeout_ms: int) -> bool:
    """Write something, and wait until it is on the disk; False where that took longer than `timeout_ms`."""
    await _ask(connection, "SET", _MARK, "1", "EX", "60")
    reached, _ = await _ask(connection, "WAITAOF", "1", "0", str(timeout_ms))
    return bool(reached)


async def check_fsync(connection: AbstractConnection) -> None:
    """Refuse a server that cannot say what is on its disk. Raises SettingsError with one line."""
    try:
        await wait_for_disk(connection, 1)
    except ResponseError as error:
        raise SettingsError(
            "FSYNC_BEFORE_OK: this Redis cannot promise it; use Redis 7.2 or newer, or Valkey, with appendonly yes, "
            "or unset it"
        ) from error


async def _ask(connection: AbstractConnection, *command: str) -> Any:
    await connection.send_command(*command, check_health=False)
    return await connection.read_response(disable_decoding=True, timeout=math.inf)
