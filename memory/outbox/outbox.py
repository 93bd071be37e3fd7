"""`Outbox` on Redis: one stream a partition, written by the scripts that end turns; tokens are `<partition>:<id>`."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from core.turns import Record
from memory.connection import Database
from memory.scripts import ACKNOWLEDGE, FORGET, PENDING

_RECORD: Final = msgspec.json.Decoder(Record)
_LOOKED_AT: Final = 200
"""Records that `forget` looks at by one script: a few milliseconds, in which Redis does nothing else."""


class RedisOutbox:
    """See `core.ports.Outbox`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._partitions = database.keys.partitions
        self._news = asyncio.Event()

    async def pending(self, limit: int) -> Sequence[tuple[str, Record]]:
        """The oldest records of each partition in turn, at most `limit` in all; those of erased users are dropped."""
        records: list[tuple[str, Record]] = []
        for partition in range(self._partitions):
            wanted = limit - len(records)
            if wanted <= 0:
                break
            reply = await self._database.call(PENDING, partition, wanted)
            records += [
                (f"{partition}:{reply[index].decode()}", _RECORD.decode(reply[index + 1]))
                for index in range(2, len(reply), 2)
            ]
        return records

    async def acknowledge(self, tokens: Sequence[str]) -> int:
        """Drop the records of these tokens; harmless to repeat."""
        by_partition: dict[int, list[str]] = defaultdict(list)
        for token in tokens:
            partition, _, entry_id = token.partition(":")
            by_partition[int(partition)].append(entry_id)
        left = 0
        for each in range(self._partitions):
            left += int((await self._database.call(ACKNOWLEDGE, each, *by_partition[each]))[2])
        return left

    async def wait(self, timeout_s: float) -> None:
        """Return when a turn ended somewhere, at the latest after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        except TimeoutError:
            return
        finally:
            self._news.clear()

    def notice(self) -> None:
        """Somebody wrote a record; wakes `wait`."""
        self._news.set()

    async def forget(self, session_ids: Collection[str]) -> None:
        """Drop all records of these sessions."""
        if not session_ids:
            return
        for partition in range(self._partitions):
            after = b""
            while True:
                reply = await self._database.call(FORGET, partition, after, _LOOKED_AT, *session_ids)
                after = reply[2]
                if not after:
                    break
