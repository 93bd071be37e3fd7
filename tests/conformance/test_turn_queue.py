"""`core.ports.TurnQueue`: accepted once, in order, fairly, under leases."""

from __future__ import annotations

import asyncio
from itertools import groupby
from pathlib import Path

import msgspec
import pytest

from core.errors import StaleRun, UserError
from core.turns import Principal, SessionRef
from memory.backends import Memory, open_memory
from tests.conformance.conftest import LEASE_MS, Nodes
from tests.conformance.kit import (
    ANA,
    BRIDGE,
    Reader,
    again,
    answer,
    cancelled,
    delta,
    exchange,
    model_called,
    open_session,
    reaped,
    record_of,
    said,
    take_one,
)

LEASE_S = LEASE_MS / 1000

# ---------------------------------------------------------------- submit


async def test_an_accepted_message_is_in_the_log(memory: Memory, session: SessionRef) -> None:
    submission = said(session, "oi", cid="cid-1")

    accepted = await memory.queue.submit(submission)

    view = await memory.sessions.view(session)
    assert (accepted.seq, accepted.position, accepted.duplicate) == (1, 0, False)
    assert (view.messages[0].message_id, view.messages[0].re) == (accepted.message_id, "cid-1")
    assert [queued.turn_id for queued in view.queue] == [accepted.turn_id]


async def test_position_counts_the_turns_ahead(memory: Memory, session: SessionRef) -> None:
    reader = Reader()
    await memory.log.attach(session, reader)

    accepted = [await memory.queue.submit(said(session)) for _ in range(3)]

    await reader.until_seq(6)
    assert [answer.position for answer in accepted] == [0, 1, 2]
    assert [event.position for event in reader.events[1::2]] == [0, 1, 2]


async def test_the_same_cid_is_answered_the_same_and_makes_one_turn(memory: Memory, session: SessionRef) -> None:
    first = await memory.queue.submit(said(session, cid="cid-1"))

    second = await memory.queue.submit(said(session, cid="cid-1"))

    assert second == msgspec.structs.replace(first, duplicate=True)
    assert len(await memory.queue.take(5)) == 1
    assert await memory.queue.take(5) == []


async def test_the_same_cid_from_many_nodes_at_once_makes_one_turn(nodes: Nodes) -> None:
    session = await open_session(nodes.one)

    accepted = await asyncio.gather(
        *(node.queue.submit(said(session, cid="cid-1")) for node in [nodes.one, nodes.two] * 10)
    )

    assert len({answer.turn_id for answer in accepted}) == 1
    assert sum(not answer.duplicate for answer in accepted) == 1
    assert (await nodes.one.sessions.view(session)).seq == 2


async def test_the_same_cid_is_remembered_after_the_turns_end(memory: Memory, session: SessionRef) -> None:
    submission, _ = await exchange(memory, session)

    repeated = await memory.queue.submit(submission)

    assert (repeated.turn_id, repeated.duplicate) == (submission.input.turn_id, True)


async def test_a_cid_with_another_body_is_a_conflict(memory: Memory, session: SessionRef) -> None:
    await memory.queue.submit(said(session, "sim", cid="cid-1"))

    with pytest.raises(UserError) as error:
        await memory.queue.submit(said(session, "não", cid="cid-1"))

    assert error.value.code == "idempotency_conflict"


async def test_cids_are_apart_for_each_principal_and_session(memory: Memory, session: SessionRef) -> None:
    other = await open_session(memory, name="other")

    accepted = [
        await memory.queue.submit(said(session, cid="cid-1", principal=ANA)),
        await memory.queue.submit(said(session, cid="cid-1", principal=BRIDGE)),
        await memory.queue.submit(said(session, cid="cid-1", principal=Principal(tenant="default", name="ana"))),
        await memory.queue.submit(said(other, cid="cid-1", principal=ANA)),
    ]

    assert not any(answer.duplicate for answer in accepted)


