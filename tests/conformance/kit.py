"""What the conformance suites are told in: a reader that remembers, and people who say things."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

from core.events import (
    Event,
    MessageCompleted,
    MessageDelta,
    MessageStarted,
    TurnCancelled,
    TurnCompleted,
)
from core.ids import SystemIds
from core.messages import AssistantMessage, Message, UserMessage
from core.models import Usage
from core.ports import Submission
from core.turns import HistoryEntry, ModelCalled, Principal, SessionRef, TakenTurn, TurnInput, TurnRecord
from memory.backends import Memory

IDS = SystemIds()
ANA = Principal(tenant="default", name="ana", user_id="ana")
BRIDGE = Principal(tenant="default", name="key_bridge")
_EVENTS = msgspec.json.Decoder(list[Event])


class Reader:
    """A `LogReader` that remembers all that it was told and checks that runs follow one another."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self.events: list[Any] = []
        self.ranges: list[tuple[int, int]] = []
        self.epochs: list[str] = []
        self.typing: list[tuple[str, bool]] = []
        self.erased = False
        self._changed = asyncio.Event()

    def on_events(self, epoch: str, first_seq: int, last_seq: int, payload: bytes) -> None:
        self.payloads.append(payload)
        self.ranges.append((first_seq, last_seq))
        self.events += _EVENTS.decode(payload)
        self._changed.set()

    def on_epoch(self, epoch: str) -> None:
        self.epochs.append(epoch)
        self._changed.set()

    def on_erased(self) -> None:
        self.erased = True
        self._changed.set()

    def on_typing(self, by: str, on: bool) -> None:
        self.typing.append((by, on))
        self._changed.set()

    @property
    def seqs(self) -> list[int]:
        return [event.seq for event in self.events]

    @property
    def types(self) -> list[str]:
        return [event_type(event) for event in self.events]

    async def until(self, condition: Callable[[Reader], bool], timeout_s: float = 10.0) -> None:
        """Wait until the condition holds of this reader."""
        async with asyncio.timeout(timeout_s):
            while not condition(self):
                self._changed.clear()
                await self._changed.wait()

    async def until_seq(self, seq: int, timeout_s: float = 10.0) -> None:
        await self.until(lambda reader: bool(reader.events) and reader.events[-1].seq >= seq, timeout_s)


class Executor:
    """A `LocalExecutor`: room for turns, and those that came."""

    def __init__(self, room: int = 100) -> None:
        self.room = room
        self.turns: list[TakenTurn] = []

    def reserve(self) -> bool:
        self.room -= 1
        return self.room >= 0

    def begin(self, turn: TakenTurn | None) -> None:
        if turn is None:
            self.room += 1
        else:
            self.turns.append(turn)


def event_type(event: Any) -> str:
    return str(event.__struct_config__.tag)


async def eventually(condition: Callable[[], Any], timeout_s: float = 10.0) -> None:
    """Poll something that nobody announces."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


async def reaped(memory: Memory, timeout_s: float = 10.0) -> int:
    """Reap until a lease has run out, by Redis' own clock; gives how many turns came back."""
    async with asyncio.timeout(timeout_s):
        while not (count := await memory.queue.reap()):
            await asyncio.sleep(0.02)
    return count


def said(
    session: SessionRef,
    content: str = "oi",
    *,
    cid: str | None = None,
    principal: Principal | None = None,
    on_busy: str = "queue",
    agent: str = "sales",
    digest: str | None = None,
) -> Submission:
    """A user's message on its way in."""
    message_id, turn_id = IDS.new("msg"), IDS.new("turn")
    message = Message(
        message_id=message_id, turn_id=turn_id, role="user", content=content, channel="web", ts=1, status="complete"
    )
    return Submission(
        session=session,
        principal=principal or Principal(tenant=session.tenant, name=session.user_id, user_id=session.user_id),
        cid=cid or IDS.new("cid"),
        digest=digest or hashlib.sha256(content.encode()).hexdigest(),
        on_busy=on_busy,  # type: ignore[arg-type]
        input=TurnInput(
            turn_id=turn_id,
            message_ids=(message_id,),
            content=content,
            channel="web",
            agent=agent,
            accepted_ms=1_000,
            messages=(message,),
        ),
    )


