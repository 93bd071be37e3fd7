"""Any turn, its runs dying before and after any write, stopped or asked about at any point: what always holds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.loop import OUTCOME_UNKNOWN
from agent.replay_journal import replay
from core.errors import StaleRun
from core.events import ApprovalResolved, Event, TurnResumed
from core.messages import AssistantMessage, ModelMessage, ToolMessage, UserMessage
from core.turns import (
    ApprovalAnswered,
    ApprovalAsked,
    HistoryEntry,
    JournalEntry,
    ModelCalled,
    ParkedEnding,
    ToolBegun,
    ToolReturned,
    TurnJournal,
    TurnRecord,
)
from tests.agent.agent_support import NOW_MS, Bench, FakeWriter, taken
from tests.agent.test_recovery import fold
from tests.agent.test_recovery_property import STEPS, Resuming, scripts_of, whole_text

DEATHS = st.lists(st.tuples(st.integers(min_value=0, max_value=9), st.booleans()), max_size=4)
"""Of each run: how many writes it makes, and whether the one that it dies at is still applied."""
ANSWERS = st.lists(st.sampled_from([(True, None), (True, '{"x": 99}'), (False, None)]), max_size=9)
Steps = list[tuple[list[str], list[str]]]


class Mortal(FakeWriter):
    """Dies at a write, before or after it is applied. From write `stop_at` on, the turn is said to be cancelled."""

    def __init__(self, left: int, applied: bool, stop_at: int | None) -> None:
        super().__init__()
        self.left, self.applied, self.stop_at = left, applied, stop_at

    async def append(self, events: Sequence[Event], journal: Sequence[JournalEntry] = ()) -> str | None:
        self._before()
        reply = await super().append(events, journal)
        self._after()
        return reply

    async def park(self, events: Sequence[Event], journal: ApprovalAsked, ending: ParkedEnding) -> Any:
        self._before()
        reply = await super().park(events, journal, ending)
        self._after()
        return reply

    async def end(
        self,
        events: Sequence[Event],
        history: HistoryEntry | None,
        record: TurnRecord,
        journal: Sequence[JournalEntry] = (),
    ) -> None:
        self._before()
        await super().end(events, history, record, journal)
        self._after()

    def _before(self) -> None:
        if len(self.writes) == self.stop_at:
            self.cancelled_by = "user"
        if self.left == 0 and not self.applied:
            raise StaleRun("another run goes on")

    def _after(self) -> None:
        if self.left == 0:
            raise StaleRun("another run goes on")
        self.left -= 1


class Life:
    """A turn from its first run to its end."""

    def __init__(
        self, steps: Steps, deaths: Sequence[tuple[int, bool]], answers: Sequence[tuple[bool, str | None]]
    ) -> None:
        self.steps = steps
        self.deaths, self.answers = list(deaths), list(answers)
        self.bench = Bench()
        self.events: list[Event] = []
        self.journal: list[JournalEntry] = []
        self.attempt, self.runs = 1, 0
        self.stopped = False
        self.writer = FakeWriter()

    async def live(self, stop_at: int | None = None) -> None:
        while self.writer.ends == 0:
            await self._run(stop_at)
            if self.writer.parked is not None:
                self._answer()
            elif self.writer.ends == 0:
                self.attempt += 1

    async def _run(self, stop_at: int | None) -> None:
        left, applied = self.deaths.pop(0) if self.deaths else (10_000, True)
        self.runs += 1
        self.writer = self.bench.writer = Mortal(left, applied, stop_at)
        finished = sum(isinstance(entry, ModelCalled) for entry in self.journal)
        returned = {entry.call_id for entry in self.journal if isinstance(entry, ToolReturned)}
        self.bench.tools.contexts.clear()
        turn = taken(attempt=self.attempt, journal=self.journal)
        turn = msgspec.structs.replace(turn, cancelled_by="user" if self.stopped else None)
        provider = Resuming(scripts_of(self.steps), finished, self.runs)
        await self.bench.run(provider, turn=turn, shown=fold(self.events) if self.runs > 1 else None)

        assert len(provider.requests) <= len(self.steps) + 1 - finished
        assert returned.isdisjoint(context.call_id for context in self.bench.tools.contexts)
        assert all(c.idempotency_key == f"turn_1:{c.call_id}" for c in self.bench.tools.contexts)
        self.stopped = self.stopped or self.writer.cancelled_by is not None
        self.events += self.writer.events
        self.journal += self.writer.journal

    def _answer(self) -> None:
        asked = self.journal[-1]
        assert isinstance(asked, ApprovalAsked)
        approved, arguments = self.answers.pop(0) if self.answers else (True, None)
        self.events += [
            ApprovalResolved(
                session_id="ses_1", ts=NOW_MS, approval_id=asked.approval_id, approved=approved, by="user"
            ),
            TurnResumed(session_id="ses_1", ts=NOW_MS, turn_id="turn_1", approval_id=asked.approval_id),
        ]
        self.journal.append(
            ApprovalAnswered(
                step=asked.step,
                call_id=asked.call_id,
                approval_id=asked.approval_id,
                approved=approved,
                by="user",
                arguments=arguments,
            )
        )

    def check(self) -> None:
        record, history = self.writer.record, self.writer.history
        assert record is not None
        assert history is not None
        assert_valid(history.messages)
        assert_valid_parking(self.writer)
        assert record.attempts == self.attempt
        numbers = [entry.step for entry in self.journal if isinstance(entry, ModelCalled)]
        assert numbers == list(range(1, len(numbers) + 1))
        shown = [message.content for message in fold(self.events).messages if message.role == "assistant"]
        assert shown == [message.content for message in record.messages if message.role == "assistant"]
        self._check_effects(history)
        journal = TurnJournal(
            session=taken().session,
            state=record.outcome,
            input=taken().input,
            entries=tuple(self.journal),
            record=record,
        )
        assert replay(journal, self.bench.agent(), self.bench.tools.specs()).difference is None

    def _check_effects(self, history: HistoryEntry) -> None:
        begun = [entry.call_id for entry in self.journal if isinstance(entry, ToolBegun) and entry.effect == "once"]
        results = {entry.call_id: entry.code for entry in self.journal if isinstance(entry, ToolReturned)}
        refused = [entry for entry in self.journal if isinstance(entry, ApprovalAnswered) and not entry.approved]
        assert len(begun) == len(set(begun))
        assert set(begun).isdisjoint(entry.call_id for entry in refused)
        assert len([name for name, _ in self.bench.tools.calls if name == "pay"]) <= len(begun)
        assert history.once_calls == (("pay",) if begun else ())
        told = {message.call_id: message.content for message in history.messages if isinstance(message, ToolMessage)}
        assert all("unknown" in told[call_id] for call_id in begun if results.get(call_id, OUTCOME_UNKNOWN) is not None)


def assert_valid(messages: Sequence[ModelMessage]) -> None:
    """Every vendor takes it: the user, then answers, each call with one result right after it; nothing is empty."""
    assert isinstance(messages[0], UserMessage)
    assert all(message.content or getattr(message, "tool_calls", ()) for message in messages)
    assert isinstance(messages[-1], AssistantMessage)
    assert messages[-1].content
    assert not messages[-1].tool_calls
    owed: list[str] = []
    seen: list[str] = []
    for before, message in pairwise(messages):
        if isinstance(message, ToolMessage):
            owed.remove(message.call_id)
            continue
        assert isinstance(message, AssistantMessage)
        assert not owed
        assert not isinstance(before, AssistantMessage)
        owed = [call.call_id for call in message.tool_calls]
        seen += owed
    assert not owed
    assert len(seen) == len(set(seen))


def assert_valid_parking(writer: FakeWriter) -> None:
    if writer.parked is not None:
        assert_valid(writer.parked.history.messages)


async def whole(steps: Steps, deaths: Sequence[tuple[int, bool]]) -> Life:
    life = Life(steps, deaths, ())
    await life.live()
    life.check()
    return life


@given(steps=STEPS, deaths=DEATHS)
def test_a_turn_whose_runs_die_before_and_after_writes_is_done_once(
    steps: Steps, deaths: list[tuple[int, bool]]
) -> None:
    life = asyncio.run(whole(steps, deaths))

    assert life.writer.record is not None
    completed = life.writer.record.outcome == "completed"
    assert completed or (life.attempt > 3 and life.writer.record.retryable)
    assert not completed or fold(life.events).messages[-1].content == whole_text(steps)


@given(steps=STEPS, deaths=DEATHS, answers=ANSWERS)
def test_a_turn_that_waits_for_approvals_is_done_once_wherever_its_runs_die(
    steps: Steps, deaths: list[tuple[int, bool]], answers: list[tuple[bool, str | None]]
) -> None:
    life = Life(steps, deaths, answers)
    life.bench.agent_changes = {"approvals": {"pay": "user"}}

    asyncio.run(life.live())

    life.check()


@given(steps=STEPS, deaths=DEATHS, stop_at=st.integers(min_value=0, max_value=12), asks=st.booleans())
@settings(max_examples=150)
def test_a_turn_that_is_stopped_anywhere_leaves_a_history_that_every_vendor_takes(
    steps: Steps, deaths: list[tuple[int, bool]], stop_at: int, asks: bool
) -> None:
    life = Life(steps, deaths, ())
    life.bench.agent_changes = {"approvals": {"pay": "user"} if asks else {}}

    asyncio.run(life.live(stop_at))

    life.check()
    assert life.writer.record is not None
    assert life.writer.record.outcome in ("completed", "cancelled") or life.attempt > 3
