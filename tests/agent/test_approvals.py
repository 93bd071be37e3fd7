"""Turns that wait for somebody's yes: how they are parked, what the answer does, and what a retry needs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from agent.loop import BAD_CALL, NOT_APPROVED, OUTCOME_UNKNOWN
from agent.providers.scripted import Call, Cut, Item, Say, ScriptedProvider
from core.errors import StaleRun
from core.events import (
    ApprovalRequested,
    ApprovalResolved,
    Event,
    ToolCompleted,
    ToolFailed,
    ToolStarted,
    TurnCancelled,
    TurnResumed,
    TurnWaiting,
)
from core.measurements import TurnEnded
from core.messages import AssistantMessage, ToolMessage
from core.turns import (
    ApprovalAnswered,
    ApprovalAsked,
    ApprovalBy,
    HistoryEntry,
    JournalEntry,
    ParkedEnding,
    TakenTurn,
    ToolBegun,
)
from tests.agent.agent_support import NOW_MS, Bench, FakeWriter, assert_event_types, taken
from tests.agent.test_recovery import CALL, called, fold

PAYING: tuple[Item, ...] = (Say("Let me pay."), Call("pay", {"x": 1}, "c1"), Call("look", {"x": 2}, "c2"))


@pytest.fixture
def asking(bench: Bench) -> Bench:
    """An agent whose payments need the user's yes."""
    bench.agent_changes = {"approvals": {"pay": "user"}, "approval_timeout_s": 60.0}
    return bench


def answer(asked: ApprovalAsked, approved: bool, by: ApprovalBy = "user", **changes: Any) -> ApprovalAnswered:
    return ApprovalAnswered(
        step=asked.step, call_id=asked.call_id, approval_id=asked.approval_id, approved=approved, by=by, **changes
    )


def asked_in(journal: Sequence[JournalEntry]) -> ApprovalAsked:
    return [entry for entry in journal if isinstance(entry, ApprovalAsked)][-1]


async def parked(bench: Bench, *items: Item, turn: TakenTurn | None = None) -> FakeWriter:
    """Run a turn until it is parked; gives what was written."""
    writer = bench.writer
    record = await bench.run(ScriptedProvider([items or PAYING]), turn=turn)
    assert record is None
    assert writer.parked is not None
    bench.writer = FakeWriter()
    return writer


def resumed(writer: FakeWriter, *answers: ApprovalAnswered) -> TakenTurn:
    return taken(journal=[*writer.journal, *answers])


async def go_on(bench: Bench, writer: FakeWriter, *answers: ApprovalAnswered, say: str = "Done.") -> ScriptedProvider:
    provider = ScriptedProvider([[Say(say)]])
    await bench.run(provider, turn=resumed(writer, *answers), shown=fold(writer.events))
    return provider


# ---------------------------------------------------------------- parking


async def test_a_turn_is_parked_once_the_steps_other_calls_have_results(asking: Bench) -> None:
    writer = await parked(asking)

    assert_event_types(
        writer,
        "step.started",
        "message.started",
        "message.delta",
        "tool.started",
        "tool.completed",
        "approval.requested",
        "turn.waiting",
    )
    assert [name for name, _ in asking.tools.calls] == ["look"]
    assert writer.ends == 0
    assert asking.measured.of(TurnEnded) == []


async def test_what_is_asked_says_all_that_is_needed_to_decide(asking: Bench) -> None:
    asking.reveal = "title"

    writer = await parked(asking, turn=taken(locale="pt-BR"))

    assert writer.only(ApprovalRequested) == ApprovalRequested(
        session_id="ses_1",
        ts=NOW_MS,
        turn_id="turn_1",
        approval_id="apr_1",
        call_id="c1",
        name="pay",
        title="The pay tool",
        arguments={"x": 1},
        reason="Esta ação precisa de aprovação antes de ser feita.",
        approver="user",
        expires_at=NOW_MS + 60_000,
    )
    assert writer.only(TurnWaiting).approval_id == "apr_1"
    assert asked_in(writer.journal) == ApprovalAsked(
        step=1, call_id="c1", name="pay", approval_id="apr_1", approver="user", expires_ms=NOW_MS + 60_000
    )


async def test_parking_writes_all_in_its_last_write(asking: Bench) -> None:
    writer = await parked(asking)

    events, journal = writer.writes[-1]
    assert [str(event.__struct_config__.tag) for event in events[-2:]] == ["approval.requested", "turn.waiting"]
    assert journal == [asked_in(writer.journal)]


