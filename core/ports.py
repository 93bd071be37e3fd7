"""Every seam of Prosa: the architecture on one page. The docstrings are the contract; `tests/conformance` checks it.

              Provider   Tools   Pricing   Budgets
                  \\        |       /   ____/
SessionStore ─── TurnQueue ─── TurnWriter ─── Outbox ─── Books
      │                            │
    EventLog ◀──── append, publish ┘
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol

import msgspec

from core.budgets import BudgetRefusal, BudgetStanding, Hold, Payer
from core.errors import ProsaError
from core.events import Event
from core.flags import Evaluation, Flag, FlagChange, FlagContext, FlagEdit
from core.messages import Message, ModelMessage
from core.models import ModelEvent, ModelRequest, RoutedEvent, ToolSpec, Usage
from core.turns import (
    ApprovalAsked,
    ApprovalState,
    Approver,
    Delivery,
    DeliveryStatus,
    Erasure,
    FeedbackRecord,
    HistoryEntry,
    JournalEntry,
    OnBusy,
    ParkedEnding,
    PendingApproval,
    Principal,
    Record,
    SessionRef,
    TakenTurn,
    TurnInput,
    TurnJournal,
    TurnRecord,
    TurnState,
)
from core.view import SessionView

# ---------------------------------------------------------------- models and tools


class Provider(Protocol):
    """Somebody who serves models."""

    name: str
    """The part of `provider:model` before the colon."""

    def stream(self, request: ModelRequest) -> AbstractAsyncContextManager[AsyncIterator[ModelEvent]]:
        """Call a model. Leaving the context closes the stream and its connection, whatever was read.

        Events come in the order in which the model made them; the last one of a whole answer is
        `ModelFinished`. Tool calls are whole. Raises ProviderError (StreamCut where the stream ended
        without a finish), on entry or while reading. Never retries once an event was given.
        """
        ...

    async def close(self) -> None:
        """Free what it holds."""
        ...


class RoutedProvider(Protocol):
    """A provider, or wrappers around one that route its calls (`agent/routing`): the same contract, and more events.

    Every `Provider` is one.
    """

    name: str

    def stream(self, request: ModelRequest) -> AbstractAsyncContextManager[AsyncIterator[RoutedEvent]]:
        """As `Provider.stream`; a CallBegan comes before each call where somebody routes."""
        ...

    async def close(self) -> None:
        """Free what it holds, and what is wrapped."""
        ...


class ToolContext(msgspec.Struct, frozen=True, kw_only=True):
    """Who a tool works for; its rights come from here, never from what the model says."""

    tenant: str
    user_id: str
    session_id: str
    turn_id: str
    call_id: str
    idempotency_key: str
    """The same over all runs of this call."""
    locale: str | None = None


class ToolOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool answers: `content` (JSON or text) for the model, `summary` (a sentence) for people."""

    content: str
    summary: str
    result: Any = None
    """What may be shown where the agent's reveal policy is `full`."""


class Tools(Protocol):
    """The tools that a turn may use."""

    def specs(self) -> tuple[ToolSpec, ...]:
        """What the model is told, in a stable order."""
        ...

    def check(self, name: str, arguments: str) -> dict[str, Any]:
        """Parse and validate arguments (leniently: an empty text is `{}`, one code fence is taken off).

        Raises ToolError, with code `invalid_request` and a message for the model that says what is
        wrong and what is expected, for unknown names, text that is not JSON, or a broken schema.
        """
        ...

    async def call(self, name: str, arguments: dict[str, Any], context: ToolContext) -> ToolOutcome:
        """Run a tool with checked arguments, at most `ToolSpec.timeout_s`. Raises ToolError."""
        ...

    async def data_version(self, names: Iterable[str]) -> str:
        """What the data behind the cacheable ones of these tools is at now: another text where it may have changed.

        Raises ToolError where that cannot be told.
        """
        ...


class CacheScope(msgspec.Struct, frozen=True, kw_only=True):
    """Whose question it is, and whose questions may be answered by it."""

    tenant: str
    user_id: str
    shared: bool = False
    """Every user of the tenant; else this user only."""


class CachedAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An answer that was given once, with what it cost then."""

    text: str
    provider: str
    model: str
    cost_microusd: int
    turn_id: str


class CacheLookup(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, and when: `generation` changes with each clearing of the tenant's answers."""

    answer: CachedAnswer | None = None
    generation: str


class AnswerCache(Protocol):
    """Answers by the digest of all that they depend on. Raises BackendError where it is away."""

    async def get(self, scope: CacheScope, digest: str) -> CacheLookup:
        """The answer of that digest, where there is one that has not expired."""
        ...

    async def put(
        self, scope: CacheScope, digest: str, answer: CachedAnswer, ttl_s: float, generation: str | None = None
    ) -> None:
        """Keep an answer for `ttl_s` seconds; not where the tenant's were cleared since that `generation` was found.

        None: however that may be.
        """
        ...

    async def clear(self, tenant: str) -> None:
        """Forget all answers of a tenant, from now on and on all nodes."""
        ...

    async def forget(self, tenant: str, user_id: str) -> None:
        """Delete all answers to this user's questions, shared ones too."""
        ...


class Embedded(msgspec.Struct, frozen=True, kw_only=True):
    """Vectors of texts, in their order, and the tokens that were read for them (0: the vendor does not say)."""

    vectors: tuple[bytes, ...]
    """Each a vector of length 1, as floats of 32 bits, little-endian."""
    tokens: int = 0


class Embedder(Protocol):
    """Somebody who makes vectors of texts: near in direction where the texts are near in meaning."""

    name: str
    """`provider:model`."""
    dimensions: int
    """Numbers in each vector that it asks for; 0: as many as the model gives."""

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """The texts' vectors, by as few calls as the vendor allows. Raises ProviderError; never tries again."""
        ...

    async def close(self) -> None:
        """Free what it holds."""
        ...


class EmbeddingStore(Protocol):
    """Vectors by the digest of what they were made of. Raises BackendError where it is away."""

    async def vector(self, tenant: str, digest: str) -> bytes | None:
        """The vector of that digest, where there is one that has not expired."""
        ...

    async def keep_vector(self, tenant: str, user_id: str, digest: str, vector: bytes, ttl_s: float) -> None:
        """Keep a vector for `ttl_s` seconds, or until this user is forgotten: it was made of their words."""
        ...


class NearQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """A question that was answered: the vector of its words, and the digest under which its answer is kept."""

    vector: bytes
    digest: str


class NearQuestions(Protocol):
    """Answered questions that ask for the same in other words, by the digest of all that they share: a bucket.

    Raises BackendError where it is away. `AnswerCache.clear` and `forget` of the same adapter hold for these, too.
    """

    async def near(self, scope: CacheScope, bucket: str) -> Sequence[NearQuestion]:
        """The bucket's questions that have not expired, at most 16."""
        ...

    async def keep_near(self, scope: CacheScope, bucket: str, question: NearQuestion, ttl_s: float) -> None:
        """Keep a question for `ttl_s` seconds, or until 16 newer ones are there."""
        ...


class Pricing(Protocol):
    """What tokens cost."""

    def cost_microusd(self, provider: str, model: str, usage: Usage, *, tenant: str | None = None) -> int:
        """The price in millionths of a dollar; 0 where the model costs nothing or its price is not known.

        `tenant`: whose own prices go before those of all.
        """
        ...

    def is_known(self, provider: str, model: str, *, tenant: str | None = None) -> bool:
        """Whether a cost of 0 means that the model is free; False: nobody knows what it costs."""
        ...


