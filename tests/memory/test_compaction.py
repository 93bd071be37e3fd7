"""Logs are cut from their front only, and never an event that somebody may still have to catch up on."""

from __future__ import annotations

from pathlib import Path

from core.clock import FakeClock
from core.errors import UserError
from core.ids import SystemIds
from core.turns import SessionRef
from memory.backends import Memory, open_memory
from memory.event_log.compactor import Compactor
from memory.event_log.gate import KEPT_AFTER_END_MS, Gate
from tests.conformance.kit import (
    Reader,
    delta,
    eventually,
    exchange,
    open_session,
    said,
    take_one,
)
from tests.servers import RedisServer


def gate(memory: Memory, kept_after_end_ms: int = 0) -> Gate:
    return Gate(memory.database, SystemIds(), kept_after_end_ms=kept_after_end_ms)


async def first_kept(memory: Memory, session: SessionRef) -> int | None:
    """The first seq after which the log can still be read whole."""
    view = await memory.sessions.view(session)
    for after in range(view.seq + 1):
        if await memory.log.read(session, view.epoch, after) is not None:
            return after
    return None


async def test_a_turn_that_ended_less_than_a_minute_ago_stays(memory: Memory) -> None:
    session = await open_session(memory)
    await exchange(memory, session)

    await gate(memory, KEPT_AFTER_END_MS).compact(session, at_least_bytes=0)

    assert await first_kept(memory, session) == 0


async def test_turns_that_ended_longer_ago_are_cut_and_the_view_stays(memory: Memory) -> None:
    session = await open_session(memory)
    await exchange(memory, session, "um", "1")
    before = await memory.sessions.view(session)

    await gate(memory).compact(session, at_least_bytes=0)

    assert await first_kept(memory, session) == 7
    assert await memory.sessions.view(session) == before


async def test_the_log_goes_on_after_a_cut(memory: Memory) -> None:
    session = await open_session(memory)
    await exchange(memory, session, "um", "1")
    await gate(memory).compact(session, at_least_bytes=0)
    reader = Reader()
    head = await memory.log.attach(session, reader)

    await exchange(memory, session, "dois", "2")

    await reader.until_seq(14)
    part = await memory.log.read(session, head.epoch, 7)
    assert part is not None
    assert part.chunks[0][0] == 8
    assert await memory.log.read(session, head.epoch, 6) is None
    assert [message.content for message in (await memory.sessions.view(session)).messages] == ["um", "1", "dois", "2"]


async def test_a_running_turn_stays_whole_from_its_message_on(memory: Memory) -> None:
    session = await open_session(memory)
    await exchange(memory, session, "um", "1")
    await memory.queue.submit(said(session))
    turn = await take_one(memory)
    await memory.queue.writer(turn).append([delta(turn, "m", "x")])

    await gate(memory).compact(session, at_least_bytes=0)

    assert await first_kept(memory, session) == 7


async def test_a_waiting_turn_stays(memory: Memory) -> None:
    session = await open_session(memory)
    await exchange(memory, session, "um", "1")
    await memory.queue.submit(said(session))

    await gate(memory).compact(session, at_least_bytes=0)

    assert await first_kept(memory, session) == 7


async def test_a_short_tail_is_left_alone(memory: Memory) -> None:
    session = await open_session(memory)
    await exchange(memory, session)

    await gate(memory).compact(session, at_least_bytes=100_000)

    assert await first_kept(memory, session) == 0


async def test_a_running_turn_survives_a_restart_after_a_cut(memory: Memory, server: RedisServer) -> None:
    session = await open_session(memory)
    await exchange(memory, session, "um", "1")
    await gate(memory).compact(session, at_least_bytes=0)
    await memory.queue.submit(said(session, "dois"))
    server.stop()
    server.start()

    view = await memory.sessions.view(session)
    await gate(memory).compact(session, at_least_bytes=0)

    assert [message.content for message in view.messages] == ["um", "1", "dois"]
    assert (await memory.sessions.view(session)).queue == view.queue


async def test_a_long_session_stays_flat_in_redis(memory: Memory, server: RedisServer) -> None:
    session = await open_session(memory)
    sizes = []
    for _ in range(6):
        for _ in range(40):
            await exchange(memory, session, "oi", "x" * 4_000)
        await gate(memory).compact(session, at_least_bytes=0)
        with server.client() as client:
            prefix = f"prosa:{{p0}}:?:{session.session_id}"
            keys = [key for key in client.scan_iter(prefix) if not key.startswith(b"prosa:{p0}:h:")]
            sizes.append(sum(client.memory_usage(key, samples=0) or 0 for key in keys))

    assert sizes[-1] < 1.2 * sizes[-3]
    assert sizes[-1] < 1_000_000


async def test_the_compactor_comes_a_minute_after_the_end_and_once(server: RedisServer, tmp_path: Path) -> None:
    clock = FakeClock()
    compacted: list[SessionRef] = []

    class Counting(Gate):
        async def compact(self, session: SessionRef, *, at_least_bytes: int) -> None:
            compacted.append(session)
            raise UserError("There is no such session.", code="not_found")  # gone meanwhile: it goes on

    async with open_memory(redis_url=server.url, data_dir=tmp_path, node="n") as memory:
        compactor = Compactor(Counting(memory.database, SystemIds()), clock)
        session = await open_session(memory)
        compactor.later(session)
        compactor.later(session)
        await compactor.compact_due()
        early = list(compacted)
        clock.advance(KEPT_AFTER_END_MS / 1000 + 2)
        await compactor.compact_due()
        await compactor.compact_due()

    assert early == []
    assert compacted == [session]


async def test_a_node_compacts_what_ended_on_it(server: RedisServer, tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_memory(redis_url=server.url, data_dir=tmp_path, node="n", clock=clock) as memory:
        session = await open_session(memory)
        await exchange(memory, session, "oi", "x" * 20_000)
        clock.advance(120)

        with server.client() as client:
            await eventually(lambda: client.exists(f"prosa:{{p0}}:v:{session.session_id}"))
