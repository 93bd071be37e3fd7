"""The loop's rules for calls that need somebody's yes: when it is asked for, and what the answer does."""

from __future__ import annotations

from typing import Any

import pytest

from agent.loop import (
    CALL_LIMIT,
    NOT_APPROVED,
    OUTCOME_UNKNOWN,
    AskApproval,
    CallModel,
    CallTools,
    Finish,
    Instruction,
    decide,
    unanswered,
)
from core.turns import (
    ApprovalAnswered,
    ApprovalAsked,
    ApprovalBy,
    Approver,
    JournalEntry,
    Limits,
    ToolBegun,
)
from tests.agent.test_loop import SPECS, answered, call, returned

PAY: dict[str, Approver] = {"pay": "user"}


def next_of(*results: JournalEntry, limits: Limits | None = None, approvals: Any = PAY) -> Instruction:
    return decide(results, limits or Limits(), SPECS, approvals)


def asked(call_id: str, approval_id: str = "apr_1") -> ApprovalAsked:
    return ApprovalAsked(
        step=1, call_id=call_id, name="pay", approval_id=approval_id, approver="user", expires_ms=1_000
    )


def reply(call_id: str, approved: bool, by: ApprovalBy = "user", **changes: Any) -> ApprovalAnswered:
    values: dict[str, Any] = {"step": 1, "approval_id": "apr_1"} | changes
    return ApprovalAnswered(call_id=call_id, approved=approved, by=by, **values)


def planned(instruction: Instruction) -> list[tuple[str, str | None]]:
    assert isinstance(instruction, CallTools)
    return [
        (one.call.call_id, one.refusal.code if one.refusal else None) for group in instruction.groups for one in group
    ]


def test_a_call_that_needs_a_yes_is_asked_for() -> None:
    pay = call("a", "pay")

    assert next_of(answered(1, pay)) == AskApproval(step=1, call=pay, spec=SPECS["pay"], approver="user")


def test_without_approvals_nothing_is_asked_for() -> None:
    assert planned(decide([answered(1, call("a", "pay"))], Limits(), SPECS)) == [("a", None)]


def test_a_no_counts_also_where_nobody_need_be_asked_any_more() -> None:
    """While a turn was parked its agent's `approvals` were changed: the node that goes on knows of none."""
    results = [answered(1, call("a", "pay")), asked("a"), reply("a", False)]

    assert planned(decide(results, Limits(), SPECS)) == [("a", NOT_APPROVED)]


def test_the_steps_other_calls_go_first() -> None:
    step = answered(1, call("a", "pay"), call("b"), call("c", "unheard-of"))

    assert planned(next_of(step)) == [("b", None), ("c", None)]


def test_approvals_are_asked_for_one_by_one() -> None:
    step = answered(1, call("a", "pay"), call("b", "pay"))

    first = next_of(step)
    second = next_of(step, asked("a"), reply("a", True), returned(1, "a"))

    assert isinstance(first, AskApproval)
    assert isinstance(second, AskApproval)
    assert (first.call.call_id, second.call.call_id) == ("a", "b")


def test_an_approved_call_runs_before_the_next_one_is_asked_for() -> None:
    step = answered(1, call("a", "pay"), call("b", "pay"))

    assert planned(next_of(step, asked("a"), reply("a", True))) == [("a", None)]


def test_an_approved_call_runs_with_the_approvers_arguments() -> None:
    instruction = next_of(answered(1, call("a", "pay")), asked("a"), reply("a", True, arguments='{"x": 9}'))

    assert isinstance(instruction, CallTools)
    assert [one.arguments for group in instruction.groups for one in group] == ['{"x": 9}']


WHY_NOT: dict[str, tuple[ApprovalAnswered, str]] = {
    "user": (
        reply("a", False, reason="too dear"),
        "The user did not allow this call, so it was not run. The reason given: too dear. Do not repeat",
    ),
    "operator": (
        reply("a", False, "operator"),
        "An operator did not allow this call, so it was not run. Do not repeat",
    ),
    "timeout": (reply("a", False, "timeout"), "Nobody allowed this call in time"),
    "superseded": (reply("a", False, "superseded"), "The user wrote something else"),
}


@pytest.mark.parametrize(("answer", "why"), WHY_NOT.values(), ids=WHY_NOT.keys())
def test_a_call_that_was_not_allowed_is_refused_with_the_reason(answer: ApprovalAnswered, why: str) -> None:
    instruction = next_of(answered(1, call("a", "pay")), asked("a"), answer)

    assert isinstance(instruction, CallTools)
    ((one,),) = instruction.groups
    assert one.refusal is not None
    assert one.refusal.code == NOT_APPROVED
    assert one.refusal.message.startswith(why)
    assert "tell the user" in one.refusal.message


def test_after_a_refusal_the_model_is_called_again() -> None:
    results = (answered(1, call("a", "pay")), asked("a"), reply("a", False), returned(1, "a", NOT_APPROVED))

    assert next_of(*results) == CallModel(step=2, offer_tools=True)


def test_an_approval_that_nobody_can_answer_any_more_is_asked_for_again() -> None:
    results = (answered(1, call("a", "pay")), asked("a"))

    assert isinstance(next_of(*results), AskApproval)
    assert unanswered(results) == (asked("a"),)


def test_an_answered_approval_is_not_open() -> None:
    assert unanswered((asked("a"), reply("a", False))) == ()


def test_the_last_answer_counts() -> None:
    results = (answered(1, call("a", "pay")), asked("a"), reply("a", False), asked("a", "apr_2"))

    assert planned(next_of(*results, reply("a", True, approval_id="apr_2"))) == [("a", None)]


def test_an_answer_of_another_step_is_not_taken_for_this_ones() -> None:
    results = (answered(1, call("a", "pay")), asked("a"), reply("a", True), returned(1, "a"))

    assert isinstance(next_of(*results, answered(2, call("a", "pay", '{"x": 2}'))), AskApproval)


def test_an_approved_call_that_was_begun_is_never_run_again() -> None:
    begun = ToolBegun(step=1, call_id="a", name="pay", effect="once")

    assert planned(next_of(answered(1, call("a", "pay")), asked("a"), reply("a", True), begun)) == [
        ("a", OUTCOME_UNKNOWN)
    ]


def test_a_call_over_the_limit_is_refused_and_not_asked_for() -> None:
    step = answered(1, call("a"), call("b", "pay"))

    assert planned(next_of(step, limits=Limits(tool_calls=1))) == [("a", None), ("b", CALL_LIMIT)]


def test_a_call_that_waits_keeps_its_room() -> None:
    step = answered(1, call("a", "pay"), call("b"))

    assert planned(next_of(step, limits=Limits(tool_calls=1))) == [("b", CALL_LIMIT)]


def test_a_call_that_was_not_allowed_does_not_use_up_the_limit() -> None:
    results = (answered(1, call("a", "pay")), asked("a"), reply("a", False), returned(1, "a", NOT_APPROVED))

    assert next_of(*results, limits=Limits(tool_calls=1)) == CallModel(step=2, offer_tools=True)


def test_a_model_that_keeps_asking_for_what_was_not_allowed_is_stopped() -> None:
    results: list[JournalEntry] = []
    for step in (1, 2):
        results += [answered(step, call("a", "pay")), returned(step, "a", NOT_APPROVED)]

    finish = next_of(*results, answered(3, call("a", "pay")))

    assert isinstance(finish, Finish)
    assert finish.code == "tool_loop"


def test_a_tool_that_nobody_knows_is_not_asked_for() -> None:
    assert planned(next_of(answered(1, call("a", "gone")), approvals={"gone": "user"})) == [("a", None)]
