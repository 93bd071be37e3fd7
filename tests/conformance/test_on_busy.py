"""`core.ports.TurnQueue.submit` while the session is busy: `merge`, `interrupt`, and a session that was merged away."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from core.errors import UserError
from core.messages import Part
from core.ports import Submission
from core.turns import SessionRef
from memory.backends import Memory
from tests.conformance.conftest import Nodes
from tests.conformance.kit import (
    ANA,
    Reader,
    again,
    answer,
    cancelled,
    exchange,
    open_session,
    record_of,
    said,
    take_one,
)
from tests.conformance.parking import ask, park, park_again


def merging(session: SessionRef, content: str = "e mais", **choices: str) -> Submission:
    return said(session, content, on_busy="merge", **choices)  # type: ignore[arg-type]


def by_channel(submission: Submission, channel: str) -> Submission:
    return msgspec.structs.replace(submission, input=msgspec.structs.replace(submission.input, channel=channel))


# ---------------------------------------------------------------- merge


async def test_a_message_joins_the_turn_that_waits(memory: Memory, session: SessionRef) -> None:
    reader = Reader()
    await memory.log.attach(session, reader)
    first, second = said(session, "um"), merging(session, "dois")
    accepted = await memory.queue.submit(first)

    merged = await memory.queue.submit(second)

    await reader.until_seq(4)
    view = await memory.sessions.view(session)
    message_ids = (accepted.message_id, merged.message_id)
    assert (merged.turn_id, merged.message_id) == (accepted.turn_id, second.input.message_ids[0])
    assert (merged.seq, merged.position, merged.duplicate) == (3, 0, False)
    assert reader.types[2:] == ["message.created", "turn.queued"]
    assert (reader.events[2].turn_id, reader.events[2].re) == (accepted.turn_id, second.cid)
    assert (reader.events[3].turn_id, reader.events[3].message_ids) == (accepted.turn_id, message_ids)
    assert [(queued.turn_id, queued.message_ids) for queued in view.queue] == [(accepted.turn_id, message_ids)]
    assert {message.turn_id for message in view.messages} == {accepted.turn_id}


async def test_a_merged_turn_is_taken_once_with_all_that_was_said(memory: Memory, session: SessionRef) -> None:
    submissions = [said(session, "um"), merging(session, "dois\n2"), merging(session, "três")]
    for submission in submissions:
        await memory.queue.submit(submission)

    turn = await take_one(memory)

    turn_id = submissions[0].input.turn_id
    shown = [submission.input.messages[0] for submission in submissions]
    assert turn.input == msgspec.structs.replace(
        submissions[0].input,
        content="um\n\ndois\n2\n\ntrês",
        message_ids=tuple(submission.input.message_ids[0] for submission in submissions),
        messages=tuple(msgspec.structs.replace(message, turn_id=turn_id) for message in shown),
    )
    await answer(memory, turn)
    assert await memory.queue.take(5) == []
    assert (await memory.queue.journal(ANA, turn_id)).input == turn.input


async def test_merged_parts_follow_one_another(memory: Memory, session: SessionRef) -> None:
    picture = Part(type="image", media_id="media_1")
    first, second = said(session, "um"), merging(session)
    second = msgspec.structs.replace(second, input=msgspec.structs.replace(second.input, content=(picture,)))
    await memory.queue.submit(first)

    await memory.queue.submit(second)

    assert (await take_one(memory)).input.content == (Part(type="text", text="um"), picture)


async def test_a_message_joins_the_last_turn_that_waits_behind_one_that_runs(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await nodes.one.queue.submit(said(session, "um"))
    running = await take_one(nodes.one)
    await nodes.one.queue.submit(said(session, "dois"))
    last = await nodes.one.queue.submit(said(session, "três"))

    merged = await nodes.two.queue.submit(merging(session, "quatro"))

    assert (merged.turn_id, merged.position) == (last.turn_id, 2)
    await answer(nodes.one, running)
    await answer(nodes.one, await take_one(nodes.one))
    assert (await take_one(nodes.two)).input.content == "três\n\nquatro"


async def test_a_merge_is_remembered_under_its_cid(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await nodes.one.queue.submit(said(session))
    merge = merging(session)
    first = await nodes.one.queue.submit(merge)

    second = await nodes.two.queue.submit(merge)

    assert second == msgspec.structs.replace(first, duplicate=True)
    assert (await take_one(nodes.one)).input.message_ids[1:] == merge.input.message_ids


async def test_many_messages_at_once_become_one_turn_and_none_is_lost(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    submissions = [merging(session, str(number)) for number in range(12)]

    accepted = await asyncio.gather(
        *(
            node.queue.submit(submission)
            for node, submission in zip([nodes.one, nodes.two] * 6, submissions, strict=True)
        )
    )

    turn = await take_one(nodes.one)
    assert {one.turn_id for one in accepted} == {turn.input.turn_id}
    assert set(turn.input.message_ids) == {submission.input.message_ids[0] for submission in submissions}


async def test_a_message_that_a_full_session_can_merge_is_not_busy(memory: Memory, session: SessionRef) -> None:
    last = [await memory.queue.submit(said(session)) for _ in range(8)][-1]

    merged = await memory.queue.submit(merging(session))

    assert merged.turn_id == last.turn_id


async def test_merge_queues_where_nothing_waits(memory: Memory, session: SessionRef) -> None:
    await memory.queue.submit(said(session))
    running = await take_one(memory)

    accepted = await memory.queue.submit(merging(session))

    assert accepted.turn_id != running.input.turn_id
    assert accepted.position == 1


async def test_merge_does_not_join_a_turn_that_ran_before(memory: Memory, session: SessionRef) -> None:
    """Its run was given back and it waits again, but a model may have seen what was said."""
    await memory.queue.submit(said(session))
    turn = await take_one(memory)
    await memory.queue.release(turn)

    accepted = await memory.queue.submit(merging(session))

    assert accepted.turn_id != turn.input.turn_id


async def test_merge_does_not_join_a_turn_of_another_agent(memory: Memory, session: SessionRef) -> None:
    first = await memory.queue.submit(said(session, agent="sales"))

    accepted = await memory.queue.submit(merging(session, agent="support"))

    assert (accepted.turn_id == first.turn_id, accepted.position) == (False, 1)


async def test_merge_does_not_join_a_turn_whose_answer_leaves_by_another_channel(
    memory: Memory, session: SessionRef
) -> None:
    first = await memory.queue.submit(by_channel(said(session), "whatsapp"))

    accepted = await memory.queue.submit(merging(session))

    assert accepted.turn_id != first.turn_id


async def test_merge_does_not_join_a_retry(memory: Memory, session: SessionRef) -> None:
    submission, _ = await exchange(memory, session)
    retry = await memory.queue.submit(again(submission))

    accepted = await memory.queue.submit(merging(session))

    assert accepted.turn_id != retry.turn_id


async def test_a_turn_takes_at_most_32_messages(memory: Memory, session: SessionRef) -> None:
    accepted = [await memory.queue.submit(merging(session)) for _ in range(33)]

    assert len({one.turn_id for one in accepted[:32]}) == 1
    assert accepted[32].turn_id != accepted[0].turn_id
    assert len((await take_one(memory)).input.message_ids) == 32


async def test_a_merged_turn_that_is_cancelled_before_it_runs_is_on_the_books_whole(
    memory: Memory, session: SessionRef
) -> None:
    await memory.queue.submit(said(session, "um"))
    merged = await memory.queue.submit(merging(session, "dois"))

    await memory.queue.cancel(session, merged.turn_id, "user")

    [(_, record)] = await memory.outbox.pending(5)
    assert [message.content for message in record.messages] == ["um", "dois"]  # type: ignore[union-attr]


async def test_a_message_that_merges_declines_what_waits_for_the_user(memory: Memory, session: SessionRef) -> None:
    await memory.queue.submit(said(session))
    parked = await ask(memory, await take_one(memory))
    waiting = await memory.queue.submit(said(session))
    await park_again(parked)

    merged = await memory.queue.submit(merging(session))

    assert (merged.turn_id, merged.position) == (waiting.turn_id, 1)
    assert (await memory.queue.approval(session, parked.approval_id)).state == "superseded"


# ---------------------------------------------------------------- interrupt


async def test_interrupt_cancels_the_run_and_waits_for_its_end(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await nodes.one.queue.submit(said(session))
    turn = await take_one(nodes.one)
    told: asyncio.Queue[str] = asyncio.Queue()
    nodes.one.queue.on_cancel(turn.input.turn_id, told.put_nowait)

    accepted = await nodes.two.queue.submit(said(session, "não, espera", on_busy="interrupt"))

    async with asyncio.timeout(5):
        assert await told.get() == "interrupt"
    writer = nodes.one.queue.writer(turn)
    assert accepted.position == 1
    assert await writer.append([]) == "interrupt"
    assert await nodes.two.queue.take(5) == []
    await writer.end(cancelled(turn, "interrupt"), None, record_of(turn, "cancelled"))
    assert (await take_one(nodes.two)).input.turn_id == accepted.turn_id


async def test_interrupt_joins_the_tail_behind_those_that_wait(memory: Memory, session: SessionRef) -> None:
    await memory.queue.submit(said(session))
    turn = await take_one(memory)
    waiting = await memory.queue.submit(said(session))

    accepted = await memory.queue.submit(said(session, on_busy="interrupt"))

    await memory.queue.writer(turn).end(cancelled(turn, "interrupt"), None, record_of(turn, "cancelled"))
    assert accepted.position == 2
    assert (await take_one(memory)).input.turn_id == waiting.turn_id


async def test_interrupt_leaves_turns_alone_that_only_wait(memory: Memory, session: SessionRef) -> None:
    waiting = await memory.queue.submit(said(session))

    await memory.queue.submit(said(session, on_busy="interrupt"))

    turn = await take_one(memory)
    assert (turn.input.turn_id, turn.cancelled_by) == (waiting.turn_id, None)


async def test_interrupt_ends_a_parked_turn_and_goes_on_at_once(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    reader = Reader()
    await nodes.one.log.attach(session, reader)
    parked = await park(nodes.one, session)

    accepted = await nodes.two.queue.submit(said(session, on_busy="interrupt"))

    await reader.until_seq(11)
    assert reader.types[7:] == ["message.completed", "turn.cancelled", "message.created", "turn.queued"]
    assert reader.events[8].by == "interrupt"
    assert accepted.position == 0
    assert (await take_one(nodes.one)).input.turn_id == accepted.turn_id
    assert (await nodes.one.queue.status(ANA, parked.turn_id)).state == "cancelled"


async def test_a_repeated_interrupt_cancels_nothing_more(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    interrupt = said(session, on_busy="interrupt")
    first = await nodes.one.queue.submit(interrupt)
    running = await take_one(nodes.one)

    second = await nodes.two.queue.submit(interrupt)

    assert (second.turn_id, second.duplicate) == (first.turn_id, True)
    assert await nodes.one.queue.writer(running).append([]) is None


async def test_an_interrupt_that_is_busy_cancels_nothing(memory: Memory, session: SessionRef) -> None:
    await memory.queue.submit(said(session))
    running = await take_one(memory)
    for _ in range(8):
        await memory.queue.submit(said(session))

    with pytest.raises(UserError) as error:
        await memory.queue.submit(said(session, on_busy="interrupt"))

    assert error.value.code == "busy"
    assert await memory.queue.writer(running).append([]) is None


async def test_the_same_interrupt_of_a_parked_turn_from_many_nodes_makes_one_turn(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await park(nodes.one, session)
    interrupt = said(session, on_busy="interrupt")

    accepted = await asyncio.gather(*(node.queue.submit(interrupt) for node in [nodes.one, nodes.two] * 5))

    assert len({one.turn_id for one in accepted}) == 1
    assert sum(not one.duplicate for one in accepted) == 1
    turn = await take_one(nodes.two)
    assert (turn.input.turn_id, turn.cancelled_by) == (interrupt.input.turn_id, None)


# ---------------------------------------------------------------- moved


async def test_a_message_to_a_session_that_was_merged_away_is_told_where_to_go(
    nodes: Nodes,
) -> None:
    session, into = await open_session(nodes.one), await open_session(nodes.one, name="other")
    known = said(session)
    await nodes.one.queue.submit(known)
    await answer(nodes.one, await take_one(nodes.one))
    await nodes.one.sessions.merge(session, into)

    with pytest.raises(UserError) as error:
        await nodes.two.queue.submit(said(session))

    assert (error.value.code, error.value.retryable, error.value.moved_to) == ("moved", False, into.session_id)
    assert (await nodes.two.queue.submit(known)).duplicate
