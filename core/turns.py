"""A turn from the inside: what was accepted, what was journalled, what goes on the books.

queued ──take──▶ running ──end──▶ completed | failed | cancelled
                 │ ▲ │ ▲               ▲
   lease gone ◀──┘ │ │ └─ answer, ──┐  │
       └─reap, take┘ │   expiry, …  │  │
                     └──park──▶ parked ┘ cancel

A turn that lost its executor, or whose approval was answered, stays `running` and is among the ready again.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from core.events import MessageCompleted
from core.flags import FlagChange
from core.messages import Content, Message, ModelMessage, ToolCall
from core.models import Effect, FinishReason, Usage

TurnState = Literal["queued", "running", "parked", "completed", "failed", "cancelled"]
Outcome = Literal["completed", "failed", "cancelled"]
OnBusy = Literal["queue", "merge", "interrupt", "reject"]
Approver = Literal["user", "operator"]
ApprovalBy = Literal["user", "operator", "timeout", "superseded"]
DeliveryStatus = Literal["sent", "delivered", "read", "failed"]
ApprovalState = Literal["pending", "approved", "declined", "expired", "superseded", "cancelled"]


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
    estimated: bool = False
    """Whether `usage` was counted because the vendor did not report it."""
    priced: bool = True
    """False: nobody knows what the model costs, and `cost_microusd` is 0."""
    broken: tuple[StepUse, ...] = ()
    """The step's calls that broke off before this one, for the books: a later run that goes on knows what they cost."""


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


class ApprovalAsked(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="approval_asked"
):
    """A tool call waits for somebody's yes; written by the script that parks the turn."""

    step: int
    call_id: str
    name: str
    approval_id: str
    approver: Approver
    expires_ms: int


class ApprovalAnswered(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="approval_answered"
):
    """The approval was answered, expired or made void; written by the script that makes the turn ready again."""

    step: int
    call_id: str
    approval_id: str
    approved: bool
    by: ApprovalBy
    arguments: str | None = None
    """JSON of an object that takes the place of the model's arguments, checked already; None: the model's."""
    reason: str | None = None
    """What the approver said, for the model."""


JournalEntry = ModelCalled | ToolBegun | ToolReturned | ApprovalAsked | ApprovalAnswered


class TakenTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A turn whose lease this executor holds. `fence` and `nonce` go with each write of this run."""

    session: SessionRef
    input: TurnInput
    attempt: int
    """Runs that count: with too many the turn fails."""
    runs: int = 1
    """All runs, those that were given back included: above 1 there may be a message to go on with."""
    fence: int
    nonce: str
    epoch: str
    journal: tuple[JournalEntry, ...]
    history: tuple[HistoryEntry, ...] = ()
    """What the session's ended turns left for the model's context, as it was when this run began."""
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
    estimated: bool = False
    """Whether `usage` was counted because the vendor did not report it (it broke off, or never does)."""
    priced: bool = True
    """False: nobody knows what the model costs, and `cost_microusd` is 0. A model that is free is priced."""


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
    route: str | None = None
    """Why these models: the route's reason (agent/routing); None: the run had not even begun."""
    experiment: str | None = None
    variant: str | None = None
    """The experiment and its variant that the turn was part of: the exposure."""
    cache: Literal["hit", "near", "miss"] | None = None
    """Whether the answer was known already, to this question or (`near`) to one in other words; None: it was not
    looked for."""
    saved_microusd: int = 0
    """With a hit, what the answer cost when it was made."""
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


Record = TurnRecord | FeedbackRecord | FlagChange


class HistoryEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an ended turn leaves for the next one's context: the model's view, private."""

    turn_id: str
    messages: tuple[ModelMessage, ...]
    retry_of: str | None = None
    once_calls: tuple[str, ...] = ()
    """Names of the tools of effect `once` that were begun in this turn, or in those that it did again."""


class ParkedEnding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a parked turn ends if it is cancelled: composed by the run that parks it, because then nobody runs it.

    `record` says `cancelled`; its `ended_ms` and `duration_ms`, and `completed.ts`, are those of the parking and are
    set anew by whoever cancels.
    """

    completed: MessageCompleted | None = None
    """Closes the message that was begun; None: none was."""
    history: HistoryEntry
    record: TurnRecord
    shows_cost: bool = True
    """Whether `turn.cancelled` may say what the turn cost (the agent's reveal policy)."""


class PendingApproval(msgspec.Struct, frozen=True, kw_only=True):
    """An approval as its approver's command finds it."""

    approval_id: str
    turn_id: str
    call_id: str
    name: str
    approver: Approver
    state: ApprovalState
    expires_ms: int


class TurnJournal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that a turn wrote down, for its replay; kept for a day after the end."""

    session: SessionRef
    state: TurnState
    input: TurnInput
    entries: tuple[JournalEntry, ...]
    record: TurnRecord | None = None
    """Once ended."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is to leave by the channel on which its turn began, leased to one bridge for 60 s."""

    delivery_id: str
    session: SessionRef
    message_id: str
    channel: str
    content: str
    attempt: int


class Erasure(msgspec.Struct, frozen=True, kw_only=True):
    """A user who was forgotten, with the sessions of then; swept again 10 minutes later."""

    tenant: str
    user_id: str
    session_ids: tuple[str, ...]


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
