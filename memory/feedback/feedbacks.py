"""`Feedbacks` on Redis: beside the session, and on its way to SQL."""

from __future__ import annotations

from core.errors import UserError
from core.turns import FeedbackRecord, Principal, SessionRef
from memory.connection import JSON
from memory.event_log.gate import Gate
from memory.keys import cid_key
from memory.queue.replies import remembered_reply, reply_kept_s, unexpected
from memory.scripts import FEEDBACK


class RedisFeedbacks:
    """See `core.ports.Feedbacks`. The last verdict on a message is the one that views show."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def put(
        self, session: SessionRef, principal: Principal, cid: str, digest: str, record: FeedbackRecord
    ) -> bool:
        """Keep a verdict on a message that the session's view shows; gives whether the cid was known."""
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
            case b"accepted":
                return False
            case b"duplicate":
                remembered_reply(reply[2])
                return True
            case _:
                raise unexpected(reply)
