"""Whole turns against a scripted provider: what is written, in which order, and how a turn ends."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
from typing import Any

import pytest
from loguru import logger

from agent.loop import BAD_CALL
from agent.providers.scripted import Call, Cut, Fail, Finish, Pause, Report, Say, ScriptedProvider, Think
from agent.runner import Runner
from core.errors import ProviderError, StaleRun, ToolError, UserError
from core.events import (
    MessageCompleted,
    MessageDelta,
    MessageReset,
    MessageStarted,
    StepStarted,
    ToolCompleted,
    ToolFailed,
    ToolStarted,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
)
from core.ids import SequentialIds
from core.measurements import ModelAnswered, ToolRan, TurnEnded
from core.messages import AssistantMessage, ToolMessage, UserMessage
from core.models import TextDelta, Usage
from core.turns import HistoryEntry, Limits, ModelCalled, ToolBegun, ToolReturned
from tests.agent.agent_support import NOW_MS, Bench, FlatPrice, assert_event_types, chooses, taken


def script(*items: Any) -> ScriptedProvider:
    """A provider for one model call."""
    return ScriptedProvider([items])


# ---------------------------------------------------------------- text


async def test_an_answer_is_streamed_and_ends(bench: Bench) -> None:
    record = await bench.run(script(Say("Dez "), Say("dólares."), Report(Usage(input=20, output=5, total=25))))

    assert_event_types(
        bench.writer, "step.started", "message.started", "message.delta", "message.completed", "turn.completed"
    )
    assert bench.writer.text == "Dez dólares."
    completed = bench.writer.only(MessageCompleted)
    assert (completed.length, completed.finish_reason) == (12, "stop")
    assert completed.sha256 == hashlib.sha256("Dez dólares.".encode()).hexdigest()
    assert record is bench.writer.record
    assert record is not None
    assert (record.outcome, record.usage, record.cost_microusd) == (
        "completed",
        Usage(input=20, output=5, total=25),
        25,
    )
    assert (record.provider, record.model, record.context_size) == ("scripted", "m-1", 2)


async def test_a_later_steps_text_follows_a_blank_line(bench: Bench) -> None:
    provider = ScriptedProvider([[Say("Let me look."), Call("look")], [Say("Ten"), Say(" dollars.")]])

    record = await bench.run(provider)

    assert bench.writer.text == "Let me look.\n\nTen dollars."
    assert_event_types(
        bench.writer,
        "step.started",
        "message.started",
        "message.delta",
        "tool.started",
        "tool.completed",
        "step.started",
        "message.delta",
        "message.completed",
        "turn.completed",
    )
    completed = bench.writer.only(TurnCompleted)
    assert (completed.steps, completed.tools) == (2, ("look",))
    assert record is not None
    assert [(step.step, step.provider) for step in record.steps] == [(1, "scripted"), (2, "scripted")]


async def test_a_first_step_without_text_leaves_no_blank_line(bench: Bench) -> None:
    await bench.run(ScriptedProvider([[Call("look")], [Say("Ten.")]]))

    assert bench.writer.text == "Ten."


async def test_offsets_count_code_points(bench: Bench) -> None:
    pause, reached = asyncio.Event(), asyncio.Event()
    turn = asyncio.create_task(bench.run(script(Say("😀é"), Pause(pause, reached), Say("!"))))
    await bench.writer.until(MessageDelta)
    pause.set()
    await turn

    deltas = [event for event in bench.writer.events if isinstance(event, MessageDelta)]
    assert [(delta.off, delta.text) for delta in deltas] == [(0, "😀é"), (2, "!")]


async def test_the_message_begins_with_its_first_text_only(bench: Bench) -> None:
    await bench.run(ScriptedProvider([[Call("look")], [Say("Ten.")]]))

    assert bench.writer.types.index("message.started") > bench.writer.types.index("tool.completed")
    assert bench.writer.only(MessageStarted).channel == "web"


async def test_text_gathers_while_an_append_is_under_way(bench: Bench) -> None:
    pause, reached = asyncio.Event(), asyncio.Event()
    bench.writer.gate.clear()
    words = [Say(f"{number} ") for number in range(50)]
    turn = asyncio.create_task(bench.run(script(*words, Pause(pause, reached), *words)))
    await reached.wait()
    bench.writer.gate.set()
    pause.set()
    await turn

    assert bench.writer.most_appending == 1
    assert bench.writer.text == "".join(word.text for word in words) * 2
    assert len([event for event in bench.writer.events if isinstance(event, MessageDelta)]) <= 3


async def test_reasoning_is_not_shown(bench: Bench) -> None:
    await bench.run(script(Think("Hm. Let me think."), Say("Ten.")))

    assert bench.writer.text == "Ten."


@pytest.mark.looptime
async def test_empty_answers_fail_the_turn_after_three_of_them(bench: Bench) -> None:
    await bench.run(ScriptedProvider([[], [], [], [Say("never")]]))

    failed = bench.writer.only(TurnFailed)
    assert (failed.code, failed.retryable) == ("provider_unavailable", True)
    assert_event_types(bench.writer, "step.started", "turn.failed")


@pytest.mark.parametrize("reason", ["length", "filtered"])
async def test_the_message_says_why_its_text_ended(bench: Bench, reason: Any) -> None:
    await bench.run(script(Say("Te"), Finish(reason)))

    assert bench.writer.only(MessageCompleted).finish_reason == reason
    assert bench.writer.only(TurnCompleted).steps == 1


async def test_usage_that_is_not_reported_is_estimated(bench: Bench) -> None:
    record = await bench.run(script(Say("x" * 35)))

    assert record is not None
    assert record.usage.output == 10
    assert record.usage.input > 100


async def test_each_model_call_is_journalled_with_what_was_sent(bench: Bench) -> None:
    await bench.run(ScriptedProvider([[Say("Let me look."), Call("look")], [Say("Ten.")]]))

    first, result, second = bench.writer.journal
    assert isinstance(first, ModelCalled)
    assert isinstance(result, ToolReturned)
    assert isinstance(second, ModelCalled)
    assert (first.text, first.length, [call.name for call in first.calls]) == ("Let me look.", 12, ["look"])
    assert (second.text, second.length, second.context_size) == ("Ten.", 18, 4)
    assert [message.content for message in second.prompt[1:]] == ["How much?", "Let me look.", "result of look"]


async def test_a_model_call_is_journalled_in_the_same_write_as_its_last_text(bench: Bench) -> None:
    pause = asyncio.Event()
    turn = asyncio.create_task(bench.run(script(Say("Ten "), Pause(pause), Say("dollars."))))
    await bench.writer.until(MessageDelta)
    pause.set()
    await turn

    (texts,) = [
        [event.text for event in events if isinstance(event, MessageDelta)]
        for events, journal in bench.writer.writes
        if journal
    ]
    assert texts == ["dollars."]


# ---------------------------------------------------------------- tools


async def test_tools_of_a_step_run_at_the_same_time(bench: Bench) -> None:
    provider = ScriptedProvider([[Call("look", {"x": 1}), Call("look", {"x": 2})], [Say("Both.")]])

    await bench.run(provider)

    assert bench.tools.most_running == 2
    second = provider.requests[1].messages
    assert [type(message).__name__ for message in second[2:]] == ["AssistantMessage", "ToolMessage", "ToolMessage"]
    assert [message.call_id for message in second if isinstance(message, ToolMessage)] == ["call_1", "call_2"]


async def test_a_tool_that_must_be_alone_runs_alone(bench: Bench) -> None:
    await bench.run(ScriptedProvider([[Call("alone", {"x": 1}), Call("look"), Call("alone", {"x": 2})], [Say("All.")]]))

    assert bench.tools.most_running == 1
    assert [name for name, _ in bench.tools.calls] == ["alone", "look", "alone"]


async def test_a_tool_knows_for_whom_it_works(bench: Bench) -> None:
    await bench.run(ScriptedProvider([[Call("save", call_id="c9")], [Say("Saved.")]]), turn=taken(locale="pt-BR"))

    (context,) = bench.tools.contexts
    assert (context.tenant, context.user_id, context.session_id) == ("default", "ana", "ses_1")
    assert (context.idempotency_key, context.locale) == ("turn_1:c9", "pt-BR")


@pytest.mark.parametrize("name", ["pay", "save"])
async def test_a_tool_with_effects_is_journalled_before_it_runs(bench: Bench, name: str) -> None:
    bench.tools.gate.clear()
    turn = asyncio.create_task(bench.run(ScriptedProvider([[Call(name)], [Say("Done.")]])))
    await bench.tools.started.wait()

    begun = [entry for entry in bench.writer.journal if isinstance(entry, ToolBegun)]
    assert [entry.name for entry in begun] == [name]
    assert bench.writer.only(ToolStarted).name == name

    bench.tools.gate.set()
    await turn


async def test_a_bad_call_goes_back_to_the_model_which_corrects_it(bench: Bench) -> None:
    provider = ScriptedProvider([[Call("look", {"x": "one"})], [Call("look", {"x": 1})], [Say("One.")]])

    record = await bench.run(provider)

    (told,) = [message for message in provider.requests[1].messages if isinstance(message, ToolMessage)]
    assert (told.content, told.failed) == ("x must be an integer", True)
    assert bench.tools.calls == [("look", {"x": 1})]
    assert bench.writer.only(ToolFailed).code == BAD_CALL
    assert record is not None
    assert (record.outcome, len(record.tools)) == ("completed", 1)


async def test_an_unknown_tool_goes_back_to_the_model_with_the_names_of_those_there_are(bench: Bench) -> None:
    provider = ScriptedProvider([[Call("erase")], [Say("I cannot.")]])

    await bench.run(provider)

    (told,) = [message for message in provider.requests[1].messages if isinstance(message, ToolMessage)]
    assert told.content == "There is no tool 'erase'. The tools are: look, pay, save, alone."


async def test_an_agent_calls_only_its_own_tools(bench: Bench) -> None:
    bench.agent_changes = {"tools": ("lo*",)}
    provider = ScriptedProvider([[Call("pay")], [Say("I cannot.")]])

    await bench.run(provider)

    assert [tool.name for tool in provider.requests[0].tools] == ["look"]
    assert bench.tools.calls == []


async def test_arguments_that_are_no_object_are_sent_back_as_one(bench: Bench) -> None:
    provider = ScriptedProvider([[Call("look", "oops")], [Say("Sorry.")]])

    await bench.run(provider)

    (asked,) = [message for message in provider.requests[1].messages if isinstance(message, AssistantMessage)]
    assert asked.tool_calls[0].arguments == '{"_not_an_object": "oops"}'


async def test_bad_calls_without_end_fail_the_turn(bench: Bench) -> None:
    await bench.run(ScriptedProvider([[Call("look", "oops")]] * 4))

    assert bench.writer.only(TurnFailed).code == "tool_failed"


async def test_the_same_call_without_end_is_a_tool_loop(bench: Bench) -> None:
    await bench.run(ScriptedProvider([[Call("look", {"x": 1})]] * 4))

    assert bench.writer.only(TurnFailed).code == "tool_loop"
    assert len(bench.tools.calls) == 2


async def test_the_last_step_is_made_without_tools_and_says_so(bench: Bench) -> None:
    bench.limits = Limits(steps=2)
    provider = ScriptedProvider([[Call("look")], [Say("As far as I know: ten.")]])

    await bench.run(provider)

    assert provider.requests[1].tools == ()
    assert "no more tools" in provider.requests[1].messages[0].content
    assert bench.writer.text == "As far as I know: ten."


FAILURES: dict[str, tuple[Exception, str, str]] = {
    "its_own_words": (ToolError("No such customer: 'Acme'."), "tool_failed", "No such customer: 'Acme'."),
    "a_bug": (
        RuntimeError("secret"),
        "internal",
        "The tool failed by a fault of its own. Do not call it again.",
    ),
    "too_slow": (TimeoutError(), "timeout", "The tool did not answer in 20 s."),
}


@pytest.mark.parametrize(("error", "code", "message"), FAILURES.values(), ids=FAILURES.keys())
async def test_a_tools_failure_is_told_to_the_model(bench: Bench, error: Exception, code: str, message: str) -> None:
    bench.tools.answers["look"] = error
    provider = ScriptedProvider([[Call("look")], [Say("I could not.")]])

    record = await bench.run(provider)

    failed = bench.writer.only(ToolFailed)
    assert (failed.code, failed.message) == (code, message)
    assert provider.requests[1].messages[-1].content == message
    assert record is not None
    assert [(use.failed, use.code) for use in record.tools] == [(True, code)]


async def test_a_long_result_is_cut_with_a_note(bench: Bench) -> None:
    bench.tools.answers["look"] = "x" * 150
    provider = ScriptedProvider([[Call("look")], [Say("Long.")]])

    await bench.run(provider)

    content = provider.requests[1].messages[-1].content
    assert content == "x" * 100 + "\n[Cut here: 50 more characters. Ask for less at once.]"


async def test_calls_with_equal_or_no_ids_get_ids_of_their_own(bench: Bench) -> None:
    provider = ScriptedProvider(
        [[Call("look", {"x": 1}, "same"), Call("look", {"x": 2}, "same")], [Call("look", {"x": 3}, "same")], [Say("x")]]
    )

    await bench.run(provider)

    started = [event.call_id for event in bench.writer.events if isinstance(event, ToolStarted)]
    assert started == ["same", "call_1", "call_2"]


REVEALED: dict[str, tuple[Any, ...]] = {
    "title": (None, None, "The look tool", None, None, None),
    "summary": ("m-1", None, "look is done.", None, "scripted", 1.0),
    "full": ("m-1", {"x": 1}, "look is done.", {"answer": "result of look"}, "scripted", 1.0),
}


@pytest.mark.parametrize(("policy", "shown"), REVEALED.items(), ids=REVEALED.keys())
async def test_events_show_what_the_agent_reveals(bench: Bench, policy: str, shown: tuple[Any, ...]) -> None:
    bench.reveal = policy
    usage = Report(Usage(input=1_000_000, output=0))

    await bench.run(ScriptedProvider([[Call("look", {"x": 1}), Report(Usage())], [Say("Ten."), usage]]), turn=taken())

    completed, tool = bench.writer.only(TurnCompleted), bench.writer.only(ToolCompleted)
    model = next(event for event in bench.writer.events if isinstance(event, StepStarted)).model
    arguments = bench.writer.only(ToolStarted).arguments
    assert (model, arguments, tool.summary, tool.result, completed.provider, completed.cost_usd) == shown


# ---------------------------------------------------------------- limits


async def test_the_turns_time_ends_it_and_closes_the_stream(bench: Bench) -> None:
    bench.limits = Limits(duration_s=0.02)
    provider = script(Say("Ten"), Pause(asyncio.Event()))

    await bench.run(provider)

    assert (provider.open_streams, provider.closed_early) == (0, 1)
    failed = bench.writer.only(TurnFailed)
    assert (failed.code, failed.retryable) == ("provider_unavailable", True)
    assert bench.writer.text == "Ten"
    assert bench.writer.only(MessageCompleted).finish_reason == "failed"


@pytest.mark.parametrize("limits", [Limits(cost_microusd=3_000), Limits(tokens=3_000)], ids=["money", "tokens"])
async def test_a_limit_holds_in_mid_stream(bench: Bench, limits: Limits) -> None:
    bench.limits = limits
    provider = script(*[Say("x" * 1_000)] * 20, Say("never"))

    record = await bench.run(provider)

    assert bench.writer.only(TurnFailed).code == "budget_exceeded"
    assert provider.closed_early == 1
    assert "never" not in bench.writer.text
    assert record is not None
    assert 3_000 < record.cost_microusd < 4_000
    assert [step.finish_reason for step in record.steps] == ["failed"]


async def test_reasoning_uses_up_the_limits_too(bench: Bench) -> None:
    bench.limits = Limits(tokens=3_000)

    await bench.run(script(*[Think("x" * 1_000)] * 20, Say("never")))

    assert bench.writer.only(TurnFailed).code == "budget_exceeded"


# ---------------------------------------------------------------- cancelling


async def test_a_stop_closes_the_stream_before_the_end_is_written(bench: Bench) -> None:
    provider = script(Say("Ten"), Pause(asyncio.Event()), Say("never"))
    open_at_writes: list[int] = []
    turn = asyncio.create_task(bench.run(provider))
    await bench.writer.until(MessageDelta)
    bench.writer.on_write = lambda: open_at_writes.append(provider.open_streams)
    assert bench.cancel is not None
    bench.cancel("user")
    record = await turn

    assert open_at_writes == [0]
    assert_event_types(
        bench.writer, "step.started", "message.started", "message.delta", "message.completed", "turn.cancelled"
    )
    assert bench.writer.text == "Ten"
    assert bench.writer.only(MessageCompleted).finish_reason == "cancelled"
    assert bench.writer.only(TurnCancelled).by == "user"
    assert record is not None
    assert record.outcome == "cancelled"
    assert record.usage.output == 1
    assert record.messages[-1].status == "cancelled"
    assert bench.writer.history is not None
    assert bench.writer.history.messages[-1] == AssistantMessage(content="Ten", cancelled=True)


async def test_a_stop_that_an_append_tells_of_counts(bench: Bench) -> None:
    bench.writer.cancelled_by = "operator"

    await bench.run(script(Say("Ten"), Pause(asyncio.Event())))

    assert bench.writer.only(TurnCancelled).by == "operator"


async def test_a_stop_while_a_tool_runs_closes_its_call(bench: Bench) -> None:
    bench.tools.gate.clear()
    turn = asyncio.create_task(bench.run(script(Say("Let me look."), Call("look"))))
    await bench.writer.until(ToolStarted)
    assert bench.cancel is not None
    bench.cancel("interrupt")
    await turn

    assert bench.tools.running == 0
    assert_event_types(
        bench.writer,
        "step.started",
        "message.started",
        "message.delta",
        "tool.started",
        "tool.failed",
        "message.completed",
        "turn.cancelled",
    )
    assert bench.writer.only(ToolFailed).code == "cancelled"
    assert bench.writer.history is not None
    _, asked, result, last = bench.writer.history.messages
    assert isinstance(asked, AssistantMessage)
    assert result == ToolMessage(
        call_id="call_1", name="look", content="The turn ended before this call gave a result.", failed=True
    )
    assert isinstance(last, AssistantMessage)
    assert last.content


async def test_a_turn_cancelled_before_its_run_calls_nothing(bench: Bench) -> None:
    import msgspec

    provider = script(Say("never"))

    await bench.run(provider, turn=msgspec.structs.replace(taken(), cancelled_by="erasure"))

    assert provider.requests == []
    assert_event_types(bench.writer, "turn.cancelled")
    assert bench.writer.only(TurnCancelled).by == "erasure"


async def test_nobody_listens_for_a_stop_after_the_end(bench: Bench) -> None:
    await bench.run(script(Say("Ten.")))

    assert bench.cancel is None


# ---------------------------------------------------------------- the provider fails


def unavailable(**changes: Any) -> ProviderError:
    return ProviderError("the provider is away", **changes)


async def test_a_failure_before_any_text_is_tried_again(bench: Bench) -> None:
    provider = ScriptedProvider([[Fail(unavailable(retry_after_ms=1))], [Say("Ten.")]])

    record = await bench.run(provider)

    assert bench.writer.text == "Ten."
    assert len(provider.requests) == 2
    assert record is not None
    assert record.outcome == "completed"


NOT_RETRIED: dict[str, ProviderError] = {
    "not_retryable": unavailable(retryable=False),
    "a_wait_that_is_too_long": unavailable(retry_after_ms=60_000),
}


@pytest.mark.parametrize("error", NOT_RETRIED.values(), ids=NOT_RETRIED.keys())
async def test_a_failure_that_waiting_does_not_heal_is_not_tried_again(bench: Bench, error: ProviderError) -> None:
    provider = ScriptedProvider([[Fail(error)], [Say("never")]])

    await bench.run(provider)

    assert len(provider.requests) == 1
    failed = bench.writer.only(TurnFailed)
    assert (failed.code, failed.retryable) == ("provider_unavailable", error.retryable)


WHAT_FAILED: dict[str, tuple[str, ProviderError, str]] = {
    "later": ("full", unavailable(retry_after_ms=60_000), "The provider is away. Try again in a moment."),
    "never": ("full", unavailable(retryable=False), "The provider is away. The operator has to look at it."),
    "hidden": ("title", unavailable(retryable=False), "The model could not answer. The operator has to look at it."),
    "the_users": (
        "title",
        ProviderError("Too long. Ask for less.", code="context_overflow"),
        "Too long. Ask for less.",
    ),
}


@pytest.mark.parametrize(("policy", "error", "said"), WHAT_FAILED.values(), ids=WHAT_FAILED.keys())
async def test_a_failure_says_in_sentences_what_happened_and_what_to_do(
    bench: Bench, policy: str, error: ProviderError, said: str
) -> None:
    bench.reveal = policy

    await bench.run(ScriptedProvider([[Fail(error)]] * 3))

    assert bench.writer.only(TurnFailed).message == said


async def test_tries_are_bounded(bench: Bench) -> None:
    provider = ScriptedProvider([[Fail(unavailable(retry_after_ms=1))]] * 9)

    await bench.run(provider)

    assert len(provider.requests) == 3
    assert bench.writer.only(TurnFailed).retryable


async def test_a_stream_cut_after_text_is_tried_again_and_no_text_comes_from_two_calls(bench: Bench) -> None:
    provider = ScriptedProvider(
        [[Say("Let me look."), Call("look")], [Say("Elev"), Cut()], [Say("Tw"), Fail(unavailable())], [Say("Ten.")]]
    )

    record = await bench.run(provider)

    assert bench.writer.text == "Let me look.\n\nTen."
    resets = [event for event in bench.writer.events if isinstance(event, MessageReset)]
    assert [(reset.to, reset.reason) for reset in resets] == [(12, "recovery"), (12, "recovery")]
    assert bench.writer.types.count("step.started") == 2
    assert record is not None
    assert [(step.step, step.finish_reason) for step in record.steps] == [
        (1, "stop"),
        (2, "failed"),
        (2, "failed"),
        (2, "stop"),
    ]


async def test_a_stream_that_is_cut_each_time_fails_the_turn_and_keeps_what_was_shown_last(bench: Bench) -> None:
    provider = ScriptedProvider([[Say("One"), Cut()], [Say("Two"), Cut()], [Say("Ten dol"), Cut()], [Say("never")]])

    await bench.run(provider)

    assert len(provider.requests) == 3
    assert bench.writer.types[-2:] == ["message.completed", "turn.failed"]
    assert bench.writer.text == "Ten dol"
    assert bench.writer.only(TurnFailed).retryable
    assert bench.writer.history is not None
    assert bench.writer.history.messages[-1] == AssistantMessage(content="Ten dol")


async def test_another_provider_takes_over_and_no_text_comes_from_two_sources(bench: Bench) -> None:
    first = ScriptedProvider([[Say("Let me look."), Call("look")], [Say("Elev"), Cut()]], name="one")
    second = ScriptedProvider([[Say("Ten.")]], name="two")

    record = await bench.run(first, second)

    assert bench.writer.text == "Let me look.\n\nTen."
    assert bench.writer.types.count("message.reset") == 1
    assert record is not None
    assert [(step.step, step.provider, step.finish_reason) for step in record.steps] == [
        (1, "one", "stop"),
        (2, "one", "failed"),
        (2, "two", "stop"),
    ]
    assert (record.provider, bench.writer.only(TurnCompleted).provider) == ("two", "two")


async def test_a_cut_stream_without_finish_is_not_taken_as_whole(bench: Bench) -> None:
    class Endless:
        name = "endless"

        def stream(self, request: Any) -> Any:
            from contextlib import asynccontextmanager

            @asynccontextmanager
            async def opened() -> Any:
                async def events() -> Any:
                    yield TextDelta(text="Ten")

                yield events()

            return opened()

        async def close(self) -> None: ...

    await bench.run(Endless())

    assert bench.writer.only(TurnFailed).code == "provider_unavailable"


async def test_a_bug_ends_the_turn_and_shows_nothing_of_itself(bench: Bench) -> None:
    class Broken(ScriptedProvider):
        def stream(self, request: Any) -> Any:
            raise RuntimeError("secret")

    await bench.run(Broken([]))

    failed = bench.writer.only(TurnFailed)
    assert (failed.code, failed.retryable) == ("internal", True)
    assert "secret" not in failed.message


async def test_an_unknown_agent_fails_the_turn(bench: Bench) -> None:
    await bench.run(script(), turn=taken(agent="nobody"))

    assert bench.writer.only(TurnFailed).code == "not_found"


# ---------------------------------------------------------------- the backend fails, the process stops


async def test_a_stale_run_writes_nothing_more(bench: Bench) -> None:
    bench.writer.fail = StaleRun("another run goes on")
    provider = script(Say("Ten"), Pause(asyncio.Event()))

    record = await bench.run(provider)

    assert record is None
    assert (bench.writer.events, bench.writer.ends) == ([], 0)
    assert provider.open_streams == 0


async def test_a_run_that_is_stale_at_its_end_is_left(bench: Bench) -> None:
    bench.writer.fail_end = StaleRun("another run goes on")

    assert await bench.run(script(Say("Ten."))) is None
    assert bench.measured.of(TurnEnded) == []


async def test_a_tool_is_not_run_where_its_begin_cannot_be_journalled(bench: Bench) -> None:
    def fail_from_now_on() -> None:
        bench.writer.fail = StaleRun("another run goes on")

    bench.writer.on_write = fail_from_now_on
    pause = asyncio.Event()
    turn = asyncio.create_task(bench.run(script(Say("Paying."), Pause(pause), Call("pay"))))
    await bench.writer.until(StepStarted)
    pause.set()

    assert await turn is None
    assert bench.tools.calls == []


async def test_a_shutdown_writes_no_end_and_closes_the_stream(bench: Bench) -> None:
    provider = script(Say("Ten"), Pause(asyncio.Event()))
    turn = asyncio.create_task(bench.run(provider))
    await bench.writer.until(MessageDelta)
    turn.cancel()

    with pytest.raises(asyncio.CancelledError):
        await turn
    assert bench.writer.ends == 0
    assert provider.open_streams == 0
    assert bench.cancel is None


# ---------------------------------------------------------------- context, history, measurements, logs


async def test_earlier_turns_go_to_the_model(bench: Bench) -> None:
    earlier = HistoryEntry(
        turn_id="turn_0",
        messages=(UserMessage(content="Hi"), AssistantMessage(content="Hel", cancelled=True)),
    )
    provider = script(Say("Ten."))

    await bench.run(provider, history=[earlier])

    contents = [message.content for message in provider.requests[0].messages[1:]]
    assert contents == ["Hi", "Hel\n\n[The user stopped this answer here.]", "How much?"]


async def test_a_turn_that_is_answered_again_is_not_in_its_own_context(bench: Bench) -> None:
    earlier = HistoryEntry(turn_id="turn_0", messages=(UserMessage(content="x"), AssistantMessage(content="y")))
    provider = script(Say("Ten."))

    await bench.run(provider, turn=taken(retry_of="turn_0"), history=[earlier])

    assert [message.content for message in provider.requests[0].messages[1:]] == ["How much?"]
    assert bench.writer.history is not None
    assert bench.writer.history.retry_of == "turn_0"


async def test_the_turn_leaves_a_history_with_its_tools(bench: Bench) -> None:
    await bench.run(ScriptedProvider([[Call("look")], [Say("Ten.")]]))

    assert bench.writer.history is not None
    user, asked, result, answer = bench.writer.history.messages
    assert user == UserMessage(content="How much?")
    assert isinstance(asked, AssistantMessage)
    assert asked.tool_calls[0].call_id == "call_1"
    assert result == ToolMessage(call_id="call_1", name="look", content="result of look")
    assert answer == AssistantMessage(content="Ten.", provider="scripted")


async def test_a_failed_turn_without_text_leaves_an_answer_that_says_so(bench: Bench) -> None:
    await bench.run(script(Fail(unavailable(retryable=False))))

    assert bench.writer.history is not None
    assert [message.content for message in bench.writer.history.messages] == [
        "How much?",
        "[The answer failed and nothing was given.]",
    ]


async def test_opaque_parts_go_back_to_the_model(bench: Bench) -> None:
    provider = ScriptedProvider([[Call("look"), Finish(opaque={"signature": "s"})], [Say("Ten.")]])

    await bench.run(provider)

    (asked,) = [message for message in provider.requests[1].messages if isinstance(message, AssistantMessage)]
    assert (asked.opaque, asked.provider) == ({"signature": "s"}, "scripted")


async def test_what_happened_is_measured(bench: Bench) -> None:
    record = await bench.run(ScriptedProvider([[Call("look"), Call("made-up")], [Say("Ten.")]]))

    assert [measured.outcome for measured in bench.measured.of(ModelAnswered)] == ["stop", "stop"]
    assert sorted((m.name, m.failed) for m in bench.measured.of(ToolRan)) == [("look", False), ("unknown", True)]
    assert [measured.record for measured in bench.measured.of(TurnEnded)] == [record]


async def test_times_count_from_the_messages_acceptance(bench: Bench) -> None:
    record = await bench.run(script(Say("Ten.")), turn=taken(accepted_ms=NOW_MS - 500))

    assert record is not None
    assert (record.ttft_ms, record.duration_ms) == (500, 500)
    assert bench.measured.of(TurnEnded)[0].queued_ms == 500


async def test_the_log_tells_the_end_with_the_masked_prompt(bench: Bench) -> None:
    lines: list[Any] = []
    sink = logger.add(lambda message: lines.append(message.record), level="INFO")
    await bench.run(ScriptedProvider([[Call("look")], [Say("Ten.")]]))
    logger.remove(sink)

    last = lines[-1]
    assert last["message"] == "turn.completed"
    assert {name: last["extra"][name] for name in ("turn_id", "session_id", "user_id", "prompt", "tool_called")} == {
        "turn_id": "turn_1",
        "session_id": "ses_1",
        "user_id": "ana",
        "prompt": "HOW MUCH?",
        "tool_called": ["look"],
    }
    assert {"tokens_used", "time_ms", "model", "provider", "cost_usd", "outcome"} <= last["extra"].keys()


# ---------------------------------------------------------------- on the edge


async def test_a_model_that_nobody_serves_fails_the_turn(bench: Bench) -> None:
    async def refuse(turn: Any, agent: Any) -> Any:
        raise UserError("There is no model 'x:y'.")

    await bench.runner(script(), choose_models=refuse).run(taken(model="x:y"), bench.writer)

    failed = bench.writer.only(TurnFailed)
    assert (failed.code, failed.message) == ("invalid_request", "There is no model 'x:y'.")


async def test_a_stop_that_comes_while_the_run_is_made_ready_counts(bench: Bench) -> None:
    provider = script(Say("never"))

    async def stop_and_choose(turn: Any, agent: Any) -> Any:
        assert bench.cancel is not None
        bench.cancel("user")
        return await chooses(provider)(turn, agent)

    await bench.runner(choose_models=stop_and_choose).run(taken(), bench.writer)

    assert bench.writer.types[-1] == "turn.cancelled"
    assert bench.writer.text == ""


async def test_the_second_stop_changes_nothing(bench: Bench) -> None:
    turn = asyncio.create_task(bench.run(script(Say("Ten"), Pause(asyncio.Event()))))
    await bench.writer.until(MessageDelta)
    cancel = bench.cancel
    assert cancel is not None
    cancel("operator")
    cancel("user")
    await turn
    cancel("user")

    assert bench.writer.only(TurnCancelled).by == "operator"


async def test_a_timeout_that_is_not_the_turns_own_is_a_bug(bench: Bench) -> None:
    class Impatient(ScriptedProvider):
        def stream(self, request: Any) -> Any:
            raise TimeoutError

    await bench.run(Impatient([]))

    assert bench.writer.only(TurnFailed).code == "internal"


async def test_a_writer_that_breaks_is_not_hidden(bench: Bench) -> None:
    bench.writer.fail = ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        await bench.run(script(Say("Ten"), Pause(asyncio.Event())))


async def test_without_a_mask_no_prompt_goes_to_the_log(bench: Bench) -> None:
    lines: list[Any] = []
    sink = logger.add(lambda message: lines.append(message.record), level="INFO")
    runner = Runner(
        agents={"sales": bench.agent()},
        tools=bench.tools,
        choose_models=chooses(script(Say("Ten."))),
        pricing=FlatPrice(),
        clock=bench.clock,
        ids=SequentialIds(),
        reference_date=dt.date(2017, 12, 31),
    )
    await runner.run(taken(), bench.writer)
    logger.remove(sink)

    assert lines[-1]["extra"]["prompt"] is None
    assert "How much?" not in str(lines)
    assert isinstance(bench.writer.journal[0], ModelCalled)
    assert "Today is 2017-12-31." in bench.writer.journal[0].prompt[0].content


async def test_prompts_are_journalled_only_where_they_are_kept(bench: Bench) -> None:
    await bench.runner(script(Say("Ten.")), keep_prompt=False).run(taken(), bench.writer)

    assert isinstance(bench.writer.journal[0], ModelCalled)
    assert bench.writer.journal[0].prompt == ()
    assert bench.writer.journal[0].context_size == 2
