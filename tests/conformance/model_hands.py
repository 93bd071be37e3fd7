"""What executors hold: runs, which may be zombies, and their writes, which may be made again at any time."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import msgspec

from core.events import ApprovalRequested, Event, MessageCompleted, MessageReset, TurnFailed, TurnWaiting
from core.messages import Message
from core.models import Usage
from core.ports import TurnWriter
from core.turns import ApprovalAsked, JournalEntry, ParkedEnding, TakenTurn, TurnRecord
from tests.conformance.kit import cancelled, completed, delta, history_of, model_called, opening, record_of
from tests.conformance.model_parts import Delivery
from tests.conformance.model_turns import Hand

FAR_AWAY_MS = 4_000_000_000_000
"""No approval's time is over by itself: the machine says when."""


def said(event: Any) -> dict[str, Any]:
    """An event as the log says it, but for its seq and its time."""
    fields: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(event))
    return {name: value for name, value in fields.items() if name != "ts"}


@dataclass
class Write:
    """A write of a run: an append, a park or an end."""

    batch: int
    writer: TurnWriter
    """As it was before the write."""
    events: list[Event]
    journal: list[JournalEntry] = field(default_factory=list)
    asked: tuple[ApprovalAsked, ParkedEnding] | None = None
    """Of a write that parks the turn."""
    outcome: str | None = None
    """Of the write that ends the turn."""

    async def make(self, run: Run) -> tuple[TurnWriter, str | None]:
        """Write; gives the writer as it is then, and who cancelled the turn."""
        writer = copy.copy(self.writer)
        if self.asked is not None:
            return writer, await writer.park(self.events, *self.asked)
        if self.outcome is None:
            return writer, await writer.append(self.events, self.journal)
        history = history_of(run.turn, "ok") if self.outcome == "completed" else None
        await writer.end(self.events, history, run.record(self.outcome))
        return writer, None


@dataclass
class Run:
    """An executor's hold of a turn. It lives on as a zombie when the turn is another's, or gone."""

    number: int
    node: str
    turn: TakenTurn
    writer: TurnWriter
    writes: list[Write] = field(default_factory=list)
    batch: int = 0

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        """How hypothesis prints it."""
        printer.text(f"<run {self.number} of {self.turn_id} on {self.node}, {self.batch} written>")

    @property
    def turn_id(self) -> str:
        return self.turn.input.turn_id

    @property
    def session_id(self) -> str:
        return self.turn.session.session_id

    @property
    def message_id(self) -> str:
        return "msg_" + self.turn_id.removeprefix("turn_")

    def hand(self, batch: int = 0) -> Hand:
        """By what the rules know this run."""
        return Hand(self.turn_id, self.session_id, self.turn.nonce, self.turn.epoch, batch)

    def next_write(self, *, text: str, steps: int, message_is_begun: bool) -> Write:
        """Some text (the first write begins the message, or cuts back what an earlier run said) and finished steps."""
        events: list[Event] = []
        if self.batch == 0 and message_is_begun:
            reset = MessageReset(session_id=self.session_id, ts=1, message_id=self.message_id, to=0, reason="recovery")
            events.append(reset)
        elif self.batch == 0:
            events += opening(self.turn, self.message_id)
        if text:
            events.append(delta(self.turn, self.message_id, text))
        return self._write(events, journal=[model_called(step + 1, text, prompt="oi") for step in range(steps)])

    def parking_write(self, approval_id: str, approver: Any) -> Write:
        """Ask for somebody's yes and let go of the turn."""
        call_id = f"call_{approval_id}"
        requested = ApprovalRequested(
            session_id=self.session_id,
            ts=1,
            turn_id=self.turn_id,
            approval_id=approval_id,
            call_id=call_id,
            name="create_follow_up",
            title="Follow up",
            reason="It writes.",
            approver=approver,
            expires_at=FAR_AWAY_MS,
        )
        waiting = TurnWaiting(session_id=self.session_id, ts=1, turn_id=self.turn_id, approval_id=approval_id)
        asked = ApprovalAsked(
            step=1,
            call_id=call_id,
            name=requested.name,
            approval_id=approval_id,
            approver=approver,
            expires_ms=FAR_AWAY_MS,
        )
        ending = ParkedEnding(
            completed=self._closing("cancelled"), history=history_of(self.turn, ""), record=self.record("cancelled")
        )
        return self._write([requested, waiting], asked=(asked, ending))

    def last_write(self, outcome: str) -> Write:
        """The end: what is shown is closed, then the turn."""
        if outcome == "completed":
            return self._write(completed(self.turn, self.message_id, ""), outcome=outcome)
        ended: list[Event] = list(cancelled(self.turn, "user"))
        if outcome == "failed":
            failed = TurnFailed(
                session_id=self.session_id,
                ts=2,
                turn_id=self.turn_id,
                code="provider_unavailable",
                message="The model does not answer.",
                retryable=True,
                usage=Usage(),
            )
            ended = [failed]
        return self._write([self._closing(outcome), *ended], outcome=outcome)

    def record(self, outcome: str) -> TurnRecord:
        """What goes on the books; with the answer, where there is one."""
        answer = Message(
            message_id=self.message_id,
            turn_id=self.turn_id,
            role="assistant",
            content="olá",
            channel=self.turn.input.channel,
            ts=2,
            status="complete",
        )
        messages = (answer,) if outcome == "completed" else ()
        return msgspec.structs.replace(record_of(self.turn, outcome), messages=messages)

    def answer(self) -> Delivery:
        """The answer on its way out."""
        session_id, message_id = self.session_id, self.message_id
        delivery_id = f"dlv_{session_id.removeprefix('ses_')}{message_id.removeprefix('msg_')}"
        return Delivery(delivery_id, session_id, self.turn.session.tenant, self.turn.input.channel, message_id)

    def _closing(self, reason: Any) -> MessageCompleted:
        closing = completed(self.turn, self.message_id, "")[0]
        assert isinstance(closing, MessageCompleted)
        return msgspec.structs.replace(closing, finish_reason=reason)

    def _write(self, events: list[Event], **more: Any) -> Write:
        write = Write(self.batch + 1, self.writer, events, **more)
        self.writes.append(write)
        return write