def again(submission: Submission) -> Submission:
    """The wish to have that turn done again."""
    turn_id = IDS.new("turn")
    return msgspec.structs.replace(
        submission,
        cid=IDS.new("cid"),
        digest="retry",
        input=msgspec.structs.replace(submission.input, turn_id=turn_id, retry_of=submission.input.turn_id),
    )


async def open_session(
    memory: Memory, user_id: str = "ana", name: str | None = None, tenant: str = "default"
) -> SessionRef:
    return (await memory.sessions.open(tenant, user_id, name)).session


async def take_one(memory: Memory) -> TakenTurn:
    [turn] = await memory.queue.take(1)
    return turn


def record_of(turn: TakenTurn, outcome: str = "completed") -> TurnRecord:
    return TurnRecord(
        turn_id=turn.input.turn_id,
        session_id=turn.session.session_id,
        tenant=turn.session.tenant,
        user_id=turn.session.user_id,
        channel=turn.input.channel,
        agent=turn.input.agent,
        outcome=outcome,  # type: ignore[arg-type]
        usage=Usage(),
        cost_microusd=0,
        duration_ms=1,
        accepted_ms=turn.input.accepted_ms,
        ended_ms=2_000,
    )


def opening(turn: TakenTurn, message_id: str) -> list[Event]:
    return [
        MessageStarted(
            session_id=turn.session.session_id,
            ts=1,
            turn_id=turn.input.turn_id,
            message_id=message_id,
            role="assistant",
            channel="web",
        )
    ]


def delta(turn: TakenTurn, message_id: str, text: str, off: int = 0) -> MessageDelta:
    return MessageDelta(session_id=turn.session.session_id, message_id=message_id, off=off, text=text)


def completed(turn: TakenTurn, message_id: str, text: str) -> list[Event]:
    session_id = turn.session.session_id
    return [
        MessageCompleted(
            session_id=session_id,
            ts=2,
            message_id=message_id,
            length=len(text),
            sha256=hashlib.sha256(text.encode()).hexdigest(),
            finish_reason="stop",
        ),
        TurnCompleted(
            session_id=session_id,
            ts=2,
            turn_id=turn.input.turn_id,
            message_id=message_id,
            usage=Usage(),
            duration_ms=1,
            ttft_ms=1,
            steps=1,
            tools=(),
        ),
    ]


def cancelled(turn: TakenTurn, by: str) -> list[Event]:
    return [
        TurnCancelled(
            session_id=turn.session.session_id,
            ts=2,
            turn_id=turn.input.turn_id,
            by=by,  # type: ignore[arg-type]
            usage=Usage(),
        )
    ]


def history_of(turn: TakenTurn, text: str) -> HistoryEntry:
    question = turn.input.content
    assert isinstance(question, str)
    return HistoryEntry(
        turn_id=turn.input.turn_id,
        messages=(UserMessage(content=question), AssistantMessage(content=text)),
        retry_of=turn.input.retry_of,
    )


def model_called(step: int, text: str = "", prompt: str | None = None) -> ModelCalled:
    return ModelCalled(
        step=step,
        text=text,
        length=len(text),
        finish_reason="stop",
        usage=Usage(),
        cost_microusd=0,
        provider="scripted",
        model="one",
        duration_ms=1,
        prompt=(UserMessage(content=prompt),) if prompt else (),
    )


async def answer(memory: Memory, turn: TakenTurn, text: str = "olá") -> str:
    """Run a taken turn to its end; gives the assistant's message id."""
    message_id = IDS.new("msg")
    writer = memory.queue.writer(turn)
    await writer.append(opening(turn, message_id))
    await writer.append([delta(turn, message_id, text)], [model_called(1, text, prompt=str(turn.input.content))])
    await writer.end(completed(turn, message_id, text), history_of(turn, text), record_of(turn))
    return message_id


async def exchange(
    memory: Memory, session: SessionRef, content: str = "oi", text: str = "olá"
) -> tuple[Submission, str]:
    """Say something and have it answered; gives the submission and the answer's message id."""
    submission = said(session, content)
    await memory.queue.submit(submission)
    turn = await take_one(memory)
    assert turn.input.turn_id == submission.input.turn_id
    return submission, await answer(memory, turn, text)
