"""A connection by itself: slow peers, heartbeats and a Redis that is away, with a fake transport and a fake clock."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import pytest

from agent.settings import parse_agent
from core.clock import FakeClock
from core.ids import SequentialIds
from core.measurements import NoMeasure
from core.wire.codec import join
from server.auth import DEVELOPER, Authenticator
from server.connection import Connection
from server.sessions import Sessions
from server.settings import load_settings
from tests.server.fake_log import SESSION, FakeLog


class FakeTransport:
    """Takes frames while `is_reading`; remembers the close."""

    def __init__(self) -> None:
        self.frames: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None
        self.is_reading = asyncio.Event()
        self.is_reading.set()
        self.sent = asyncio.Event()
        self.unsent = 0

    async def ready(self) -> None:
        """Wait until the peer reads."""
        await self.is_reading.wait()

    def is_ready(self) -> bool:
        """Whether the peer reads."""
        return self.is_reading.is_set()

    def write(self, frames: list[bytes]) -> None:
        """Take a frame."""
        assert self.is_reading.is_set()
        value = json.loads(join(frames))
        self.frames.extend(value if isinstance(value, list) else [value])
        self.sent.set()

    async def close(self, code: int, reason: str) -> None:
        """Remember the first close."""
        self.closed = self.closed or (code, reason)
        self.sent.set()

    def drop(self, code: int, reason: str) -> None:
        """Remember the first close."""
        self.closed = self.closed or (code, reason)
        self.sent.set()

    def unsent_bytes(self) -> int:
        """What waits for the peer to read."""
        return self.unsent

    async def until(self, kind: str) -> dict[str, Any]:
        """The first frame of that type, waiting for it."""
        while not (found := [frame for frame in self.frames if frame["type"] == kind]):
            self.sent.clear()
            await self.sent.wait()
        return found[0]

    async def until_closed(self) -> int:
        """The close code, waiting for it."""
        while self.closed is None:
            self.sent.clear()
            await self.sent.wait()
        return self.closed[0]


class Peer:
    """A connection over fakes."""

    def __init__(self) -> None:
        self.log, self.clock, self.transport = FakeLog(), FakeClock(), FakeTransport()
        unused = cast(Any, None)
        log = cast(Any, self.log)
        sessions = Sessions(
            store=log,
            log=log,
            queue=unused,
            feedbacks=unused,
            deliveries=unused,
            books=unused,
            tools=unused,
            clock=self.clock,
            ids=SequentialIds(),
            measure=NoMeasure(),
            agents={
                "sales": parse_agent(
                    "{name: sales, title: Sales, instructions: {id: sales, version: 1}}", source="test"
                )
            },
            default_agent="sales",
        )
        self.connection = Connection(
            sessions=sessions,
            authenticator=Authenticator(load_settings(_env_file=None)),
            principal=DEVELOPER,
            transport=self.transport,
            clock=self.clock,
        )

    async def open(self) -> None:
        """Open the session."""
        await self.connection.on_text('{"type":"session.open","cid":"o","user_id":"ana"}')
        await self.transport.until("session.live")

    async def until_created(self, count: int) -> None:
        """Wait until so many messages came."""
        while len([frame for frame in self.transport.frames if frame["type"] == "message.created"]) < count:
            self.transport.sent.clear()
            await self.transport.sent.wait()

    async def pass_time(self, seconds: float) -> None:
        """Let time pass; the node's timer ticks once."""
        self.clock.advance(seconds)
        self.connection.tick()
        await asyncio.sleep(0)


@pytest.fixture
async def peer() -> Any:
    """A peer whose connection is taken down at the end."""
    peer = Peer()
    yield peer
    await peer.connection.end()


async def test_without_an_open_in_5_s_the_connection_is_closed_with_4502(peer: Peer) -> None:
    await peer.connection.on_text('{"type":"ping"}')
    await peer.pass_time(5)
    assert await peer.transport.until_closed() == 4502


async def test_a_silent_peer_is_pinged_after_25_s_and_closed_10_s_later(peer: Peer) -> None:
    await peer.open()
    await peer.pass_time(25)
    await peer.transport.until("ping")
    await peer.pass_time(10)
    assert await peer.transport.until_closed() == 4002


async def test_any_frame_of_the_peer_counts_as_a_sign_of_life(peer: Peer) -> None:
    await peer.open()
    await peer.pass_time(25)
    await peer.connection.on_text('{"type":"pong"}')
    await peer.pass_time(10)
    assert peer.transport.closed is None


async def test_a_peer_that_does_not_read_for_30_s_is_closed_with_4003(peer: Peer) -> None:
    await peer.open()
    peer.transport.is_reading.clear()
    peer.log.append("a")
    await asyncio.sleep(0)
    await peer.connection.on_text('{"type":"pong"}')
    await asyncio.sleep(0)
    await peer.pass_time(31)
    assert await peer.transport.until_closed() == 4003


