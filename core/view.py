"""A session as a client shows it: the fold of its log. `apply` is the only place where an event changes what is shown.

Server (snapshots), client machine and tests use the same fold, so "snapshot = fold" holds by construction.
"""

from __future__ import annotations

from typing import Any, Final, Literal, assert_never

import msgspec

from core.events import (
    AgentChanged,
    ApprovalRequested,
    ApprovalResolved,
    DeliveryUpdated,
    Event,
    MessageCompleted,
    MessageCreated,
    MessageDelta,
    MessageReset,
    MessageStarted,
    SessionMerged,
    SourceAdded,
    StepStarted,
    ToolCompleted,
    ToolFailed,
    ToolStarted,
    TurnCancelled,
    TurnCompleted,
    TurnFailed,
    TurnQueued,
    TurnRecovered,
    TurnResumed,
    TurnStarted,
    TurnWaiting,
)
from core.messages import Message, MessageStatus, Source

SNAPSHOT_MESSAGES: Final = 50
SNAPSHOT_BYTES: Final = 192 * 1024
"""A snapshot holds the last 50 messages or 192 KiB of whole messages (protocol.md, Words)."""


class ToolView(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A tool call of the running turn."""

    call_id: str
    step: int
    name: str
    title: str
    status: Literal["running", "completed", "failed"]
    arguments: Any = None
    summary: str | None = None
    result: Any = None
    code: str | None = None
    message: str | None = None
    duration_ms: int | None = None


class ApprovalView(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An approval that the running turn waits for."""

    approval_id: str
    call_id: str
    name: str
    title: str
    arguments: Any = None
    reason: str
    approver: Literal["user", "operator"]
    expires_at: int


class TurnView(msgspec.Struct, kw_only=True):
    """The turn that has started and not ended."""

    turn_id: str
    state: Literal["running", "parked"]
    attempt: int
    message_id: str | None
    tools: list[ToolView]
    approvals: list[ApprovalView]


class QueuedView(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A turn that waits."""

    turn_id: str
    message_ids: tuple[str, ...]
    retry_of: str | None = None


class SessionView(msgspec.Struct, kw_only=True, omit_defaults=True):
    """All that a client shows of a session, as of `seq` of `epoch`."""

    epoch: str
    seq: int = 0
    messages: list[Message] = []
    more: bool = False
    turn: TurnView | None = None
    queue: list[QueuedView] = []

    def message(self, message_id: str) -> Message | None:
        """The message of that id, or None; the newest are looked at first."""
        for message in reversed(self.messages):
            if message.message_id == message_id:
                return message
        return None


def apply(view: SessionView, event: Event) -> None:
    """Change `view` by one event; an event at or before `view.seq` is ignored.

    Raises ValueError where `event.seq` is not the next: the caller has a gap and reads it first.
    """
    seq = event.seq
    if isinstance(seq, msgspec.UnsetType):
        raise ValueError("an event without seq cannot be applied")
    if seq <= view.seq:
        return
    if seq != view.seq + 1:
        raise ValueError(f"gap in the log: have {view.seq}, got {seq}")
    view.seq = seq
    _change(view, event)


def _change(view: SessionView, event: Event) -> None:
    match event:
        case MessageDelta():
            _edit(view, event.message_id, lambda text: text[: event.off] + event.text)
        case MessageCreated():
            view.messages.append(
                Message(
                    message_id=event.message_id,
                    turn_id=event.turn_id or "",
                    role=event.role,
                    content=event.content,
                    channel=event.channel,
                    ts=event.ts,
                    status="complete",
                    re=event.re,
                )
            )
        case TurnQueued():
            _queue(view, event)
        case TurnStarted():
            _start(view, event)
        case MessageStarted():
            if view.turn is not None:
                view.turn.message_id = event.message_id
            view.messages.append(
                Message(
                    message_id=event.message_id,
                    turn_id=event.turn_id,
                    role="assistant",
                    content="",
                    channel=event.channel,
                    ts=event.ts,
                    status="running",
                )
            )
        case MessageReset():
            _edit(view, event.message_id, lambda text: text[: event.to])
        case MessageCompleted():
            statuses: dict[str, MessageStatus] = {"cancelled": "cancelled", "failed": "failed"}
            _replace(view, event.message_id, status=statuses.get(event.finish_reason, "complete"))
        case ToolStarted():
            if view.turn is not None:
                view.turn.tools = [tool for tool in view.turn.tools if tool.call_id != event.call_id]
                view.turn.tools.append(
                    ToolView(
                        call_id=event.call_id,
                        step=event.step,
                        name=event.name,
                        title=event.title,
                        status="running",
                        arguments=event.arguments,
                    )
                )
        case ToolCompleted() | ToolFailed():
            _end_tool(view, event)
        case ApprovalRequested():
            if view.turn is not None:
                view.turn.approvals.append(
                    ApprovalView(
                        approval_id=event.approval_id,
                        call_id=event.call_id,
                        name=event.name,
                        title=event.title,
                        arguments=event.arguments,
                        reason=event.reason,
                        approver=event.approver,
                        expires_at=event.expires_at,
                    )
                )
        case ApprovalResolved():
            if view.turn is not None:
                view.turn.approvals = [a for a in view.turn.approvals if a.approval_id != event.approval_id]
        case TurnWaiting():
            if view.turn is not None:
                view.turn.state = "parked"
        case TurnResumed():
            if view.turn is not None:
                view.turn.state = "running"
        case TurnRecovered():
            if view.turn is not None:
                view.turn.attempt = event.attempt
        case TurnCompleted() | TurnFailed() | TurnCancelled():
            view.queue = [queued for queued in view.queue if queued.turn_id != event.turn_id]
            if view.turn is not None and view.turn.turn_id == event.turn_id:
                view.turn = None
        case SourceAdded():
            source = Source(source_id=event.source_id, title=event.title, url=event.url, snippet=event.snippet)
            message = view.message(event.message_id)
            if message is not None:
                _replace(view, event.message_id, sources=(*(message.sources or ()), source))
        case DeliveryUpdated():
            _replace(view, event.message_id, delivery={"channel": event.channel, "status": event.status})
        case StepStarted() | AgentChanged() | SessionMerged():
            pass
        case _ as unreachable:
            assert_never(unreachable)


def _edit(view: SessionView, message_id: str, change: Any) -> None:
    message = view.message(message_id)
    if message is not None and isinstance(message.content, str):
        _replace(view, message_id, content=change(message.content))


def _replace(view: SessionView, message_id: str, **changes: Any) -> None:
    for index in range(len(view.messages) - 1, -1, -1):
        if view.messages[index].message_id == message_id:
            view.messages[index] = msgspec.structs.replace(view.messages[index], **changes)
            return


def _queue(view: SessionView, event: TurnQueued) -> None:
    queued = QueuedView(turn_id=event.turn_id, message_ids=event.message_ids, retry_of=event.retry_of)
    for index, waiting in enumerate(view.queue):
        if waiting.turn_id == event.turn_id:
            view.queue[index] = queued
            break
    else:
        view.queue.append(queued)
    if event.retry_of is None:
        for message_id in event.message_ids:
            _replace(view, message_id, turn_id=event.turn_id)


def _start(view: SessionView, event: TurnStarted) -> None:
    for queued in view.queue:
        if queued.turn_id == event.turn_id and queued.retry_of is not None:
            view.messages = [
                message
                for message in view.messages
                if not (message.turn_id == queued.retry_of and message.role == "assistant")
            ]
            for message_id in queued.message_ids:
                _replace(view, message_id, turn_id=event.turn_id)
    view.queue = [queued for queued in view.queue if queued.turn_id != event.turn_id]
    view.turn = TurnView(
        turn_id=event.turn_id, state="running", attempt=event.attempt, message_id=None, tools=[], approvals=[]
    )


def _end_tool(view: SessionView, event: ToolCompleted | ToolFailed) -> None:
    if view.turn is None:
        return
    for tool in view.turn.tools:
        if tool.call_id == event.call_id:
            tool.duration_ms = event.duration_ms
            if isinstance(event, ToolCompleted):
                tool.status, tool.summary, tool.result = "completed", event.summary, event.result
            else:
                tool.status, tool.code, tool.message = "failed", event.code, event.message


def trimmed(view: SessionView) -> SessionView:
    """The view cut to what a snapshot may hold: whole messages from the end; the running one always in full.

    At most `SNAPSHOT_MESSAGES` messages and `SNAPSHOT_BYTES` bytes of them, but never fewer than back to the
    running one, however much was said after it; `more` says that something is left out.
    """
    start = len(view.messages)
    needed = next((index for index, message in enumerate(view.messages) if message.status == "running"), start - 1)
    size = 0
    for message in reversed(view.messages):
        size += len(msgspec.json.encode(message))
        full = len(view.messages) - start >= SNAPSHOT_MESSAGES or size > SNAPSHOT_BYTES
        if full and start <= needed:
            break
        start -= 1
    return msgspec.structs.replace(view, messages=view.messages[start:], more=view.more or start > 0)
