"""Every client frame and every server signal of the wire, as types (protocol.md, Frames). Events are in `core.events`.

`ClientFrame` and `Signal` are unions tagged by `type`. A field that may be absent is None; unknown fields are ignored.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from core.errors import ErrorCode
from core.messages import Content, Message
from core.turns import DeliveryStatus, OnBusy
from core.view import QueuedView, SessionView, TurnView
from core.wire.limits import (
    FRAME_BYTES,
    HISTORY_LIMIT,
    MESSAGE_CHARACTERS,
    WAITING_TURNS,
    AtLeastOne,
    Cid,
    Credential,
    Id,
    Label,
    MessageContent,
    Name,
    NotNegative,
    Remark,
    UserId,
)

Echo = int | float | Annotated[str, msgspec.Meta(max_length=128)]
"""What a ping carries and its pong gives back."""


class _Frame(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    pass


class _Command(_Frame, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    cid: Cid
    """The client's own id for the command; answered as `re`."""


# ---------------------------------------------------------------- client to server


class Resume(msgspec.Struct, frozen=True, kw_only=True):
    """A cursor: the last position that the client has applied."""

    epoch: Id
    seq: NotNegative


class ClientInfo(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the client says of itself. `locale` is BCP 47, `tz` an IANA name."""

    name: Label | None = None
    version: Label | None = None
    locale: Label | None = None
    tz: Label | None = None


class SessionOpen(_Command, frozen=True, kw_only=True, omit_defaults=True, tag="session.open"):
    """Begin to receive a session. `session_id` is an id of the server's or a name of the user's; None: `main`."""

    ticket: Credential | None = None
    token: Credential | None = None
    session_id: Name | None = None
    user_id: UserId | None = None
    channel: Name | None = None
    resume: Resume | None = None
    snapshot: bool = True
    """False: none is sent where `resume` is absent; for services."""
    client: ClientInfo | None = None


class SessionClose(_Command, frozen=True, kw_only=True, omit_defaults=True, tag="session.close"):
    """Stop receiving a session (services)."""

    session_id: Name


class SessionHandle(_Command, frozen=True, kw_only=True, omit_defaults=True, tag="session.handle"):
    """Say who answers (services): while a human does, user messages make no turn."""

    session_id: Name
    by: Literal["human", "agent"]


class MessageSend(_Command, frozen=True, kw_only=True, omit_defaults=True, tag="message.send"):
    """Say something."""

    session_id: Name
    content: MessageContent
    agent: Name | None = None
    on_busy: OnBusy = "queue"
    as_: Literal["operator"] | None = msgspec.field(name="as", default=None)
    meta: dict[str, Any] | None = None


class TurnCancel(_Command, frozen=True, kw_only=True, omit_defaults=True, tag="turn.cancel"):
    """Stop a turn that runs, is parked or waits."""

    session_id: Name
    turn_id: Id


class TurnRetry(_Command, frozen=True, kw_only=True, omit_defaults=True, tag="turn.retry"):
    """Answer the same user message again, in a new turn."""

    session_id: Name
    turn_id: Id


class ApprovalRespond(_Command, frozen=True, kw_only=True, omit_defaults=True, tag="approval.respond"):
    """Say yes or no to a tool call; `arguments` replaces the model's."""

    session_id: Name
    approval_id: Id
    approved: bool
    arguments: dict[str, Any] | None = None
    reason: Remark | None = None


class FeedbackCreate(_Command, frozen=True, kw_only=True, omit_defaults=True, tag="feedback.create"):
    """Say whether an answer was good."""

    session_id: Name
    message_id: Id
    score: Literal[-1, 1]
    comment: Remark | None = None


class HistoryGet(_Command, frozen=True, kw_only=True, omit_defaults=True, tag="history.get"):
    """Ask for older messages. `limit` is 50 by default; the codec reads more than 200 as 200."""

    session_id: Name
    before: Id | None = None
    limit: AtLeastOne = HISTORY_LIMIT


class DeliveryTake(_Command, frozen=True, kw_only=True, omit_defaults=True, tag="delivery.take"):
    """Lease answers that are to leave by a channel (services), 60 s each."""

    channel: Name
    limit: AtLeastOne


class DeliveryReport(_Command, frozen=True, kw_only=True, omit_defaults=True, tag="delivery.report"):
    """Say how far an answer got (services)."""

    delivery_id: Id
    status: DeliveryStatus
    external_id: Label | None = None
    error: Remark | None = None


class Typing(_Frame, frozen=True, kw_only=True, omit_defaults=True, tag="typing"):
    """The user types, or has stopped; not answered."""

    session_id: Name
    on: bool


class Ping(_Frame, frozen=True, kw_only=True, omit_defaults=True, tag="ping"):
    """Are you there? Both ends may ask."""

    t: Echo | None = None


class Pong(_Frame, frozen=True, kw_only=True, omit_defaults=True, tag="pong"):
    """Yes; `t` is the ping's."""

    t: Echo | None = None


Command = (
    SessionOpen
    | SessionClose
    | SessionHandle
    | MessageSend
    | TurnCancel
    | TurnRetry
    | ApprovalRespond
    | FeedbackCreate
    | HistoryGet
    | DeliveryTake
    | DeliveryReport
)
"""Client frames with a `cid`, each answered once."""
ClientFrame = Command | Typing | Ping | Pong


# ---------------------------------------------------------------- server to client: signals


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """The server pings after `interval_ms` without a frame and closes `timeout_ms` later."""

    interval_ms: int = 25_000
    timeout_ms: int = 10_000


class WireLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a client must not exceed."""

    message_chars: int = MESSAGE_CHARACTERS
    frame_bytes: int = FRAME_BYTES
    queue: int = WAITING_TURNS


class SessionOpened(_Frame, frozen=True, kw_only=True, omit_defaults=True, tag="session.opened"):
    """The answer to `session.open`. `recovered`: the missed events follow; else `reason` says why not."""

    re: str
    session_id: str
    user_id: str
    epoch: str
    head: int
    recovered: bool
    reason: Literal["epoch", "trimmed", "ahead"] | None = None
    heartbeat: Heartbeat
    limits: WireLimits
    expires_at: int | None = None
    """When the credential ends, Unix milliseconds."""


class Snapshot(_Frame, frozen=True, kw_only=True, omit_defaults=True, tag="session.snapshot"):
    """All that a client shows of a session, as of `seq`: replaces what it holds."""

    session_id: str
    epoch: str
    seq: int
    messages: tuple[Message, ...]
    more: bool
    """Older messages are to be had by `history.get`."""
    turn: TurnView | None = None
    queue: tuple[QueuedView, ...]

    @classmethod
    def of(cls, session_id: str, view: SessionView) -> Snapshot:
        """The snapshot of a view; the caller cuts it by `core.view.trimmed`. Encode it before the view changes."""
        return cls(
            session_id=session_id,
            epoch=view.epoch,
            seq=view.seq,
            messages=tuple(view.messages),
            more=view.more,
            turn=view.turn,
            queue=tuple(view.queue),
        )

    def view(self) -> SessionView:
        """The view that a client goes on from; shares the turn with this snapshot."""
        return SessionView(
            epoch=self.epoch,
            seq=self.seq,
            messages=list(self.messages),
            more=self.more,
            turn=self.turn,
            queue=list(self.queue),
        )


class SessionLive(_Frame, frozen=True, kw_only=True, omit_defaults=True, tag="session.live"):
    """All up to `seq` was sent on this connection before."""

    session_id: str
    seq: int


class SessionErased(_Frame, frozen=True, kw_only=True, omit_defaults=True, tag="session.erased"):
    """The session's user was forgotten; close 4504 follows."""

    session_id: str


class Ok(_Frame, frozen=True, kw_only=True, omit_defaults=True, tag="ok"):
    """A command was done. Its result stands flat beside `re`; what is known of it is typed here.

    Made by `codec.encode_ok`, which takes any result; a client reads it as `codec.OkReceived`.
    """

    re: str
    duplicate: bool = False
    message_id: str | None = None
    turn_id: str | None = None
    seq: int | None = None
    position: int | None = None
    state: str | None = None
    count: int | None = None
    """Of `delivery.take`: how many `delivery.ready` came before."""


class ErrorFrame(_Frame, frozen=True, kw_only=True, omit_defaults=True, tag="error"):
    """A command or a frame was refused; `message` says what happened and what to do."""

    re: str | None = None
    code: ErrorCode
    message: str
    retryable: bool
    retry_after_ms: int | None = None
    session_id: str | None = None
    """With `moved`: where the session goes on."""
    duplicate: bool = False


class History(_Frame, frozen=True, kw_only=True, omit_defaults=True, tag="history"):
    """The answer to `history.get`, oldest first."""

    re: str
    messages: tuple[Message, ...]
    more: bool


class DeliveryReady(_Frame, frozen=True, kw_only=True, omit_defaults=True, tag="delivery.ready"):
    """An answer to be delivered by a bridge, leased for 60 s. `to` is the user's address on the channel."""

    delivery_id: str
    session_id: str
    user_id: str
    message_id: str
    content: Content
    attempt: int
    to: str | None = None


class TypingSignal(_Frame, frozen=True, kw_only=True, omit_defaults=True, tag="typing"):
    """Somebody types, or has stopped."""

    session_id: str
    by: str
    on: bool


class Draining(_Frame, frozen=True, kw_only=True, omit_defaults=True, tag="server.draining"):
    """This node goes away: reconnect after `reconnect_in_ms`, which is already jittered."""

    reconnect_in_ms: int


Signal = (
    SessionOpened
    | Snapshot
    | SessionLive
    | SessionErased
    | Ok
    | ErrorFrame
    | History
    | DeliveryReady
    | TypingSignal
    | Ping
    | Pong
    | Draining
)