async def test_seen_tells_a_remembered_reply_before_any_limit(memory: Memory, session: SessionRef) -> None:
    submission = said(session, cid="cid-1")
    before = await memory.queue.seen(session, ANA, "cid-1", submission.digest)
    accepted = await memory.queue.submit(submission)

    after = await memory.queue.seen(session, ANA, "cid-1", submission.digest)

    assert before is None
    assert after == {"message_id": accepted.message_id, "turn_id": accepted.turn_id, "seq": 1, "position": 0}
    with pytest.raises(UserError) as error:
        await memory.queue.seen(session, ANA, "cid-1", "another digest")
    assert error.value.code == "idempotency_conflict"


async def test_a_ninth_waiting_turn_is_busy(memory: Memory, session: SessionRef) -> None:
    await memory.queue.submit(said(session))
    await memory.queue.take(1)
    for _ in range(8):
        await memory.queue.submit(said(session))

    with pytest.raises(UserError) as error:
        await memory.queue.submit(said(session))

    assert (error.value.code, error.value.retryable) == ("busy", True)


async def test_busy_is_not_remembered(memory: Memory, session: SessionRef) -> None:
    await memory.queue.submit(said(session))
    refused = said(session, on_busy="reject")
    with pytest.raises(UserError):
        await memory.queue.submit(refused)
    await answer(memory, await take_one(memory))

    accepted = await memory.queue.submit(refused)

    assert not accepted.duplicate


@pytest.mark.parametrize("taken", [pytest.param(1, id="running"), pytest.param(0, id="waiting")])
async def test_reject_is_busy_while_a_turn_runs_or_waits(memory: Memory, session: SessionRef, taken: int) -> None:
    await memory.queue.submit(said(session))
    await memory.queue.take(taken)

    with pytest.raises(UserError) as error:
        await memory.queue.submit(said(session, on_busy="reject"))

    assert error.value.code == "busy"


async def test_reject_is_accepted_by_a_session_at_rest(memory: Memory, session: SessionRef) -> None:
    accepted = await memory.queue.submit(said(session, on_busy="reject"))

    assert accepted.position == 0


# ---------------------------------------------------------------- retry


async def test_a_retry_answers_the_same_message_again(memory: Memory, session: SessionRef) -> None:
    first, old_answer = await exchange(memory, session, "quanto?", "nove")
    retry = again(first)

    accepted = await memory.queue.submit(retry)
    new_answer = await answer(memory, await take_one(memory), "dez")

    view = await memory.sessions.view(session)
    assert (accepted.message_id, accepted.seq) == (first.input.message_ids[0], 8)
    assert [message.message_id for message in view.messages] == [first.input.message_ids[0], new_answer]
    assert view.messages[0].turn_id == retry.input.turn_id
    assert old_answer != new_answer


async def test_a_retry_of_a_turn_that_has_not_ended_is_busy(memory: Memory, session: SessionRef) -> None:
    submission = said(session)
    await memory.queue.submit(submission)

    with pytest.raises(UserError) as error:
        await memory.queue.submit(again(submission))

    assert error.value.code == "busy"


async def test_a_retry_of_a_turn_that_is_not_the_last_is_busy(memory: Memory, session: SessionRef) -> None:
    first, _ = await exchange(memory, session)
    await exchange(memory, session)

    with pytest.raises(UserError) as error:
        await memory.queue.submit(again(first))

    assert error.value.code == "busy"


async def test_after_a_retry_was_cancelled_before_it_began_the_turn_can_be_done_again(
    memory: Memory, session: SessionRef
) -> None:
    first, _ = await exchange(memory, session)
    retry = again(first)
    await memory.queue.submit(retry)

    await memory.queue.cancel(session, retry.input.turn_id, "user")

    assert (await memory.queue.submit(again(first))).position == 0


async def test_a_retry_of_an_unknown_turn_is_not_found(memory: Memory, session: SessionRef) -> None:
    await exchange(memory, session)

    with pytest.raises(UserError) as error:
        await memory.queue.submit(again(said(session)))

    assert error.value.code == "not_found"