async def test_what_broke_off_before_the_turn_was_parked_is_on_the_books_once(asking: Bench) -> None:
    """A call that broke off in mid-stream was paid for: the run that goes on after the answer must know of it."""
    writer = asking.writer
    await asking.run(ScriptedProvider([[Say("Let me"), Cut()], PAYING]))
    asking.writer = FakeWriter()

    await go_on(asking, writer, answer(asked_in(writer.journal), True))

    record = asking.writer.record
    assert writer.parked is not None
    assert record is not None
    assert [(use.step, use.finish_reason) for use in writer.parked.record.steps] == [(1, "failed"), (1, "stop")]
    assert [(use.step, use.finish_reason) for use in record.steps] == [(1, "failed"), (1, "stop"), (2, "stop")]
    assert record.usage.total == sum(use.usage.total for use in record.steps)


async def test_how_the_turn_ends_if_it_is_cancelled_is_left_with_it(asking: Bench) -> None:
    writer = await parked(asking)

    ending = writer.parked
    assert isinstance(ending, ParkedEnding)
    assert ending.completed is not None
    assert (ending.completed.finish_reason, ending.completed.length) == ("cancelled", 11)
    assert (ending.record.outcome, ending.record.messages[-1].status) == ("cancelled", "cancelled")
    assert ending.record.messages[-1].content == "Let me pay."
    assert ending.shows_cost
    _, said, looked, unpaid, last = ending.history.messages
    assert isinstance(said, AssistantMessage)
    assert {message.call_id for message in (looked, unpaid) if isinstance(message, ToolMessage)} == {"c1", "c2"}
    assert isinstance(last, AssistantMessage)
    assert last.content


STOPPED: dict[str, tuple[tuple[Item, ...], str]] = {
    "in_mid_answer": (PAYING, "[The user stopped the answer here.]"),
    "before_any_word": ((Call("pay"),), "[The user stopped the answer before it began.]"),
}


@pytest.mark.parametrize(("items", "note"), STOPPED.values(), ids=STOPPED.keys())
async def test_a_parked_ending_tells_the_next_turns_where_the_user_stopped(
    asking: Bench, items: tuple[Item, ...], note: str
) -> None:
    writer = await parked(asking, *items)

    assert writer.parked is not None
    assert writer.parked.history.messages[-1] == AssistantMessage(content=note)


async def test_a_parked_ending_hides_what_the_agent_hides_and_may_have_no_message(asking: Bench) -> None:
    asking.reveal = "title"

    writer = await parked(asking, Call("pay"))

    assert writer.parked is not None
    assert not writer.parked.shows_cost
    assert writer.parked.completed is None


async def test_a_turn_that_was_cancelled_while_it_parked_ends_cancelled(asking: Bench) -> None:
    class Late(FakeWriter):
        async def append(self, events: Sequence[Event], journal: Sequence[JournalEntry] = ()) -> str | None:
            await super().append(events, journal)
            return None

    asking.writer = Late()
    asking.writer.cancelled_by = "operator"
    record = await asking.run(ScriptedProvider([PAYING]))

    assert record is not None
    assert record.outcome == "cancelled"
    assert asking.writer.only(TurnCancelled).by == "operator"
    assert "approval.requested" not in asking.writer.types
    assert asking.writer.types[-2:] == ["message.completed", "turn.cancelled"]


async def test_a_stop_that_is_known_before_parking_parks_nothing(asking: Bench) -> None:
    class Told(FakeWriter):
        async def append(self, events: Sequence[Event], journal: Sequence[JournalEntry] = ()) -> str | None:
            await super().append(events, journal)
            assert asking.cancel is not None
            if any(isinstance(event, ToolCompleted) for event in events):
                asking.cancel("user")
            return None

    asking.writer = Told()
    record = await asking.run(ScriptedProvider([PAYING]))

    assert record is not None
    assert record.outcome == "cancelled"
    assert asking.writer.parked is None


async def test_a_stop_that_comes_with_the_last_write_before_parking_parks_nothing(asking: Bench) -> None:
    asking.writer.gate.clear()
    asking.writer.cancelled_by = "interrupt"
    check = asking.tools.check

    def check_and_let_go(name: str, arguments: str) -> dict[str, Any]:
        asking.writer.gate.set()
        return check(name, arguments)

    asking.tools.check = check_and_let_go  # type: ignore[method-assign]

    record = await asking.run(ScriptedProvider([[Call("pay", {"x": 1})]]))

    assert record is not None
    assert asking.writer.only(TurnCancelled).by == "interrupt"
    assert asking.writer.parked is None


