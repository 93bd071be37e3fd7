"""`Feedbacks` on Redis: beside the session, and on its way to SQL."""

from __future__ import annotations

from core.errors import BackendError, UserError
from core.turns import FeedbackRecord, Principal, SessionRef
from memory.connection import JSON
from memory.event_log.gate import Gate
from memory.keys import cid_key
from memory.queue.turns import reply_kept_s
from memory.scripts import FEEDBACK


class RedisFeedbacks:
    """See `core.ports.Feedbacks`. The last verdict on a message is the one that views show."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def put(
        self, session: SessionRef, principal: Principal, cid: str, digest: str, record: FeedbackRecord
    ) -> None:
        """Keep a verdict on a message that the session's view shows."""
        view = await self._gate.view(session)
        if view.message(record.message_id) is None:
            raise UserError("There is no such message in this session.", code="not_found")
        shown = {"score": record.score} | ({} if record.comment is None else {"comment": record.comment})
        reply = await self._gate.call(
            FEEDBACK,
            session,
            session.tenant,
            session.user_id,
            cid_key(principal, cid),
            digest,
            reply_kept_s(principal),
            record.message_id,
            JSON.encode(shown),
            JSON.encode(record),
            *(message.message_id for message in view.messages),
        )
        match reply[0]:
            case b"accepted" | b"duplicate":
                return
            case b"conflict":
                raise UserError("This cid was used for another command: take a new one.", code="idempotency_conflict")
            case status:
                raise BackendError(f"Redis' script answers {status!r}")
