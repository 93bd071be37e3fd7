"""`EventLog` on Redis: range reads, and fan-out to this node's readers through the hub."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from loguru import logger

from core.clock import Clock
from core.errors import BackendError, SessionErased, UserError
from core.ports import LogReader, LogSlice, SessionHead
from core.turns import SessionRef
from memory.connection import Database
from memory.event_log.gate import Gate
from memory.event_log.hub import Hub
from memory.event_log.topic import Run, Topic
from memory.scripts import FIND, HEADS, READ, SAY

LINGER_S: Final = 30.0
"""How long a channel stays subscribed after its last reader left."""
BUSY_HEADS_S: Final = 4.0
IDLE_HEADS_S: Final = 60.0
"""How often heads are re-read, of sessions with and without a running turn. A last message that pub/sub lost is thus
there within 5 s, the reading included; one that is followed by another shows at once, as a gap."""
_HEADS_AT_ONCE: Final = 500
_READ_RETRY_S: Final = 0.2


class RedisEventLog:
    """See `core.ports.EventLog`. `run` must be running while it is used."""

    def __init__(self, database: Database, gate: Gate, hub: Hub, clock: Clock) -> None:
        self._database = database
        self._keys = database.keys
        self._gate = gate
        self._hub = hub
        self._clock = clock
        self._topics: dict[str, Topic] = {}
        self._to_read: asyncio.Queue[Topic] = asyncio.Queue()
        self._check_all = asyncio.Event()
        hub.on_connected(self._check_all.set)

    async def attach(self, session: SessionRef, reader: LogReader) -> SessionHead:
        """Subscribe first, then read the head; a session that is followed already costs no round trip."""
        topic = self._topics.get(session.session_id)
        if topic is None or topic.erased:
            topic = self._topics[session.session_id] = Topic(session, self._ask_read)
            self._hub.listen(self._channel(session), topic.hear)
        topic.idle_since_s = self._clock.monotonic_s()
        await self._hub.listening(self._channel(session))
        if not topic.known:
            reply = await self._gate.call(FIND, session, session.tenant, session.user_id)
            if not topic.known:  # another reader may have been faster
                topic.place(reply[2].decode(), int(reply[3]))
                topic.settle()
        if topic.erased:
            raise SessionErased("This session was erased; open a new one.")
        topic.readers[id(reader)] = reader
        return SessionHead(session=session, epoch=topic.epoch, seq=topic.seq)

    def detach(self, session: SessionRef, reader: LogReader) -> None:
        """Give that reader nothing more; the channel is left 30 s after the last one."""
        topic = self._topics.get(session.session_id)
        if topic is not None:
            topic.readers.pop(id(reader), None)
            topic.idle_since_s = self._clock.monotonic_s()

    async def read(self, session: SessionRef, epoch: str, after: int, limit_bytes: int = 262_144) -> LogSlice | None:
        """Events after `after`; whole appends, at least one where there is any."""
        reply = await self._gate.call(READ, session, session.tenant, session.user_id, epoch, after, limit_bytes)
        if reply[0] == b"gone":
            return None
        chunks = tuple(
            (int(reply[index]), int(reply[index + 1]), reply[index + 2]) for index in range(5, len(reply), 3)
        )
        return LogSlice(epoch=reply[2].decode(), head=int(reply[3]), chunks=chunks, complete=not int(reply[4]))

    async def say_typing(self, session: SessionRef, by: str, on: bool) -> None:
        """Tell the session's readers on every node; lost where Redis is away."""
        partition = self._keys.of(session.session_id)
        await self._database.call(SAY, partition, f"ch:{session.session_id}", f"T {int(on)} {by}", retry=False)

    async def run(self) -> None:
        """Heal gaps, re-read heads, leave channels without readers; until cancelled."""
        for topic in self._topics.values():
            if topic.reading:  # it was being read when an earlier run failed
                self._to_read.put_nowait(topic)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read_gaps(), name="log-gaps")
            tasks.create_task(self._check_heads(), name="log-heads")

    def _channel(self, session: SessionRef) -> str:
        return self._keys.session_channel(session.session_id)

    def _ask_read(self, topic: Topic) -> None:
        if not topic.reading:
            topic.reading = True
            self._to_read.put_nowait(topic)

    async def _read_gaps(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                topic = await self._to_read.get()
                tasks.create_task(self._heal(topic), name="log-heal")

    async def _heal(self, topic: Topic) -> None:
        """Read on from the topic's position until the head; on another epoch or a trimmed log begin anew."""
        while not topic.erased:
            try:
                if await self._heal_once(topic):
                    break
            except SessionErased:
                topic.erase()
            except UserError:
                topic.restart("")
                break
            except BackendError as error:
                logger.debug("log.heal_later", session_id=topic.session.session_id, error=error.message)
                await asyncio.sleep(_READ_RETRY_S)
            except Exception:  # noqa: BLE001 - one session's log must not end the healing of all others
                logger.exception("log.heal_failed", session_id=topic.session.session_id)
                topic.restart("")
                break
        topic.settle()

    async def _heal_once(self, topic: Topic) -> bool:
        asked = topic.epoch
        part = await self.read(topic.session, asked, topic.seq)
        if part is None:
            reply = await self._gate.call(FIND, topic.session, topic.session.tenant, topic.session.user_id)
            if topic.epoch != asked:  # a message told of the new epoch meanwhile: read on from there
                return False
            topic.restart(reply[2].decode())
            topic.seq = int(reply[3])
            return True
        runs: list[Run] = [(part.epoch, *chunk) for chunk in part.chunks]
        topic.catch_up(runs)
        return part.complete

    async def _check_heads(self) -> None:
        """Each 4 s the busy ones, each 60 s and after a reconnect all: a lost message is found without another one."""
        last_all_s = self._clock.monotonic_s()
        while True:
            try:
                async with asyncio.timeout(BUSY_HEADS_S):
                    await self._check_all.wait()
            except TimeoutError:
                pass
            now_s = self._clock.monotonic_s()
            everything = self._check_all.is_set() or now_s - last_all_s >= IDLE_HEADS_S
            self._check_all.clear()
            if everything:
                last_all_s = now_s
            self._leave_idle(now_s)
            topics = [topic for topic in self._topics.values() if topic.known and (everything or topic.busy)]
            try:
                await self._compare_heads(topics)
            except BackendError as error:
                logger.debug("log.heads_failed", error=error.message)
                self._check_all.set()
                await asyncio.sleep(_READ_RETRY_S)

    async def _compare_heads(self, topics: Iterable[Topic]) -> None:
        by_partition: dict[int, list[Topic]] = {}
        for topic in topics:
            by_partition.setdefault(self._keys.of(topic.session.session_id), []).append(topic)
        for partition, group in by_partition.items():
            for start in range(0, len(group), _HEADS_AT_ONCE):
                some = group[start : start + _HEADS_AT_ONCE]
                reply = await self._database.call(HEADS, partition, *(topic.session.session_id for topic in some))
                for index, topic in enumerate(some):
                    self._compare(topic, *reply[2 + 5 * index + 1 : 2 + 5 * index + 5])

    def _compare(self, topic: Topic, state: bytes, epoch: bytes, seq: bytes, busy: int) -> None:
        if int(seq) >= topic.seq:  # else a message came since, and it knows better
            topic.busy = bool(busy)
        match state:
            case b"ok" if epoch.decode() == topic.epoch and int(seq) <= topic.seq:
                pass
            case b"erased":
                topic.erase()
            case b"not_found":  # Redis lost it: whoever attaches again is told so
                topic.restart("")
            case _:
                self._ask_read(topic)

    def _leave_idle(self, now_s: float) -> None:
        for session_id, topic in list(self._topics.items()):
            if topic.erased or (not topic.readers and now_s - topic.idle_since_s > LINGER_S):
                del self._topics[session_id]
                self._hub.leave(self._channel(topic.session))
