"""What it takes from a pub/sub message to a peer's socket: tasks, frames, serializations and copies, counted."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections import deque
from collections.abc import Coroutine
from typing import Any, cast

import pytest
from websockets.frames import Frame

from core.clock import FakeClock
from core.ports import EventLog, SessionStore
from server.cursor import Cursor
from server.outbound import Outbound
from server.transports.websocket import Framer, PeerTransport
from tests.server.conftest import RunningNode
from tests.server.crowd import Crowd
from tests.server.fake_log import SESSION, FakeLog, seqs


class FakePeer:
    """Takes frames while `reads` is set."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.reads = asyncio.Event()
        self.reads.set()

    def is_ready(self) -> bool:
        """Whether it reads."""
        return self.reads.is_set()

    async def ready(self) -> object:
        """Wait until it reads."""
        return await self.reads.wait()

    def write_frame(self, frame: bytes) -> None:
        """Take a frame."""
        self.frames.append(frame)

    def drop(self, code: int, reason: str) -> None:
        """Nothing to close."""

    def unsent_bytes(self) -> int:
        """Nothing waits."""
        return 0

    def forget_handshake(self) -> None:
        """There was none."""


class Reader:
    """What a connection has for a session that is open, over a fake peer."""

    def __init__(self, log: FakeLog, framer: Framer) -> None:
        self.peer = FakePeer()
        transport = PeerTransport(self.peer, cast(Any, None), framer)
        self.outbound = Outbound(transport, FakeClock(), lambda _: None)
        self.cursor = Cursor(SESSION, cast(EventLog, log), cast(SessionStore, log), self._wake, tail=self.outbound.tail)

    def _wake(self) -> None:
        self.outbound.on_work(SESSION.session_id, self.cursor)


async def readers_of(log: FakeLog, count: int) -> list[Reader]:
    """So many readers of one session on one node."""
    framer = Framer()
    readers = [Reader(log, framer) for _ in range(count)]
    for reader in readers:
        await reader.cursor.open(with_snapshot=False)
    return readers


def seqs_of(frames: list[bytes]) -> list[int]:
    """The seqs in WebSocket frames, whose payloads are arrays of events."""
    return seqs([frame[frame.index(b"[") :] for frame in frames])


async def loop_comes_round() -> None:
    """Let what was called soon be called."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


class Tasks:
    """Counts the tasks that are made from now on."""

    def __init__(self) -> None:
        self.made = 0
        asyncio.get_running_loop().set_task_factory(self._make)

    def _make(self, loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], **more: Any) -> asyncio.Task[Any]:
        self.made += 1
        return asyncio.Task(work, loop=loop, **more)


@pytest.fixture
def serialized(monkeypatch: pytest.MonkeyPatch) -> list[Frame]:
    """The frames that websockets was asked to serialize."""
    asked: list[Frame] = []
    real = Frame.serialize

    def noted(frame: Frame, **options: Any) -> bytes:
        asked.append(frame)
        return real(frame, **options)

    monkeypatch.setattr(Frame, "serialize", noted)
    return asked


async def test_what_came_together_leaves_in_one_frame() -> None:
    log = FakeLog()
    (reader,) = await readers_of(log, 1)
    for number in range(20):
        log.append(f"{number}")
    await loop_comes_round()
    assert len(reader.peer.frames) == 1
    assert seqs_of(reader.peer.frames) == list(range(1, 21))


async def test_a_peer_that_reads_is_sent_to_without_a_task() -> None:
    log = FakeLog()
    (reader,) = await readers_of(log, 1)
    tasks = Tasks()
    for number in range(100):
        log.append(f"{number}")
        await loop_comes_round()
    assert (len(reader.peer.frames), tasks.made) == (100, 0)


async def test_a_peer_that_does_not_read_takes_one_task_however_much_is_appended() -> None:
    log = FakeLog()
    (reader,) = await readers_of(log, 1)
    reader.peer.reads.clear()
    tasks = Tasks()
    for number in range(100):
        log.append(f"{number}")
        await loop_comes_round()
    before = len(reader.peer.frames)
    reader.peer.reads.set()
    await loop_comes_round()
    assert (before, len(reader.peer.frames), tasks.made) == (0, 1, 1)


async def test_what_a_thousand_readers_are_sent_is_serialized_once(serialized: list[Frame]) -> None:
    log = FakeLog()
    readers = await readers_of(log, 1000)
    for number in range(3):
        log.append(f"{number}", "and another one")
        await loop_comes_round()
    assert len(serialized) == 3
    assert {len(reader.peer.frames) for reader in readers} == {3}
    assert len({id(frame) for reader in readers for frame in reader.peer.frames}) == 3


async def test_readers_at_different_places_are_each_sent_their_own(serialized: list[Frame]) -> None:
    log, framer = FakeLog(), Framer()
    early, late = Reader(log, framer), Reader(log, framer)
    await early.cursor.open(with_snapshot=False)
    log.append("a")
    await late.cursor.open(with_snapshot=False)
    log.append("b")
    await loop_comes_round()
    assert [seqs_of(reader.peer.frames) for reader in (early, late)] == [[1, 2], [2]]
    assert len(serialized) == 2


async def test_no_reader_has_a_copy_of_its_own() -> None:
    log = FakeLog()
    readers = await readers_of(log, 200)
    size = 20_000
    tracemalloc.start()
    try:
        log.append("x" * size)
        await loop_comes_round()
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert all(len(reader.peer.frames[0]) > size for reader in readers)
    assert most < size * len(readers) / 4


@pytest.mark.asyncio(loop_scope="session")
async def test_an_idle_connection_holds_no_queue_and_nothing_of_its_handshake(development_node: RunningNode) -> None:
    """An empty deque has 760 bytes, and each Event and Queue of asyncio has some; headers and scope have 6 KB."""

    def count(kind: str) -> int:
        gc.collect()
        return sum(type(thing).__name__ == kind for thing in gc.get_objects())

    scopes = sum(type(thing) is dict and "asgi" in thing for thing in gc.get_objects())
    deques, protocols = count(deque.__name__), count("HttpToolsProtocol")
    crowd = Crowd(development_node.port)
    await crowd.join([f"holds-{number}" for number in range(40)])
    await loop_comes_round()
    held = [thing for thing in gc.get_objects() if type(thing) is dict and "asgi" in thing]
    assert len(held) - scopes < 10
    assert count("deque") - deques < 40
    assert count("HttpToolsProtocol") - protocols < 10
    crowd.leave()
