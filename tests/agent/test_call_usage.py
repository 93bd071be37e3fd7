"""What a call used: reports are cumulative, what broke off is counted, what is hidden is learned."""

from __future__ import annotations

import pytest

from agent.call_usage import CallUsage, HiddenOutput
from core.messages import ToolCall
from core.models import (
    ModelEvent,
    ModelFinished,
    ReasoningDelta,
    TextDelta,
    ToolCallReady,
    Usage,
    UsageReported,
)

TEN = TextDelta(text="x" * 35)
"""Ten tokens by the estimate."""
FINISHED = ModelFinished(reason="stop")


def reported(**tokens: int) -> UsageReported:
    return UsageReported(usage=Usage(**tokens))


def used(*events: ModelEvent, began: bool = True, hidden: int = 0) -> CallUsage:
    usage = CallUsage(lambda: 100, hidden=hidden)
    usage.began = began
    for event in events:
        usage.take(event)
    return usage


def test_the_last_report_counts_and_reports_are_not_summed() -> None:
    call = used(reported(input=90, output=5), TEN, reported(input=90, output=17, cached=3), FINISHED)

    assert call.usage == Usage(input=90, output=17, cached=3)
    assert not call.is_estimate


def test_without_a_report_text_reasoning_and_calls_are_estimated() -> None:
    call = ToolCallReady(call=ToolCall(call_id="c", name="x" * 5, arguments="y" * 30))

    found = used(TEN, ReasoningDelta(text="z" * 35), call, FINISHED)

    assert found.usage == Usage(input=100, output=30, total=130)
    assert found.is_estimate


def test_a_report_of_a_call_that_broke_off_is_not_the_whole() -> None:
    call = used(reported(input=400, output=1, cached=50), TEN, TEN)

    assert call.usage == Usage(input=400, output=20, cached=50, total=420)
    assert call.is_estimate


def test_a_late_report_of_a_call_that_broke_off_counts_where_it_is_more() -> None:
    assert used(TEN, reported(input=400, output=900, reasoning=800)).usage == Usage(
        input=400, output=900, reasoning=800, total=1_300
    )


def test_a_report_without_input_leaves_the_count_of_the_request() -> None:
    assert used(reported(output=7)).usage == Usage(input=100, output=7, total=107)


def test_a_call_that_never_began_used_nothing_and_counts_nothing() -> None:
    def count() -> int:
        pytest.fail("the request need not be counted")

    assert CallUsage(count).usage == Usage()


def test_a_call_that_began_and_said_nothing_used_its_input() -> None:
    assert used().usage == Usage(input=100, total=100)


def test_what_a_model_is_known_to_hide_is_part_of_a_call_that_breaks_off() -> None:
    assert used(TEN, hidden=600).usage == Usage(input=100, output=610, total=710)
    assert used(TEN, reported(input=1, output=30), FINISHED, hidden=600).usage == Usage(input=1, output=30)


def test_what_a_model_hides_is_learned_from_whole_reports_only() -> None:
    hidden = HiddenOutput()

    hidden.learn("openai", "o9", used(TEN, reported(output=510), FINISHED))
    hidden.learn("openai", "o9", used(TEN, reported(output=9_000)))
    hidden.learn("openai", "chatty", used(TEN, reported(output=8), FINISHED))

    assert hidden.expected("openai", "o9") == 500
    assert hidden.expected("openai", "chatty") == 0
    assert hidden.expected("openai", "unheard-of") == 0


def test_what_was_hidden_once_is_forgotten_little_by_little() -> None:
    hidden = HiddenOutput()
    hidden.learn("openai", "o9", used(TEN, reported(output=1_010), FINISHED))

    for _ in range(20):
        hidden.learn("openai", "o9", used(TEN, reported(output=110), FINISHED))

    assert 100 <= hidden.expected("openai", "o9") < 200


def test_models_that_callers_make_up_do_not_fill_the_memory() -> None:
    hidden = HiddenOutput()

    for number in range(2_500):
        hidden.learn("openai", f"made-up-{number}", used(reported(output=9), FINISHED))

    assert hidden.expected("openai", "made-up-0") == 0
    assert hidden.expected("openai", "made-up-2499") == 9
