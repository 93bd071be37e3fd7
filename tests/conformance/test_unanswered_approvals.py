"""What settles an approval that nobody answered: its time, another message, a cancel."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from core.errors import UserError
from core.ports import SessionStore
from core.turns import ApprovalAnswered, SessionRef, TurnRecord
from memory.backends import Memory
from tests.conformance.conftest import Nodes
from tests.conformance.kit import (
    ANA,
    Reader,
    answer,
    open_session,
    said,
    take_one,
)
from tests.conformance.parking import USAGE, answered, ask, park, park_again


async def state_of(sessions: SessionStore, session: SessionRef) -> str | None:
    turn = (await sessions.view(session)).turn
    return turn.state if turn is not None else None


# ---------------------------------------------------------------- time


async def test_an_approval_whose_time_is_over_is_declined(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    reader = Reader()
    await nodes.one.log.attach(session, reader)
    parked = await park(nodes.one, session, expires_ms=1)

    count = await nodes.two.queue.expire()

    await reader.until_seq(9)
    heir = await take_one(nodes.two)
    assert count == 1
    assert (reader.events[7].approved, reader.events[7].by) == (False, "timeout")
    assert isinstance(heir.journal[-1], ApprovalAnswered)
    assert heir.journal[-1].by == "timeout"
    assert (await nodes.one.queue.approval(session, parked.approval_id)).state == "expired"
    assert await nodes.one.queue.expire() == 0


async def test_an_approval_that_still_has_time_is_left_alone(memory: Memory, session: SessionRef) -> None:
    await park(memory, session)

    assert await memory.queue.expire() == 0
    assert await state_of(memory.sessions, session) == "parked"


async def test_approvals_expire_on_all_partitions_and_once_over_all_nodes(nodes: Nodes) -> None:
    for number in range(6):
        await park(nodes.one, await open_session(nodes.one, f"user-{number}"), expires_ms=1)

    counts = await asyncio.gather(*(node.queue.expire() for node in [nodes.one, nodes.two] * 4))

    assert sum(counts) == 6
    assert len(await nodes.two.queue.take(10)) == 6


async def test_an_answer_that_comes_too_late_counts_as_none(memory: Memory, session: SessionRef) -> None:
    """The time is over, even where no timer has said so yet."""
    parked = await park(memory, session, expires_ms=1)

    state, duplicate = await answered(memory, parked)

    entry = (await take_one(memory)).journal[-1]
    assert (state, duplicate) == ("expired", False)
    assert isinstance(entry, ApprovalAnswered)
    assert (entry.approved, entry.by) == (False, "timeout")
    assert await memory.queue.expire() == 0


# ---------------------------------------------------------------- superseded


async def test_a_message_declines_what_waits_for_the_user(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    reader = Reader()
    await nodes.one.log.attach(session, reader)
    parked = await park(nodes.one, session)

    accepted = await nodes.two.queue.submit(said(session, "deixa"))

    await reader.until_seq(11)
    heir = await take_one(nodes.two)
    assert accepted.position == 1
    assert reader.types[7:] == ["message.created", "turn.queued", "approval.resolved", "turn.resumed"]
    assert (reader.events[9].approved, reader.events[9].by) == (False, "superseded")
    assert heir.input.turn_id == parked.turn_id
    assert isinstance(heir.journal[-1], ApprovalAnswered)
    assert (heir.journal[-1].approved, heir.journal[-1].by) == (False, "superseded")
    assert await answered(nodes.one, parked) == ("superseded", False)
    await answer(nodes.two, heir)
    assert (await take_one(nodes.two)).input.turn_id == accepted.turn_id


async def test_a_message_does_not_decline_what_waits_for_an_operator(memory: Memory, session: SessionRef) -> None:
    await park(memory, session, approver="operator")

    await memory.queue.submit(said(session))

    assert await state_of(memory.sessions, session) == "parked"
    assert await memory.queue.take(5) == []


async def test_a_message_that_is_refused_declines_nothing(memory: Memory, session: SessionRef) -> None:
    await park(memory, session)

    with pytest.raises(UserError) as error:
        await memory.queue.submit(said(session, on_busy="reject"))

    assert error.value.code == "busy"
    assert await state_of(memory.sessions, session) == "parked"


async def test_a_repeated_message_declines_nothing(memory: Memory, session: SessionRef) -> None:
    submission = said(session)
    await memory.queue.submit(submission)
    parked = await ask(memory, await take_one(memory))
    await park_again(parked)

    repeated = await memory.queue.submit(submission)

    assert repeated.duplicate
    assert await state_of(memory.sessions, session) == "parked"


# ---------------------------------------------------------------- cancel


async def test_cancelling_a_parked_turn_writes_the_end_that_its_run_composed(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    reader = Reader()
    await nodes.one.log.attach(session, reader)
    parked = await park(nodes.one, session)

    state = await nodes.two.queue.cancel(session, parked.turn_id, "user")

    await reader.until_seq(9)
    [(_, record)] = await nodes.two.outbox.pending(5)
    view = await nodes.two.sessions.view(session)
    assert state == "cancelled"
    assert reader.types[7:] == ["message.completed", "turn.cancelled"]
    assert reader.events[7].finish_reason == "cancelled"
    assert (reader.events[8].by, reader.events[8].usage, reader.events[8].cost_usd) == ("user", USAGE, 0.0015)
    assert isinstance(record, TurnRecord)
    assert (record.turn_id, record.outcome, record.usage) == (parked.turn_id, "cancelled", USAGE)
    assert record.ended_ms == reader.events[8].ts
    assert record.duration_ms == 4_000 + record.ended_ms - 5_000
    assert await nodes.one.sessions.history(session) == (parked.ending.history,)
    assert (view.turn, view.messages[-1].status) == (None, "cancelled")
    assert (await nodes.one.queue.status(ANA, parked.turn_id)).record == record
    assert (await nodes.one.queue.approval(session, parked.approval_id)).state == "cancelled"


async def test_a_cancelled_turn_that_had_said_nothing_ends_without_a_message(
    memory: Memory, session: SessionRef
) -> None:
    await memory.queue.submit(said(session))
    parked = await ask(memory, await take_one(memory), shows_cost=False)
    silent = msgspec.structs.replace(parked, ending=msgspec.structs.replace(parked.ending, completed=None))
    await park_again(silent)
    reader = Reader()
    await memory.log.attach(session, reader)

    await memory.queue.cancel(session, parked.turn_id, "operator")

    await reader.until_seq(8)
    assert reader.types == ["turn.cancelled"]
    assert (reader.events[0].by, reader.events[0].cost_usd) == ("operator", None)


async def test_cancelling_a_parked_turn_makes_the_next_one_ready(memory: Memory, session: SessionRef) -> None:
    parked = await park(memory, session, approver="operator")
    accepted = await memory.queue.submit(said(session))

    await memory.queue.cancel(session, parked.turn_id, "user")

    assert (await take_one(memory)).input.turn_id == accepted.turn_id


async def test_an_answer_to_a_cancelled_turn_changes_nothing(memory: Memory, session: SessionRef) -> None:
    parked = await park(memory, session)
    await memory.queue.cancel(session, parked.turn_id, "user")
    seq = (await memory.sessions.view(session)).seq

    state, _ = await answered(memory, parked)

    assert state == "cancelled"
    assert (await memory.sessions.view(session)).seq == seq
    assert await memory.queue.expire() == 0
    assert await memory.queue.take(5) == []


async def test_a_cancel_between_the_answer_and_the_next_run_is_written_by_that_run(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    parked = await park(nodes.one, session)
    await answered(nodes.one, parked)

    state = await nodes.one.queue.cancel(session, parked.turn_id, "user")

    heir = await take_one(nodes.two)
    assert state == "running"
    assert heir.cancelled_by == "user"


async def test_of_an_answer_and_a_cancel_at_once_one_wins_and_the_turn_ends_once(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    parked = await park(nodes.one, session)

    (state, _), after = await asyncio.gather(
        answered(nodes.one, parked), nodes.two.queue.cancel(session, parked.turn_id, "user")
    )

    taken = await nodes.one.queue.take(5)
    assert (state, after, len(taken)) in [("approved", "running", 1), ("cancelled", "cancelled", 0)]
    assert [turn.cancelled_by for turn in taken] == ["user"] * len(taken)
