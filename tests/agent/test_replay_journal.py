"""Journals replayed offline: what real runs wrote is the same again, and each kind of change is found."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given

from agent.providers.scripted import Call, Cut, Item, Say, ScriptedProvider
from agent.replay_journal import Replay, document, main, replay
from core.messages import Message
from core.turns import (
    ApprovalAnswered,
    ApprovalAsked,
    JournalEntry,
    Limits,
    ModelCalled,
    TakenTurn,
    ToolBegun,
    ToolReturned,
    TurnJournal,
    TurnRecord,
    TurnState,
)
from tests.agent.agent_support import Bench, FakeWriter, taken
from tests.agent.test_recovery import DyingWriter, fold
from tests.agent.test_recovery_property import DEATHS, STEPS, Resuming, scripts_of

PAID: Sequence[Sequence[Item]] = (
    (Say("Let me pay."), Call("pay", {"x": 1}, "c1"), Call("look", {"x": 2}, "c2")),
    (Call("save", {"x": 3}, "c3"),),
    (Say("Paid."),),
)


def journal_of(
    turn: TakenTurn, entries: Sequence[JournalEntry], record: TurnRecord | None, state: TurnState = "completed"
) -> TurnJournal:
    return TurnJournal(session=turn.session, state=state, input=turn.input, entries=tuple(entries), record=record)


async def ran(bench: Bench, *scripts: Sequence[Item], **changes: Any) -> TurnJournal:
    turn = taken(**changes)
    record = await bench.run(ScriptedProvider(scripts), turn=turn)
    return journal_of(turn, bench.writer.journal, record)


def again(bench: Bench, journal: TurnJournal) -> Replay:
    return replay(journal, bench.agent(), bench.tools.specs())


# ---------------------------------------------------------------- the same


async def test_what_a_run_wrote_is_decided_again(bench: Bench) -> None:
    result = again(bench, await ran(bench, *PAID))

    assert result.difference is None
    assert result.same
    assert [point.decided for point in result.decisions] == [
        "call the model (step 1)",
        "answer the calls of step 1: pay, look",
        "answer the calls of step 1: pay, look",
        "answer the calls of step 1: pay, look",
        "call the model (step 2)",
        "answer the calls of step 2: save",
        "answer the calls of step 2: save",
        "call the model (step 3)",
    ]
    assert (result.text, result.length) == ("Let me pay.\n\nPaid.", 18)


SAME: dict[str, tuple[Sequence[Sequence[Item]], dict[str, Any]]] = {
    "a_failure_of_the_provider": ([[Call("look")]], {}),
    "an_answer_that_breaks_off": ([[Say("Ten"), Cut()]] * 3, {}),
    "a_loop": ([[Call("look")], [Call("look")], [Call("look")]], {}),
    "a_bad_call": ([[Call("look", "oops"), Call("unheard")], [Say("Sorry.")]], {}),
    "calls_over_the_limit": ([[Call("look"), Call("pay")], [Say("Ok.")]], {"limits": Limits(tool_calls=1)}),
    "a_call_that_waits_and_is_wrong": ([[Call("pay", "oops")], [Say("Sorry.")]], {"approvals": {"pay": "user"}}),
    "nothing_at_all": ([], {}),
}


@pytest.mark.parametrize(("scripts", "changes"), SAME.values(), ids=SAME.keys())
async def test_any_turn_is_the_same_again(
    bench: Bench, scripts: Sequence[Sequence[Item]], changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.routing.retry.BACKOFF_S", 0.001)
    bench.agent_changes = changes

    assert again(bench, await ran(bench, *scripts)).difference is None


async def test_a_turn_that_was_parked_and_allowed_is_the_same_again(bench: Bench) -> None:
    bench.agent_changes = {"approvals": {"pay": "user"}}
    first = bench.writer
    await ran(bench, PAID[0])
    asked = next(entry for entry in first.journal if isinstance(entry, ApprovalAsked))
    reply = ApprovalAnswered(step=1, call_id="c1", approval_id=asked.approval_id, approved=True, by="user")
    turn = taken(journal=[*first.journal, reply])
    bench.writer = FakeWriter()
    record = await bench.run(ScriptedProvider([[Say("Paid.")]]), turn=turn, shown=fold(first.events))

    result = again(bench, journal_of(turn, [*turn.journal, *bench.writer.journal], record))

    assert result.difference is None
    assert [point.written for point in result.decisions][2:4] == ["pay asked for, step 1", "approved by user, step 1"]


async def test_a_parked_turn_is_the_same_so_far(bench: Bench) -> None:
    bench.agent_changes = {"approvals": {"pay": "operator"}}
    journal = await ran(bench, PAID[0])

    result = again(bench, msgspec.structs.replace(journal, state="parked"))

    assert result.difference is None
    assert result.decisions[-1].decided == "ask the operator to allow pay (step 1)"


async def test_a_retry_that_asked_is_the_same_again(bench: Bench) -> None:
    turn = taken(retry_of="turn_0")
    bench.agent_changes = {"approvals": {"pay": "user"}}
    await bench.run(ScriptedProvider([PAID[0]]), turn=turn)
    bench.agent_changes = {}

    assert again(bench, journal_of(turn, bench.writer.journal, None, "parked")).same


async def live(steps: Sequence[tuple[list[str], list[str]]], deaths: list[int]) -> None:
    bench = Bench()
    writers: list[FakeWriter] = []
    journal: list[JournalEntry] = []
    record, turn = None, taken()
    for attempt, writes in enumerate([*deaths, 1_000], start=1):
        finished = sum(isinstance(entry, ModelCalled) for entry in journal)
        provider = Resuming(scripts_of(steps), finished, attempt)
        bench.writer = DyingWriter(writes)
        writers.append(bench.writer)
        turn = taken(attempt=attempt, journal=journal)
        shown = fold([event for writer in writers for event in writer.events])
        record = await bench.run(provider, turn=turn, shown=shown)
        journal += bench.writer.journal
        if record is not None:
            break

    assert again(bench, journal_of(turn, journal, record)).difference is None


@given(steps=STEPS, deaths=DEATHS)
def test_a_journal_of_many_runs_is_the_same_again(steps: list[tuple[list[str], list[str]]], deaths: list[int]) -> None:
    asyncio.run(live(steps, deaths))


# ---------------------------------------------------------------- what is found

Entries = list[Any]
Change = Callable[[Entries], Entries]


def changed(at: int, **changes: Any) -> Change:
    def change(entries: Entries) -> Entries:
        return [*entries[:at], msgspec.structs.replace(entries[at], **changes), *entries[at + 1 :]]

    return change


def without(at: int) -> Change:
    return lambda entries: [*entries[:at], *entries[at + 1 :]]


def repeated(at: int) -> Change:
    return lambda entries: [*entries[: at + 1], *entries[at:]]


def with_extra(entry: JournalEntry) -> Change:
    return lambda entries: [*entries, entry]


BEGUN = ToolBegun(step=3, call_id="c9", name="pay", effect="once")
ANSWERED = ApprovalAnswered(step=1, call_id="c1", approval_id="apr_9", approved=True, by="user")
ASKED = ApprovalAsked(step=1, call_id="c1", name="pay", approval_id="apr_9", approver="user", expires_ms=1)

CHANGES: dict[str, tuple[Change, str]] = {
    "a_model_call_is_missing": (without(4), "Entry 5 (save begun, step 2): the loop would call the model (step 2)."),
    "a_step_is_counted_twice": (repeated(4), "Entry 6 (model called, step 2"),
    "another_step": (changed(4, step=5), "the loop would call the model (step 2)."),
    "a_result_is_missing": (without(2), "Entry "),
    "a_result_is_there_twice": (repeated(2), "Entry 4"),
    "a_begin_is_missing": (without(1), "the tool ran without having been begun in the journal."),
    "a_once_tool_is_begun_twice": (repeated(1), "a tool of effect once was begun a second time."),
    "another_effect": (changed(1, effect="idempotent"), "the tool's effect is once, not idempotent."),
    "another_tool": (changed(1, name="look"), "the loop would answer the calls of step 1"),
    "another_length": (changed(0, length=7), "the message is 11 long, not 7."),
    "more_after_the_end": (with_extra(BEGUN), "the loop would end the turn, completed."),
    "an_answer_to_nothing": (with_extra(ANSWERED), "it answers what nobody had asked."),
    "asked_where_nobody_needs_to_be": (with_extra(ASKED), "the loop would end the turn, completed."),
    "the_last_step_is_missing": (without(7), "The turn completed, where the loop would call the model (step 3)."),
    "another_text": (changed(7, text="Lost."), "they differ from character 13 on."),
    "a_shorter_text": (changed(7, text="Paid", length=17), "they differ from character 17 on."),
}


@pytest.mark.parametrize(("change", "difference"), CHANGES.values(), ids=CHANGES.keys())
async def test_a_journal_that_was_changed_differs(bench: Bench, change: Change, difference: str) -> None:
    journal = await ran(bench, *PAID)

    result = again(bench, msgspec.structs.replace(journal, entries=tuple(change(list(journal.entries)))))

    assert not result.same
    assert result.difference is not None
    assert difference in result.difference


async def test_another_end_than_the_loops_differs(bench: Bench) -> None:
    journal = await ran(bench, [Say("Ten.")])
    assert journal.record is not None
    failed = msgspec.structs.replace(journal.record, outcome="failed", code="tool_loop")

    result = again(bench, msgspec.structs.replace(journal, record=failed))

    assert result.difference == ("The turn ended failed (tool_loop), where the loop would end the turn, completed.")


@pytest.mark.parametrize("changes", [{"outcome": "cancelled"}, {"outcome": "failed", "code": "internal"}])
async def test_a_turn_may_be_stopped_or_given_up_before_its_good_end(bench: Bench, changes: dict[str, Any]) -> None:
    journal = await ran(bench, [Say("Ten.")])
    assert journal.record is not None

    record = msgspec.structs.replace(journal.record, **changes)

    assert again(bench, msgspec.structs.replace(journal, record=record)).same


async def test_a_stopped_turn_may_have_shown_more_than_its_finished_steps_but_nothing_else(bench: Bench) -> None:
    journal = await ran(bench, [Say("Let me look."), Call("look")], [Say("Ten.")])
    assert journal.record is not None

    def stopped(shown: str) -> Replay:
        message = Message(
            message_id="m", turn_id="turn_1", role="assistant", content=shown, channel="web", ts=1, status="cancelled"
        )
        record = msgspec.structs.replace(journal.record, outcome="cancelled", messages=(message,))
        return again(bench, msgspec.structs.replace(journal, entries=journal.entries[:2], record=record))

    assert stopped("Let me look.\n\nTe").same
    assert stopped("Let me").difference is not None


async def test_a_refused_call_that_ended_otherwise_differs(bench: Bench) -> None:
    bench.agent_changes = {"limits": Limits(tool_calls=1)}
    journal = await ran(bench, [Call("look", {}, "a"), Call("look", {"x": 1}, "b")], [Say("Ok.")])
    at = next(i for i, entry in enumerate(journal.entries) if isinstance(entry, ToolReturned) and entry.call_id == "b")

    result = again(
        bench, msgspec.structs.replace(journal, entries=tuple(changed(at, code=None)(list(journal.entries))))
    )

    assert result.difference is not None
    assert "the call was refused (limit_reached), and ended with None." in result.difference


async def test_a_refused_call_that_began_differs(bench: Bench) -> None:
    bench.agent_changes = {"limits": Limits(tool_calls=1)}
    journal = await ran(bench, [Call("look", {}, "a"), Call("pay", {"x": 1}, "b")], [Say("Ok.")])
    begun = ToolBegun(step=1, call_id="b", name="pay", effect="once")

    result = again(bench, msgspec.structs.replace(journal, entries=(journal.entries[0], begun, *journal.entries[1:])))

    assert result.difference is not None
    assert "the call was refused (limit_reached) and must not begin." in result.difference


async def test_an_unknown_tools_begin_differs(bench: Bench) -> None:
    journal = await ran(bench, [Call("unheard", {}, "a")], [Say("Ok.")])
    begun = ToolBegun(step=1, call_id="a", name="unheard", effect="read")

    result = again(bench, msgspec.structs.replace(journal, entries=(journal.entries[0], begun, *journal.entries[1:])))

    assert result.difference is not None
    assert "the tool's effect is not known, not read." in result.difference


async def test_another_approver_differs(bench: Bench) -> None:
    bench.agent_changes = {"approvals": {"pay": "user"}}
    journal = await ran(bench, PAID[0])
    bench.agent_changes = {"approvals": {"pay": "operator"}}

    result = again(bench, journal)

    assert result.difference is not None
    assert "the loop would ask the operator to allow pay (step 1)." in result.difference


async def test_without_its_agent_nothing_can_be_decided(bench: Bench) -> None:
    result = replay(await ran(bench, [Say("Ten.")]), None, bench.tools.specs())

    assert (result.same, result.decisions) == (False, ())
    assert result.difference == "There is no agent 'sales' here, so nothing can be decided."


# ---------------------------------------------------------------- the command


async def written(bench: Bench, change: Change = list) -> bytes:
    journal = await ran(bench, *PAID)
    journal = msgspec.structs.replace(journal, entries=tuple(change(list(journal.entries))))
    return msgspec.json.encode(document(journal, bench.agent(), bench.tools.specs()))


async def test_the_command_replays_a_file(bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "journal.json").write_bytes(await written(bench))

    assert main([str(tmp_path / "journal.json")]) == 0

    said = capsys.readouterr().out
    assert "  1. call the model (step 1)  ->  model called, step 1, stop, 2 calls" in said
    assert said.endswith("The same decisions, the same text.\n")


async def test_the_command_exits_with_1_at_a_difference(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(await written(bench, without(4)))))

    assert main(["-"]) == 1
    assert "the loop would call the model (step 2)" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["/nowhere/at/all"]])
def test_the_command_says_what_it_wants(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err


def test_the_command_refuses_what_is_no_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "journal.json").write_text("{}")

    assert main([str(tmp_path / "journal.json")]) == 2
    assert "no turn's journal" in capsys.readouterr().err


async def test_the_command_runs_from_the_shell(bench: Bench) -> None:
    data = await written(bench)

    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "agent.replay_journal", "-"],
        input=data,
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, b"")