async def test_a_peer_that_reads_again_gets_everything_once_and_in_order(peer: Peer) -> None:
    await peer.open()
    peer.transport.is_reading.clear()
    for _ in range(30):
        peer.log.append("x" * 20_000)
    peer.transport.is_reading.set()
    peer.log.append("last")
    while not any(frame.get("content") == "last" for frame in peer.transport.frames):
        peer.transport.sent.clear()
        await peer.transport.sent.wait()
    created = [frame["seq"] for frame in peer.transport.frames if frame["type"] == "message.created"]
    assert created == list(range(1, 32))


async def test_while_redis_is_away_an_open_is_a_retryable_error_and_can_be_repeated(peer: Peer) -> None:
    peer.log.away = True
    await peer.connection.on_text('{"type":"session.open","cid":"1","user_id":"ana"}')
    error = await peer.transport.until("error")
    await peer.pass_time(6)
    peer.log.away = False
    await peer.open()
    assert (error["code"], error["retryable"], error["re"]) == ("internal", True, "1")
    assert peer.transport.closed is None


async def test_events_that_could_not_be_read_while_redis_was_away_come_with_the_next_tick(peer: Peer) -> None:
    await peer.open()
    peer.log.append("a", publish=False)
    peer.log.away = True
    peer.log.append("b")
    await asyncio.sleep(0)
    peer.log.away = False
    await peer.pass_time(1)
    while len([frame for frame in peer.transport.frames if frame["type"] == "message.created"]) < 2:
        peer.transport.sent.clear()
        await peer.transport.sent.wait()
    assert [f["content"] for f in peer.transport.frames if f["type"] == "message.created"] == ["a", "b"]


async def test_a_new_epoch_is_a_snapshot_before_any_of_its_events(peer: Peer) -> None:
    await peer.open()
    peer.log.append("a")
    await peer.transport.until("message.created")
    start = len(peer.transport.frames)
    peer.log.begin_anew("epoch_2")
    await asyncio.sleep(0)
    while len(peer.transport.frames) < start + 2:
        peer.transport.sent.clear()
        await peer.transport.sent.wait()
    peer.log.append("b")
    while len(peer.transport.frames) < start + 3:
        peer.transport.sent.clear()
        await peer.transport.sent.wait()
    kinds = [(frame["type"], frame.get("epoch")) for frame in peer.transport.frames[start:]]
    assert kinds == [("session.snapshot", "epoch_2"), ("session.live", None), ("message.created", None)]


async def test_a_drain_says_when_to_come_back_and_closes_with_1012(peer: Peer) -> None:
    await peer.open()
    peer.connection.drain(700)
    peer.connection.leave()
    assert await peer.transport.until_closed() == 1012
    assert peer.transport.frames[-1] == {"type": "server.draining", "reconnect_in_ms": 700}


async def test_the_end_of_a_connection_leaves_no_reader_behind(peer: Peer) -> None:
    await peer.open()
    await peer.connection.end()
    assert peer.log.readers == []
    assert SESSION.user_id == "ana"


async def test_a_reopen_that_fails_leaves_the_old_subscription_alive(peer: Peer) -> None:
    await peer.open()
    peer.log.away = True
    await peer.connection.on_text('{"type":"session.open","cid":"again","user_id":"ana"}')
    await peer.transport.until("error")
    peer.log.away = False
    peer.log.append("a")
    assert (await peer.transport.until("message.created"))["content"] == "a"


async def test_a_second_open_goes_back_on_nothing_that_the_first_one_sent(peer: Peer) -> None:
    def append_while_the_snapshot_is_on_its_way() -> None:
        peer.log.append("a")
        peer.log.answering.clear()
        asyncio.get_running_loop().call_later(0.02, peer.log.answering.set)

    await peer.open()
    peer.log.meanwhile = append_while_the_snapshot_is_on_its_way
    await peer.connection.on_text('{"type":"session.open","cid":"again","user_id":"ana"}')
    await peer.until_created(1)
    kinds = [frame["type"] for frame in peer.transport.frames]
    assert kinds[3:] == ["session.opened", "session.snapshot", "session.live", "message.created"]


async def test_a_drain_while_redis_is_away_closes_a_connection_that_has_something_to_read(peer: Peer) -> None:
    await peer.open()
    peer.log.begin_anew("epoch_2")
    peer.log.away = True
    await asyncio.sleep(0)
    peer.connection.drain(700)
    peer.connection.leave()
    assert await peer.transport.until_closed() == 1012
    assert peer.transport.frames[-1]["type"] == "server.draining"


async def test_a_log_that_cannot_be_read_for_a_reason_nobody_thought_of_closes_with_4006(peer: Peer) -> None:
    await peer.open()
    peer.log.append("a")
    await peer.transport.until("message.created")
    peer.log.chunks = [(1, 1, b"no JSON")]
    readers = list(peer.log.readers)
    readers[0].on_epoch("epoch_1")
    assert await peer.transport.until_closed() == 4006