class Budgets(Protocol):
    """What tenants and users may spend in a day, over all nodes.

    A day is that of the limits' time zone (UTC, unless they say another), and it is Redis' clock that says which. A
    call belongs to the day on which it was reserved, however long it lasts. What was reserved and never settled,
    because its process died, stays counted until that day ends. A limit that is set in the middle of a day counts
    from then on. Where Redis loses its last second (a crash), that second's spending is lost too.

    Each method is one script and one round trip, raises BackendError, and may be repeated: the same `call_id` (for
    `extend`, with the same `number`) changes nothing twice and is answered as the call was last.
    """

    async def reserve(
        self, call_id: str, payer: Payer, *, need_microusd: int, want_microusd: int
    ) -> Hold | BudgetRefusal:
        """Hold money for a call before it is made: `want` while half of each budget is left after it, else `need`.

        Refused where `need` does not fit into each of the payer's budgets beside what is spent and held.
        """
        ...

    async def extend(
        self, call_id: str, payer: Payer, *, number: int, need_microusd: int, want_microusd: int
    ) -> Hold | BudgetRefusal:
        """Hold more for a call that is under way: `want`, or all that is left where that is less, but not below `need`.

        `number` counts the call's extensions from 1. A refusal leaves the call what it held. A call that is not known
        (Redis lost it) is reserved for; one that was settled holds nothing and gets `Hold(held_microusd=0)`.
        """
        ...

    async def settle(self, call_id: str, payer: Payer, *, actual_microusd: int) -> None:
        """Put what a call cost in the place of what it holds; counted even where it is more, or nothing was held.

        Warns, once over all nodes for each budget, threshold and day.
        """
        ...

    async def standing(self, payer: Payer) -> Sequence[BudgetStanding]:
        """Where the payer's budgets of today are: that of the tenant, then that of the user, where there is a limit."""
        ...

    async def forget(self, tenant: str, user_id: str) -> None:
        """Delete what is counted for a user; what the tenant spent stays. Calls under way count for the tenant only."""
        ...


# ---------------------------------------------------------------- sessions and their log


class SessionHead(msgspec.Struct, frozen=True, kw_only=True):
    """Where a session's log stands."""

    session: SessionRef
    epoch: str
    seq: int


class LogSlice(msgspec.Struct, frozen=True, kw_only=True):
    """A contiguous run of events, as the bytes that go to clients.

    `chunks` holds `(first_seq, last_seq, payload)`; a payload is a JSON array of events.
    """

    epoch: str
    head: int
    """The log's last seq when it was read."""
    chunks: tuple[tuple[int, int, bytes], ...]
    complete: bool
    """False: the log goes on after the last chunk; read again from there."""


class SessionStore(Protocol):
    """Names, ownership and what is shown of sessions."""

    async def open(self, tenant: str, user_id: str, name: str | None) -> SessionHead:
        """Find the user's session of that name (None: `main`), or make it. Two nodes at once agree."""
        ...

    async def find(self, principal: Principal, session_id: str) -> SessionHead:
        """Find a session by its id. Raises UserError `not_found` for an unknown, another tenant's or user's."""
        ...

    async def view(self, session: SessionRef) -> SessionView:
        """The fold of the log to its head, whole (not yet `trimmed`), with feedback filled in."""
        ...

    async def history(self, session: SessionRef) -> tuple[HistoryEntry, ...]:
        """What ended turns left for the context, oldest first; replaced turns are left out."""
        ...

    async def sessions_of(self, tenant: str, user_id: str) -> tuple[SessionRef, ...]:
        """All sessions of a user."""
        ...

    async def merge(self, source: SessionRef, into: SessionRef) -> None:
        """Let a session go on in another of the same tenant: `session.merged` ends the source's log.

        The source stays readable; `submit` to it raises UserError `moved` (with `moved_to`) from then on, the user's
        names for it stand for `into`, and its history goes before that of `into`. Idempotent; what a crash
        interrupts is finished by `finish_merges`. Raises UserError `busy` (a turn runs, is parked or waits in
        the source), `invalid_request` (into itself, or the source was merged into another), `not_found`.
        """
        ...

    async def finish_merges(self) -> int:
        """Finish merges that were begun over 5 s ago and broke off; gives how many. Called on a timer."""
        ...

    async def due_erasures(self) -> Sequence[Erasure]:
        """Erasures begun over 10 minutes ago that were not swept again yet."""
        ...

    async def swept(self, erasure: Erasure) -> None:
        """Delete what was written of these sessions meanwhile, and strike the erasure off."""
        ...

    async def erase(self, tenant: str, user_id: str) -> tuple[SessionRef, ...]:
        """Forget a user: a tombstone first, then every key of theirs. Gives the sessions that were erased.

        From the tombstone on, `submit`, `append` and `end` of these sessions raise SessionErased, and
        readers are told so by `on_erased`. A later `open` makes a new session.
        """
        ...


