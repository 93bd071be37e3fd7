"""What a node does about sessions that it follows: channels are left, and what pub/sub did not say is found anyway."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.clock import FakeClock
from core.errors import SessionErased
from core.turns import SessionRef
from memory.backends import Memory, open_memory
from memory.event_log.log import LINGER_S
from tests.conformance.kit import Reader, eventually, exchange, open_session
from tests.servers import RedisServer


def key_of(session: SessionRef, kind: str) -> str:
    return f"prosa:{{p0}}:{kind}:{session.session_id}"


def subscribers(server: RedisServer, session: SessionRef) -> int:
    with server.client() as client:
        [_, count] = client.execute_command("PUBSUB", "SHARDNUMSUB", key_of(session, "ch"))
    return int(count)


def compare_heads(server: RedisServer, session: SessionRef, epoch: str) -> None:
    """A node whose pub/sub connection was lost makes another and compares all heads at once."""
    with server.client() as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")


def show_a_gap(server: RedisServer, session: SessionRef, epoch: str) -> None:
    """Say that an append was made which does not follow on: the node reads the log."""
    with server.client() as client:
        client.execute_command("SPUBLISH", key_of(session, "ch"), f"E {epoch} 50 50\n[]")


def erase_in_silence(server: RedisServer, session: SessionRef) -> None:
    """Leave the tombstone of an erasure whose word on the channel was lost."""
    with server.client() as client:
        client.hset(key_of(session, "s"), "erased", "1")


def lose(server: RedisServer, session: SessionRef) -> None:
    with server.client() as client:
        client.delete(key_of(session, "s"), key_of(session, "l"), key_of(session, "v"))


async def test_a_channel_is_left_a_while_after_its_last_reader(server: RedisServer, tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_memory(redis_url=server.url, data_dir=tmp_path, node="n", clock=clock) as memory:
        left, kept = await open_session(memory, "ana"), await open_session(memory, "bia")
        reader = Reader()
        head = await memory.log.attach(left, reader)
        await memory.log.attach(kept, Reader())
        memory.log.detach(left, reader)
        clock.advance(LINGER_S + 1)

        compare_heads(server, left, head.epoch)

        await eventually(lambda: (subscribers(server, left), subscribers(server, kept)) == (0, 1))


async def test_a_session_whose_channel_was_left_can_be_followed_again(server: RedisServer, tmp_path: Path) -> None:
    clock = FakeClock()
    async with open_memory(redis_url=server.url, data_dir=tmp_path, node="n", clock=clock) as memory:
        session = await open_session(memory)
        reader = Reader()
        before = await memory.log.attach(session, reader)
        memory.log.detach(session, reader)
        clock.advance(LINGER_S + 1)
        compare_heads(server, session, before.epoch)
        await eventually(lambda: subscribers(server, session) == 0)

        head = await memory.log.attach(session, again := Reader())
        await exchange(memory, session)

        await again.until_seq(head.seq + 7)
        assert again.seqs == list(range(head.seq + 1, head.seq + 8))
        assert reader.events == []


async def test_an_erasure_whose_message_was_lost_is_found_by_comparing_heads(
    memory: Memory, server: RedisServer
) -> None:
    session = await open_session(memory)
    head = await memory.log.attach(session, reader := Reader())
    erase_in_silence(server, session)

    compare_heads(server, session, head.epoch)

    await reader.until(lambda it: it.erased)
    assert reader.epochs == []
    with pytest.raises(SessionErased):
        await memory.log.attach(session, Reader())


async def test_an_erasure_that_a_gap_leads_to_is_told(memory: Memory, server: RedisServer) -> None:
    session = await open_session(memory)
    head = await memory.log.attach(session, reader := Reader())
    erase_in_silence(server, session)

    show_a_gap(server, session, head.epoch)

    await reader.until(lambda it: it.erased)
    assert reader.epochs == []


@pytest.mark.parametrize("notice", [show_a_gap, compare_heads])
async def test_a_session_that_is_gone_lets_its_readers_go_once(
    memory: Memory, server: RedisServer, notice: Callable[[RedisServer, SessionRef, str], None]
) -> None:
    session = await open_session(memory)
    head = await memory.log.attach(session, reader := Reader())
    lose(server, session)

    notice(server, session, head.epoch)

    await reader.until(lambda it: bool(it.epochs))
    assert not reader.erased
    assert reader.epochs == [""]


async def test_a_read_that_redis_does_not_answer_is_made_again_until_it_does(
    memory: Memory, server: RedisServer
) -> None:
    """The read that a gap asks for fails for longer than a call's patience; it is made again until it succeeds."""
    session = await open_session(memory)
    head = await memory.log.attach(session, reader := Reader())
    show_a_gap(server, session, head.epoch)
    server.pause()
    await eventually(lambda: not memory.ready(), timeout_s=15)
    server.resume()

    await exchange(memory, session)

    await reader.until_seq(head.seq + 7)
    assert reader.seqs == list(range(head.seq + 1, head.seq + 8))
