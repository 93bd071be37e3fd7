"""A turn from the inside: what was accepted, what was journalled, what goes on the books.

queued ──take──▶ running ──end──▶ completed | failed | cancelled
   ▲               │  │
   │  lease gone    │  └─park──▶ parked (a later chapter)
   └────reap────────┘
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from core.messages import Content, Message, ModelMessage, ToolCall
from core.models import Effect, FinishReason, Usage

TurnState = Literal["queued", "running", "parked", "completed", "failed", "cancelled"]
Outcome = Literal["completed", "failed", "cancelled"]
OnBusy = Literal["queue", "merge", "interrupt", "reject"]


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who speaks: a tenant's service key, or a user. `name` scopes command ids: the key's id or the user's id."""

    tenant: str
    name: str
    user_id: str | None = None
    """The only user that this principal may act for; None: a service, any user of the tenant."""

    @property
    def is_service(self) -> bool:
        """Whether it may open sessions of any user of its tenant."""
        return self.user_id is None


class SessionRef(msgspec.Struct, frozen=True, kw_only=True):
    """A session and whose it is. Everything that touches a session's data takes one: no id without its tenant."""

    session_id: str
    tenant: str
    user_id: str


class TurnInput(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a turn is to answer; kept with the turn, private."""

    turn_id: str
    message_ids: tuple[str, ...]
    content: Content
    channel: str
    agent: str
    model: str | None = None
    """`provider:model` that the caller asked for; None: the agent's own."""
    locale: str | None = None
    accepted_ms: int
    retry_of: str | None = None
    messages: tuple[Message, ...] = ()
    """The user's messages as shown, for the books."""


# The journal: what a run did, in order, so that the next run need not do it again.


class ModelCalled(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="model_called"):
    """A model call ended. `text` is without the blank line before it; `length` is that of the message after it."""

    step: int
    text: str
    length: int
    calls: tuple[ToolCall, ...] = ()
    finish_reason: FinishReason
    usage: Usage
    cost_microusd: int
    provider: str
    model: str
    duration_ms: int
    ttft_ms: int | None = None
    opaque: dict[str, Any] | None = None
    context_size: int = 0
    prompt: tuple[ModelMessage, ...] = ()
    """The messages that were sent, where `keep_prompt`; private."""


class ToolBegun(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="tool_begun"):
    """Written before a tool of effect `once` or `idempotent` runs."""

    step: int
    call_id: str
    name: str
    effect: Effect


class ToolReturned(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="tool_returned"
):
    """A tool call ended, well or not; `content` is what the model is told, in full."""

    step: int
    call_id: str
    name: str
    content: str
    summary: str
    failed: bool = False
    code: str | None = None
    duration_ms: int = 0


JournalEntry = ModelCalled | ToolBegun | ToolReturned


class TakenTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A turn whose lease this executor holds. `fence` and `nonce` go with each write of this run."""

    session: SessionRef
    input: TurnInput
    attempt: int
    fence: int
    nonce: str
    epoch: str
    journal: tuple[JournalEntry, ...]
    cancelled_by: Literal["user", "interrupt", "operator", "erasure"] | None = None
    """Set where the turn was cancelled before this run began: write its end, call nothing."""


class ToolUse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One tool call, for the books."""

    call_id: str
    step: int
    name: str
    failed: bool = False
    code: str | None = None
    duration_ms: int = 0


class StepUse(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One model call, for the books."""

    step: int
    provider: str
    model: str
    usage: Usage
    cost_microusd: int
    duration_ms: int
    ttft_ms: int | None = None
    finish_reason: FinishReason = "stop"


class TurnRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="turn"):
    """A turn as it goes on the books, written by the script that ends it and taken to SQL by the recorder."""

    turn_id: str
    session_id: str
    tenant: str
    user_id: str
    channel: str
    agent: str
    outcome: Outcome
    code: str | None = None
    """Of a failure: its error code, with `message` and `retryable` as in `turn.failed`."""
    message: str | None = None
    retryable: bool = False
    provider: str | None = None
    model: str | None = None
    usage: Usage
    cost_microusd: int
    ttft_ms: int | None = None
    duration_ms: int
    accepted_ms: int
    ended_ms: int
    attempts: int = 1
    steps: tuple[StepUse, ...] = ()
    tools: tuple[ToolUse, ...] = ()
    messages: tuple[Message, ...] = ()
    """The user's message and the assistant's, as shown."""
    retry_of: str | None = None
    context_size: int = 0
    trace_id: str | None = None


class FeedbackRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="feedback"):
    """A user's verdict on a message, for the books; the last one of a principal on a message counts."""

    session_id: str
    tenant: str
    user_id: str
    message_id: str
    score: Literal[-1, 1]
    comment: str | None = None
    by: str
    ts: int


Record = TurnRecord | FeedbackRecord


class HistoryEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an ended turn leaves for the next one's context: the model's view, private."""

    turn_id: str
    messages: tuple[ModelMessage, ...]
    retry_of: str | None = None


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one turn may use at most."""

    steps: int = 8
    tool_calls: int = 24
    duration_s: float = 120.0
    tokens: int = 200_000
    cost_microusd: int = 1_000_000
    corrections: int = 2
    """How often a bad tool call goes back to the model before the turn fails."""
    same_call: int = 2
    """How often the same call with the same arguments may run; one more ends in `tool_loop`."""
