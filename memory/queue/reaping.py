"""Putting turns back whose leases ran out, but not those of healthy runs after Redis itself stood still."""

from __future__ import annotations

from typing import Final

from loguru import logger

from memory.connection import Database
from memory.scripts import REAP

_REAPED_AT_ONCE: Final = 200
STANDSTILL: Final = 0.6
"""Of a lease: a reap so much later than the last one means that Redis, or this process, stood still. Reaps are made
every 1.3 s at most, and a lease that is renewed each second cannot run out sooner (3 s: 1.8 s)."""
GRACE: Final = 2 / 3
"""Of a lease: for so long nothing is put back then. Renewals are made each second, and a link that was given up for
dead is back within another half (3 s: 2 s)."""


class Reaping:
    """See `core.ports.TurnQueue.reap`."""

    def __init__(self, database: Database, *, node: str, lease_ms: int) -> None:
        self._database = database
        self._node = node
        self._limits = (round(lease_ms * STANDSTILL), round(lease_ms * GRACE))
        self._last: dict[int, tuple[bytes, bytes, bytes]] = {}  # by partition: what the script wants to be told again

    async def reap(self) -> int:
        """Put turns with expired leases back among the ready; gives how many."""
        count = 0
        for partition in range(self._database.keys.partitions):
            last = self._last.get(partition, (b"", b"", b""))
            reply = await self._database.call(REAP, partition, _REAPED_AT_ONCE, *self._limits, *last)
            count += int(reply[2])
            self._last[partition] = (reply[3], reply[4], reply[5])
        if count:
            logger.info("turns.reaped", count=count, node=self._node)
        return count
