"""The only chooser of backends: Redis by URL, or the embedded Valkey where none is named. One code path for both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from core.clock import Clock, SystemClock
from core.ids import Ids, SystemIds
from core.measurements import Measure, NoMeasure
from core.ports import EventLog, Feedbacks, Outbox, SessionStore, TurnQueue
from memory.connection import Database, running
from memory.embedded import embedded_redis
from memory.event_log.compactor import Compactor
from memory.event_log.gate import Gate
from memory.event_log.hub import Hub
from memory.event_log.log import RedisEventLog
from memory.feedback.feedbacks import RedisFeedbacks
from memory.keys import Keys
from memory.outbox.outbox import RedisOutbox
from memory.queue.control import Control
from memory.queue.turns import LEASE_MS, RUNNING_TURNS, RedisTurnQueue
from memory.sessions.store import RedisSessions


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """All that a node remembers by."""

    sessions: SessionStore
    log: EventLog
    queue: TurnQueue
    outbox: Outbox
    feedbacks: Feedbacks
    database: Database
    redis_url: str
    """Where Redis is; for the embedded one its unix socket."""

    def ready(self) -> bool:
        """Whether Redis can be reached; where not, no turn can be accepted."""
        return self.database.connected


@asynccontextmanager
async def open_memory(
    *,
    redis_url: str | None,
    data_dir: Path,
    node: str,
    partitions: int = 1,
    running_turns: int = RUNNING_TURNS,
    lease_ms: int = LEASE_MS,
    clock: Clock | None = None,
    ids: Ids | None = None,
    measure: Measure | None = None,
) -> AsyncIterator[Memory]:
    """Connect to Redis at `redis_url`, or (None) run an own Valkey with its data in `data_dir` while the block lasts.

    `node` names this process and must be unique. All nodes must agree on `partitions`. `running_turns` is how
    many turns of one tenant may run at once in each partition; `lease_ms` how long a turn stays an executor's
    without a renewal. Raises SettingsError with one line where Redis
    cannot be reached, is too old, would evict keys or holds another number of partitions, or another server
    runs in `data_dir`.
    """
    clock, ids, measure = clock or SystemClock(), ids or SystemIds(), measure or NoMeasure()
    async with AsyncExitStack() as stack:
        url = redis_url if redis_url is not None else await stack.enter_async_context(embedded_redis(data_dir))
        database = Database(url, Keys(partitions), node)
        await database.check()
        hub = Hub(database, node)
        gate = Gate(database, ids)
        compactor = Compactor(gate, clock)
        outbox = RedisOutbox(database)
        log = RedisEventLog(database, gate, hub, clock)
        queue = RedisTurnQueue(
            database,
            gate,
            Control(database, hub, outbox.notice),
            compactor,
            node=node,
            clock=clock,
            ids=ids,
            measure=measure,
            running_turns=running_turns,
            lease_ms=lease_ms,
        )
        await stack.enter_async_context(
            running(
                redis_links=database.run_links,
                hub=hub.run,
                hub_probe=hub.probe,
                log=log.run,
                compactor=compactor.run,
            )
        )
        await database.connecting()
        yield Memory(
            sessions=RedisSessions(database, gate, ids, outbox),
            log=log,
            queue=queue,
            outbox=outbox,
            feedbacks=RedisFeedbacks(gate),
            database=database,
            redis_url=url,
        )
