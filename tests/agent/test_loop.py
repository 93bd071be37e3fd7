"""The loop's rules: journals in, instructions out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from agent.loop import BAD_CALL, CALL_LIMIT, OUTCOME_UNKNOWN, CallModel, CallTools, Finish, decide, overspent
from core.messages import ToolCall
from core.models import FinishReason, ToolSpec, Usage
from core.turns import JournalEntry, Limits, ModelCalled, StepUse, ToolBegun, ToolReturned


def spec(name: str, **changes: Any) -> ToolSpec:
    return ToolSpec(name=name, title=name, description=name, parameters={}, **changes)


SPECS = {"look": spec("look"), "pay": spec("pay", effect="once"), "alone": spec("alone", parallel=False)}


def call(call_id: str, name: str = "look", arguments: str | None = None) -> ToolCall:
    return ToolCall(call_id=call_id, name=name, arguments=f'{{"id": "{call_id}"}}' if arguments is None else arguments)


def answered(
    step: int,
    *calls: ToolCall,
    text: str = "",
    length: int | None = None,
    reason: FinishReason = "stop",
    **changes: Any,
) -> ModelCalled:
    values: dict[str, Any] = {"usage": Usage(input=10, output=5), "cost_microusd": 1} | changes
    return ModelCalled(
        step=step,
        text=text,
        length=len(text) if length is None else length,
        calls=calls,
        finish_reason=reason,
        provider="p",
        model="m",
        duration_ms=1,
        **values,
    )


def returned(step: int, call_id: str, code: str | None = None) -> ToolReturned:
    return ToolReturned(
        step=step, call_id=call_id, name="look", content="x", summary="x", failed=code is not None, code=code
    )


def next_of(*results: JournalEntry, limits: Limits | None = None) -> CallModel | CallTools | Finish:
    return decide(results, limits or Limits(), SPECS)


def planned_of(*results: JournalEntry, limits: Limits | None = None) -> list[list[tuple[str, str | None]]]:
    instruction = next_of(*results, limits=limits)
    assert isinstance(instruction, CallTools)
    return [
        [(planned.call.call_id, planned.refusal.code if planned.refusal else None) for planned in group]
        for group in instruction.groups
    ]


def test_a_turn_begins_with_a_model_call() -> None:
    assert next_of() == CallModel(step=1, offer_tools=True)


def test_an_answer_without_calls_ends_the_turn() -> None:
    assert next_of(answered(1, text="Ten.")) == Finish(outcome="completed", finish_reason="stop")


def test_calls_are_run_together() -> None:
    assert planned_of(answered(1, call("a"), call("b"))) == [[("a", None), ("b", None)]]


def test_a_call_that_may_not_run_beside_others_is_alone() -> None:
    calls = (call("a"), call("b", "alone"), call("c"), call("d", "unheard-of"), call("e", "alone"))

    assert planned_of(answered(1, *calls)) == [[("a", None)], [("b", None)], [("c", None), ("d", None)], [("e", None)]]


def test_calls_decide_not_the_finish_reason() -> None:
    assert planned_of(answered(1, call("a"), text="Let me look.", reason="stop")) == [[("a", None)]]


def test_only_calls_without_a_result_are_run() -> None:
    assert planned_of(answered(1, call("a"), call("b")), returned(1, "a")) == [[("b", None)]]


def test_a_result_of_another_step_is_not_taken_for_this_ones() -> None:
    results = (answered(1, call("a")), returned(1, "a"), answered(2, call("a", arguments='{"x": 2}')))

    assert planned_of(*results) == [[("a", None)]]


def test_after_all_results_the_model_is_called_again() -> None:
    assert next_of(answered(1, call("a")), returned(1, "a")) == CallModel(step=2, offer_tools=True)


def test_the_last_step_offers_no_tools() -> None:
    results = (answered(1, call("a")), returned(1, "a"))

    assert next_of(*results, limits=Limits(steps=2)) == CallModel(step=2, offer_tools=False)
    assert next_of(limits=Limits(steps=1)) == CallModel(step=1, offer_tools=False)


def test_a_model_that_may_call_no_more_tools_is_offered_none() -> None:
    results = (answered(1, call("a")), returned(1, "a"))

    assert next_of(*results, limits=Limits(tool_calls=1)) == CallModel(step=2, offer_tools=False)


def test_calls_in_the_last_step_are_not_run_and_what_was_said_is_the_answer() -> None:
    results = (answered(1, call("a"), text="About ten."),)

    assert next_of(*results, limits=Limits(steps=1)) == Finish(outcome="completed", finish_reason="stop")


BROKEN = StepUse(step=1, provider="p", model="m", usage=Usage(input=40, output=11), cost_microusd=6, duration_ms=1)
FAILING_ROWS: dict[str, tuple[ModelCalled, Limits, str, bool]] = {
    "calls_in_the_last_step_and_nothing_said": (answered(1, call("a")), Limits(steps=1), "tool_loop", False),
    "an_empty_answer": (answered(1), Limits(), "provider_unavailable", True),
    "filtered_and_nothing_said": (answered(1, reason="filtered"), Limits(), "content_blocked", False),
    "filtered_with_calls": (answered(1, call("a"), reason="filtered"), Limits(), "content_blocked", False),
    "all_output_spent_on_thinking": (answered(1, reason="length"), Limits(), "budget_exceeded", False),
    "broken_off": (answered(1, text="Te", reason="failed"), Limits(), "provider_unavailable", True),
    "too_many_tokens": (
        answered(1, call("a"), usage=Usage(input=90, output=11)),
        Limits(tokens=100),
        "budget_exceeded",
        False,
    ),
    "too_many_tokens_with_those_of_calls_that_broke": (
        answered(1, call("a"), usage=Usage(input=40, output=10), broken=(BROKEN,)),
        Limits(tokens=100),
        "budget_exceeded",
        False,
    ),
    "too_much_money_with_that_of_calls_that_broke": (
        answered(1, call("a"), cost_microusd=5, broken=(BROKEN,)),
        Limits(cost_microusd=10),
        "budget_exceeded",
        False,
    ),
    "too_much_money": (answered(1, call("a"), cost_microusd=11), Limits(cost_microusd=10), "budget_exceeded", False),
}


@pytest.mark.parametrize(("entry", "limits", "code", "retryable"), FAILING_ROWS.values(), ids=FAILING_ROWS.keys())
def test_a_turn_fails(entry: ModelCalled, limits: Limits, code: str, retryable: bool) -> None:
    finish = next_of(entry, limits=limits)

    assert isinstance(finish, Finish)
    assert (finish.outcome, finish.code, finish.retryable) == ("failed", code, retryable)
    assert finish.message


@pytest.mark.parametrize("reason", ["length", "filtered"])
def test_what_was_said_before_the_end_is_an_answer(reason: FinishReason) -> None:
    assert next_of(answered(1, text="Ten", reason=reason)) == Finish(outcome="completed", finish_reason=reason)


def test_text_of_an_earlier_step_is_an_answer_too() -> None:
    results = (answered(1, call("a"), text="Ten."), returned(1, "a"), answered(2, length=4))

    assert next_of(*results) == Finish(outcome="completed", finish_reason="stop")


def test_a_finished_answer_is_given_whatever_it_cost() -> None:
    entry = answered(1, text="Ten.", cost_microusd=99)

    assert next_of(entry, limits=Limits(cost_microusd=1)) == Finish(outcome="completed", finish_reason="stop")


def test_a_cut_answer_runs_only_calls_that_may_be_whole() -> None:
    cut = answered(1, call("a"), call("b", arguments=" "), reason="length")

    assert planned_of(cut) == [[("a", None), ("b", BAD_CALL)]]


def test_calls_over_the_limit_are_refused() -> None:
    assert planned_of(answered(1, call("a"), call("b")), limits=Limits(tool_calls=1)) == [
        [("a", None), ("b", CALL_LIMIT)]
    ]


def test_calls_that_never_ran_do_not_use_up_the_limit() -> None:
    results = (answered(1, call("a"), call("b")), returned(1, "a", BAD_CALL), returned(1, "b", CALL_LIMIT))

    assert next_of(*results, limits=Limits(tool_calls=1)) == CallModel(step=2, offer_tools=True)


def test_a_once_tool_that_was_begun_is_never_run_again() -> None:
    begun = ToolBegun(step=1, call_id="a", name="pay", effect="once")

    assert planned_of(answered(1, call("a", "pay"), call("b")), begun) == [[("a", OUTCOME_UNKNOWN), ("b", None)]]


def test_an_idempotent_tool_that_was_begun_runs_again() -> None:
    begun = ToolBegun(step=1, call_id="a", name="save", effect="idempotent")

    assert planned_of(answered(1, call("a", "save")), begun) == [[("a", None)]]


def same_call_again(times: int) -> list[JournalEntry]:
    results: list[JournalEntry] = []
    spellings = ['{"x": 1, "y": 2}', '{"y":2,"x":1}', '{ "x":1, "y":2 }']
    for step in range(1, times + 1):
        results += [answered(step, call(f"c{step}", arguments=spellings[step - 1])), returned(step, f"c{step}")]
    return results[:-1]


def test_the_same_call_may_run_twice() -> None:
    assert planned_of(*same_call_again(2)) == [[("c2", None)]]


def test_the_same_call_a_third_time_is_a_loop_however_it_is_spelt() -> None:
    finish = next_of(*same_call_again(3))

    assert isinstance(finish, Finish)
    assert finish.code == "tool_loop"


def test_equal_arguments_that_are_not_json_are_equal() -> None:
    finish = next_of(answered(1, *(call(name, arguments="oops") for name in "abc")))

    assert isinstance(finish, Finish)
    assert finish.code == "tool_loop"


def bad_steps(count: int) -> Sequence[JournalEntry]:
    results: list[JournalEntry] = []
    for step in range(1, count + 1):
        results += [answered(step, call("a", arguments="oops")), returned(step, "a", BAD_CALL)]
    return results


def test_a_bad_call_goes_back_to_the_model_twice() -> None:
    assert next_of(*bad_steps(2)) == CallModel(step=3, offer_tools=True)


def test_a_bad_call_said_again_is_bad_again_not_a_loop() -> None:
    results = (*bad_steps(2), answered(3, call("a", arguments="oops")))

    assert planned_of(*results) == [[("a", None)]]


def test_a_third_bad_call_fails_the_turn() -> None:
    finish = next_of(*bad_steps(3))

    assert isinstance(finish, Finish)
    assert finish.code == "tool_failed"


def test_several_bad_calls_of_one_step_are_one_correction() -> None:
    results = (answered(1, call("a"), call("b")), returned(1, "a", BAD_CALL), returned(1, "b", BAD_CALL))

    assert next_of(*results, limits=Limits(corrections=1)) == CallModel(step=2, offer_tools=True)


def test_a_tools_own_failure_is_not_a_bad_call() -> None:
    results = (answered(1, call("a")), returned(1, "a", "tool_failed"))

    assert next_of(*results, limits=Limits(corrections=0)) == CallModel(step=2, offer_tools=True)


def test_within_its_limits_nothing_is_overspent() -> None:
    assert overspent(100, 10, Limits(tokens=100, cost_microusd=10)) is None
