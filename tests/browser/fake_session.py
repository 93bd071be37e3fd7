"""A session's log in memory, for the fake server: events of `core.events`, folded by `core.view`, sent to who listens."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from core.events import (
    ApprovalRequested,
    ApprovalResolved,
    Event,
    MessageCompleted,
    MessageCreated,
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
    TurnQueued,
    TurnResumed,
    TurnStarted,
    TurnWaiting,
)
from core.messages import content_text
from core.models import FinishReason, Usage
from core.view import SessionView, apply, trimmed

EPOCH_MS = 1_764_000_000_000
"""What the fake's clock says at first, Unix milliseconds."""

Listener = Callable[[bytes], None]


class FakeSession:
    """One log. Everything that is appended is applied to `view` and given, encoded, to the listeners."""

    def __init__(self, session_id: str, epoch: str = "epoch-1") -> None:
        self.session_id = session_id
        self.view = SessionView(epoch=epoch)
        self.log: list[bytes] = []
        self.listeners: list[Listener] = []
        self.replies: dict[str, dict[str, Any]] = {}
        self.turns: dict[str, FakeTurn] = {}
        self._count = 0

    def append(self, event: Event) -> None:
        """Number an event, apply it, and give it to everybody."""
        numbered = msgspec.structs.replace(event, seq=self.view.seq + 1)
        apply(self.view, numbered)
        payload = msgspec.json.encode(numbered)
        self.log.append(payload)
        for listener in list(self.listeners):
            listener(payload)

    def begin_epoch(self, epoch: str, *, forget_last_messages: int = 0) -> None:
        """Begin the log anew at seq 1, as after a restart of Redis; messages are kept but for the last ones."""
        kept = self.view.messages[: len(self.view.messages) - forget_last_messages]
        self.view = SessionView(epoch=epoch, seq=1, messages=kept, turn=self.view.turn, queue=self.view.queue)
        self.log = []

    def snapshot(self) -> dict[str, Any]:
        """The `session.snapshot` frame of this moment."""
        shown = msgspec.to_builtins(trimmed(self.view))
        frame: dict[str, Any] = {
            "type": "session.snapshot",
            "session_id": self.session_id,
            "messages": [],
            "more": False,
            "queue": [],
        }
        frame |= {"seq": self.view.seq, **shown}
        return frame

    def missed(self, epoch: str, seq: int) -> list[bytes] | None:
        """What came after a position, or None where that cannot be said."""
        if epoch != self.view.epoch or not 0 <= seq <= self.view.seq or len(self.log) < self.view.seq:
            return None
        return self.log[seq:]

    def new_id(self, prefix: str) -> str:
        """An id that no other has."""
        self._count += 1
        return f"{prefix}_{self._count}"

    def now_ms(self) -> int:
        """A clock that moves with the log."""
        return EPOCH_MS + self._count * 1_000

    def accept(self, text: str, cid: str) -> FakeTurn:
        """A user's message with the turn that will answer it."""
        turn = FakeTurn(self, self.new_id("trn"))
        message_id = self.new_id("msg")
        self.append(
            MessageCreated(
                session_id=self.session_id,
                ts=self.now_ms(),
                message_id=message_id,
                turn_id=turn.turn_id,
                role="user",
                content=text,
                channel="web",
                re=cid,
            )
        )
        turn.seq = self.view.seq
        self._queue(turn, (message_id,), None)
        return turn

    def accept_retry(self, turn_id: str) -> FakeTurn:
        """The same question again."""
        turn = FakeTurn(self, self.new_id("trn"))
        asked = tuple(m.message_id for m in self.view.messages if m.turn_id == turn_id and m.role == "user")
        self._queue(turn, asked, turn_id)
        turn.seq = self.view.seq
        return turn

    def _queue(self, turn: FakeTurn, message_ids: tuple[str, ...], retry_of: str | None) -> None:
        turn.message_ids = message_ids
        self.turns[turn.turn_id] = turn
        ahead = len(self.view.queue) + (self.view.turn is not None)
        self.append(
            TurnQueued(
                session_id=self.session_id,
                ts=self.now_ms(),
                turn_id=turn.turn_id,
                message_ids=message_ids,
                retry_of=retry_of,
                position=ahead,
            )
        )