async def test_a_run_that_is_stale_when_it_parks_is_left(asking: Bench) -> None:
    asking.writer.fail_end = StaleRun("another run goes on")

    assert await asking.run(ScriptedProvider([PAYING])) is None
    assert asking.writer.ends == 0


async def test_a_call_with_wrong_arguments_is_not_asked_for(asking: Bench) -> None:
    await asking.run(ScriptedProvider([[Call("pay", "oops")], [Say("Sorry.")]]))

    assert asking.writer.only(ToolFailed).code == BAD_CALL
    assert asking.writer.parked is None


# ---------------------------------------------------------------- going on


async def test_an_approved_call_runs_in_the_next_run(asking: Bench) -> None:
    writer = await parked(asking)
    provider = await go_on(asking, writer, answer(asked_in(writer.journal), True))

    assert [name for name, _ in asking.tools.calls] == ["look", "pay"]
    assert_event_types(
        asking.writer,
        "tool.started",
        "tool.completed",
        "step.started",
        "message.delta",
        "message.completed",
        "turn.completed",
    )
    assert fold([*writer.events, *asking.writer.events]).messages[-1].content == "Let me pay.\n\nDone."
    assert asking.writer.record is not None
    assert (asking.writer.record.attempts, len(asking.writer.record.steps)) == (1, 2)
    assert len(provider.requests) == 1


async def test_an_approvers_arguments_take_the_place_of_the_models(asking: Bench) -> None:
    writer = await parked(asking)
    provider = await go_on(asking, writer, answer(asked_in(writer.journal), True, arguments='{"x": 7}'))

    assert asking.tools.calls[-1] == ("pay", {"x": 7})
    assert asking.writer.only(ToolStarted).arguments == {"x": 7}
    said = next(message for message in provider.requests[0].messages if isinstance(message, AssistantMessage))
    assert json.loads(said.tool_calls[0].arguments) == {"x": 1}
    told = next(message for message in provider.requests[0].messages if getattr(message, "call_id", "") == "c1")
    assert told.content.startswith("result of pay")
    assert '{"x": 7}' in told.content


NOT_ALLOWED: Sequence[ApprovalBy] = ("user", "operator", "timeout", "superseded")


@pytest.mark.parametrize("by", NOT_ALLOWED)
async def test_a_call_that_was_not_allowed_is_refused_and_the_turn_goes_on(asking: Bench, by: ApprovalBy) -> None:
    writer = await parked(asking)
    provider = await go_on(asking, writer, answer(asked_in(writer.journal), False, by))

    assert [name for name, _ in asking.tools.calls] == ["look"]
    assert asking.writer.only(ToolFailed).code == NOT_APPROVED
    told = next(message for message in provider.requests[0].messages if getattr(message, "call_id", "") == "c1")
    assert isinstance(told, ToolMessage)
    assert told.failed
    assert "was not run" in told.content
    assert asking.writer.record is not None
    assert asking.writer.record.outcome == "completed"
    assert [use.name for use in asking.writer.record.tools] == ["look"]
    assert asking.writer.history is not None
    assert asking.writer.history.once_calls == ()


async def test_two_calls_are_asked_for_one_after_the_other(asking: Bench) -> None:
    first = await parked(asking, Call("pay", {"x": 1}, "c1"), Call("pay", {"x": 2}, "c2"))
    turn = resumed(first, answer(asked_in(first.journal), True))
    assert await asking.run(ScriptedProvider([]), turn=turn, shown=fold(first.events)) is None
    second = asking.writer

    assert_event_types(second, "tool.started", "tool.completed", "approval.requested", "turn.waiting")
    assert second.only(ApprovalRequested).call_id == "c2"
    assert asking.tools.calls == [("pay", {"x": 1})]


async def test_an_approved_call_that_was_begun_and_lost_has_an_unknown_outcome(asking: Bench) -> None:
    writer = await parked(asking)
    begun = ToolBegun(step=1, call_id="c1", name="pay", effect="once")
    turn = taken(attempt=2, journal=[*writer.journal, answer(asked_in(writer.journal), True), begun])

    await asking.run(ScriptedProvider([[Say("Unknown.")]]), turn=turn, shown=fold(writer.events))

    assert [name for name, _ in asking.tools.calls] == ["look"]
    assert asking.writer.only(ToolFailed).code == OUTCOME_UNKNOWN