async def test_a_ping_is_answered_while_a_command_waits_for_redis(peer: Peer) -> None:
    peer.log.answering.clear()
    await peer.connection.on_text('{"type":"session.open","cid":"o","user_id":"ana"}')
    await peer.connection.on_text('{"type":"ping","t":7}')
    pong = await peer.transport.until("pong")
    opened_before = [frame for frame in peer.transport.frames if frame["type"] == "session.opened"]
    peer.log.answering.set()
    await peer.transport.until("session.live")
    assert (pong["t"], opened_before) == (7, [])


async def test_a_ping_is_answered_while_a_log_is_read_that_redis_does_not_give(peer: Peer) -> None:
    await peer.open()
    peer.log.append("a", publish=False)
    peer.log.answering.clear()
    peer.log.append("b")
    await asyncio.sleep(0)
    await peer.connection.on_text('{"type":"ping","t":8}')
    pong = await peer.transport.until("pong")
    events_before = [frame for frame in peer.transport.frames if frame["type"] == "message.created"]
    peer.log.answering.set()
    await peer.until_created(2)
    assert (pong["t"], events_before) == (8, [])


async def test_commands_are_worked_on_in_their_order_although_the_first_one_waits(peer: Peer) -> None:
    peer.log.answering.clear()
    await peer.connection.on_text('{"type":"session.open","cid":"1","user_id":"ana"}')
    await peer.connection.on_text(f'{{"type":"session.close","cid":"2","session_id":"{SESSION.session_id}"}}')
    await peer.connection.on_text('{"type":"session.open","cid":"3","user_id":"ana"}')
    peer.log.answering.set()
    while "3" not in (answered := [frame["re"] for frame in peer.transport.frames if "re" in frame]):
        peer.transport.sent.clear()
        await peer.transport.sent.wait()
    assert answered == ["1", "2", "3"]


async def test_a_peer_that_gives_more_commands_than_may_wait_is_read_no_further(peer: Peer) -> None:
    peer.log.answering.clear()
    command = json.dumps({"type": "session.open", "cid": "1", "user_id": "ana", "more": "x" * 60_000})
    await peer.connection.on_text(command)
    await peer.connection.on_text(command)
    third = asyncio.create_task(peer.connection.on_text(command))
    await asyncio.sleep(0)
    held_up = not third.done()
    peer.log.answering.set()
    await third
    assert held_up


async def test_a_slow_peer_that_reads_a_little_is_not_closed(peer: Peer) -> None:
    await peer.open()
    peer.transport.is_reading.clear()
    peer.transport.unsent = 100_000
    peer.log.append("a")
    await asyncio.sleep(0)
    peer.transport.unsent = 90_000
    await peer.pass_time(20)
    peer.transport.unsent = 80_000
    await peer.pass_time(20)
    await peer.connection.on_text('{"type":"pong"}')
    await peer.pass_time(20)
    assert peer.transport.closed is None


async def test_a_peer_far_behind_is_caught_up_between_opened_and_live(peer: Peer) -> None:
    for _ in range(30):
        peer.log.append("x" * 20_000)
    resume = json.dumps(
        {"type": "session.open", "cid": "o", "user_id": "ana", "resume": {"epoch": peer.log.epoch, "seq": 2}}
    )
    await peer.connection.on_text(resume)
    live = await peer.transport.until("session.live")
    peer.log.append("last")
    await peer.until_created(29)
    kinds = [frame["type"] for frame in peer.transport.frames]
    created = [frame["seq"] for frame in peer.transport.frames if frame["type"] == "message.created"]
    assert (kinds[0], kinds[29], live["seq"]) == ("session.opened", "session.live", 30)
    assert created == list(range(3, 32))


async def test_a_stalled_peer_keeps_no_more_of_the_log_than_its_tail(peer: Peer) -> None:
    await peer.open()
    peer.transport.is_reading.clear()
    before = peer.log.reads
    for _ in range(200):
        peer.log.append("x" * 20_000)
        await asyncio.sleep(0)
    reads = peer.log.reads - before
    peer.transport.is_reading.set()
    await peer.until_created(200)
    created = [frame["seq"] for frame in peer.transport.frames if frame["type"] == "message.created"]
    assert reads <= 5
    assert created == list(range(1, 201))


async def test_a_draining_node_says_so_at_once_and_closes_when_the_command_in_its_hands_is_answered(
    peer: Peer,
) -> None:
    await peer.open()
    peer.log.answering.clear()
    await peer.connection.on_text('{"type":"session.open","cid":"last","user_id":"ana"}')
    peer.connection.drain(700)
    await peer.transport.until("server.draining")
    peer.connection.leave()
    await asyncio.sleep(0)
    closed_before = peer.transport.closed
    peer.log.answering.set()
    code = await peer.transport.until_closed()
    answered = [frame for frame in peer.transport.frames if frame.get("re") == "last"]
    assert (closed_before, code, len(answered)) == (None, 1012, 1)


async def test_what_a_peer_said_before_it_went_is_still_done(peer: Peer) -> None:
    peer.log.answering.clear()
    await peer.connection.on_text('{"type":"session.open","cid":"1","user_id":"ana"}')
    ending = asyncio.create_task(peer.connection.end())
    await asyncio.sleep(0)
    peer.log.answering.set()
    await ending
    assert peer.log.readers == []