class LogReader(Protocol):
    """Gets what is appended to a session, from `EventLog.attach`. Called on the event loop; must not block."""

    def on_events(self, epoch: str, first_seq: int, last_seq: int, payload: bytes) -> None:
        """A contiguous run was appended: `payload` is a JSON array of events, the same bytes for every reader.

        Runs come in order without gap or repetition, from the position that `attach` returned.
        """
        ...

    def on_epoch(self, epoch: str) -> None:
        """The log has begun anew; what was given before is void. The reader takes a snapshot and attaches again."""
        ...

    def on_erased(self) -> None:
        """The session was erased."""
        ...

    def on_typing(self, by: str, on: bool) -> None:
        """Somebody types; not durable."""
        ...


class EventLog(Protocol):
    """One append-only log a session. `seq` is gapless from 1 within an epoch."""

    async def attach(self, session: SessionRef, reader: LogReader) -> SessionHead:
        """Begin to give `reader` all that is appended after the head that is returned.

        Nothing between that head and the first `on_events` is missing. A lost pub/sub message or a
        reconnect is healed by reading the log (protocol: a gap is a read, never a timer).
        """
        ...

    def detach(self, session: SessionRef, reader: LogReader) -> None:
        """Give that reader nothing more."""
        ...

    async def read(self, session: SessionRef, epoch: str, after: int, limit_bytes: int = 262_144) -> LogSlice | None:
        """Events after `after`, at most about `limit_bytes`.

        None: another epoch, trimmed, or `after` is ahead of the head.
        The first chunk may begin at or before `after`; readers drop what they have.
        """
        ...

    async def say_typing(self, session: SessionRef, by: str, on: bool) -> None:
        """Tell the readers of a session, on every node, that somebody types."""
        ...


# ---------------------------------------------------------------- turns


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """A message that asks for an answer (or, with `input.retry_of`, an answer that is asked for again)."""

    session: SessionRef
    principal: Principal
    cid: str
    digest: str
    """A hash of the command's body: the same cid with another digest is `idempotency_conflict`."""
    input: TurnInput
    on_busy: OnBusy = "queue"


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a submission, the same for every repetition of its cid."""

    message_id: str
    turn_id: str
    seq: int
    position: int
    duplicate: bool = False


class TurnStatus(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A turn as anybody may ask for it, from Redis while it is there."""

    session: SessionRef
    turn_id: str
    state: TurnState
    record: TurnRecord | None = None
    """Once ended."""
    prompt: tuple[ModelMessage, ...] = ()
    """The messages sent to the model in its last step."""


class LocalExecutor(Protocol):
    """Who runs turns in this process, so that one that is submitted here can be taken by the step that accepts it."""

    def reserve(self) -> bool:
        """Keep room for one turn, if there is any; `begin` follows in any case."""
        ...

    def begin(self, turn: TakenTurn | None) -> None:
        """Run that turn, which was taken, in the room that was kept; None: there is none, the room is free again."""
        ...


