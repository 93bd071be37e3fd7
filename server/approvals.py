"""Answers to approvals: who may give one, and whether edited arguments are in order."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from core.errors import ToolError, UserError
from core.ports import Tools, TurnQueue
from core.turns import ApprovalState, PendingApproval, Principal, SessionRef
from core.wire.frames import ApprovalRespond
from server.remembering import remembering


class Approvals:
    """`approval.respond` for every transport."""

    def __init__(self, queue: TurnQueue, tools: Tools) -> None:
        self._queue = queue
        self._tools = tools

    async def respond(
        self, principal: Principal, session: SessionRef, frame: ApprovalRespond, digest: str
    ) -> tuple[ApprovalState, bool]:
        """Answer an approval; gives its state afterwards, and whether the cid was answered before.

        The first answer wins; a later one gets the state. Raises UserError: `not_found`, `unauthorized` where an
        operator is asked and somebody else answers, `invalid_request` for edited arguments that the tool refuses.
        """
        seen = await self._queue.seen(session, principal, frame.cid, digest)
        if seen is not None:
            return cast(ApprovalState, seen["state"]), True
        async with remembering(self._queue, session, principal, frame.cid, digest):
            approval = await self._queue.approval(session, frame.approval_id)
            if approval.approver == "operator" and not principal.is_service:
                raise UserError("An operator has to answer this; you cannot.", code="unauthorized")
            return await self._queue.answer(
                session,
                principal,
                frame.cid,
                digest,
                frame.approval_id,
                approved=frame.approved,
                by=approval.approver,
                arguments=self._arguments(approval, frame),
                reason=frame.reason,
            )

    def _arguments(self, approval: PendingApproval, frame: ApprovalRespond) -> str | None:
        """The edited arguments as JSON, checked; None where they do not matter any more."""
        if frame.arguments is None or not frame.approved or approval.state != "pending":
            return None
        edited: Any = msgspec.json.encode(frame.arguments).decode()
        try:
            self._tools.check(approval.name, edited)
        except ToolError as error:
            raise UserError(f"arguments: {error.message}") from error
        return str(edited)
