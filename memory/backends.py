"""The only chooser of backends: Redis by URL, or the embedded Valkey where none is named. One code path for both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec

from core.clock import Clock, SystemClock
from core.ids import Ids, SystemIds
from core.measurements import Measure, NoMeasure
from core.ports import AnswerCache, Budgets, Deliveries, EventLog, Feedbacks, Outbox, SessionStore, TurnQueue
from memory.budgets.budgets import RedisBudgets
from memory.budgets.days import Days
from memory.cache.answers import RedisAnswers
from memory.cache.near_questions import RedisNearQuestions
from memory.connection import Database, running
from memory.deliveries.deliveries import LEASE_MS as DELIVERY_LEASE_MS
from memory.deliveries.deliveries import RedisDeliveries
from memory.embedded import embedded_redis
from memory.event_log.compactor import Compactor
from memory.event_log.gate import Gate
from memory.event_log.hub import Hub
from memory.event_log.log import RedisEventLog
from memory.feedback.feedbacks import RedisFeedbacks
from memory.flags.live import LiveFlags
from memory.flags.redis_flags import RedisFlags
from memory.keys import Keys
from memory.outbox.outbox import RedisOutbox
from memory.queue.control import Control
from memory.queue.turns import LEASE_MS, RUNNING_TURNS, RedisTurnQueue
from memory.sessions.erasing import SWEEP_AFTER_MS, Erasing
from memory.sessions.merging import DUE_MS, Merging
from memory.sessions.store import RedisSessions
from memory.statuses.board import RedisStatusBoard


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """All that a node remembers by."""

    sessions: SessionStore
    log: EventLog
    queue: TurnQueue
    outbox: Outbox
    feedbacks: Feedbacks
    deliveries: Deliveries
    flags: LiveFlags
    statuses: RedisStatusBoard
    answers: AnswerCache
    near_questions: RedisNearQuestions
    budgets: Budgets
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
    delivery_lease_ms: int = DELIVERY_LEASE_MS,
    merge_due_ms: int = DUE_MS,
    sweep_after_ms: int = SWEEP_AFTER_MS,
    fsync_before_ok: bool = False,
    clock: Clock | None = None,
    ids: Ids | None = None,
    measure: Measure | None = None,
) -> AsyncIterator[Memory]:
    """Connect to Redis at `redis_url`, or (None) run an own Valkey with its data in `data_dir` while the block lasts.

    `node` names this process and must be unique. All nodes must agree on `partitions`. `running_turns` is how
    many turns of one tenant may run at once in each partition; `lease_ms` how long a turn stays an executor's
    without a renewal, `delivery_lease_ms` a delivery a bridge's; `merge_due_ms` and `sweep_after_ms` after how long a
    merge that broke off is finished and an erased session swept again. With `fsync_before_ok` nothing is said to be
    accepted before it is on Redis' disk.

    Raises SettingsError with one line where Redis cannot be reached, is too old (7.2 is needed for
    `fsync_before_ok`), would evict keys or holds another number of partitions, or another server runs in `data_dir`.
    """
    clock, ids, measure = clock or SystemClock(), ids or SystemIds(), measure or NoMeasure()
    async with AsyncExitStack() as stack:
        url = redis_url if redis_url is not None else await stack.enter_async_context(embedded_redis(data_dir))
        database = Database(url, Keys(partitions), node, fsync_before_ok=fsync_before_ok)
        await database.check()
        hub = Hub(database, node)
        gate = Gate(database, ids)
        compactor = Compactor(gate, clock)
        outbox, answers = RedisOutbox(database), RedisAnswers(database)
        budgets = RedisBudgets(database, Days(clock), measure)
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
        flags = LiveFlags(RedisFlags(database), hub, database.keys)
        await stack.enter_async_context(
            running(
                redis_links=database.run_links,
                hub=hub.run,
                hub_probe=hub.probe,
                log=log.run,
                compactor=compactor.run,
                flags=flags.run,
            )
        )
        await database.connecting()
        await flags.begin()
        yield Memory(
            sessions=RedisSessions(
                database,
                gate,
                ids,
                Merging(database, gate, due_ms=merge_due_ms),
                Erasing(database, outbox, answers, budgets, sweep_after_ms=sweep_after_ms),
            ),
            log=log,
            queue=queue,
            outbox=outbox,
            feedbacks=RedisFeedbacks(gate),
            deliveries=RedisDeliveries(database, gate, lease_ms=delivery_lease_ms),
            flags=flags,
            statuses=RedisStatusBoard(database),
            answers=answers,
            near_questions=RedisNearQuestions(database),
            budgets=budgets,
            database=database,
            redis_url=url,
        )
