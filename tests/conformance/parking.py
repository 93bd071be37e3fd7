"""Turns that wait for an approval, as the conformance suites make them."""

from __future__ import annotations

import hashlib
import time

import msgspec

from core.events import ApprovalRequested, Event, MessageCompleted, TurnWaiting
from core.messages import AssistantMessage, ToolCall, ToolMessage, UserMessage
from core.models import Usage
from core.ports import TurnWriter
from core.turns import ApprovalAsked, Approver, HistoryEntry, ParkedEnding, SessionRef, TakenTurn, TurnRecord
from memory.backends import Memory
from tests.conformance.kit import ANA, IDS, delta, model_called, opening, record_of, said, take_one

HOUR_MS = 3_600_000
TEXT = "Vou criar."
USAGE = Usage(input=10, output=3)


class Parked(msgspec.Struct, frozen=True, kw_only=True):
    """A parked turn: the run that parked it, and what it asked."""

    session: SessionRef
    turn: TakenTurn
    writer: TurnWriter
    message_id: str
    asked: ApprovalAsked
    ending: ParkedEnding
    events: tuple[Event, ...]

    @property
    def turn_id(self) -> str:
        return self.turn.input.turn_id

    @property
    def approval_id(self) -> str:
        return self.asked.approval_id


async def ask(
    memory: Memory,
    turn: TakenTurn,
    *,
    approver: Approver = "user",
    expires_ms: int | None = None,
    step: int = 1,
    shows_cost: bool = True,
) -> Parked:
    """Have a taken turn say a little and come to a call that needs an approval; it is not parked yet."""
    writer, message_id = memory.queue.writer(turn), IDS.new("msg")
    await writer.append(opening(turn, message_id))
    await writer.append([delta(turn, message_id, TEXT)], [model_called(step, TEXT)])
    asked = ApprovalAsked(
        step=step,
        call_id="call_1",
        name="create_follow_up",
        approval_id=IDS.new("apr"),
        approver=approver,
        expires_ms=expires_ms or time.time_ns() // 1_000_000 + HOUR_MS,
    )
    return Parked(
        session=turn.session,
        turn=turn,
        writer=writer,
        message_id=message_id,
        asked=asked,
        ending=_ending(turn, message_id, shows_cost),
        events=_events(turn, asked),
    )


async def park(memory: Memory, session: SessionRef, **choices: object) -> Parked:
    """Say something in a session and have its turn parked."""
    await memory.queue.submit(said(session, "crie"))
    parked = await ask(memory, await take_one(memory), **choices)  # type: ignore[arg-type]
    assert await park_again(parked) is None
    return parked


async def park_again(parked: Parked) -> str | None:
    """Make the parking write, perhaps not for the first time."""
    return await parked.writer.park(parked.events, parked.asked, parked.ending)


async def answered(memory: Memory, parked: Parked, approved: bool = True, cid: str = "cid-answer") -> tuple[str, bool]:
    """Answer as its user."""
    return await memory.queue.answer(
        parked.session, ANA, cid, str(approved), parked.approval_id, approved=approved, by="user"
    )


def _events(turn: TakenTurn, asked: ApprovalAsked) -> tuple[Event, ...]:
    session_id, turn_id = turn.session.session_id, turn.input.turn_id
    return (
        ApprovalRequested(
            session_id=session_id,
            ts=3,
            turn_id=turn_id,
            approval_id=asked.approval_id,
            call_id=asked.call_id,
            name=asked.name,
            title="Follow-up",
            reason="writes",
            approver=asked.approver,
            expires_at=asked.expires_ms,
        ),
        TurnWaiting(session_id=session_id, ts=3, turn_id=turn_id, approval_id=asked.approval_id),
    )


def _ending(turn: TakenTurn, message_id: str, shows_cost: bool) -> ParkedEnding:
    call = ToolCall(call_id="call_1", name="create_follow_up", arguments="{}")
    record: TurnRecord = msgspec.structs.replace(
        record_of(turn, "cancelled"), usage=USAGE, cost_microusd=1_500, ended_ms=5_000, duration_ms=4_000
    )
    return ParkedEnding(
        completed=MessageCompleted(
            session_id=turn.session.session_id,
            ts=5_000,
            message_id=message_id,
            length=len(TEXT),
            sha256=hashlib.sha256(TEXT.encode()).hexdigest(),
            finish_reason="cancelled",
        ),
        history=HistoryEntry(
            turn_id=turn.input.turn_id,
            messages=(
                UserMessage(content="crie"),
                AssistantMessage(content=TEXT, tool_calls=(call,), cancelled=True),
                ToolMessage(call_id="call_1", name="create_follow_up", content="cancelled", failed=True),
            ),
        ),
        record=record,
        shows_cost=shows_cost,
    )
