"""`core.ports.TurnWriter.park`, and how an answer makes a parked turn go on."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from core.errors import StaleRun, UserError
from core.turns import ApprovalAnswered, PendingApproval, SessionRef
from memory.backends import Memory
from memory.scripts import HEADS
from tests.conformance.conftest import LEASE_MS, Nodes
from tests.conformance.kit import (
    ANA,
    BRIDGE,
    Reader,
    answer,
    cancelled,
    completed,
    delta,
    model_called,
    open_session,
    reaped,
    record_of,
    said,
    take_one,
)
from tests.conformance.parking import TEXT, answered, ask, park, park_again

LEASE_S = LEASE_MS / 1000


# ---------------------------------------------------------------- park


async def test_a_parked_turn_is_shown_with_what_it_asks(memory: Memory, session: SessionRef) -> None:
    reader = Reader()
    await memory.log.attach(session, reader)

    parked = await park(memory, session)

    await reader.until_seq(7)
    view = await memory.sessions.view(session)
    assert reader.types[-2:] == ["approval.requested", "turn.waiting"]
    assert view.turn is not None
    assert view.turn.state == "parked"
    assert [approval.approval_id for approval in view.turn.approvals] == [parked.approval_id]
    assert (await memory.queue.status(ANA, parked.turn_id)).state == "parked"


async def test_a_parked_turn_holds_neither_lease_nor_executor(nodes: Nodes) -> None:
    parked = await park(nodes.one, await open_session(nodes.one))

    await asyncio.sleep(LEASE_S * 1.2)

    assert await nodes.two.queue.reap() == 0
    assert await nodes.two.queue.take(5) == []
    assert await nodes.one.queue.renew([parked.turn]) == [parked.turn_id]
    with nodes.server.client() as client:
        assert client.keys("*}:leases") == []
        assert client.keys("*}:b:*") == []


async def test_the_run_that_parked_a_turn_can_write_nothing_more(memory: Memory, session: SessionRef) -> None:
    parked = await park(memory, session)

    with pytest.raises(StaleRun):
        await parked.writer.append([delta(parked.turn, parked.message_id, "mais", len(TEXT))])
    with pytest.raises(StaleRun):
        await parked.writer.end(completed(parked.turn, parked.message_id, TEXT), None, record_of(parked.turn))


async def test_a_parking_whose_reply_was_lost_is_answered_again_and_counts_once(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await nodes.one.queue.submit(said(session))
    turn = await take_one(nodes.one)
    parked = await ask(nodes.one, turn)
    await park_again(parked)
    before = await nodes.one.sessions.view(session)

    repeated = nodes.one.queue.writer(turn)
    _skip_batches(repeated, 2)
    again = await repeated.park(parked.events, parked.asked, parked.ending)

    assert again is None
    assert await nodes.one.sessions.view(session) == before


async def test_a_parking_is_answered_again_even_after_the_turn_went_on_elsewhere(nodes: Nodes) -> None:
    parked = await park(nodes.one, await open_session(nodes.one))
    await answered(nodes.two, parked)
    heir = await take_one(nodes.two)

    repeated = nodes.one.queue.writer(parked.turn)
    _skip_batches(repeated, 2)

    assert await repeated.park(parked.events, parked.asked, parked.ending) is None
    assert await nodes.two.queue.renew([heir]) == []


def _skip_batches(writer: object, count: int) -> None:
    """A writer of the same run that has made that many writes: what one is whose last reply was lost."""
    writer._batch = count  # type: ignore[attr-defined]


async def test_a_stale_run_cannot_park(nodes: Nodes) -> None:
    await nodes.one.queue.submit(said(await open_session(nodes.one)))
    parked = await ask(nodes.one, await take_one(nodes.one))
    await nodes.one.queue.release(parked.turn)
    heir = await take_one(nodes.two)

    with pytest.raises(StaleRun):
        await park_again(parked)

    assert await nodes.two.queue.renew([heir]) == []


async def test_a_cancelled_run_is_told_so_instead_of_being_parked(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await nodes.one.queue.submit(said(session))
    parked = await ask(nodes.one, await take_one(nodes.one))
    await nodes.two.queue.cancel(session, parked.turn_id, "operator")
    seq = (await nodes.one.sessions.view(session)).seq

    who = await park_again(parked)

    assert who == "operator"
    assert (await nodes.one.sessions.view(session)).seq == seq
    await parked.writer.end(cancelled(parked.turn, "operator"), None, record_of(parked.turn, "cancelled"))
    assert (await nodes.one.queue.status(ANA, parked.turn_id)).state == "cancelled"


async def test_a_run_whose_lease_was_reaped_parks_and_is_not_run_again(nodes: Nodes) -> None:
    await nodes.one.queue.submit(said(await open_session(nodes.one)))
    parked = await ask(nodes.one, await take_one(nodes.one))
    await reaped(nodes.two)

    await park_again(parked)

    assert await nodes.two.queue.take(5) == []


async def test_other_sessions_turns_run_while_one_is_parked_and_its_own_wait(memory: Memory) -> None:
    parked = await park(memory, await open_session(memory), approver="operator")
    behind, other = said(parked.session), said(await open_session(memory, "bia"))
    await memory.queue.submit(behind)
    await memory.queue.submit(other)

    [taken] = await memory.queue.take(5)

    assert taken.input.turn_id == other.input.turn_id


# ---------------------------------------------------------------- answer


async def test_an_approval_is_found_in_its_session_only(memory: Memory, session: SessionRef) -> None:
    parked = await park(memory, session)
    other = await open_session(memory, "bia")

    found = await memory.queue.approval(session, parked.approval_id)

    assert found == PendingApproval(
        approval_id=parked.approval_id,
        turn_id=parked.turn_id,
        call_id="call_1",
        name="create_follow_up",
        approver="user",
        state="pending",
        expires_ms=parked.asked.expires_ms,
    )
    with pytest.raises(UserError, match="no such approval"):
        await memory.queue.approval(other, parked.approval_id)
    with pytest.raises(UserError, match="no such approval"):
        await memory.queue.answer(other, BRIDGE, "cid", "d", parked.approval_id, approved=True, by="operator")
    with pytest.raises(UserError, match="no such approval"):
        await memory.queue.approval(session, "apr_unknown")


async def test_an_approved_turn_goes_on_on_another_node(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    reader = Reader()
    await nodes.one.log.attach(session, reader)
    parked = await park(nodes.one, session)
    woken = asyncio.Event()
    nodes.two.queue.on_ready(woken.set)

    state, duplicate = await answered(nodes.one, parked)

    async with asyncio.timeout(5):
        await woken.wait()
    heir = await take_one(nodes.two)
    await reader.until_seq(9)
    view = await nodes.two.sessions.view(session)
    assert (state, duplicate) == ("approved", False)
    assert reader.types[7:] == ["approval.resolved", "turn.resumed"]
    assert (reader.events[7].approved, reader.events[7].by) == (True, "user")
    assert (reader.events[8].turn_id, reader.events[8].approval_id) == (parked.turn_id, parked.approval_id)
    assert heir.journal[-2:] == (
        parked.asked,
        ApprovalAnswered(step=1, call_id="call_1", approval_id=parked.approval_id, approved=True, by="user"),
    )
    assert view.turn is not None
    assert (view.turn.state, view.turn.approvals) == ("running", [])
    assert (await nodes.one.queue.approval(session, parked.approval_id)).state == "approved"


async def test_going_on_after_an_approval_is_neither_an_attempt_nor_a_run(nodes: Nodes) -> None:
    parked = await park(nodes.one, await open_session(nodes.one))
    await answered(nodes.one, parked)
    resumed = await take_one(nodes.two)
    seq = (await nodes.one.sessions.view(parked.session)).seq

    await reaped(nodes.one)
    recovered = await take_one(nodes.one)

    view = await nodes.one.sessions.view(parked.session)
    assert (resumed.attempt, seq, resumed.fence > parked.turn.fence) == (1, 9, True)
    assert (recovered.attempt, view.seq) == (2, 10)
    assert view.turn is not None
    assert view.turn.attempt == 2


async def test_a_resumed_run_that_is_given_back_counts_as_little_as_any_other(nodes: Nodes) -> None:
    parked = await park(nodes.one, await open_session(nodes.one))
    await answered(nodes.one, parked)
    await nodes.one.queue.release(await take_one(nodes.one))

    second = await take_one(nodes.two)
    await reaped(nodes.one)
    third = await take_one(nodes.one)

    assert (second.attempt, third.attempt) == (1, 2)


async def test_a_resumed_turn_may_be_parked_again(memory: Memory, session: SessionRef) -> None:
    first = await park(memory, session)
    await answered(memory, first, cid="cid-1")
    resumed = await take_one(memory)
    writer = memory.queue.writer(resumed)
    second = msgspec.structs.replace(first.asked, approval_id="apr_second", step=2)
    await writer.append([], [model_called(2)])
    events = tuple(msgspec.structs.replace(event, approval_id="apr_second") for event in first.events)

    await writer.park(events, second, first.ending)
    again = msgspec.structs.replace(first, asked=second)
    state, _ = await answered(memory, again, approved=False, cid="cid-2")

    heir = await take_one(memory)
    assert (state, heir.attempt) == ("declined", 1)
    assert isinstance(heir.journal[-1], ApprovalAnswered)
    assert (heir.journal[-1].step, heir.journal[-1].approval_id) == (2, "apr_second")
    assert (await memory.queue.approval(session, first.approval_id)).state == "approved"


async def test_what_the_approver_said_is_journalled(memory: Memory, session: SessionRef) -> None:
    parked = await park(memory, session, approver="operator")
    arguments, reason = '{"account": "Açme \\"Ltda\\" / \\u00e9"}', 'não, "amanhã"\n\\ok'

    await memory.queue.answer(
        session,
        BRIDGE,
        "cid",
        "d",
        parked.approval_id,
        approved=False,
        by="operator",
        arguments=arguments,
        reason=reason,
    )

    entry = (await take_one(memory)).journal[-1]
    assert entry == ApprovalAnswered(
        step=1,
        call_id="call_1",
        approval_id=parked.approval_id,
        approved=False,
        by="operator",
        arguments=arguments,
        reason=reason,
    )


async def test_the_first_of_many_answers_at_once_wins(nodes: Nodes) -> None:
    parked = await park(nodes.one, await open_session(nodes.one))

    answers = await asyncio.gather(
        *(
            answered(node, parked, approved=bool(number % 2), cid=f"cid-{number}")
            for number, node in enumerate([nodes.one, nodes.two] * 5)
        )
    )

    assert len({state for state, _ in answers}) == 1
    assert not any(duplicate for _, duplicate in answers)
    assert (await nodes.one.sessions.view(parked.session)).seq == 9
    assert len(await nodes.two.queue.take(5)) == 1


async def test_an_answer_is_remembered_by_its_cid(nodes: Nodes) -> None:
    parked = await park(nodes.one, await open_session(nodes.one))
    first = await answered(nodes.one, parked, approved=False)

    second = await answered(nodes.two, parked, approved=False)

    assert (first, second) == (("declined", False), ("declined", True))
    with pytest.raises(UserError) as error:
        await answered(nodes.two, parked, approved=True)
    assert error.value.code == "idempotency_conflict"


async def test_an_answered_turn_goes_before_those_that_wait(memory: Memory) -> None:
    """Its tenant's other turns were ready first; in each partition it still comes before them."""
    parked = await park(memory, await open_session(memory))
    for number in range(6):
        await memory.queue.submit(said(await open_session(memory, f"user-{number}")))
    await answered(memory, parked)

    taken = await memory.queue.take(7)

    partition = memory.database.keys.of(parked.session.session_id)
    beside = [turn for turn in taken if memory.database.keys.of(turn.session.session_id) == partition]
    assert beside[0].input.turn_id == parked.turn_id


