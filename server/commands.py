"""The protocol's commands on a session, from a frame to its reply: one place for WebSocket and POST."""

from __future__ import annotations

from typing import Any

import msgspec

from core.errors import UserError
from core.ports import Accepted
from core.turns import Principal, SessionRef
from core.wire.codec import digest, encode, encode_ok
from core.wire.frames import (
    ApprovalRespond,
    DeliveryReady,
    DeliveryReport,
    DeliveryTake,
    FeedbackCreate,
    History,
    HistoryGet,
    MessageSend,
    SessionHandle,
    TurnCancel,
    TurnRetry,
    Typing,
)
from server.sessions import Sessions, require_service

SessionCommand = MessageSend | TurnCancel | TurnRetry | ApprovalRespond | FeedbackCreate | HistoryGet | Typing
ServiceCommand = DeliveryTake | DeliveryReport
"""They are about no session."""
LaterCommand = SessionHandle
"""In the contract, not built yet: refused with a sentence that says so."""


class Speaker(msgspec.Struct, frozen=True, kw_only=True):
    """Who gives a command, and how they came."""

    principal: Principal
    session: SessionRef
    channel: str = "web"
    locale: str | None = None


async def execute(sessions: Sessions, speaker: Speaker, frame: SessionCommand) -> bytes | None:
    """Do what a frame asks; gives the encoded reply, None for `typing`. Raises UserError and BackendError."""
    principal, session = speaker.principal, speaker.session
    match frame:
        case MessageSend():
            if frame.as_ is not None:
                raise UserError("as: speaking as an operator is not available on this server yet.")
            accepted = await sessions.send(
                principal,
                session,
                cid=frame.cid,
                digest=digest(frame),
                content=frame.content,
                channel=speaker.channel,
                agent=frame.agent,
                on_busy=frame.on_busy,
                locale=speaker.locale,
            )
            return _accepted(frame.cid, accepted)
        case TurnRetry():
            accepted = await sessions.retry(
                principal,
                session,
                cid=frame.cid,
                digest=digest(frame),
                turn_id=frame.turn_id,
                locale=speaker.locale,
            )
            return _accepted(frame.cid, accepted)
        case TurnCancel():
            state = await sessions.cancel(principal, session, frame.turn_id)
            return encode_ok(frame.cid, {"state": state})
        case ApprovalRespond():
            answered, duplicate = await sessions.approvals.respond(principal, session, frame, digest(frame))
            return encode_ok(frame.cid, {"state": answered}, duplicate=duplicate)
        case FeedbackCreate():
            duplicate = await sessions.judge(
                principal,
                session,
                cid=frame.cid,
                digest=digest(frame),
                message_id=frame.message_id,
                score=frame.score,
                comment=frame.comment,
            )
            return encode_ok(frame.cid, {}, duplicate=duplicate)
        case HistoryGet():
            messages, more = await sessions.history(session, before=frame.before, limit=frame.limit)
            return encode(History(re=frame.cid, messages=tuple(messages), more=more))
        case Typing():
            by = "user" if principal.user_id is not None or speaker.channel == "web" else "operator"
            await sessions.log.say_typing(session, by, frame.on)
            return None


async def deliver(sessions: Sessions, principal: Principal, frame: ServiceCommand) -> list[bytes]:
    """Do what a bridge asks; gives the encoded frames of the reply, its `ok` last. Raises UserError, BackendError."""
    match frame:
        case DeliveryTake():
            require_service(principal, "take deliveries")
            taken = await sessions.deliveries.take(principal.tenant, frame.channel, frame.limit)
            ready = [
                DeliveryReady(
                    delivery_id=delivery.delivery_id,
                    session_id=delivery.session.session_id,
                    user_id=delivery.session.user_id,
                    message_id=delivery.message_id,
                    content=delivery.content,
                    attempt=delivery.attempt,
                )
                for delivery in taken
            ]
            return [*map(encode, ready), encode_ok(frame.cid, {"count": len(ready)})]
        case DeliveryReport():
            require_service(principal, "report deliveries")
            state = await sessions.deliveries.report(
                principal, frame.delivery_id, frame.status, external_id=frame.external_id, error=frame.error
            )
            return [encode_ok(frame.cid, {"state": state})]


def not_built(frame: LaterCommand) -> UserError:
    """The refusal of a command that is in the contract and not built yet."""
    kind: Any = type(frame).__struct_config__.tag
    return UserError(f"{kind} is not available on this server yet.")


def _accepted(cid: str, accepted: Accepted) -> bytes:
    result = {
        "message_id": accepted.message_id,
        "turn_id": accepted.turn_id,
        "seq": accepted.seq,
        "position": accepted.position,
    }
    return encode_ok(cid, result, duplicate=accepted.duplicate)
