"""`core.ports.TurnWriter`: fenced, idempotent, events and journal together."""

from __future__ import annotations

import asyncio

import pytest

from core.errors import BackendError, SessionErased, StaleRun
from core.turns import SessionRef, TakenTurn
from memory.backends import Memory
from tests.conformance.conftest import Nodes
from tests.conformance.kit import (
    Reader,
    answer,
    completed,
    delta,
    history_of,
    model_called,
    open_session,
    opening,
    record_of,
    said,
    take_one,
)


async def test_the_journal_is_written_with_the_events(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await nodes.one.queue.submit(said(session))
    turn = await take_one(nodes.one)
    writer = nodes.one.queue.writer(turn)

    await writer.append([delta(turn, "m", "a")], [model_called(1, "a")])
    await writer.append([], [model_called(2, "b")])
    await nodes.one.queue.release(turn)

    heir = await take_one(nodes.two)
    assert heir.journal == (model_called(1, "a"), model_called(2, "b"))


async def test_a_write_made_again_is_answered_again_and_counts_once(memory: Memory, session: SessionRef) -> None:
    """A new writer of the same run begins at the same batch number, as one does whose reply was lost."""
    await memory.queue.submit(said(session))
    turn = await take_one(memory)
    batch = ([delta(turn, "m", "once")], [model_called(1, "once")])
    await memory.queue.writer(turn).append(*batch)

    await memory.queue.writer(turn).append(*batch)

    await memory.queue.release(turn)
    assert (await memory.sessions.view(session)).seq == 4
    assert (await take_one(memory)).journal == (model_called(1, "once"),)


async def test_an_end_made_again_is_answered_again_and_counts_once(memory: Memory, session: SessionRef) -> None:
    await memory.queue.submit(said(session))
    await memory.queue.submit(said(session))
    turn = await take_one(memory)
    end = (completed(turn, "m", "olá"), history_of(turn, "olá"), record_of(turn))
    await memory.queue.writer(turn).end(*end)
    following = await take_one(memory)

    await memory.queue.writer(turn).end(*end)

    assert len(await memory.outbox.pending(5)) == 1
    assert len(await memory.sessions.history(session)) == 1
    assert await memory.queue.renew([following]) == []


async def test_a_batch_from_the_future_is_refused(memory: Memory, session: SessionRef) -> None:
    """Redis knows fewer batches than the run has made: its log was rolled back."""
    await memory.queue.submit(said(session))
    turn = await take_one(memory)
    writer = memory.queue.writer(turn)
    await writer.append([delta(turn, "m", "a")])
    await writer.append([delta(turn, "m", "b")])
    behind = memory.queue.writer(turn)

    with pytest.raises(StaleRun):
        await behind.append([delta(turn, "m", "a")])


async def test_a_stale_runs_writes_are_refused_and_leave_no_trace(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    reader = Reader()
    await nodes.one.log.attach(session, reader)
    await nodes.one.queue.submit(said(session))
    stale = await take_one(nodes.one)
    stale_writer = nodes.one.queue.writer(stale)
    await nodes.one.queue.release(stale)
    winner = await take_one(nodes.two)

    with pytest.raises(StaleRun):
        await stale_writer.append([delta(stale, "m", "stale")], [model_called(1, "stale")])
    with pytest.raises(StaleRun):
        await stale_writer.end(completed(stale, "m", "stale"), history_of(stale, "stale"), record_of(stale))
    await answer(nodes.two, winner, "winner")

    await reader.until_seq(8)
    assert b"stale" not in b"".join(reader.payloads)
    assert len(await nodes.one.outbox.pending(5)) == 1


async def test_a_run_cannot_write_after_its_end(memory: Memory, session: SessionRef) -> None:
    await memory.queue.submit(said(session))
    turn = await take_one(memory)
    writer = memory.queue.writer(turn)
    await writer.end(completed(turn, "m", ""), None, record_of(turn))

    with pytest.raises(StaleRun):
        await writer.append([delta(turn, "m", "posthumous")])


async def test_the_end_makes_the_sessions_next_turn_ready(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    first, second = said(session), said(session)
    await nodes.one.queue.submit(first)
    await nodes.one.queue.submit(second)
    turn = await take_one(nodes.one)
    woken = asyncio.Event()
    nodes.two.queue.on_ready(woken.set)

    await answer(nodes.one, turn)

    async with asyncio.timeout(5):
        await woken.wait()
    assert (await take_one(nodes.two)).input.turn_id == second.input.turn_id


async def test_an_end_without_history_leaves_none(memory: Memory, session: SessionRef) -> None:
    await memory.queue.submit(said(session))
    turn = await take_one(memory)

    await memory.queue.writer(turn).end(completed(turn, "m", ""), None, record_of(turn))

    assert await memory.sessions.history(session) == ()


async def test_many_runs_write_at_once_and_each_log_is_whole(nodes: Nodes) -> None:
    sessions = [await open_session(nodes.one, f"user-{number}") for number in range(30)]
    for session in sessions:
        await nodes.one.queue.submit(said(session))
    turns = await nodes.one.queue.take(30)

    async def write(turn_number: int) -> None:
        turn = turns[turn_number]
        writer = nodes.one.queue.writer(turn)
        await writer.append(opening(turn, "m"))
        for number in range(50):
            await writer.append([delta(turn, "m", f"{turn_number},", number)])
        await writer.end(completed(turn, "m", "x"), None, record_of(turn))

    await asyncio.gather(*(write(number) for number in range(30)))

    views = [await nodes.two.sessions.view(turn.session) for turn in turns]
    assert [view.seq for view in views] == [56] * 30
    assert len(await nodes.two.outbox.pending(100)) == 30


async def test_an_append_of_deltas_runs_no_more_commands_than_it_needs(nodes: Nodes) -> None:
    """The hot path: one hash read, one stream entry, one hash written, one message, however long the turn has run."""
    await nodes.one.queue.submit(said(await open_session(nodes.one)))
    turn = await take_one(nodes.one)
    writer = nodes.one.queue.writer(turn)
    await writer.append(opening(turn, "m"), [model_called(1, "a", prompt="oi")])
    with nodes.server.client() as client:
        client.config_resetstat()

        for number in range(10):
            await writer.append([delta(turn, "m", "x", number)])

        ran = {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in client.info("commandstats").items()}
    assert [ran.get(name) for name in ("evalsha", "hmget", "xadd", "hset")] == [10, 10, 10, 10]
    assert not ran.keys() & {"set", "rpush", "expire", "hget", "hgetall", "eval"}


async def take_all(memory: Memory, count: int) -> list[TakenTurn]:
    """Running turns of so many users' sessions, in the order of the users."""
    sessions = [await open_session(memory, f"user-{number}") for number in range(count)]
    for session in sessions:
        await memory.queue.submit(said(session))
    taken = {turn.session.session_id: turn for turn in await memory.queue.take(count)}
    return [taken[session.session_id] for session in sessions]


async def test_appends_that_are_made_together_are_one_call_a_partition(nodes: Nodes) -> None:
    turns = await take_all(nodes.one, 20)
    writers = [nodes.one.queue.writer(turn) for turn in turns]
    with nodes.server.client() as client:
        partitions = len({key.split(b"}")[0] for key in client.scan_iter("prosa:{p*}:s:*")})
        client.config_resetstat()

        appends = [
            writer.append([delta(turn, "m", "x")], [model_called(1, "x", prompt=f"prompt {number}")])
            for number, (turn, writer) in enumerate(zip(turns, writers, strict=True))
        ]
        await asyncio.gather(*appends)

        stats = client.info("commandstats")
        assert isinstance(stats, dict)
        assert stats["cmdstat_xadd"]["calls"] == 20
        assert stats["cmdstat_evalsha"]["calls"] <= partitions + 4  # and what nodes say to themselves
        prompts = [client.get(key) for key in sorted(client.scan_iter("prosa:{p*}:k:*"))]
    assert len({prompt for prompt in prompts if prompt is not None}) == 20
    for turn in turns:
        assert (await nodes.two.sessions.view(turn.session)).seq == 4


async def test_an_append_that_is_refused_does_not_touch_those_that_were_made_with_it(nodes: Nodes) -> None:
    _, stale, behind, erased, broken, _ = turns = await take_all(nodes.one, 6)
    await nodes.one.queue.release(stale)
    await take_one(nodes.two)
    ahead = nodes.one.queue.writer(behind)
    await ahead.append([delta(behind, "m", "a")])
    await ahead.append([delta(behind, "m", "b", 1)])
    await nodes.one.sessions.erase("default", erased.session.user_id)
    seqs = [(await nodes.two.sessions.view(turn.session)).seq for turn in turns if turn is not erased]
    with nodes.server.client() as client:
        [log_key] = client.scan_iter(f"prosa:{{p*}}:l:{broken.session.session_id}")
        client.rename(log_key, "aside")
        client.set(log_key, "no stream")

        appends = [
            nodes.one.queue.writer(turn).append([delta(turn, "m", "x"), delta(turn, "m", "y")]) for turn in turns
        ]
        ended = await asyncio.gather(*appends, return_exceptions=True)

        client.rename("aside", log_key)
    assert [type(outcome) for outcome in ended] == [
        type(None),
        StaleRun,
        StaleRun,
        SessionErased,
        BackendError,
        type(None),
    ]
    after = [(await nodes.two.sessions.view(turn.session)).seq for turn in turns if turn is not erased]
    assert [now - before for now, before in zip(after, seqs, strict=True)] == [2, 0, 0, 0, 2]
