"""Every event of a session's log, as types. The wire contract (protocol.md, "Server to client: events") in code.

An event is encoded once, without `seq`; the script that appends it puts the number in. So `seq`
is unset until an event was read back from a log. All but `MessageDelta` carry `ts`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from core.errors import ErrorCode
from core.messages import Content
from core.models import Effect, FinishReason, Usage


class _Bare(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    session_id: str
    seq: int | msgspec.UnsetType = msgspec.UNSET


class _Event(_Bare, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    ts: int
    """Unix milliseconds."""


class MessageCreated(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="message.created"):
    """A user or an operator said something. `re` is the sender's cid."""

    message_id: str
    turn_id: str | None = None
    role: Literal["user", "operator"]
    content: Content
    channel: str
    re: str | None = None


class TurnQueued(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="turn.queued"):
    """The message waits for its answer; `position` turns are ahead. `retry_of`: the turn that is done again."""

    turn_id: str
    message_ids: tuple[str, ...]
    retry_of: str | None = None
    position: int | msgspec.UnsetType = msgspec.UNSET
    """Set by the script that queues the turn."""


class TurnStarted(_Event, frozen=True, kw_only=True, tag="turn.started"):
    """An executor took the turn; once a turn."""

    turn_id: str
    agent: str
    attempt: int


class StepStarted(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="step.started"):
    """A model call begins. `step` counts from 1."""

    turn_id: str
    step: int
    provider: str | None = None
    model: str | None = None
    prompt_version: str | None = None
    variant: str | None = None


class MessageStarted(_Event, frozen=True, kw_only=True, tag="message.started"):
    """The assistant's message begins; its first delta follows."""

    turn_id: str
    message_id: str
    role: Literal["assistant"]
    channel: str


class MessageDelta(_Bare, frozen=True, kw_only=True, tag="message.delta"):
    """`text` goes at offset `off` of the message, in Unicode code points."""

    message_id: str
    off: int
    text: str


class MessageReset(_Event, frozen=True, kw_only=True, tag="message.reset"):
    """Cut the message back to `to` code points."""

    message_id: str
    to: int
    reason: Literal["failover", "recovery", "guardrail", "correction"]


class MessageCompleted(_Event, frozen=True, kw_only=True, tag="message.completed"):
    """The assistant's message is whole: `length` code points, `sha256` in hex of its UTF-8."""

    message_id: str
    length: int
    sha256: str
    finish_reason: FinishReason


class ToolStarted(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="tool.started"):
    """A tool runs. `arguments` is there where the agent's reveal policy is `full`."""

    turn_id: str
    call_id: str
    step: int
    name: str
    title: str
    arguments: Any = None
    effect: Effect


class ToolCompleted(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="tool.completed"):
    """A tool answered; `summary` is a sentence of at most 300 characters."""

    call_id: str
    turn_id: str | None = None
    summary: str
    duration_ms: int
    result: Any = None


class ToolFailed(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="tool.failed"):
    """A tool could not answer; the model is told."""

    call_id: str
    turn_id: str | None = None
    code: str
    message: str
    duration_ms: int


class ApprovalRequested(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="approval.requested"):
    """A tool call waits for somebody's yes. `expires_at` is Unix milliseconds."""

    turn_id: str
    approval_id: str
    call_id: str
    name: str
    title: str
    arguments: Any = None
    reason: str
    approver: Literal["user", "operator"]
    expires_at: int


class ApprovalResolved(_Event, frozen=True, kw_only=True, tag="approval.resolved"):
    """The approval was answered, expired or made void."""

    approval_id: str
    approved: bool
    by: Literal["user", "operator", "timeout", "superseded"]


class TurnWaiting(_Event, frozen=True, kw_only=True, tag="turn.waiting"):
    """The turn is parked until the approval is answered."""

    turn_id: str
    approval_id: str


class TurnResumed(_Event, frozen=True, kw_only=True, tag="turn.resumed"):
    """The parked turn goes on."""

    turn_id: str
    approval_id: str


class SourceAdded(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="source.added"):
    """The answer rests on a document."""

    message_id: str
    source_id: str
    title: str
    url: str | None = None
    snippet: str | None = None


class AgentChanged(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="agent.changed"):
    """Another agent, or a human, answers from now on."""

    turn_id: str | None = None
    from_: str = msgspec.field(name="from")
    to: str
    reason: str


class TurnRecovered(_Event, frozen=True, kw_only=True, tag="turn.recovered"):
    """Another executor goes on with the turn, from step `from_step`."""

    turn_id: str
    attempt: int
    from_step: int


class TurnCompleted(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="turn.completed"):
    """The turn ended well."""

    turn_id: str
    message_id: str | None
    usage: Usage
    cost_usd: float | None = None
    duration_ms: int
    ttft_ms: int | None
    model: str | None = None
    provider: str | None = None
    from_cache: bool = msgspec.field(default_factory=lambda: False)
    steps: int
    tools: tuple[str, ...]


class TurnFailed(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="turn.failed"):
    """The turn ended badly; `message` says what happened and what to do."""

    turn_id: str
    code: ErrorCode
    message: str
    retryable: bool
    usage: Usage
    cost_usd: float | None = None


class TurnCancelled(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="turn.cancelled"):
    """Somebody stopped the turn; what was said stays."""

    turn_id: str
    by: Literal["user", "interrupt", "operator", "erasure"]
    usage: Usage
    cost_usd: float | None = None


class DeliveryUpdated(_Event, frozen=True, kw_only=True, omit_defaults=True, tag="delivery.updated"):
    """A channel reports how far an answer got; never backwards."""

    message_id: str
    channel: str
    status: Literal["sent", "delivered", "read", "failed"]
    error: str | None = None


class SessionMerged(_Event, frozen=True, kw_only=True, tag="session.merged"):
    """This log ends; the session goes on in `into`."""

    into: str


Event = (
    MessageCreated
    | TurnQueued
    | TurnStarted
    | StepStarted
    | MessageStarted
    | MessageDelta
    | MessageReset
    | MessageCompleted
    | ToolStarted
    | ToolCompleted
    | ToolFailed
    | ApprovalRequested
    | ApprovalResolved
    | TurnWaiting
    | TurnResumed
    | SourceAdded
    | AgentChanged
    | TurnRecovered
    | TurnCompleted
    | TurnFailed
    | TurnCancelled
    | DeliveryUpdated
    | SessionMerged
)

TurnEnd = TurnCompleted | TurnFailed | TurnCancelled
