"""What becomes of turns whose node died, of takes whose reply was lost, and of cancels that nobody heard."""

from __future__ import annotations

import asyncio

import pytest

from core.turns import SessionRef
from memory.backends import Memory
from memory.scripts import TAKE
from tests.conformance.conftest import Nodes
from tests.conformance.kit import (
    ANA,
    answer,
    cancelled,
    model_called,
    open_session,
    reaped,
    record_of,
    said,
    take_one,
)
from tests.conformance.parking import park


def node_of(memory: Memory) -> str:
    return str(memory.queue._node)  # type: ignore[attr-defined]


# ---------------------------------------------------------------- release_node


async def test_the_turns_of_a_dead_node_are_ready_at_once_and_their_runs_count(nodes: Nodes) -> None:
    for number in range(5):
        await nodes.one.queue.submit(said(await open_session(nodes.one, f"user-{number}")))
    dead = await nodes.one.queue.take(3)
    living = await nodes.two.queue.take(2)

    count = await nodes.two.queue.release_node(node_of(nodes.one))

    heirs = await nodes.two.queue.take(10)
    assert count == 3
    assert {turn.input.turn_id for turn in heirs} == {turn.input.turn_id for turn in dead}
    assert [turn.attempt for turn in heirs] == [2, 2, 2]
    assert await nodes.two.queue.renew(living) == []
    assert sorted(await nodes.one.queue.renew(dead)) == sorted(turn.input.turn_id for turn in dead)


async def test_a_dead_nodes_turn_goes_before_those_that_wait(nodes: Nodes) -> None:
    first = await open_session(nodes.one)
    await nodes.one.queue.submit(said(first))
    dead = await take_one(nodes.one)
    for number in range(6):
        await nodes.one.queue.submit(said(await open_session(nodes.one, f"user-{number}")))

    await nodes.two.queue.release_node(node_of(nodes.one))

    partition = nodes.one.database.keys.of(first.session_id)
    taken = await nodes.two.queue.take(7)
    beside = [turn for turn in taken if nodes.one.database.keys.of(turn.session.session_id) == partition]
    assert beside[0].input.turn_id == dead.input.turn_id


async def test_releasing_a_node_wakes_the_others(nodes: Nodes) -> None:
    await nodes.one.queue.submit(said(await open_session(nodes.one)))
    await take_one(nodes.one)
    woken = asyncio.Event()
    nodes.two.queue.on_ready(woken.set)

    await nodes.two.queue.release_node(node_of(nodes.one))

    async with asyncio.timeout(5):
        await woken.wait()


async def test_a_node_that_runs_nothing_has_nothing_to_release(nodes: Nodes) -> None:
    await park(nodes.one, await open_session(nodes.one))
    await nodes.one.queue.submit(said(await open_session(nodes.one, "bia")))

    assert await nodes.two.queue.release_node(node_of(nodes.one)) == 0


async def test_a_node_that_was_called_dead_but_lives_goes_on_where_nobody_was_faster(nodes: Nodes) -> None:
    await nodes.one.queue.submit(said(await open_session(nodes.one)))
    turn = await take_one(nodes.one)
    await nodes.two.queue.release_node(node_of(nodes.one))

    stale = await nodes.one.queue.renew([turn])

    assert stale == []
    assert await nodes.two.queue.take(5) == []


# ---------------------------------------------------------------- a take made again


async def test_a_take_made_again_is_told_the_same_turns_and_counts_no_run(nodes: Nodes) -> None:
    """The connection was cut between the command and its reply: the link sends the same script again."""
    sessions = [await open_session(nodes.one, f"user-{number}") for number in range(3)]
    for session in sessions:
        await nodes.one.queue.submit(said(session))
    arguments = (2, 900, 1_000, "node_1", "nonce_1.0", "nonce_1.1")
    partition = nodes.one.database.keys.of(sessions[0].session_id)
    first = await nodes.one.database.call(TAKE, partition, *arguments)

    second = await nodes.one.database.call(TAKE, partition, *arguments)

    views = [await nodes.one.sessions.view(session) for session in sessions]
    assert second == first
    assert max(view.seq for view in views) == 3