async def test_a_retry_of_another_sessions_turn_is_not_found(memory: Memory, session: SessionRef) -> None:
    of_bia, _ = await exchange(memory, await open_session(memory, "bia"))
    foreign = msgspec.structs.replace(again(of_bia), session=session)

    with pytest.raises(UserError) as error:
        await memory.queue.submit(foreign)

    assert error.value.code == "not_found"


# ---------------------------------------------------------------- take


async def test_take_gives_the_input_and_appends_turn_started(memory: Memory, session: SessionRef) -> None:
    reader = Reader()
    await memory.log.attach(session, reader)
    submission = said(session, agent='o "agente"')
    await memory.queue.submit(submission)

    turn = await take_one(memory)

    await reader.until_seq(3)
    assert (turn.input, turn.session) == (submission.input, session)
    assert (turn.attempt, turn.journal, turn.cancelled_by) == (1, (), None)
    assert (reader.events[2].turn_id, reader.events[2].agent) == (submission.input.turn_id, 'o "agente"')
    assert reader.events[2].attempt == 1


async def test_turns_of_a_session_run_one_at_a_time_in_order(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    submissions = [said(session, str(number)) for number in range(4)]
    for submission in submissions:
        await nodes.one.queue.submit(submission)
    order = []
    for node in [nodes.one, nodes.two, nodes.one, nodes.two]:
        [turn] = await node.queue.take(5)
        assert await nodes.one.queue.take(5) == []
        order.append(turn.input.content)
        await answer(node, turn)

    assert order == ["0", "1", "2", "3"]


async def test_a_turn_is_taken_by_one_executor_only(nodes: Nodes) -> None:
    for number in range(20):
        await nodes.one.queue.submit(said(await open_session(nodes.one, f"user-{number}")))

    taken = await asyncio.gather(*(node.queue.take(3) for node in [nodes.one, nodes.two] * 8))

    turn_ids = [turn.input.turn_id for turns in taken for turn in turns]
    assert len(turn_ids) == 20
    assert len(set(turn_ids)) == 20


async def test_take_gives_at_most_its_limit(memory: Memory) -> None:
    for number in range(5):
        await memory.queue.submit(said(await open_session(memory, f"user-{number}")))

    assert len(await memory.queue.take(3)) == 3
    assert len(await memory.queue.take(3)) == 2


async def test_tenants_are_taken_in_turn(memory: Memory) -> None:
    """A tenant that floods the queue first does not keep the other one waiting."""
    for number in range(20):
        await memory.queue.submit(said(await open_session(memory, f"user-{number}", tenant="loud")))
    for number in range(4):
        await memory.queue.submit(said(await open_session(memory, f"user-{number}", tenant="quiet")))

    taken = await memory.queue.take(24)

    by_partition = sorted((memory.database.keys.of(turn.session.session_id), index) for index, turn in enumerate(taken))
    quiet_ranks = [
        rank
        for _, group in groupby(by_partition, key=lambda pair: pair[0])
        for rank, (_, index) in enumerate(group)
        if taken[index].session.tenant == "quiet"
    ]
    assert len(quiet_ranks) == 4
    assert max(quiet_ranks) <= 8


async def test_a_tenant_at_its_cap_waits_and_the_others_go_on(nodes: Nodes, tmp_path: Path) -> None:
    async with open_memory(
        redis_url=nodes.server.url,
        data_dir=tmp_path,
        node="capped",
        partitions=nodes.one.database.keys.partitions,
        running_turns=1,
    ) as memory:
        for number, tenant in enumerate(["loud"] * 32 + ["quiet"]):  # so many that no partition has fewer than two
            await memory.queue.submit(said(await open_session(memory, f"user-{number}", tenant=tenant)))

        taken = await memory.queue.take(9)
        full = await memory.queue.take(9)
        loud = next(turn for turn in taken if turn.session.tenant == "loud")
        await answer(memory, loud)
        after = await memory.queue.take(9)

        tenants = [turn.session.tenant for turn in taken]
        assert tenants.count("quiet") == 1
        assert tenants.count("loud") == memory.database.keys.partitions
        assert full == []
        assert [turn.session.tenant for turn in after] == ["loud"]


async def test_a_waiting_executor_is_woken_from_any_node(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    woken = asyncio.Event()
    nodes.two.queue.on_ready(woken.set)

    await nodes.one.queue.submit(said(session))

    async with asyncio.timeout(5):
        await woken.wait()


# ---------------------------------------------------------------- leases


async def test_an_expired_lease_gives_the_turn_and_its_journal_to_the_next_run(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    reader = Reader()
    await nodes.one.log.attach(session, reader)
    await nodes.one.queue.submit(said(session))
    dead = await take_one(nodes.one)
    await nodes.one.queue.writer(dead).append([], [model_called(1, "primeiro")])
    assert await nodes.two.queue.reap() == 0

    count = await reaped(nodes.two)
    heir = await take_one(nodes.two)

    await reader.until_seq(4)
    assert count == 1
    assert (heir.input, heir.attempt, heir.journal) == (dead.input, 2, (model_called(1, "primeiro"),))
    assert heir.fence > dead.fence
    assert reader.types[-1] == "turn.recovered"
    assert (reader.events[-1].attempt, reader.events[-1].from_step) == (2, 2)


async def test_a_renewed_lease_does_not_expire(nodes: Nodes) -> None:
    await nodes.one.queue.submit(said(await open_session(nodes.one)))
    turn = await take_one(nodes.one)

    for _ in range(4):
        await asyncio.sleep(LEASE_S / 3)
        assert await nodes.one.queue.renew([turn]) == []

    assert await nodes.two.queue.reap() == 0


async def test_a_turn_whose_executor_died_does_not_count_against_its_tenants_cap(nodes: Nodes, tmp_path: Path) -> None:
    async with open_memory(
        redis_url=nodes.server.url,
        data_dir=tmp_path,
        node="capped",
        partitions=nodes.one.database.keys.partitions,
        running_turns=1,
        lease_ms=LEASE_MS,
    ) as memory:
        await memory.queue.submit(said(await open_session(memory)))
        dead = await take_one(memory)
        await reaped(memory)

        heir = await take_one(memory)

        assert (heir.input.turn_id, heir.attempt) == (dead.input.turn_id, 2)


async def test_a_run_whose_lease_expired_but_was_not_taken_goes_on(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await nodes.one.queue.submit(said(session))
    turn = await take_one(nodes.one)
    await reaped(nodes.two)

    await nodes.one.queue.writer(turn).append([delta(turn, "m", "still here")])
    stale = await nodes.one.queue.renew([turn])

    assert stale == []
    assert await nodes.two.queue.take(5) == []
    assert await nodes.two.queue.reap() == 0


async def test_a_reaped_turn_that_its_run_ends_is_not_run_again(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await nodes.one.queue.submit(said(session))
    turn = await take_one(nodes.one)
    await reaped(nodes.two)

    await answer(nodes.one, turn)

    assert await nodes.two.queue.take(5) == []


async def test_renew_names_the_turns_that_another_run_has(nodes: Nodes) -> None:
    for user_id in ("ana", "bia"):
        await nodes.one.queue.submit(said(await open_session(nodes.one, user_id)))
    lost, kept = await nodes.one.queue.take(2)
    await nodes.one.queue.release(lost)
    await nodes.two.queue.take(1)

    assert await nodes.one.queue.renew([lost, kept]) == [lost.input.turn_id]


async def test_a_released_turn_is_ready_at_once_and_the_run_does_not_count(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await nodes.one.queue.submit(said(session))
    first = await take_one(nodes.one)

    await nodes.one.queue.release(first)
    second = await take_one(nodes.two)

    assert (first.attempt, second.attempt) == (1, 1)
    with pytest.raises(StaleRun):
        await nodes.one.queue.writer(first).append([delta(first, "m", "too late")])


async def test_releasing_a_turn_that_another_run_has_changes_nothing(nodes: Nodes) -> None:
    await nodes.one.queue.submit(said(await open_session(nodes.one)))
    first = await take_one(nodes.one)
    await nodes.one.queue.release(first)
    second = await take_one(nodes.two)

    await nodes.one.queue.release(first)

    assert await nodes.two.queue.renew([second]) == []
    assert await nodes.one.queue.take(1) == []


# ---------------------------------------------------------------- cancel


async def test_cancelling_a_queued_turn_ends_it_here_and_now(memory: Memory, session: SessionRef) -> None:
    reader = Reader()
    await memory.log.attach(session, reader)
    submission = said(session)
    await memory.queue.submit(submission)

    state = await memory.queue.cancel(session, submission.input.turn_id, "user")

    await reader.until_seq(3)
    [(_, record)] = await memory.outbox.pending(5)
    assert state == "cancelled"
    assert (reader.types[-1], reader.events[-1].by) == ("turn.cancelled", "user")
    assert (record.turn_id, record.outcome) == (submission.input.turn_id, "cancelled")  # type: ignore[union-attr]
    assert await memory.queue.take(5) == []
    assert (await memory.sessions.view(session)).queue == []


async def test_cancelling_what_is_next_makes_the_one_after_it_ready(memory: Memory, session: SessionRef) -> None:
    first, second = said(session), said(session)
    await memory.queue.submit(first)
    await memory.queue.submit(second)

    await memory.queue.cancel(session, first.input.turn_id, "user")

    assert (await take_one(memory)).input.turn_id == second.input.turn_id


async def test_cancelling_what_waits_behind_another_leaves_that_alone(memory: Memory, session: SessionRef) -> None:
    first, second, third = said(session), said(session), said(session)
    for submission in (first, second, third):
        await memory.queue.submit(submission)

    await memory.queue.cancel(session, second.input.turn_id, "user")
    await answer(memory, await take_one(memory))

    assert (await take_one(memory)).input.turn_id == third.input.turn_id


async def test_cancelling_a_running_turn_tells_its_executor_on_another_node(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    submission = said(session)
    await nodes.one.queue.submit(submission)
    turn = await take_one(nodes.one)
    told: asyncio.Queue[str] = asyncio.Queue()
    nodes.one.queue.on_cancel(submission.input.turn_id, told.put_nowait)

    state = await nodes.two.queue.cancel(session, submission.input.turn_id, "operator")

    async with asyncio.timeout(5):
        assert await told.get() == "operator"
    assert state == "running"
    assert await nodes.one.queue.writer(turn).append([delta(turn, "m", "x")]) == "operator"


async def test_a_cancel_that_pubsub_lost_is_told_by_the_renewal(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await nodes.one.queue.submit(said(session))
    turn = await take_one(nodes.one)
    await nodes.two.queue.cancel(session, turn.input.turn_id, "user")
    told: list[str] = []
    nodes.one.queue.on_cancel(turn.input.turn_id, told.append)

    await nodes.one.queue.renew([turn])

    assert "user" in told


async def test_who_stopped_listening_is_told_nothing(memory: Memory, session: SessionRef) -> None:
    await memory.queue.submit(said(session))
    turn = await take_one(memory)
    told: list[str] = []
    memory.queue.on_cancel(turn.input.turn_id, told.append)
    memory.queue.on_cancel(turn.input.turn_id, None)

    await memory.queue.cancel(session, turn.input.turn_id, "user")
    await memory.queue.renew([turn])

    assert told == []


async def test_the_first_cancel_counts(memory: Memory, session: SessionRef) -> None:
    await memory.queue.submit(said(session))
    turn = await take_one(memory)

    await memory.queue.cancel(session, turn.input.turn_id, "user")
    await memory.queue.cancel(session, turn.input.turn_id, "operator")

    assert await memory.queue.writer(turn).append([delta(turn, "m", "x")]) == "user"


async def test_a_cancelled_turn_whose_executor_died_is_given_to_the_next_as_cancelled(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await nodes.one.queue.submit(said(session))
    dead = await take_one(nodes.one)
    await nodes.two.queue.cancel(session, dead.input.turn_id, "user")
    await reaped(nodes.two)

    heir = await take_one(nodes.two)
    await nodes.two.queue.writer(heir).end(cancelled(heir, "user"), None, record_of(heir, "cancelled"))

    assert heir.cancelled_by == "user"
    assert (await nodes.one.queue.status(ANA, dead.input.turn_id)).state == "cancelled"


async def test_a_cancel_does_not_reach_the_sessions_next_turn(memory: Memory, session: SessionRef) -> None:
    await memory.queue.submit(said(session))
    await memory.queue.submit(said(session))
    first = await take_one(memory)
    await memory.queue.cancel(session, first.input.turn_id, "user")
    await memory.queue.writer(first).end(cancelled(first, "user"), None, record_of(first, "cancelled"))

    second = await take_one(memory)

    assert second.cancelled_by is None
    assert await memory.queue.writer(second).append([delta(second, "m", "x")]) is None


async def test_cancelling_an_ended_turn_gives_its_state(memory: Memory, session: SessionRef) -> None:
    submission, _ = await exchange(memory, session)

    state = await memory.queue.cancel(session, submission.input.turn_id, "user")

    assert state == "completed"
    assert (await memory.sessions.view(session)).seq == 7


async def test_cancelling_an_unknown_or_another_sessions_turn_is_not_found(memory: Memory, session: SessionRef) -> None:
    of_bia, _ = await exchange(memory, await open_session(memory, "bia"))

    with pytest.raises(UserError, match="no such turn"):
        await memory.queue.cancel(session, "turn_unknown", "user")
    with pytest.raises(UserError, match="no such turn"):
        await memory.queue.cancel(session, of_bia.input.turn_id, "user")


# ---------------------------------------------------------------- status


async def test_status_follows_a_turn_to_its_end(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    submission = said(session, "quanto?")
    turn_id = submission.input.turn_id
    await nodes.one.queue.submit(submission)
    queued = await nodes.two.queue.status(ANA, turn_id)
    turn = await take_one(nodes.one)
    running = await nodes.two.queue.status(ANA, turn_id)
    await answer(nodes.one, turn)
    ended = await nodes.two.queue.status(BRIDGE, turn_id)

    assert (queued.state, running.state, ended.state) == ("queued", "running", "completed")
    assert queued.session == session
    assert queued.record is None
    assert ended.record == record_of(turn)
    assert [message.content for message in ended.prompt] == ["quanto?"]


@pytest.mark.parametrize(
    "principal",
    [
        pytest.param(Principal(tenant="default", name="bia", user_id="bia"), id="another_user"),
        pytest.param(Principal(tenant="other", name="key_1"), id="another_tenants_service"),
    ],
)
async def test_the_status_of_another_ones_turn_is_not_found(
    memory: Memory, session: SessionRef, principal: Principal
) -> None:
    submission, _ = await exchange(memory, session)

    with pytest.raises(UserError) as foreign:
        await memory.queue.status(principal, submission.input.turn_id)
    with pytest.raises(UserError) as unknown:
        await memory.queue.status(principal, "turn_unknown")

    assert foreign.value.code == "not_found"
    assert foreign.value.message == unknown.value.message


async def test_a_refusal_is_remembered_and_given_again(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    submission = said(session, "oi")
    refusal = UserError("There is no agent 'nobody'.", code="not_found")
    key = (session, submission.principal, submission.cid, submission.digest)
    await nodes.one.queue.remember(*key, refusal)

    with pytest.raises(UserError, match="nobody") as seen:
        await nodes.two.queue.seen(*key)
    with pytest.raises(UserError, match="nobody") as submitted:
        await nodes.two.queue.submit(submission)
    with pytest.raises(UserError) as conflict:
        await nodes.two.queue.remember(session, submission.principal, submission.cid, "other", refusal)

    assert (seen.value.code, seen.value.duplicate, submitted.value.duplicate) == ("not_found", True, True)
    assert conflict.value.code == "idempotency_conflict"