class FakeTurn:
    """A turn that a test plays, event by event."""

    def __init__(self, session: FakeSession, turn_id: str) -> None:
        self.session = session
        self.turn_id = turn_id
        self.seq = 0
        self.message_ids: tuple[str, ...] = ()
        self.message_id: str | None = None
        self.ended = False

    @property
    def question(self) -> str:
        """What the user asked."""
        asked = self.session.view.message(self.message_ids[-1])
        assert asked is not None
        return content_text(asked.content)

    @property
    def text(self) -> str:
        """The answer so far."""
        message = self.session.view.message(self.message_id or "")
        return content_text(message.content) if message is not None else ""

    def start(self, *, provider: str = "scripted", model: str = "scripted-1") -> None:
        """The turn begins with its first step."""
        common = self._common()
        self.session.append(TurnStarted(**common, turn_id=self.turn_id, agent="sales", attempt=1))
        self.session.append(StepStarted(**common, turn_id=self.turn_id, step=1, provider=provider, model=model))

    def say(self, *fragments: str) -> None:
        """Write more of the answer; the first fragment begins the message."""
        if self.message_id is None:
            self.message_id = self.session.new_id("msg")
            self.session.append(
                MessageStarted(
                    **self._common(), turn_id=self.turn_id, message_id=self.message_id, role="assistant", channel="web"
                )
            )
        for fragment in fragments:
            self.session.append(
                MessageDelta(
                    session_id=self.session.session_id, message_id=self.message_id, off=len(self.text), text=fragment
                )
            )

    def cut_back(self, to: int) -> None:
        """Take back what was written after `to` code points."""
        assert self.message_id is not None
        self.session.append(MessageReset(**self._common(), message_id=self.message_id, to=to, reason="failover"))

    def call(self, call_id: str, *, title: str, arguments: Any = None) -> None:
        """A tool begins."""
        self.session.append(
            ToolStarted(
                **self._common(),
                turn_id=self.turn_id,
                call_id=call_id,
                step=1,
                name="sales_query",
                title=title,
                arguments=arguments,
                effect="read",
            )
        )

    def called(self, call_id: str, *, summary: str, result: Any = None) -> None:
        """A tool answered."""
        self.session.append(
            ToolCompleted(**self._common(), call_id=call_id, summary=summary, duration_ms=42, result=result)
        )

    def call_failed(self, call_id: str, *, message: str, code: str = "tool_failed") -> None:
        """A tool could not."""
        self.session.append(ToolFailed(**self._common(), call_id=call_id, code=code, message=message, duration_ms=9))

    def ask(self, call_id: str, *, arguments: Any, approver: Literal["user", "operator"] = "user") -> str:
        """A call needs somebody's yes: the turn is parked. Gives the approval's id."""
        approval_id = self.session.new_id("apr")
        self.session.append(
            ApprovalRequested(
                **self._common(),
                turn_id=self.turn_id,
                approval_id=approval_id,
                call_id=call_id,
                name="create_follow_up",
                title="Create a follow-up",
                arguments=arguments,
                reason="This action needs approval before it is done.",
                approver=approver,
                expires_at=self.session.now_ms() + 86_400_000,
            )
        )
        self.session.append(TurnWaiting(**self._common(), turn_id=self.turn_id, approval_id=approval_id))
        return approval_id

    def answered(
        self, approval_id: str, *, approved: bool, by: Literal["user", "operator", "timeout", "superseded"] = "user"
    ) -> None:
        """The approval was answered, and the turn goes on."""
        self.session.append(ApprovalResolved(**self._common(), approval_id=approval_id, approved=approved, by=by))
        self.session.append(TurnResumed(**self._common(), turn_id=self.turn_id, approval_id=approval_id))

    def complete(self, *, provider: str = "scripted", model: str = "scripted-1") -> None:
        """The answer is whole."""
        self._complete_message("stop")
        self.ended = True
        self.session.append(
            TurnCompleted(
                **self._common(),
                turn_id=self.turn_id,
                message_id=self.message_id,
                usage=Usage(input=1180, output=64, total=1244),
                cost_usd=0.0021,
                duration_ms=1830,
                ttft_ms=210,
                model=model,
                provider=provider,
                steps=1,
                tools=(),
            )
        )

    def fail(self, *, code: Any = "provider_unavailable") -> None:
        """The turn ends badly."""
        self._complete_message("failed")
        self.ended = True
        self.session.append(
            TurnFailed(
                **self._common(), turn_id=self.turn_id, code=code, message="It failed.", retryable=True, usage=Usage()
            )
        )

    def cancel(self) -> None:
        """Somebody pressed stop."""
        self._complete_message("cancelled")
        self.ended = True
        self.session.append(TurnCancelled(**self._common(), turn_id=self.turn_id, by="user", usage=Usage()))

    def _complete_message(self, reason: FinishReason) -> None:
        if self.message_id is None:
            return
        self.session.append(
            MessageCompleted(
                **self._common(),
                message_id=self.message_id,
                length=len(self.text),
                sha256=hashlib.sha256(self.text.encode()).hexdigest(),
                finish_reason=reason,
            )
        )

    def _common(self) -> dict[str, Any]:
        return {"session_id": self.session.session_id, "ts": self.session.now_ms()}
