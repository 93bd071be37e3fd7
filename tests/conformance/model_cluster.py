"""Two real nodes on one real Redis, which may be another process, or one that has forgotten its last writes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from core.clock import FakeClock
from core.errors import ProsaError, SessionErased, StaleRun
from memory.backends import Memory, open_memory
from tests.conformance.model_parts import Refused
from tests.servers import RedisServer

T = TypeVar("T")
Moment = dict[bytes, tuple[int, bytes]]
NODES = ("one", "two")
RUNNING_TURNS = 3
LEASE_MS = 3_600_000
"""No lease runs out by itself: the machine says when."""


class PaddedIds:
    """Ids that are the same in each replay, and as long as real ones."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def new(self, prefix: str) -> str:
        """Give the next id."""
        return f"{prefix}_{next(self._numbers):026d}"


def instance_of(life: int) -> str:
    """What the nodes take for Redis' `run_id` in that life."""
    return f"life-{life}"


def refusal(error: ProsaError) -> Refused:
    """The error in the model's words."""
    if isinstance(error, StaleRun):
        return Refused("stale")
    if isinstance(error, SessionErased):
        return Refused("erased")
    return Refused(error.code, duplicate=error.duplicate)


class Cluster:
    """See the module. The nodes live on a loop of their own, which runs only inside `do`."""

    def __init__(self, server: RedisServer, partitions: int, folder: Path) -> None:
        self.client = server.client()
        self.client.flushall()
        self.client.set("prosa:instance", self.client.info("server")["run_id"])
        self.ids = PaddedIds()
        self._loop = asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        self.nodes = {name: self.do(self._open(server, partitions, folder, name)) for name in NODES}
        self.keys = self.nodes["one"].database.keys
        self.restart(0)

    async def _open(self, server: RedisServer, partitions: int, folder: Path, node: str) -> Memory:
        memory = open_memory(
            redis_url=server.url,
            data_dir=folder,
            node=node,
            partitions=partitions,
            running_turns=RUNNING_TURNS,
            lease_ms=LEASE_MS,
            clock=FakeClock(),
            ids=self.ids,
        )
        return await self._stack.enter_async_context(memory)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end."""
        return self._loop.run_until_complete(work)

    def close(self) -> None:
        """Close the nodes and the loop."""
        self.do(self._stack.aclose())
        self.client.close()
        self._loop.close()

    def restart(self, life: int) -> None:
        """Redis is another process for everybody from now on: only its `run_id` shows that."""
        for node in self.nodes.values():
            for link in (node.database._calls, node.database._writes):
                link.instance = instance_of(life).encode()

    def moment(self) -> Moment:
        """All that Redis holds now."""
        names: Any = self.client.keys()
        with self.client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.pttl(name)
                pipeline.dump(name)
            replies = pipeline.execute()
        return {name: (ttl, dump) for name, ttl, dump in zip(names, replies[::2], replies[1::2], strict=True)}

    def fall_back(self, moment: Moment) -> None:
        """Redis holds what it held then: its append-only file has lost its tail."""
        with self.client.pipeline(transaction=True) as pipeline:
            pipeline.flushall()
            for name, (ttl_ms, dump) in moment.items():
                pipeline.restore(name, max(0, ttl_ms), dump)
            pipeline.execute()

    def key(self, session_id: str, name: str) -> str:
        """A key in that session's partition."""
        return self.keys.prefix(self.keys.of(session_id)) + name

    def end_lease(self, session_id: str, turn_id: str, moment: int) -> None:
        """That turn's lease runs out; `moment` orders it among others that did."""
        self.client.zadd(self.key(session_id, "leases"), {turn_id: moment})

    def end_approval(self, session_id: str, turn_id: str, approval_id: str, moment: int) -> None:
        """The time of that approval is over."""
        self.client.zadd(self.key(session_id, "parked"), {turn_id: moment})
        self.client.hset(self.key(session_id, f"a:{approval_id}"), "expires_ms", str(moment))

    def end_delivery(self, session_id: str, list_name: str, delivery_id: str) -> None:
        """The lease of that delivery runs out."""
        self.client.zadd(self.key(session_id, f"dl:{list_name}"), {delivery_id: 1})

    def leases(self) -> list[str]:
        """All leased turns, in the order in which they are found."""
        prefixes = [self.keys.prefix(partition) for partition in range(self.keys.partitions)]
        found: Any = [self.client.zrange(f"{prefix}leases", 0, -1) for prefix in prefixes]
        return [turn_id.decode() for part in found for turn_id in part]
