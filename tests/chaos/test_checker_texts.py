"""The checker sees what is wrong with texts, steps, tools, stops and takeovers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.chaos.checker import Rule, judge_entries
from tests.chaos.checker_story import Story
from tests.chaos.history import Entry, ModelSaid


@pytest.fixture
def story() -> Story:
    return Story().begin()


def rules(entries: Sequence[Entry]) -> set[Rule]:
    return set(judge_entries(entries).rules)


# ---------------------------------------------------------------- texts


def test_a_delta_at_a_wrong_offset_is_seen(story: Story) -> None:
    turn_id = story.ask("ana.c7")
    _, message_id = story.partial_answer(turn_id, "ana.c7")
    story.append("message.delta", message_id=message_id, off=0, text="again")

    assert Rule.OFFSET in rules(story.finish())


def test_a_wrong_hash_is_seen(story: Story) -> None:
    turn_id = story.ask("ana.c7")
    call, message_id = story.partial_answer(turn_id, "ana.c7")
    story.said(call, 3)
    length = len(story.text(message_id))
    story.append("message.completed", message_id=message_id, length=length, sha256="0" * 64, finish_reason="stop")
    story.end(turn_id, message_id=message_id)

    assert rules(story.finish()) == {Rule.HASH}


def answer_with(story: Story, texts: list[str], said: int, outcome: str = "completed") -> list[Entry]:
    """A turn that shows these texts, where its one call said so many tokens."""
    turn_id = story.ask("ana.c7")
    story.start(turn_id)
    call = story.call("ana.c7")
    story.said(call, said, whole=outcome == "completed", closed_by="provider" if outcome == "completed" else "client")
    message_id = story.begin_message(turn_id)
    story.deltas(message_id, texts)
    story.complete(message_id, {"completed": "stop"}.get(outcome, outcome))
    story.end(turn_id, outcome, message_id=message_id)
    return story.finish()


def test_a_token_that_is_missing_at_the_end_is_seen(story: Story) -> None:
    assert rules(answer_with(story, ["Kiwi-7-0 ", "Kiwi-7-1 "], said=3)) == {Rule.TEXT}


def test_a_token_that_is_missing_in_the_middle_is_seen(story: Story) -> None:
    assert rules(answer_with(story, ["Kiwi-7-0 ", "Kiwi-7-2 "], said=3)) == {Rule.TEXT}


def test_a_token_that_is_missing_at_the_beginning_is_seen(story: Story) -> None:
    assert rules(answer_with(story, ["Kiwi-7-1 ", "Kiwi-7-2 "], said=3)) == {Rule.TEXT}


def test_a_doubled_token_is_seen(story: Story) -> None:
    assert rules(answer_with(story, ["Kiwi-7-0 ", "Kiwi-7-0 ", "Kiwi-7-1 "], said=2)) == {Rule.TEXT}


def test_the_text_of_another_turns_call_is_seen(story: Story) -> None:
    assert rules(answer_with(story, ["Kiwi-1-0 ", "Kiwi-1-1 "], said=2)) == {Rule.TEXT}


def test_a_stopped_answer_may_show_a_beginning(story: Story) -> None:
    assert rules(answer_with(story, ["Kiwi-7-0 ", "Kiwi-"], said=3, outcome="cancelled")) == set()


def test_a_stopped_answer_that_shows_more_than_was_said_is_seen(story: Story) -> None:
    assert rules(answer_with(story, ["Kiwi-7-0 ", "Kiwi-7-1 "], said=1, outcome="cancelled")) == {Rule.TEXT}


def test_text_of_two_calls_of_one_step_is_seen(story: Story) -> None:
    turn_id = story.ask("ana.c7")
    story.start(turn_id)
    message_id = story.begin_message(turn_id)
    for index in range(2):
        call = story.call("ana.c7")
        story.said(call, 2)
        story.deltas(message_id, ["\n\n" * index, *story.tokens(call, 2)])
    story.complete(message_id)
    story.end(turn_id, message_id=message_id)

    assert rules(story.finish()) == {Rule.TEXT}


def test_a_step_of_which_nothing_is_shown_is_seen(story: Story) -> None:
    turn_id = story.ask("ana.c7")
    story.start(turn_id)
    story.said(story.call("ana.c7", step=1), 2)
    second = story.call("ana.c7", step=2)
    story.said(second, 2)
    message_id = story.begin_message(turn_id)
    story.deltas(message_id, story.tokens(second, 2))
    story.complete(message_id)
    story.end(turn_id, message_id=message_id)

    assert rules(story.finish()) == {Rule.TEXT}


# ---------------------------------------------------------------- steps and tools


def two_steps_then_the_first_again(story: Story, *, restart: bool = False) -> list[Entry]:
    turn_id = story.ask("ana.c7")
    story.start(turn_id)
    first = story.call("ana.c7", step=1)
    story.said(first, 2)
    story.said(story.call("ana.c7", step=2), 0, whole=False)
    message_id = story.begin_message(turn_id)
    if restart:
        story.begin_anew()
    again = story.call("ana.c7", step=1)
    story.said(again, 2)
    second = story.call("ana.c7", step=2)
    story.said(second, 2)
    story.deltas(message_id, [*story.tokens(again, 2), "\n\n", *story.tokens(second, 2)])
    story.complete(message_id)
    story.end(turn_id, message_id=message_id)
    return story.finish()


def test_a_finished_step_that_is_done_again_is_seen(story: Story) -> None:
    assert rules(two_steps_then_the_first_again(story)) == {Rule.REPEATED_STEP}


def test_a_step_whose_journal_redis_lost_may_be_done_again(story: Story) -> None:
    assert rules(two_steps_then_the_first_again(story, restart=True)) == set()


def test_a_step_that_was_cut_off_may_be_done_again(story: Story) -> None:
    turn_id = story.ask("ana.c7")
    story.start(turn_id)
    story.said(story.call("ana.c7"), 1, whole=False, closed_by="client")
    story.fault("kill_worker")
    story.append("turn.recovered", turn_id=turn_id, attempt=2, from_step=1)
    call, message_id = story.partial_answer(turn_id, "ana.c7", start=False)
    story.said(call, 3)
    story.complete(message_id)
    story.end(turn_id, message_id=message_id)

    assert rules(story.finish()) == set()


def test_a_once_tool_that_ran_twice_for_a_call_is_seen(story: Story) -> None:
    story.tool_row("call-1", "ana.c1")
    story.tool_row("call-1", "ana.c1")

    assert rules(story.finish()) == {Rule.ONCE}


def test_a_once_tool_that_ran_twice_for_a_message_is_seen(story: Story) -> None:
    story.tool_row("call-1", "ana.c1")
    story.tool_row("call-2", "ana.c1")

    assert rules(story.finish()) == {Rule.ONCE}


def test_an_approval_before_the_first_snapshot_of_a_log_that_began_anew_counts(story: Story) -> None:
    story.places.clear()
    story.begin_anew()
    story.append("approval.resolved", approval_id="apr_1", approved=True, by="user")
    story.open("ana.phone")
    story.open("ana.laptop")
    for call_id in ("call-1", "call-2", "call-3"):  # one by itself, one that the restart forgives, one approved
        story.tool_row(call_id, "ana.c1")

    assert rules(story.finish()) == set()


def test_a_once_tool_that_completed_and_left_nothing_is_seen(story: Story) -> None:
    story.tool_row("call-1", "ana.c1")
    turn_id = story.ask("ana.c7")
    story.start(turn_id)
    tool: dict[str, Any] = {"turn_id": turn_id, "call_id": "call-9"}
    story.append("tool.started", **tool, step=1, name="create_follow_up", title="Follow-up", effect="once")
    story.append("tool.completed", **tool, summary="Made.", duration_ms=1)
    story.end(turn_id, "failed")

    assert rules(story.finish()) == {Rule.ONCE}


# ---------------------------------------------------------------- stops and takeovers


def stopped(story: Story, *, closed_after_ms: int = 0, outcome: str = "cancelled", late_ms: int = 0) -> list[Entry]:
    turn_id = story.ask("ana.c7")
    call, message_id = story.partial_answer(turn_id, "ana.c7")
    story.send("ana.laptop", {"type": "turn.cancel", "cid": "stop", "turn_id": turn_id})
    story.receive("ana.laptop", {"type": "ok", "re": "stop", "state": "running"})
    story.tick(late_ms)
    closed = ModelSaid(
        at_ns=story.tick() + closed_after_ms * 1_000_000,
        call=call,
        tokens=story.tokens(call, 3),
        whole=outcome == "completed",
        closed_by="client",
    )
    story.write(closed)
    story.complete(message_id, "stop" if outcome == "completed" else "cancelled")
    story.end(turn_id, outcome, message_id=message_id)
    return story.finish()


def test_a_stop_that_closes_the_call_and_then_says_so_is_no_violation(story: Story) -> None:
    assert rules(stopped(story)) == set()


def test_a_call_that_is_closed_after_turn_cancelled_is_seen(story: Story) -> None:
    assert rules(stopped(story, closed_after_ms=500)) == {Rule.PROVIDER_CLOSED}


def test_a_turn_that_goes_on_after_its_stop_is_seen(story: Story) -> None:
    assert rules(stopped(story, outcome="completed", late_ms=3000)) == {Rule.STOP}


def test_a_turn_may_end_by_itself_while_its_stop_is_on_the_way(story: Story) -> None:
    assert rules(stopped(story, outcome="completed")) == set()


def taken_over(story: Story, fault: str) -> list[Entry]:
    turn_id = story.ask("ana.c7")
    story.start(turn_id)
    story.fault(fault)
    for attempt in (2, 3, 4):
        story.append("turn.recovered", turn_id=turn_id, attempt=attempt, from_step=1)
    story.end(turn_id, "failed")
    return story.finish()


def test_a_healthy_run_that_is_taken_over_again_and_again_is_seen(story: Story) -> None:
    assert rules(taken_over(story, "client_flap")) == {Rule.NEEDLESS_TAKEOVER}


def test_a_dead_run_may_be_taken_over(story: Story) -> None:
    assert rules(taken_over(story, "kill_worker")) == set()