async def test_a_take_made_again_is_not_told_what_another_run_has(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await nodes.one.queue.submit(said(session))
    partition = nodes.one.database.keys.of(session.session_id)
    arguments = (1, 900, 1_000, "node_1", "nonce_1.0")
    await nodes.one.database.call(TAKE, partition, *arguments)
    await reaped(nodes.two)
    heir = await take_one(nodes.two)

    again = await nodes.one.database.call(TAKE, partition, *arguments)

    assert again == [b"ok", b""]
    assert await nodes.two.queue.renew([heir]) == []


# ---------------------------------------------------------------- cancel of what nobody runs


@pytest.mark.parametrize("by", ["user", "operator", "interrupt"])
async def test_a_turn_cancelled_after_its_lease_ran_out_is_given_to_the_next_run_as_cancelled(
    nodes: Nodes, by: str
) -> None:
    session = await open_session(nodes.one)
    await nodes.one.queue.submit(said(session))
    dead = await take_one(nodes.one)
    await reaped(nodes.two)

    state = await nodes.two.queue.cancel(session, dead.input.turn_id, by)

    heir = await take_one(nodes.two)
    await nodes.two.queue.writer(heir).end(cancelled(heir, by), None, record_of(heir, "cancelled"))
    assert (state, heir.cancelled_by) == ("running", by)
    assert (await nodes.one.queue.status(ANA, dead.input.turn_id)).state == "cancelled"
    assert await nodes.one.queue.take(5) == []


async def test_a_cancel_survives_the_death_of_every_run_until_the_end_is_written(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await nodes.one.queue.submit(said(session))
    dead = await take_one(nodes.one)
    await nodes.one.queue.cancel(session, dead.input.turn_id, "user")
    await nodes.two.queue.release_node(node_of(nodes.one))
    second = await take_one(nodes.one)
    await nodes.two.queue.release_node(node_of(nodes.one))

    third = await take_one(nodes.two)

    assert (second.cancelled_by, third.cancelled_by) == ("user", "user")


async def test_a_session_goes_on_after_its_orphaned_turn_was_cancelled(memory: Memory, session: SessionRef) -> None:
    await memory.queue.submit(said(session))
    behind = await memory.queue.submit(said(session))
    dead = await take_one(memory)
    await memory.queue.writer(dead).append([], [model_called(1, "um")])
    await reaped(memory)
    await memory.queue.cancel(session, dead.input.turn_id, "user")
    heir = await take_one(memory)
    await memory.queue.writer(heir).end(cancelled(heir, "user"), None, record_of(heir, "cancelled"))

    following = await take_one(memory)

    assert heir.journal == (model_called(1, "um"),)
    assert (following.input.turn_id, following.cancelled_by) == (behind.turn_id, None)
    await answer(memory, following)


# ---------------------------------------------------------------- what cannot be read


async def test_a_turn_that_a_node_cannot_read_costs_the_others_nothing(nodes: Nodes) -> None:
    """A newer node journalled what this one does not know; the turns of the same `take` were lost with it, three times
    over, and so failed."""
    submissions = [said(await open_session(nodes.one, f"user-{number}")) for number in range(3)]
    for submission in submissions:
        await nodes.one.queue.submit(submission)
    strange = submissions[1].input.turn_id
    partition = nodes.one.database.keys.of(submissions[1].session.session_id)
    with nodes.server.client() as client:
        client.rpush(f"{nodes.one.database.keys.prefix(partition)}j:{strange}", '{"kind":"of a newer node"}')

    taken = await nodes.one.queue.take(10)

    readable = {submission.input.turn_id for submission in submissions} - {strange}
    assert {turn.input.turn_id for turn in taken} == readable


async def test_a_waiting_turn_that_ran_out_does_not_block_its_session(nodes: Nodes, session: SessionRef) -> None:
    first, second, third = (said(session, str(number)) for number in range(3))
    for submission in (first, second, third):
        await nodes.one.queue.submit(submission)
    running = await take_one(nodes.one)
    prefix = nodes.one.database.keys.prefix(nodes.one.database.keys.of(session.session_id))
    with nodes.server.client() as client:
        client.delete(f"{prefix}t:{second.input.turn_id}")

    await answer(nodes.one, running)

    assert (await take_one(nodes.one)).input.turn_id == third.input.turn_id
