"""Approvals of parked turns: asked for by a run's `park`, settled here by an answer or by time."""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec
from loguru import logger

from core.errors import UserError
from core.turns import ApprovalState, Approver, PendingApproval, Principal, SessionRef
from memory.connection import JSON, Database
from memory.event_log.gate import Gate
from memory.keys import cid_key
from memory.queue.codec import session_of
from memory.queue.replies import remembered_reply, reply_kept_s, unexpected
from memory.scripts import ANSWER, APPROVAL, EXPIRE

_EXPIRED_AT_ONCE: Final = 100


class Approvals:
    """See `core.ports.TurnQueue`: `approval`, `answer`, `expire`."""

    def __init__(self, database: Database, gate: Gate) -> None:
        self._database = database
        self._gate = gate

    async def find(self, session: SessionRef, approval_id: str) -> PendingApproval:
        """An approval of that session. Raises UserError `not_found`."""
        reply = await self._gate.call(APPROVAL, session, session.tenant, session.user_id, approval_id)
        match reply[0]:
            case b"ok":
                turn_id, call_id, name, approver, state, expires_ms = (value.decode() for value in reply[2:8])
                return PendingApproval(
                    approval_id=approval_id,
                    turn_id=turn_id,
                    call_id=call_id,
                    name=name,
                    approver=cast(Approver, approver),
                    state=cast(ApprovalState, state),
                    expires_ms=int(expires_ms),
                )
            case b"unknown_approval":
                raise _no_such_approval()
            case _:
                raise unexpected(reply)

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
        arguments: str | None,
        reason: str | None,
    ) -> tuple[ApprovalState, bool]:
        """Answer an approval; gives its state afterwards, and whether the cid was answered before."""
        reply = await self._gate.call(
            ANSWER,
            session,
            session.tenant,
            session.user_id,
            cid_key(principal, cid),
            digest,
            reply_kept_s(principal),
            approval_id,
            int(approved),
            by,
            _members(arguments=arguments, reason=reason),
        )
        match reply[0]:
            case b"accepted":
                return cast(ApprovalState, msgspec.json.decode(reply[2])["state"]), False
            case b"duplicate":
                return cast(ApprovalState, remembered_reply(reply[2])["state"]), True
            case b"unknown_approval":
                raise _no_such_approval()
            case _:
                raise unexpected(reply)

    async def expire(self) -> int:
        """Resolve approvals whose time is over as declined by `timeout`; gives how many."""
        count = 0
        for partition in range(self._database.keys.partitions):
            reply = await self._database.call(EXPIRE, partition, _EXPIRED_AT_ONCE)
            count += int(reply[2])
            for stale in reply[3:]:
                await self._gate.rebase(session_of(stale))
            if reply[3:]:
                count += int((await self._database.call(EXPIRE, partition, _EXPIRED_AT_ONCE))[2])
        if count:
            logger.info("approvals.expired", count=count)
        return count


def _members(**values: Any) -> bytes:
    """JSON members with a comma before each, to be put into an object; None is left out."""
    given = {name: value for name, value in values.items() if value is not None}
    return b"".join(b"," + JSON.encode({name: value})[1:-1] for name, value in given.items())


def _no_such_approval() -> UserError:
    return UserError("There is no such approval.", code="not_found")
