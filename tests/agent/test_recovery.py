"""Turns taken over from a run that died: nothing finished is done again, and the text comes out the same."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from agent.loop import OUTCOME_UNKNOWN
from agent.providers.scripted import Call, Item, Say, ScriptedProvider
from agent.replay import journalled_text
from core.errors import StaleRun
from core.events import (
    Event,
    MessageCompleted,
    MessageDelta,
    MessageReset,
    MessageStarted,
    ToolFailed,
    TurnFailed,
    TurnQueued,
    TurnStarted,
)
from core.messages import AssistantMessage, ToolCall, ToolMessage
from core.models import Usage
from core.turns import JournalEntry, ModelCalled, ToolBegun, ToolReturned
from core.view import SessionView, apply
from tests.agent.agent_support import NOW_MS, Bench, FakeWriter, assert_event_types, taken

STEPS: Sequence[Sequence[Item]] = (
    (Say("Let me pay."), Call("pay", {"x": 1}, "c1"), Call("look", {"x": 2}, "c2")),
    (Say("And look "), Say("again."), Call("look", {"x": 3}, "c3")),
    (Say("Paid, "), Say("😀 done.")),
)
WHOLE = "Let me pay.\n\nAnd look again.\n\nPaid, 😀 done."


class ByStep(ScriptedProvider):
    """Plays the script of the step that the request is at, so that a repeated step is played again."""

    def __init__(self) -> None:
        super().__init__([])
        self.steps: list[int] = []

    def stream(self, request: Any) -> Any:
        step = sum(message.content in ("Let me pay.", "And look again.") for message in request.messages)
        self.steps.append(step)
        self._scripts = deque([STEPS[step]])
        return super().stream(request)


class DyingWriter(FakeWriter):
    """Writes so many times, then refuses everything, as a node does whose lease was lost."""

    def __init__(self, writes: int) -> None:
        super().__init__()
        self.left = writes

    async def _write(self, events: Sequence[Event], journal: Sequence[JournalEntry]) -> None:
        if self.left == 0:
            raise StaleRun("another run goes on")
        self.left -= 1
        await super()._write(events, journal)


def fold(events: Sequence[Event]) -> SessionView:
    """What a client shows after these events of the turn."""
    view = SessionView(epoch="epoch_1")
    queued = TurnQueued(session_id="ses_1", ts=NOW_MS, turn_id="turn_1", message_ids=("msg_u",))
    started = TurnStarted(session_id="ses_1", ts=NOW_MS, turn_id="turn_1", agent="sales", attempt=1)
    for seq, event in enumerate((queued, started, *events), start=1):
        apply(view, msgspec.structs.replace(event, seq=seq))
    return view


def shown_text(view: SessionView) -> str:
    return str(view.messages[-1].content)


@pytest.mark.parametrize("writes", range(8))
async def test_a_run_that_dies_after_any_write_is_taken_over(bench: Bench, writes: int) -> None:
    provider = ByStep()
    first = DyingWriter(writes)
    bench.writer = first
    await bench.run(provider)
    finished = sum(isinstance(entry, ModelCalled) for entry in first.journal)
    provider.steps.clear()

    second = FakeWriter()
    bench.writer = second
    record = await bench.run(provider, turn=taken(attempt=2, journal=first.journal), shown=fold(first.events))

    assert (first.ends, second.ends) == (0, 1)
    assert provider.steps == list(range(finished, 3))
    assert shown_text(fold([*first.events, *second.events])) == WHOLE
    assert [name for name, _ in bench.tools.calls].count("pay") <= 1
    assert record is not None
    assert (record.outcome, len(record.steps), record.attempts) == ("completed", 3, 2)
    assert record.messages[-1].content == WHOLE


def called(step: int, text: str, length: int, *calls: ToolCall) -> ModelCalled:
    return ModelCalled(
        step=step,
        text=text,
        length=length,
        calls=calls,
        finish_reason="stop",
        usage=Usage(input=7, output=3, total=10),
        cost_microusd=10,
        provider="scripted",
        model="m-1",
        duration_ms=5,
    )


CALL = ToolCall(call_id="c1", name="pay", arguments="{}")
STARTED = MessageStarted(
    session_id="ses_1", ts=NOW_MS + 40, turn_id="turn_1", message_id="msg_9", role="assistant", channel="web"
)


def delta(off: int, text: str) -> MessageDelta:
    return MessageDelta(session_id="ses_1", message_id="msg_9", off=off, text=text)


async def test_text_of_an_unfinished_step_is_cut_back(bench: Bench) -> None:
    journal: list[JournalEntry] = [
        called(1, "Look.", 5, CALL),
        ToolReturned(step=1, call_id="c1", name="pay", content="ok", summary="ok"),
    ]
    shown = fold([STARTED, delta(0, "Look."), delta(5, "\n\nElev")])

    record = await bench.run(ScriptedProvider([[Say("Ten.")]]), turn=taken(attempt=2, journal=journal), shown=shown)

    assert_event_types(
        bench.writer, "message.reset", "step.started", "message.delta", "message.completed", "turn.completed"
    )
    reset = bench.writer.only(MessageReset)
    assert (reset.message_id, reset.to, reset.reason) == ("msg_9", 5, "recovery")
    assert bench.writer.only(MessageDelta).off == 5
    assert record is not None
    assert record.messages[-1].content == "Look.\n\nTen."
    assert record.ttft_ms == 40
    assert record.usage.input > 7


async def test_text_that_the_log_has_lost_is_said_again(bench: Bench) -> None:
    journal: list[JournalEntry] = [
        called(1, "Look.", 5, CALL),
        ToolReturned(step=1, call_id="c1", name="pay", content="ok", summary="ok"),
    ]
    shown = fold([STARTED, delta(0, "Lo")])

    await bench.run(ScriptedProvider([[Say("Ten.")]]), turn=taken(attempt=2, journal=journal), shown=shown)

    texts = [(event.off, event.text) for event in bench.writer.events if isinstance(event, MessageDelta)]
    assert texts[0][0] == 2
    assert "".join(text for _, text in texts) == "ok.\n\nTen."


async def test_a_message_that_the_log_has_lost_is_begun_again(bench: Bench) -> None:
    journal: list[JournalEntry] = [
        called(1, "Look.", 5, CALL),
        ToolReturned(step=1, call_id="c1", name="pay", content="ok", summary="ok"),
    ]

    await bench.run(ScriptedProvider([[Say("Ten.")]]), turn=taken(attempt=2, journal=journal), shown=None)

    assert bench.writer.text == "Look.\n\nTen."
    assert bench.writer.types.count("message.started") == 1


async def test_a_finished_answer_is_only_ended(bench: Bench) -> None:
    provider = ScriptedProvider([])
    shown = fold([STARTED, delta(0, "Ten.")])

    record = await bench.run(provider, turn=taken(attempt=2, journal=[called(1, "Ten.", 4)]), shown=shown)

    assert provider.requests == []
    assert_event_types(bench.writer, "message.completed", "turn.completed")
    assert record is not None
    assert record.usage == Usage(input=7, output=3, total=10)


async def test_a_once_tool_without_a_result_has_an_unknown_outcome(bench: Bench) -> None:
    journal: list[JournalEntry] = [called(1, "", 0, CALL), ToolBegun(step=1, call_id="c1", name="pay", effect="once")]
    provider = ScriptedProvider([[Say("I do not know whether it was paid.")]])

    await bench.run(provider, turn=taken(attempt=2, journal=journal), shown=fold([]))

    assert bench.tools.calls == []
    assert bench.writer.only(ToolFailed).code == OUTCOME_UNKNOWN
    (told,) = [message for message in provider.requests[0].messages if isinstance(message, ToolMessage)]
    assert "unknown" in told.content


async def test_an_idempotent_tool_runs_again_under_the_same_key(bench: Bench) -> None:
    call = ToolCall(call_id="c1", name="save", arguments="{}")
    journal: list[JournalEntry] = [
        called(1, "", 0, call),
        ToolBegun(step=1, call_id="c1", name="save", effect="idempotent"),
    ]

    await bench.run(ScriptedProvider([[Say("Saved.")]]), turn=taken(attempt=2, journal=journal), shown=fold([]))

    assert [context.idempotency_key for context in bench.tools.contexts] == ["turn_1:c1"]


async def test_a_fourth_attempt_fails_and_calls_nothing(bench: Bench) -> None:
    provider = ScriptedProvider([[Say("never")]])
    shown = fold([STARTED, delta(0, "Look.")])

    record = await bench.run(provider, turn=taken(attempt=4, journal=[called(1, "Look.", 5, CALL)]), shown=shown)

    assert provider.requests == []
    assert_event_types(bench.writer, "message.completed", "turn.failed")
    assert bench.writer.only(TurnFailed).retryable
    assert record is not None
    assert (record.outcome, record.message) == ("failed", "The answer broke off too often. Try again.")
    assert bench.writer.history is not None
    assert [type(message).__name__ for message in bench.writer.history.messages] == [
        "UserMessage",
        "AssistantMessage",
        "ToolMessage",
        "AssistantMessage",
    ]


async def test_what_was_said_stays_where_a_cancelled_turn_is_only_ended(bench: Bench) -> None:
    """A turn was stopped while its executor was dead: the run that wrote its end cut off what the user had read."""
    turn = msgspec.structs.replace(taken(attempt=2, journal=[called(1, "Look.", 5, CALL)]), cancelled_by="user")
    shown = fold([STARTED, delta(0, "Look.\n\nElev")])

    await bench.run(ScriptedProvider([]), turn=turn, shown=shown)

    assert_event_types(bench.writer, "message.completed", "turn.cancelled")
    assert bench.writer.only(MessageCompleted).length == 11
    assert bench.writer.history is not None
    last = bench.writer.history.messages[-1]
    assert isinstance(last, AssistantMessage)
    assert (last.content, last.cancelled) == ("Elev", True)


async def test_what_a_lost_log_no_longer_shows_is_said_again_before_a_cancelled_turn_ends(bench: Bench) -> None:
    turn = msgspec.structs.replace(taken(attempt=2, journal=[called(1, "Look.", 5, CALL)]), cancelled_by="user")

    await bench.run(ScriptedProvider([]), turn=turn, shown=fold([STARTED, delta(0, "Lo")]))

    assert_event_types(bench.writer, "message.delta", "message.completed", "turn.cancelled")
    assert bench.writer.only(MessageCompleted).length == 5


def test_steps_without_text_leave_no_blank_lines() -> None:
    assert journalled_text(
        [called(1, "", 0, CALL), called(2, "A", 1, CALL), called(3, "", 1, CALL), called(4, "B", 4)]
    ) == ("A\n\nB")
