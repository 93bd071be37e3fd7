"""The checker sees what is wrong with messages, turns and books."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from tests.chaos.checker import Rule, judge_entries
from tests.chaos.checker_story import Story
from tests.chaos.history import Entry, TurnRow


@pytest.fixture
def story() -> Story:
    return Story().begin()


def rules(entries: Sequence[Entry]) -> set[Rule]:
    return set(judge_entries(entries).rules)


# ---------------------------------------------------------------- accepted, answered once


def test_an_accepted_message_that_is_gone_is_seen(story: Story) -> None:
    story.send("ana.phone", {"type": "message.send", "cid": "ana.c7", "content": "?"})
    story.accept("ana.c7", "turn_lost")

    assert rules(story.finish()) == {Rule.ACCEPTED}


def test_a_message_that_a_restart_took_back_and_its_sender_sent_again_is_no_violation(story: Story) -> None:
    before = msgspec.structs.replace(story.view, messages=list(story.view.messages), queue=[])
    story.ask("ana.c7")
    story.view = before
    story.begin_anew()
    story.answer(story.ask("ana.c7"), "ana.c7")

    assert rules(story.finish()) == set()


def test_a_message_that_a_restart_took_back_for_good_is_seen(story: Story) -> None:
    before = msgspec.structs.replace(story.view, messages=list(story.view.messages), queue=[])
    story.ask("ana.c7")
    story.view = before
    story.begin_anew()

    assert rules(story.finish()) == {Rule.ACCEPTED}


def test_a_cid_that_made_two_messages_is_seen(story: Story) -> None:
    for turn_id in (story.ask("ana.c7"), story.ask("ana.c7")):
        story.answer(turn_id, "ana.c7")

    assert Rule.ONE_MESSAGE in rules(story.finish())


def test_a_command_that_was_never_answered_is_seen(story: Story) -> None:
    story.send("ana.phone", {"type": "turn.cancel", "cid": "ana.c7", "turn_id": "turn_ana1"})

    assert rules(story.finish()) == {Rule.UNANSWERED}


def test_messages_that_were_merged_share_one_turn(story: Story) -> None:
    turn_id = story.ask("ana.c7")
    story.send("ana.phone", {"type": "message.send", "cid": "ana.c8", "content": "?"})
    story.append(
        "message.created", turn_id=turn_id, message_id="m8", role="user", content="?", channel="web", re="ana.c8"
    )
    story.append("turn.queued", turn_id=turn_id, message_ids=["msg_ana7", "m8"], position=0)
    story.accept("ana.c8", turn_id)
    story.answer(turn_id, "ana.c7")

    assert rules(story.finish()) == set()


def test_a_turn_that_is_done_again_may_call_the_model_from_the_first_step(story: Story) -> None:
    first = story.ask("ana.c7")
    story.start(first)
    story.said(story.call("ana.c7", step=1), 0)
    call, message_id = story.partial_answer(first, "ana.c7", start=False)
    story.said(call, 3)
    story.complete(message_id)
    story.end(first, message_id=message_id)
    story.send("ana.phone", {"type": "turn.retry", "cid": "ana.c8", "turn_id": first})
    story.append("turn.queued", turn_id="again", message_ids=["msg_ana7"], retry_of=first, position=0)
    story.accept("ana.c8", "again")
    story.answer("again", "ana.c7")

    assert rules(story.finish()) == set()


def test_a_parked_turn_goes_on_when_its_approval_is_answered(story: Story) -> None:
    turn_id = story.ask("ana.c7")
    story.start(turn_id)
    approval = {"turn_id": turn_id, "approval_id": "apr_1"}
    story.append(
        "approval.requested",
        only=None,
        **approval,
        call_id="call-9",
        name="create_follow_up",
        title="Follow-up",
        reason="It writes.",
        approver="user",
        expires_at=1,
    )
    story.append("turn.waiting", only=None, **approval)
    story.append("approval.resolved", approval_id="apr_1", approved=True, by="user")
    story.append("turn.resumed", only=None, **approval)
    call, message_id = story.partial_answer(turn_id, "ana.c7", start=False)
    story.said(call, 3)
    story.complete(message_id)
    story.end(turn_id, message_id=message_id)

    assert rules(story.finish()) == set()


def test_a_turn_without_an_end_is_seen(story: Story) -> None:
    story.ask("ana.c7")

    assert rules(story.finish()) == {Rule.ONE_END}


def test_a_turn_with_two_ends_is_seen(story: Story) -> None:
    turn_id = story.ask("ana.c7")
    story.answer(turn_id, "ana.c7")
    story.end(turn_id, "failed", book=False)

    assert rules(story.finish()) == {Rule.ONE_END}


def test_a_turn_whose_end_redis_lost_may_end_again(story: Story) -> None:
    turn_id = story.ask("ana.c7")
    call, message_id = story.partial_answer(turn_id, "ana.c7", 30)
    story.said(call, 30)
    before = msgspec.structs.replace(story.view, messages=list(story.view.messages))
    story.complete(message_id)
    story.end(turn_id, message_id=message_id)
    story.view = before
    story.begin_anew()
    story.append("turn.recovered", turn_id=turn_id, attempt=2, from_step=2)
    story.complete(message_id)
    story.end(turn_id, message_id=message_id, book=False)

    assert rules(story.finish()) == set()


# ---------------------------------------------------------------- one at a time, in order, then silence


def test_two_turns_at_a_time_are_seen(story: Story) -> None:
    first, second = story.ask("ana.c7"), story.ask("ana.c8")
    story.start(first)
    story.start(second)

    assert Rule.ONE_AT_A_TIME in rules(story.finish())


def test_turns_out_of_order_are_seen(story: Story) -> None:
    first, second = story.ask("ana.c7"), story.ask("ana.c8")
    story.answer(second, "ana.c8")
    story.answer(first, "ana.c7")

    assert rules(story.finish()) == {Rule.ORDER}


def test_a_turn_that_begins_again_after_its_end_is_seen(story: Story) -> None:
    turn_id = story.ask("ana.c7")
    story.end(turn_id, "cancelled")
    story.start(turn_id)

    assert Rule.ONE_END in rules(story.finish())


def test_a_delta_after_the_end_is_seen(story: Story) -> None:
    turn_id = story.ask("ana.c7")
    message_id = story.answer(turn_id, "ana.c7")
    story.append("message.delta", message_id=message_id, off=len(story.text(message_id)), text="x")

    assert Rule.SILENCE in rules(story.finish())


def test_a_step_after_the_end_is_seen(story: Story) -> None:
    turn_id = story.ask("ana.c7")
    story.answer(turn_id, "ana.c7")
    story.append("step.started", turn_id=turn_id, step=2)

    assert rules(story.finish()) == {Rule.SILENCE}


def test_a_delivery_may_be_reported_after_the_end(story: Story) -> None:
    message_id = story.answer(story.ask("ana.c7"), "ana.c7")
    story.append("delivery.updated", message_id=message_id, channel="whatsapp", status="sent")

    assert rules(story.finish()) == set()


def test_a_message_that_its_turn_leaves_open_is_seen(story: Story) -> None:
    turn_id = story.ask("ana.c7")
    call, message_id = story.partial_answer(turn_id, "ana.c7")
    story.said(call, 3, whole=False, closed_by="client")
    story.end(turn_id, "cancelled", message_id=message_id)

    assert rules(story.finish()) == {Rule.MESSAGE_CLOSED}


def test_a_second_message_in_a_turn_is_seen(story: Story) -> None:
    turn_id = story.ask("ana.c7")
    story.partial_answer(turn_id, "ana.c7")
    story.append("message.started", turn_id=turn_id, message_id="second", role="assistant", channel="web")

    assert Rule.ONE_MESSAGE in rules(story.finish())


# ---------------------------------------------------------------- what is left


def test_a_turn_that_is_not_on_the_books_is_seen(story: Story) -> None:
    story.end(story.ask("ana.c7"), "cancelled", book=False)

    assert rules(story.finish()) == {Rule.BOOKS}


def test_a_turn_that_is_on_the_books_twice_is_seen(story: Story) -> None:
    story.book("turn_ana1", "completed")

    assert rules(story.finish()) == {Rule.BOOKS}


def test_another_outcome_on_the_books_is_seen(story: Story) -> None:
    turn_id = story.ask("ana.c7")
    story.end(turn_id, "cancelled", book=False)
    story.book(turn_id, "completed")

    assert rules(story.finish()) == {Rule.BOOKS}


def test_another_text_on_the_books_is_seen(story: Story) -> None:
    entries = [
        msgspec.structs.replace(entry, messages=[{"message_id": "answer_turn_ana1", "content": "x"}])
        if isinstance(entry, TurnRow) and entry.turn_id == "turn_ana1"
        else entry
        for entry in story.finish()
    ]

    assert rules(entries) == {Rule.BOOKS}


def test_a_turn_on_the_books_that_nobody_asked_for_is_seen(story: Story) -> None:
    story.book("turn_unknown", "completed")

    assert rules(story.finish()) == {Rule.BOOKS}


@pytest.mark.parametrize("what", ["outbox", "leases", "ready"])
def test_what_is_left_in_redis_is_seen(story: Story, what: str) -> None:
    assert rules(story.finish(counts={what: 1})) == {Rule.LEFT_OVER}


def test_a_key_that_stays_for_ever_is_seen(story: Story) -> None:
    assert rules(story.finish(counts={"keys_without_ttl": ["prosa:{p0}:s:ses_1", "prosa:{p0}:outbox"]})) == {Rule.TTL}


def test_keys_that_somebody_owns_need_no_ttl(story: Story) -> None:
    assert (
        rules(story.finish(counts={"keys_without_ttl": ["prosa:instance", "prosa:partitions", "prosa:{p0}:outbox"]}))
        == set()
    )
