"""Redis restarts, or comes back with a shorter log: nothing is resumed silently, and nothing accepted is lost."""

from __future__ import annotations

import asyncio

import pytest

from core.errors import StaleRun, UserError
from memory.backends import Memory
from tests.conformance.kit import (
    ANA,
    Reader,
    answer,
    completed,
    delta,
    exchange,
    history_of,
    model_called,
    open_session,
    opening,
    reaped,
    record_of,
    said,
    take_one,
)
from tests.memory.conftest import all_written
from tests.servers import RedisServer


async def run_to_the_end(memory: Memory, turn_id: str) -> None:
    """Reap and run whatever becomes ready until that turn has ended."""
    async with asyncio.timeout(20):
        while (await memory.queue.status(ANA, turn_id)).state != "completed":
            await memory.queue.reap()
            for taken in await memory.queue.take(5):
                await answer(memory, taken, "olá")
            await asyncio.sleep(0.02)


def restart(server: RedisServer) -> None:
    server.stop()
    server.start()


async def test_a_restart_begins_a_new_epoch_with_the_messages_kept(memory: Memory, server: RedisServer) -> None:
    session = await open_session(memory)
    await exchange(memory, session, "quanto?", "dez")
    before = await memory.sessions.view(session)

    restart(server)
    after = await memory.sessions.view(session)

    assert after.epoch != before.epoch
    assert after.seq == 0
    assert after.messages == before.messages
    assert len(await memory.sessions.history(session)) == 1


async def test_find_tells_the_new_epoch(memory: Memory, server: RedisServer) -> None:
    head = await memory.sessions.open("default", "ana", None)
    restart(server)

    found = await memory.sessions.find(ANA, head.session.session_id)

    assert found.epoch != head.epoch
    assert found.epoch == (await memory.sessions.view(head.session)).epoch


async def test_the_old_epoch_is_not_read_any_more(memory: Memory, server: RedisServer) -> None:
    head = await memory.sessions.open("default", "ana", None)
    await exchange(memory, head.session)

    restart(server)

    assert await memory.log.read(head.session, head.epoch, 0) is None


async def test_a_lost_connection_is_no_restart(memory: Memory, server: RedisServer) -> None:
    head = await memory.sessions.open("default", "ana", None)
    with server.client() as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    again = await memory.sessions.open("default", "ana", None)

    assert again == head


async def test_nodes_that_begin_anew_at_once_agree(memory: Memory, other: Memory, server: RedisServer) -> None:
    session = await open_session(memory)
    await exchange(memory, session)
    restart(server)

    views = await asyncio.gather(*(node.sessions.view(session) for node in [memory, other] * 10))

    assert len({view.epoch for view in views}) == 1


async def test_attached_readers_are_told_once_and_let_go(memory: Memory, other: Memory, server: RedisServer) -> None:
    session = await open_session(memory)
    reader = Reader()
    old = await other.log.attach(session, reader)

    restart(server)
    await reader.until(lambda it: bool(it.epochs))
    new = await other.log.attach(session, again := Reader())
    await exchange(memory, session)

    await again.until_seq(new.seq + 7)
    assert reader.epochs == [new.epoch]
    assert new.epoch != old.epoch
    assert reader.events == []
    assert again.seqs == list(range(new.seq + 1, new.seq + 8))


async def test_a_running_turn_is_stale_and_recovered_from_its_journal(memory: Memory, server: RedisServer) -> None:
    session = await open_session(memory)
    submission = said(session, "quanto?")
    await memory.queue.submit(submission)
    turn = await take_one(memory)
    writer = memory.queue.writer(turn)
    await writer.append([*opening(turn, "m"), delta(turn, "m", "de")], [model_called(1, "de")])

    restart(server)
    with pytest.raises(StaleRun):
        await writer.append([delta(turn, "m", "z", 2)])
    await reaped(memory)
    heir = await take_one(memory)
    await memory.queue.writer(heir).append([delta(heir, "m", "z", 2)])

    view = await memory.sessions.view(session)
    assert heir.input.turn_id == submission.input.turn_id
    assert heir.journal == (model_called(1, "de"),)
    assert heir.epoch == view.epoch
    assert view.messages[-1].content == "dez"
    assert view.turn is not None
    assert view.turn.attempt == 2


async def test_turns_that_wait_are_answered_after_a_restart(memory: Memory, server: RedisServer) -> None:
    session = await open_session(memory)
    await memory.queue.submit(said(session, "um"))
    await memory.queue.submit(said(session, "dois"))

    restart(server)
    await memory.queue.reap()
    for content in ("um", "dois"):
        turn = await take_one(memory)
        assert turn.input.content == content
        await answer(memory, turn, content.upper())

    view = await memory.sessions.view(session)
    assert sorted(str(message.content) for message in view.messages) == ["DOIS", "UM", "dois", "um"]
    assert view.queue == []


