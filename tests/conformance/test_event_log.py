"""`core.ports.EventLog`: gapless, the same bytes for every reader, nothing missing after `attach`."""

from __future__ import annotations

import asyncio

import msgspec

from core.turns import SessionRef
from memory.backends import Memory
from tests.conformance.conftest import Nodes
from tests.conformance.kit import (
    IDS,
    Reader,
    answer,
    delta,
    exchange,
    open_session,
    opening,
    said,
    take_one,
)


async def test_seq_is_gapless_from_1_and_each_event_carries_its_own(memory: Memory, session: SessionRef) -> None:
    reader = Reader()
    await memory.log.attach(session, reader)

    await exchange(memory, session)

    await reader.until_seq(7)
    assert reader.seqs == [1, 2, 3, 4, 5, 6, 7]
    assert reader.types == [
        "message.created",
        "turn.queued",
        "turn.started",
        "message.started",
        "message.delta",
        "message.completed",
        "turn.completed",
    ]


async def test_readers_on_every_node_get_the_same_bytes(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    readers = [Reader(), Reader(), Reader()]
    await nodes.one.log.attach(session, readers[0])
    await nodes.one.log.attach(session, readers[1])
    await nodes.two.log.attach(session, readers[2])

    await exchange(nodes.one, session)
    await asyncio.gather(*(reader.until_seq(7) for reader in readers))

    assert readers[0].payloads == readers[1].payloads == readers[2].payloads
    assert all(one is other for one, other in zip(readers[0].payloads, readers[1].payloads, strict=True))


async def test_the_stored_bytes_are_those_that_were_published(memory: Memory, session: SessionRef) -> None:
    reader = Reader()
    head = await memory.log.attach(session, reader)
    await exchange(memory, session)
    await reader.until_seq(7)

    part = await memory.log.read(session, head.epoch, 0)

    assert part is not None
    assert [payload for _, _, payload in part.chunks] == reader.payloads


async def test_attach_gives_only_what_comes_after_its_head(memory: Memory, session: SessionRef) -> None:
    await exchange(memory, session)
    reader = Reader()

    head = await memory.log.attach(session, reader)
    await exchange(memory, session)

    await reader.until_seq(14)
    assert head.seq == 7
    assert reader.seqs == list(range(8, 15))


async def test_nothing_is_missing_after_attach_while_another_node_appends(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await nodes.one.queue.submit(said(session))
    turn = await take_one(nodes.one)
    writer = nodes.one.queue.writer(turn)
    readers = [Reader() for _ in range(20)]

    async def write() -> None:
        for number in range(300):
            await writer.append([delta(turn, "m", "x", number)])

    async def attach(reader: Reader) -> int:
        await asyncio.sleep(0.001 * readers.index(reader))
        return (await nodes.two.log.attach(session, reader)).seq

    *heads, _ = await asyncio.gather(*(attach(reader) for reader in readers), write())
    await asyncio.gather(*(reader.until_seq(303) for reader in readers))

    assert [reader.seqs for reader in readers] == [list(range(head + 1, 304)) for head in heads]


async def test_a_detached_reader_gets_nothing_more(memory: Memory, session: SessionRef) -> None:
    leaves, stays = Reader(), Reader()
    await memory.log.attach(session, leaves)
    await memory.log.attach(session, stays)

    memory.log.detach(session, leaves)
    await exchange(memory, session)

    await stays.until_seq(7)
    assert leaves.events == []


async def test_a_reader_that_fails_does_not_harm_the_others(memory: Memory, session: SessionRef) -> None:
    class Broken(Reader):
        def on_events(self, epoch: str, first_seq: int, last_seq: int, payload: bytes) -> None:
            raise RuntimeError("broken reader")

    sound = Reader()
    await memory.log.attach(session, Broken())
    await memory.log.attach(session, sound)

    await exchange(memory, session)

    await sound.until_seq(7)
    assert sound.seqs == list(range(1, 8))


async def test_read_gives_what_is_after_a_seq_and_the_head(memory: Memory, session: SessionRef) -> None:
    await exchange(memory, session)
    head = await memory.log.attach(session, Reader())

    part = await memory.log.read(session, head.epoch, 5)

    assert part is not None
    assert (part.head, part.complete) == (7, True)
    assert [(first, last) for first, last, _ in part.chunks] == [(6, 7)]


async def test_a_chunk_may_begin_before_what_was_asked(memory: Memory, session: SessionRef) -> None:
    await exchange(memory, session)
    head = await memory.log.attach(session, Reader())

    part = await memory.log.read(session, head.epoch, 6)

    assert part is not None
    assert [(first, last) for first, last, _ in part.chunks] == [(6, 7)]


async def test_read_at_the_head_is_complete_and_empty(memory: Memory, session: SessionRef) -> None:
    await exchange(memory, session)
    head = await memory.log.attach(session, Reader())

    part = await memory.log.read(session, head.epoch, head.seq)

    assert part is not None
    assert part.chunks == ()
    assert part.complete


async def test_read_of_another_epoch_or_ahead_of_the_head_is_none(memory: Memory, session: SessionRef) -> None:
    await exchange(memory, session)
    head = await memory.log.attach(session, Reader())

    assert await memory.log.read(session, "epoch_other", 0) is None
    assert await memory.log.read(session, head.epoch, head.seq + 1) is None


async def test_a_long_log_is_read_in_parts(memory: Memory, session: SessionRef) -> None:
    await memory.queue.submit(said(session))
    turn = await take_one(memory)
    writer = memory.queue.writer(turn)
    await writer.append([delta(turn, "m", "a" * 900)])
    await writer.append([delta(turn, "m", "b" * 900)])
    await writer.append([delta(turn, "m", "c" * 900)])

    first = await memory.log.read(session, turn.epoch, 3, limit_bytes=1_500)
    assert first is not None
    rest = await memory.log.read(session, turn.epoch, first.chunks[-1][1], limit_bytes=1_500)

    assert [last for _, last, _ in first.chunks] == [4, 5]
    assert not first.complete
    assert rest is not None
    assert [last for _, last, _ in rest.chunks] == [6]
    assert rest.complete


async def test_a_lost_message_is_healed_by_reading_the_log(nodes: Nodes) -> None:
    """The log goes on without a word on the channel, as if pub/sub had lost it; the next message shows the gap."""
    session = await open_session(nodes.one)
    reader = Reader()
    await nodes.two.log.attach(session, reader)
    await nodes.one.queue.submit(said(session))
    turn = await take_one(nodes.one)
    await reader.until_seq(3)
    silently_append(nodes, session, seq=4)

    await nodes.one.queue.writer(turn).append([delta(turn, "m", "heard", 6)])

    await reader.until_seq(5)
    assert reader.seqs == [1, 2, 3, 4, 5]


async def test_a_lost_last_message_is_found_by_comparing_heads(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    reader = Reader()
    await nodes.two.log.attach(session, reader)
    await nodes.one.queue.submit(said(session))
    await nodes.one.queue.take(1)
    await reader.until_seq(3)

    silently_append(nodes, session, seq=4)

    await reader.until_seq(4)
    assert reader.seqs == [1, 2, 3, 4]


async def test_a_lost_pubsub_connection_is_made_anew_and_nothing_is_missing(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    reader = Reader()
    await nodes.two.log.attach(session, reader)
    await nodes.one.queue.submit(said(session))
    turn = await take_one(nodes.one)
    await reader.until_seq(3)
    writer = nodes.one.queue.writer(turn)
    with nodes.server.client() as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")

    await writer.append([delta(turn, "m", "lost")])
    await reader.until_seq(4)
    await writer.append([delta(turn, "m", "heard", 4)])

    await reader.until_seq(5)
    assert reader.seqs == [1, 2, 3, 4, 5]


async def test_typing_reaches_readers_on_every_node_and_no_log(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    reader = Reader()
    head = await nodes.two.log.attach(session, reader)

    await nodes.one.log.say_typing(session, "Ana Maria", True)
    await nodes.one.log.say_typing(session, "Ana Maria", False)

    await reader.until(lambda it: len(it.typing) == 2)
    assert reader.typing == [("Ana Maria", True), ("Ana Maria", False)]
    assert (await nodes.one.sessions.view(session)).seq == head.seq


async def test_text_of_any_kind_passes_unchanged(memory: Memory, session: SessionRef) -> None:
    text = 'olá "mundo" \\ \n\t\x01 ção 😀 </script> \u2028'
    reader = Reader()
    await memory.log.attach(session, reader)
    await memory.queue.submit(said(session, text))
    turn = await take_one(memory)
    writer = memory.queue.writer(turn)

    await writer.append([*opening(turn, "m"), delta(turn, "m", text)])

    await reader.until_seq(5)
    assert reader.events[0].content == text
    assert reader.events[4].text == text
    assert turn.input.content == text
    assert msgspec.json.decode(reader.payloads[-1])[1]["seq"] == 5


async def test_many_sessions_are_followed_each_in_its_order(nodes: Nodes) -> None:
    sessions = [await open_session(nodes.one, f"user-{number}") for number in range(20)]
    readers = [Reader() for _ in sessions]
    for session, reader in zip(sessions, readers, strict=True):
        await nodes.two.log.attach(session, reader)
        await nodes.one.queue.submit(said(session))

    turns = [*await nodes.one.queue.take(10), *await nodes.two.queue.take(10)]
    await asyncio.gather(*(answer(nodes.one, turn, IDS.new("cid")) for turn in turns))

    await asyncio.gather(*(reader.until_seq(7) for reader in readers))
    assert [reader.seqs for reader in readers] == [list(range(1, 8))] * 20


def silently_append(nodes: Nodes, session: SessionRef, seq: int) -> None:
    """Append a delta as the script would, but publish nothing."""
    prefix = nodes.one.database.keys.prefix(nodes.one.database.keys.of(session.session_id))
    event = {
        "seq": seq,
        "type": "message.delta",
        "session_id": session.session_id,
        "message_id": "m",
        "off": 0,
        "text": "",
    }
    with nodes.server.client() as client:
        client.xadd(f"{prefix}l:{session.session_id}", {"f": seq, "d": msgspec.json.encode([event])}, id=f"{seq}-0")
        client.hset(f"{prefix}s:{session.session_id}", "seq", seq)