class TurnQueue(Protocol):
    """Accepts turns and hands them to executors, one at a time a session, fairly between tenants."""

    async def submit(self, submission: Submission) -> Accepted:
        """In one step: look the cid up; append `message.created` (not for a retry) and `turn.queued`; queue the turn.

        Raises UserError `busy` (8 wait already, or `reject` and a turn runs or waits; for a retry: the
        turn is not the session's last, has not ended, or something is queued), `idempotency_conflict`,
        `not_found` (retry of an unknown turn), `moved`; SessionErased. When it returns, the message is in the log.

        `on_busy`: `merge` puts the message into the session's last waiting turn that never started (same agent),
        where there is one; the reply names that turn and `turn.queued` is repeated. `interrupt` first cancels what
        runs or is parked. A turn that is parked for its user's approval goes on declined (`superseded`).
        """
        ...

    async def seen(self, session: SessionRef, principal: Principal, cid: str, digest: str) -> dict[str, Any] | None:
        """The remembered reply of a cid, looked up before any limit; None if new.

        Raises UserError `idempotency_conflict`, or the refusal that was remembered, with `duplicate` set.
        """
        ...

    async def remember(
        self, session: SessionRef, principal: Principal, cid: str, digest: str, refusal: ProsaError
    ) -> None:
        """Keep a refusal that is not retryable as the reply of a cid; raises as `seen` does where there is a reply."""
        ...

    async def cancel(self, session: SessionRef, turn_id: str, by: str) -> TurnState:
        """Cancel a turn; gives the state that it is in afterwards.

        Queued or parked: ended here and now (`cancelled`). Running: its executor is told within milliseconds,
        the state stays `running` until the executor wrote `turn.cancelled`. Ended: nothing happens.
        Raises UserError `not_found`.
        """
        ...

    async def take(self, limit: int) -> Sequence[TakenTurn]:
        """Take up to `limit` ready turns under leases of 3 s; `turn.started` (or `turn.recovered`) is appended."""
        ...

    async def renew(self, turns: Sequence[TakenTurn]) -> Sequence[str]:
        """Renew all leases by one command, once a second. Gives the turn_ids whose run is stale."""
        ...

    async def reap(self) -> int:
        """Put turns with expired leases back among the ready; gives how many. Called on a timer by every executor."""
        ...

    async def release(self, turn: TakenTurn) -> None:
        """Give a turn back at once (a drain): the next run does not count as an attempt."""
        ...

    async def release_node(self, node: str) -> int:
        """Put the turns of a node that has died among the ready at once; gives how many. Their runs count."""
        ...

    async def approval(self, session: SessionRef, approval_id: str) -> PendingApproval:
        """An approval of that session. Raises UserError `not_found`."""
        ...

    async def answer(
        self,
        session: SessionRef,
        principal: Principal,
        cid: str,
        digest: str,
        approval_id: str,
        *,
        approved: bool,
        by: Approver,
        arguments: str | None = None,
        reason: str | None = None,
    ) -> tuple[ApprovalState, bool]:
        """Answer an approval; gives the state that it is in afterwards, and whether the cid was answered before.

        The first answer wins: in one step `approval.resolved` and `turn.resumed` are appended, an `ApprovalAnswered`
        is journalled, and the turn is ready, before all others; its next run does not count as an attempt.
        Raises UserError `not_found`, `idempotency_conflict`.
        """
        ...

    async def expire(self) -> int:
        """Resolve approvals whose time is over as declined by `timeout`; gives how many. Called on a timer."""
        ...

    async def journal(self, principal: Principal, turn_id: str) -> TurnJournal:
        """All that a turn wrote down, until a day after its end. Raises UserError `not_found`."""
        ...

    def on_ready(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever turns may have become ready anywhere; may be called for nothing."""
        ...

    def execute_here(self, executor: LocalExecutor) -> None:
        """Let `submit` take what it accepts for `executor`, in the same step.

        Where the executor has room, the tenant is under its cap and nothing is ready that would come first; a turn
        that is not taken so is ready for every `take`.
        """
        ...

    def on_cancel(self, turn_id: str, call: Callable[[str], None] | None) -> None:
        """Call `call(by)` when that turn is cancelled, from any node; None: stop listening."""
        ...

    def expect_end(self, turn_id: str, expected: bool) -> None:
        """Whether somebody here is going to ask for the `status` of that turn as soon as it has ended.

        A hint: where a run of this process writes the end, `status` then tells it without asking Redis. To be taken
        back when it was asked for.
        """
        ...

    def writer(self, turn: TakenTurn) -> TurnWriter:
        """The handle by which this run writes."""
        ...

    async def status(self, principal: Principal, turn_id: str) -> TurnStatus:
        """Where a turn is. Raises UserError `not_found`."""
        ...


class TurnWriter(Protocol):
    """A run's writes. Calls are made one after the other; each is idempotent by (turn, nonce, batch number).

    Every write checks fence and nonce; StaleRun means: stop, another run goes on.
    """

    def append(self, events: Sequence[Event], journal: Sequence[JournalEntry] = ()) -> Awaitable[str | None]:
        """Append events to the session's log and entries to the turn's journal, together.

        It may be on its way when this returns, and has to be awaited. Gives who cancelled the turn, or None.
        """
        ...

    async def park(
        self, events: Sequence[Event], journal: ApprovalAsked, ending: ParkedEnding
    ) -> Literal["user", "interrupt", "operator", "erasure"] | None:
        """Append the events (the last one is `turn.waiting`) and let go of the turn: no lease, no executor.

        Gives who cancelled the turn meanwhile: then nothing was written and the run goes on to its end. None: parked,
        this writer's last write.
        """
        ...

    async def end(
        self,
        events: Sequence[Event],
        history: HistoryEntry | None,
        record: TurnRecord,
        journal: Sequence[JournalEntry] = (),
    ) -> None:
        """The last append: the events (the last one ends the turn), what the journal does not have yet, history, books.

        With it the session's next turn is ready.
        """
        ...


class Feedbacks(Protocol):
    """What users think of answers."""

    async def put(
        self, session: SessionRef, principal: Principal, cid: str, digest: str, record: FeedbackRecord
    ) -> bool:
        """Keep a verdict, once a cid; gives whether that was answered before.

        Raises UserError `not_found` for a message that the session does not show, `idempotency_conflict`, or the
        refusal that was remembered.
        """
        ...


class Deliveries(Protocol):
    """Answers on their way out through a channel that the server itself does not serve, such as WhatsApp.

    The script that ends a turn puts its answer here, where it completed with a message and began on such a channel.
    """

    async def take(self, tenant: str, channel: str, limit: int) -> Sequence[Delivery]:
        """Lease up to `limit` answers for 60 s each, oldest first; what is not reported then can be taken again."""
        ...

    async def report(
        self,
        principal: Principal,
        delivery_id: str,
        status: DeliveryStatus,
        *,
        external_id: str | None = None,
        error: str | None = None,
    ) -> DeliveryStatus:
        """Say how far an answer got; gives the status that it has afterwards, which never goes backwards.

        The first report takes it off the list, whatever it says and whoever held the lease; a change of status is
        appended as `delivery.updated`. Known for 8 days. Raises UserError `not_found`.
        """
        ...


# ---------------------------------------------------------------- the books


class Outbox(Protocol):
    """Records on their way from Redis to SQL; nothing is lost while Redis holds it."""

    async def pending(self, limit: int) -> Sequence[tuple[str, Record]]:
        """The oldest records with the token that acknowledges each."""
        ...

    async def acknowledge(self, tokens: Sequence[str]) -> int:
        """They are in SQL: drop them. Gives how many are left."""
        ...

    async def wait(self, timeout_s: float) -> None:
        """Return when there may be records, at the latest after `timeout_s`."""
        ...


class UserStats(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens and money of one user."""

    user_id: str
    turns: int
    tokens: Usage
    cost_microusd: int


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """A distribution, in milliseconds; None where there is nothing to count."""

    mean: float | None
    p50: float | None
    p95: float | None
    p99: float | None


class CacheStats(msgspec.Struct, frozen=True, kw_only=True):
    """What the cache of answers did; a turn whose answer was not looked for counts nowhere."""

    hits: int
    near: int
    """Of the hits, those of a question in other words."""
    misses: int
    hit_rate: float | None
    """Hits of all that was looked for; None where nothing was."""
    saved_microusd: int
    """What the answers that were given again had cost when they were made."""


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """What `GET /api/v1/stats` answers."""

    turns: int
    outcomes: dict[str, int]
    tokens: Usage
    cost_microusd: int
    ttft_ms: Times
    duration_ms: Times
    cache: CacheStats
    users: tuple[UserStats, ...]


class Books(Protocol):
    """Long-lived facts in SQL."""

    async def record(self, records: Sequence[Record]) -> None:
        """Write records; one that was written before (same turn_id) changes nothing."""
        ...

    async def stats(
        self, tenant: str, *, since_ms: int | None = None, user_id: str | None = None, limit: int = 100
    ) -> Stats:
        """Totals of a tenant; users with the highest cost (then tokens) first, at most `limit`."""
        ...

    async def messages(self, session: SessionRef, *, before: str | None, limit: int) -> tuple[Sequence[Message], bool]:
        """Up to `limit` messages before a message id (None: the newest), oldest first, and whether there are more."""
        ...

    async def turn(self, tenant: str, turn_id: str) -> TurnRecord | None:
        """One turn, or None."""
        ...

    async def erase(self, tenant: str, user_id: str) -> int:
        """Delete a user's rows; gives how many. Numbers of the turns stay in the totals only without user."""
        ...

    async def erase_sessions(self, tenant: str, session_ids: Sequence[str]) -> int:
        """The same for what belongs to these sessions."""
        ...

    async def ready(self) -> bool:
        """Whether SQL answers."""
        ...


# ---------------------------------------------------------------- what changes at run time


class Flags(Protocol):
    """Feature flags as their readers see them: from memory, in microseconds, never failing.

    A key is one of `core/flag_catalog.py`. Each method gives the default (None: the catalogue's) where nobody has set
    the flag for such a context, or where its value is of another kind. Objects are shared: do not change them.
    """

    def boolean(self, key: str, context: FlagContext, default: bool | None = None) -> bool:
        """A flag that is on or off."""
        ...

    def text(self, key: str, context: FlagContext, default: str | None = None) -> str:
        """A flag that is a string."""
        ...

    def number(self, key: str, context: FlagContext, default: float | None = None) -> float:
        """A flag that is a number."""
        ...

    def object(self, key: str, context: FlagContext, default: Any = None) -> Any:
        """A flag that is a JSON object or a list."""
        ...

    def details(self, key: str, context: FlagContext) -> Evaluation:
        """The value with reason, variant and the version of the flag; a default where nobody has set it."""
        ...


class FlagStore(Protocol):
    """The live flags, alike on all nodes soon after a change; kept while Redis is away, put back where it lost any."""

    def of(self, scope: str) -> Mapping[str, Flag]:
        """What is set in a scope (a tenant, or ALL_TENANTS), by key; from memory."""
        ...

    async def change(self, scope: str, edits: Sequence[FlagEdit], principal: Principal) -> Sequence[Flag]:
        """Set flags of one scope, all or none, with a record for the audit; gives them as they are now.

        They are in force on this node when this returns. Edits are checked already. Raises UserError with status 409
        where a version is not the expected one, BackendError where Redis is away (the change may have been made).
        """
        ...

    async def refresh(self) -> int:
        """Read now what has changed, and put back what Redis lacks; gives how many flags that were. On a timer anyway.

        Raises BackendError.
        """
        ...

    async def restore(self, flags: Sequence[Flag]) -> int:
        """Take over flags that are newer than the live ones, here and in Redis; gives how many were put back there."""
        ...

    def on_change(self, call: Callable[[frozenset[str]], None]) -> None:
        """Call `call(keys)` whenever flags of these keys changed on this node; must not block."""
        ...


class FlagBooks(Protocol):
    """The flags in SQL, which outlive Redis, and who changed them."""

    async def flags(self) -> Sequence[Flag]:
        """All flags of all scopes, those that were taken back included."""
        ...

    async def audit(self, scope: str, *, key: str | None, before_ms: int | None, limit: int) -> Sequence[FlagChange]:
        """Changes in a scope, the newest first; `key` narrows it to one flag, `before_ms` to what is older."""
        ...


BreakerState = Literal["closed", "open", "half_open"]


class ModelStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a model has done on one node since it started; times are of its latest calls."""

    model: str
    """`provider:model`."""
    breaker: BreakerState
    """Whether it is called: `open` means that it is left alone for a while."""
    calls: int = 0
    errors: int = 0
    last_error: str | None = None
    """An error code; `unknown` where the measurement told none."""
    last_error_ms: int | None = None
    last_call_ms: int | None = None
    ttft_ms_p50: float | None = None
    """Over the latest calls (at most 500) that gave a token; None: there were none."""
    ttft_ms_p95: float | None = None


class ModelStatuses(Protocol):
    """What this node knows of the models that it called."""

    def statuses(self) -> Sequence[ModelStatus]:
        """One of each model that was called, by name."""
        ...


class NodeStatuses(msgspec.Struct, frozen=True, kw_only=True):
    """How models do on one node, as it said at `at_ms` (Unix milliseconds)."""

    node_id: str
    node: str
    """The process's name in logs."""
    at_ms: int
    models: tuple[ModelStatus, ...]


class StatusBoard(Protocol):
    """Where nodes tell one another how models do on them; for people, not for decisions."""

    async def tell(self, node_id: str, name: str, models: Sequence[ModelStatus]) -> None:
        """Say how models do on a node; it replaces what the node said before, and is kept for a minute."""
        ...

    async def all(self) -> Sequence[NodeStatuses]:
        """What all nodes said within the last minute, by their ids."""
        ...


SpawnTask = Callable[[Awaitable[None], str], None]
Health = Literal["ok", "away"]