async def test_an_end_whose_reply_the_restart_took_is_answered_again(memory: Memory, server: RedisServer) -> None:
    session = await open_session(memory)
    await memory.queue.submit(said(session))
    turn = await take_one(memory)
    end = (completed(turn, "m", "olá"), history_of(turn, "olá"), record_of(turn))
    await memory.queue.writer(turn).end(*end)

    restart(server)
    await memory.queue.writer(turn).end(*end)

    assert len(await memory.outbox.pending(5)) == 1
    assert len(await memory.sessions.history(session)) == 1


async def test_a_log_whose_tail_was_lost_is_never_resumed_silently(memory: Memory, server: RedisServer) -> None:
    """The append-only file loses its last writes, as in a crash inside the fsync window."""
    session = await open_session(memory)
    await exchange(memory, session, "um", "1")
    await all_written(server.url)
    size = server.append_only_file().stat().st_size
    submission, _ = await exchange(memory, session, "dois", "2")
    old = await memory.sessions.view(session)
    await all_written(server.url)
    server.kill()
    with server.append_only_file().open("r+b") as file:
        file.truncate(size + 300)  # in the middle of the next command
    server.start()

    view = await memory.sessions.view(session)
    repeated = await memory.queue.submit(submission)
    await answer(memory, await take_one(memory), "2")

    assert view.epoch != old.epoch
    assert [message.content for message in view.messages] == ["um", "1"]
    assert not repeated.duplicate
    contents = [message.content for message in (await memory.sessions.view(session)).messages]
    assert contents == ["um", "1", "dois", "2"]


@pytest.mark.parametrize("lost_bytes", [1, 200, 700, 1_500, 2_500, 4_000])
async def test_wherever_the_tail_is_cut_the_message_is_answered_once(
    memory: Memory, server: RedisServer, lost_bytes: int
) -> None:
    """Whatever part of a turn Redis forgot: the client sends its message again, and one turn answers it."""
    session = await open_session(memory)
    await exchange(memory, session, "antes", "sim")
    submission = said(session, "oi")
    await memory.queue.submit(submission)
    turn = await take_one(memory)
    await answer(memory, turn, "olá")
    await all_written(server.url)
    server.kill()
    path = server.append_only_file()
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - lost_bytes)
    server.start()

    accepted = await memory.queue.submit(submission)
    await run_to_the_end(memory, accepted.turn_id)

    view = await memory.sessions.view(session)
    status = await memory.queue.status(ANA, accepted.turn_id)
    records = [record for _, record in await memory.outbox.pending(10)]
    assert status.state == "completed"
    assert [message.content for message in view.messages if message.role == "user"] == ["antes", "oi"]
    assert [record.turn_id for record in records].count(accepted.turn_id) == 1  # type: ignore[union-attr]
    assert (view.turn, view.queue) == (None, [])


async def test_a_session_that_redis_lost_whole_is_not_found_and_its_readers_are_let_go(
    memory: Memory, server: RedisServer
) -> None:
    session = await open_session(memory)
    reader = Reader()
    await memory.log.attach(session, reader)
    server.kill()
    for path in (server.folder / "appendonlydir").iterdir():
        path.unlink()
    server.start()

    await reader.until(lambda it: bool(it.epochs))

    assert not reader.erased
    with pytest.raises(UserError, match="no such session"):
        await memory.sessions.view(session)
    assert (await open_session(memory)).session_id != session.session_id


async def test_writes_after_a_start_from_a_cut_file_survive_the_next_start(memory: Memory, server: RedisServer) -> None:
    """Redis 7.0.15 left an open MULTI in its file, and the next start lost or half applied what came after it."""
    session = await open_session(memory)
    await exchange(memory, session, "antes", "sim")
    await exchange(memory, session, "cortado", "sim")
    await all_written(server.url)
    server.kill()
    path = server.append_only_file()
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"outbox")])  # inside the script that ended the turn
    server.start()
    await reaped(memory)
    await answer(memory, await take_one(memory), "sim")
    await exchange(memory, session, "depois", "sim")
    await all_written(server.url)

    restart(server)

    view = await memory.sessions.view(session)
    assert [message.content for message in view.messages if message.role == "user"] == ["antes", "cortado", "depois"]
    assert view.messages[-1].content == "sim"
    assert (view.turn, view.queue) == (None, [])
