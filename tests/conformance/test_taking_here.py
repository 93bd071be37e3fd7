"""A turn that is submitted where turns run: taken by the step that accepts it, unless something comes first."""

from __future__ import annotations

import asyncio
from pathlib import Path

from memory.backends import open_memory
from tests.conformance.conftest import Nodes
from tests.conformance.kit import Executor, Reader, answer, exchange, open_session, reaped, said, take_one


async def test_a_turn_is_taken_by_the_step_that_accepts_it_and_by_nobody_else(nodes: Nodes) -> None:
    session, executor, reader = await open_session(nodes.one), Executor(), Reader()
    nodes.one.queue.execute_here(executor)
    await nodes.one.log.attach(session, reader)
    submission = said(session)

    accepted = await nodes.one.queue.submit(submission)

    [turn] = executor.turns
    assert (accepted.position, accepted.duplicate) == (0, False)
    assert (turn.input, turn.session, turn.attempt, turn.runs) == (submission.input, session, 1, 1)
    assert list(await nodes.two.queue.take(9)) == []
    await answer(nodes.one, turn)
    await reader.until_seq(7)
    assert reader.types[:3] == ["message.created", "turn.queued", "turn.started"]
    assert reader.seqs == list(range(1, 8))


async def test_what_it_is_told_is_what_take_tells(nodes: Nodes) -> None:
    session, executor = await open_session(nodes.one), Executor()
    await exchange(nodes.one, session)
    nodes.one.queue.execute_here(executor)
    await nodes.one.queue.submit(said(session))
    [here] = executor.turns
    await answer(nodes.one, here)

    await nodes.two.queue.submit(said(session))
    there = await take_one(nodes.two)

    assert [entry.turn_id for entry in there.history] == [here.history[0].turn_id, here.input.turn_id]
    assert (there.epoch, there.fence) == (here.epoch, here.fence + 1)


async def test_without_room_here_it_is_ready_for_all(nodes: Nodes) -> None:
    session, executor = await open_session(nodes.one), Executor(room=0)
    nodes.one.queue.execute_here(executor)

    submission = said(session)
    await nodes.one.queue.submit(submission)

    assert executor.turns == []
    assert (await take_one(nodes.two)).input.turn_id == submission.input.turn_id


async def test_nothing_that_is_ready_is_overtaken(nodes: Nodes) -> None:
    session, executor = await open_session(nodes.one, tenant="late"), Executor()
    partitions = nodes.one.database.keys.partitions
    early = [await open_session(nodes.two, f"user-{number}", tenant="early") for number in range(16 * partitions)]
    for each in early:
        await nodes.two.queue.submit(said(each))
    nodes.one.queue.execute_here(executor)

    await nodes.one.queue.submit(said(session))

    assert (executor.turns, executor.room) == ([], 100)
    assert {turn.session.tenant for turn in await nodes.two.queue.take(100)} == {"early", "late"}


async def test_a_session_that_is_busy_lets_the_next_turn_wait(nodes: Nodes) -> None:
    session, executor = await open_session(nodes.one), Executor()
    nodes.one.queue.execute_here(executor)
    await nodes.one.queue.submit(said(session))

    second = said(session)
    accepted = await nodes.one.queue.submit(second)

    assert (accepted.position, len(executor.turns)) == (1, 1)
    await answer(nodes.one, executor.turns[0])
    assert (await take_one(nodes.two)).input.turn_id == second.input.turn_id


async def test_a_tenants_cap_holds_and_executors_are_woken_when_there_is_room_again(
    nodes: Nodes, tmp_path: Path
) -> None:
    async with open_memory(
        redis_url=nodes.server.url,
        data_dir=tmp_path,
        node="capped",
        partitions=nodes.one.database.keys.partitions,
        running_turns=1,
    ) as memory:
        executor, woken, partition_of = Executor(), asyncio.Event(), memory.database.keys.of
        memory.queue.execute_here(executor)
        session = await open_session(memory)
        others = [await open_session(memory, f"user-{number}") for number in range(32)]
        other = next(each for each in others if partition_of(each.session_id) == partition_of(session.session_id))
        await memory.queue.submit(said(session))
        await memory.queue.submit(said(other))
        nodes.two.queue.on_ready(woken.set)

        assert len(executor.turns) == 1
        await answer(memory, executor.turns[0])

        async with asyncio.timeout(5):
            await woken.wait()
        assert (await take_one(memory)).session == other


async def test_the_same_cid_again_is_not_run_again(nodes: Nodes) -> None:
    session, executor = await open_session(nodes.one), Executor()
    nodes.one.queue.execute_here(executor)
    submission = said(session)
    first = await nodes.one.queue.submit(submission)

    second = await nodes.one.queue.submit(submission)

    assert (second.duplicate, second.turn_id) == (True, first.turn_id)
    assert len(executor.turns) == 1
    assert executor.room == 99


async def test_a_turn_that_its_node_left_goes_on_elsewhere_as_the_next_attempt(nodes: Nodes) -> None:
    session, executor = await open_session(nodes.one), Executor()
    nodes.one.queue.execute_here(executor)
    await nodes.one.queue.submit(said(session))

    await reaped(nodes.two)

    turn = await take_one(nodes.two)
    assert (turn.input.turn_id, turn.attempt, turn.runs) == (executor.turns[0].input.turn_id, 2, 2)


async def test_a_turn_that_is_given_back_unbegun_is_ready_at_once(nodes: Nodes) -> None:
    session, executor = await open_session(nodes.one), Executor()
    nodes.one.queue.execute_here(executor)
    await nodes.one.queue.submit(said(session))

    await nodes.one.queue.release(executor.turns[0])

    assert (await take_one(nodes.two)).attempt == 1