# ---------------------------------------------------------------- keys


async def test_what_an_approval_leaves_has_a_time_to_live(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    parked = await park(nodes.one, session)
    await answered(nodes.one, parked)
    await answer(nodes.two, await take_one(nodes.two))

    with nodes.server.client() as client:
        immortal = {key for key in client.keys("prosa:*") if client.ttl(key) == -1}
        approvals = client.keys("*}:a:*")
        assert len(approvals) == 1
        assert 0 < client.ttl(approvals[0]) <= 8 * 86_400
        assert client.keys("*}:parked") == []
    assert {key.decode().rpartition(":")[2] for key in immortal} <= {"outbox", "partitions", "instance"}


async def test_an_erased_users_parked_turn_leaves_nothing(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    first = await park(nodes.one, session)
    await answered(nodes.one, first)
    parked = await ask(nodes.one, await take_one(nodes.one), step=2)
    await park_again(parked)

    await nodes.two.sessions.erase("default", "ana")

    with nodes.server.client() as client:
        left = [key for kind in ("a", "t", "j", "k", "parked") for key in client.keys(f"*}}:{kind}*")]
        assert [key for key in left if b"tenants" not in key] == []
    assert await nodes.one.queue.expire() == 0


async def test_a_parked_sessions_head_is_not_compared_as_often_as_a_running_ones(memory: Memory) -> None:
    """It may be parked for hours, and each node with a reader would ask every 5 s."""
    running, waiting = await open_session(memory, "bia"), await open_session(memory)
    await memory.queue.submit(said(running))
    await take_one(memory)
    await park(memory, waiting)

    busy = [await is_busy(memory, session) for session in (running, waiting)]

    assert busy == [1, 0]


async def is_busy(memory: Memory, session: SessionRef) -> int:
    reply = await memory.database.call(HEADS, memory.database.keys.of(session.session_id), session.session_id)
    return int(reply[6])