async def test_an_approval_whose_answer_can_no_longer_come_is_taken_back_and_asked_for_again(asking: Bench) -> None:
    writer = await parked(asking)

    record = await asking.run(
        ScriptedProvider([]), turn=taken(attempt=2, journal=writer.journal), shown=fold(writer.events)
    )

    assert record is None
    assert_event_types(asking.writer, "approval.resolved", "turn.resumed", "approval.requested", "turn.waiting")
    assert asking.writer.only(ApprovalResolved) == ApprovalResolved(
        session_id="ses_1", ts=NOW_MS, approval_id="apr_1", approved=False, by="superseded"
    )
    assert asking.writer.only(TurnResumed).approval_id == "apr_1"
    view = fold([*writer.events, *asking.writer.events])
    assert view.turn is not None
    assert len(view.turn.approvals) == 1
    assert view.turn.state == "parked"


# ---------------------------------------------------------------- an answer that is asked for again


def earlier(*once_calls: str) -> HistoryEntry:
    said = AssistantMessage(content="Paid.")
    return HistoryEntry(turn_id="turn_0", messages=(said,), once_calls=once_calls)


async def test_what_acted_once_is_left_for_a_retry_to_know(bench: Bench) -> None:
    await bench.run(
        ScriptedProvider([[Call("pay"), Call("save"), Call("look")], [Call("pay", {"x": 1})], [Say("Ok.")]])
    )

    assert bench.writer.history is not None
    assert bench.writer.history.once_calls == ("pay",)


async def test_a_retry_asks_before_it_does_again_what_acts_once(bench: Bench) -> None:
    record = await bench.run(
        ScriptedProvider([PAYING]), turn=taken(retry_of="turn_0", locale="es"), history=[earlier("pay")]
    )

    assert record is None
    requested = bench.writer.only(ApprovalRequested)
    assert (requested.name, requested.approver) == ("pay", "user")
    assert requested.reason.startswith("Esta acción ya se inició")
    assert bench.writer.parked is not None
    assert bench.writer.parked.history.once_calls == ("pay",)


async def test_an_agents_own_approver_is_asked_in_a_retry_too(bench: Bench) -> None:
    bench.agent_changes = {"approvals": {"pay": "operator"}}

    await bench.run(ScriptedProvider([PAYING]), turn=taken(retry_of="turn_0"), history=[earlier("pay")])

    assert bench.writer.only(ApprovalRequested).approver == "operator"


async def test_a_retry_of_a_retry_knows_what_the_first_turn_did(bench: Bench) -> None:
    await bench.run(ScriptedProvider([[Say("No.")]]), turn=taken(retry_of="turn_0"), history=[earlier("pay")])

    assert bench.writer.history is not None
    assert bench.writer.history.once_calls == ("pay",)


async def test_another_turns_payments_need_no_yes(bench: Bench) -> None:
    record = await bench.run(ScriptedProvider([PAYING, [Say("Paid.")]]), history=[earlier("pay")])

    assert record is not None
    assert record.outcome == "completed"
    assert bench.writer.history is not None
    assert bench.writer.history.once_calls == ("pay",)


async def test_a_retry_of_a_turn_that_left_nothing_asks_nothing(bench: Bench) -> None:
    record = await bench.run(
        ScriptedProvider([PAYING, [Say("Paid.")]]), turn=taken(retry_of="turn_9"), history=[earlier("pay")]
    )

    assert record is not None
    assert record.outcome == "completed"


async def test_the_answer_that_is_done_again_is_not_in_the_context(bench: Bench) -> None:
    provider = ScriptedProvider([PAYING])

    await bench.run(provider, turn=taken(retry_of="turn_0"), history=[earlier("pay")])

    assert "Paid." not in [message.content for message in provider.requests[0].messages]


async def test_a_turn_that_is_cancelled_or_broken_off_leaves_what_it_had_begun(bench: Bench) -> None:
    begun = ToolBegun(step=1, call_id="c1", name="pay", effect="once")
    turn = taken(attempt=2, journal=[called(1, "", 0, CALL), begun])

    await bench.run(ScriptedProvider([]), turn=msgspec.structs.replace(turn, cancelled_by="user"), shown=fold([]))

    assert bench.writer.history is not None
    assert bench.writer.history.once_calls == ("pay",)
    (told,) = [message for message in bench.writer.history.messages if isinstance(message, ToolMessage)]
    assert "unknown" in told.content


async def test_a_payment_that_is_under_way_when_the_turn_is_stopped_is_shown_as_unknown(bench: Bench) -> None:
    bench.tools.gate.clear()
    turn = asyncio.create_task(bench.run(ScriptedProvider([[Call("pay")]])))
    await bench.tools.started.wait()
    assert bench.cancel is not None
    bench.cancel("user")
    await turn

    assert bench.writer.only(ToolFailed).code == OUTCOME_UNKNOWN
    assert bench.writer.history is not None
    assert bench.writer.history.once_calls == ("pay",)
