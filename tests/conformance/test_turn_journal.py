"""What a turn wrote down: kept beside the session for a day after the end, the prompt apart and for a while."""

from __future__ import annotations

import msgspec
import pytest

from core.errors import StaleRun, UserError
from core.messages import UserMessage
from core.turns import ApprovalAnswered, Principal, SessionRef, ToolBegun, ToolReturned, TurnRecord
from memory.backends import Memory
from tests.conformance.conftest import Nodes
from tests.conformance.kit import (
    ANA,
    BRIDGE,
    completed,
    delta,
    exchange,
    history_of,
    model_called,
    open_session,
    reaped,
    record_of,
    said,
    take_one,
)
from tests.conformance.parking import park

BEGUN = ToolBegun(step=1, call_id="call_1", name="create_follow_up", effect="once")
RETURNED = ToolReturned(step=1, call_id="call_1", name="create_follow_up", content="{}", summary="Criado.")


async def test_a_journal_is_all_that_a_turns_runs_wrote_down(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    submission = said(session)
    await nodes.one.queue.submit(submission)
    first = await take_one(nodes.one)
    await nodes.one.queue.writer(first).append([], [model_called(1, "um"), BEGUN])
    await reaped(nodes.two)
    second = await take_one(nodes.two)
    writer = nodes.two.queue.writer(second)
    await writer.append([], [RETURNED])
    running = await nodes.one.queue.journal(ANA, submission.input.turn_id)
    await writer.append([], [model_called(2, "dois")])
    await writer.end(completed(second, "m", "dois"), history_of(second, "dois"), record_of(second))

    ended = await nodes.one.queue.journal(BRIDGE, submission.input.turn_id)

    assert (running.state, running.record) == ("running", None)
    assert running.entries == (model_called(1, "um"), BEGUN, RETURNED)
    assert (ended.session, ended.state, ended.input) == (session, "completed", submission.input)
    assert ended.entries == (*running.entries, model_called(2, "dois"))
    assert ended.record == record_of(second)


async def test_the_journal_of_a_parked_turn_says_what_it_asked_and_was_told(
    memory: Memory, session: SessionRef
) -> None:
    parked = await park(memory, session)
    waiting = await memory.queue.journal(ANA, parked.turn_id)
    await memory.queue.answer(session, ANA, "cid", "d", parked.approval_id, approved=True, by="user")

    answered = await memory.queue.journal(ANA, parked.turn_id)

    assert (waiting.state, waiting.entries[-1]) == ("parked", parked.asked)
    assert isinstance(answered.entries[-1], ApprovalAnswered)


async def test_the_journal_of_a_cancelled_parked_turn_has_its_record(memory: Memory, session: SessionRef) -> None:
    parked = await park(memory, session)
    await memory.queue.cancel(session, parked.turn_id, "user")

    journal = await memory.queue.journal(ANA, parked.turn_id)

    assert (journal.state, journal.entries[-1]) == ("cancelled", parked.asked)
    assert isinstance(journal.record, TurnRecord)


@pytest.mark.parametrize(
    "principal",
    [
        pytest.param(Principal(tenant="default", name="bia", user_id="bia"), id="another_user"),
        pytest.param(Principal(tenant="other", name="key_1"), id="another_tenants_service"),
    ],
)
async def test_the_journal_of_another_ones_turn_is_not_found(
    memory: Memory, session: SessionRef, principal: Principal
) -> None:
    submission = said(session)
    await memory.queue.submit(submission)

    with pytest.raises(UserError) as foreign:
        await memory.queue.journal(principal, submission.input.turn_id)
    with pytest.raises(UserError) as unknown:
        await memory.queue.journal(principal, "turn_unknown")

    assert foreign.value.code == "not_found"
    assert foreign.value.message == unknown.value.message


async def test_the_prompt_is_told_while_the_turn_runs_and_is_not_in_the_journal(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await nodes.one.queue.submit(said(session))
    turn = await take_one(nodes.one)
    writer = nodes.one.queue.writer(turn)
    await writer.append([delta(turn, "m", "a")], [model_called(1, "a", prompt="um")])
    await writer.append([], [BEGUN])
    await writer.append([], [model_called(2, "b", prompt="um, dois"), RETURNED])

    status = await nodes.two.queue.status(ANA, turn.input.turn_id)
    journal = await nodes.two.queue.journal(ANA, turn.input.turn_id)
    await reaped(nodes.two)
    heir = await take_one(nodes.two)

    assert [message.content for message in status.prompt] == ["um, dois"]
    assert journal.entries == (model_called(1, "a"), BEGUN, model_called(2, "b"), RETURNED)
    assert heir.journal == journal.entries


async def test_a_journal_is_kept_for_a_day_after_the_end_and_its_prompt_for_a_quarter_of_an_hour(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await nodes.one.queue.submit(said(session))
    turn = await take_one(nodes.one)
    writer = nodes.one.queue.writer(turn)
    await writer.append([], [model_called(1, "a", prompt="um")])
    await writer.end(completed(turn, "m", "a"), history_of(turn, "a"), record_of(turn))

    with nodes.server.client() as client:
        [journal] = client.keys(f"*}}:j:{turn.input.turn_id}")
        [prompt] = client.keys(f"*}}:k:{turn.input.turn_id}")
        assert 86_000 < client.ttl(journal) <= 86_400
        assert 800 < client.ttl(prompt) <= 900


async def test_a_sessions_newest_turns_stay_in_redis_and_older_ones_leave_no_key(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    turns = [(await exchange(nodes.one, session))[0].input.turn_id for _ in range(40)]

    with nodes.server.client() as client:
        kept = {key.decode().rpartition(":")[2] for key in client.keys("*}:t:*")}
        about_the_oldest = client.keys(f"*{turns[0]}*")

    assert kept == set(turns[-32:])
    assert about_the_oldest == []
    assert (await nodes.one.queue.status(ANA, turns[-32])).state == "completed"


async def test_only_the_prompts_of_a_sessions_last_turns_are_kept(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    for _ in range(4):
        await nodes.one.queue.submit(said(session))
        turn = await take_one(nodes.one)
        writer = nodes.one.queue.writer(turn)
        await writer.append([], [model_called(1, "a", prompt="um")])
        await writer.end(completed(turn, "m", "a"), history_of(turn, "a"), record_of(turn))

    with nodes.server.client() as client:
        assert len(client.keys("*}:k:*")) == 2


async def test_an_end_that_is_waited_for_is_told_as_redis_tells_it(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await nodes.one.queue.submit(said(session))
    turn = await take_one(nodes.one)
    nodes.one.queue.expect_end(turn.input.turn_id, True)
    prompt = (UserMessage(content="oi"),)
    called = msgspec.structs.replace(model_called(1, "olá"), prompt=prompt)

    await nodes.one.queue.writer(turn).end(completed(turn, "m", "olá"), None, record_of(turn), [called])

    told = await nodes.one.queue.status(ANA, turn.input.turn_id)
    nodes.one.queue.expect_end(turn.input.turn_id, False)
    assert told == await nodes.one.queue.status(ANA, turn.input.turn_id)
    assert told == await nodes.two.queue.status(ANA, turn.input.turn_id)
    assert told.prompt == prompt


async def test_an_end_that_is_waited_for_is_nobody_elses(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await nodes.one.queue.submit(said(session))
    turn = await take_one(nodes.one)
    nodes.one.queue.expect_end(turn.input.turn_id, True)

    await nodes.one.queue.writer(turn).end(completed(turn, "m", "olá"), None, record_of(turn))

    with pytest.raises(UserError):
        await nodes.one.queue.status(Principal(tenant="default", name="bob", user_id="bob"), turn.input.turn_id)


async def test_an_end_that_another_node_wrote_is_found_by_who_waits_for_it(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await nodes.one.queue.submit(said(session))
    turn = await take_one(nodes.two)
    nodes.one.queue.expect_end(turn.input.turn_id, True)

    await nodes.two.queue.writer(turn).end(completed(turn, "m", "olá"), None, record_of(turn))

    assert (await nodes.one.queue.status(ANA, turn.input.turn_id)).state == "completed"


async def test_the_end_of_a_taken_over_turn_is_told_with_what_the_run_before_was_sent(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await nodes.one.queue.submit(said(session))
    first = await take_one(nodes.one)
    prompt = (UserMessage(content="oi"),)
    called = msgspec.structs.replace(model_called(1, "olá"), prompt=prompt)
    await nodes.one.queue.writer(first).append([], [called])
    await nodes.one.queue.release(first)
    heir = await take_one(nodes.two)
    nodes.two.queue.expect_end(heir.input.turn_id, True)

    await nodes.two.queue.writer(heir).end(completed(heir, "m", "olá"), None, record_of(heir))

    assert (await nodes.two.queue.status(ANA, heir.input.turn_id)).prompt == prompt


async def test_where_the_end_could_not_be_written_redis_is_asked(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await nodes.one.queue.submit(said(session))
    turn = await take_one(nodes.one)
    nodes.one.queue.expect_end(turn.input.turn_id, True)
    await nodes.one.queue.release(turn)
    await take_one(nodes.two)

    with pytest.raises(StaleRun):
        await nodes.one.queue.writer(turn).end(completed(turn, "m", "olá"), None, record_of(turn))

    assert (await nodes.one.queue.status(ANA, turn.input.turn_id)).state == "running"
