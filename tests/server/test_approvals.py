"""Who may answer an approval, over a fake queue: what no transport can show as long as browsers have no credentials."""

from __future__ import annotations

from typing import Any, cast

import pytest

from core.errors import ProsaError, ToolError, UserError
from core.turns import Approver, PendingApproval, Principal, SessionRef
from core.wire.frames import ApprovalRespond
from server.approvals import Approvals

SESSION = SessionRef(session_id="ses_1", tenant="default", user_id="ana")
ANA = Principal(tenant="default", name="ana", user_id="ana")
SERVICE = Principal(tenant="default", name="key_1")


class FakeQueue:
    """Knows one approval, and remembers what it was told."""

    def __init__(self, approver: Approver, state: str = "pending") -> None:
        self.approver, self.state = approver, state
        self.answers: list[dict[str, Any]] = []
        self.refusals: list[ProsaError] = []
        self.replies: dict[str, dict[str, Any]] = {}

    async def seen(self, session: SessionRef, principal: Principal, cid: str, digest: str) -> dict[str, Any] | None:
        return self.replies.get(cid)

    async def approval(self, session: SessionRef, approval_id: str) -> PendingApproval:
        return PendingApproval(
            approval_id=approval_id,
            turn_id="turn_1",
            call_id="call_1",
            name="create_follow_up",
            approver=self.approver,
            state=cast(Any, self.state),
            expires_ms=1,
        )

    async def answer(self, *arguments: Any, **answer: Any) -> tuple[str, bool]:
        self.answers.append(answer)
        return "approved", False

    async def remember(self, session: SessionRef, principal: Principal, cid: str, digest: str, refusal: Any) -> None:
        self.refusals.append(refusal)


class FakeTools:
    """Takes no arguments at all."""

    def check(self, name: str, arguments: str) -> dict[str, Any]:
        raise ToolError(f"{name} takes nothing", code="invalid_request")


def frame(**fields: Any) -> ApprovalRespond:
    return ApprovalRespond(**{"cid": "c", "session_id": "ses_1", "approval_id": "apr_1", "approved": True, **fields})


def approvals(queue: FakeQueue) -> Approvals:
    return Approvals(cast(Any, queue), cast(Any, FakeTools()))


async def test_an_end_user_cannot_answer_for_an_operator_and_the_refusal_is_remembered() -> None:
    queue = FakeQueue("operator")

    with pytest.raises(UserError) as refused:
        await approvals(queue).respond(ANA, SESSION, frame(), "digest")

    assert refused.value.code == "unauthorized"
    assert queue.answers == []
    assert queue.refusals == [refused.value]


@pytest.mark.parametrize(("principal", "approver"), [(ANA, "user"), (SERVICE, "user"), (SERVICE, "operator")])
async def test_an_answer_is_given_as_whoever_was_asked(principal: Principal, approver: Approver) -> None:
    queue = FakeQueue(approver)

    state, duplicate = await approvals(queue).respond(principal, SESSION, frame(reason="sim"), "digest")

    assert (state, duplicate) == ("approved", False)
    assert queue.answers == [{"approved": True, "by": approver, "arguments": None, "reason": "sim"}]


async def test_a_cid_of_before_is_answered_before_anything_is_looked_at() -> None:
    queue = FakeQueue("operator")
    queue.replies["c"] = {"state": "declined"}

    assert await approvals(queue).respond(ANA, SESSION, frame(), "digest") == ("declined", True)

    assert queue.answers == queue.refusals == []


async def test_arguments_that_the_tool_refuses_are_refused() -> None:
    queue = FakeQueue("user")

    with pytest.raises(UserError, match="create_follow_up takes nothing") as refused:
        await approvals(queue).respond(ANA, SESSION, frame(arguments={"note": "x"}), "digest")

    assert refused.value.code == "invalid_request"
    assert queue.answers == []
    assert queue.refusals == [refused.value]


@pytest.mark.parametrize(
    ("state", "approved"), [("pending", False), ("approved", True)], ids=["declined", "answered_before"]
)
async def test_arguments_do_not_matter_where_the_call_does_not_run_by_them(state: str, approved: bool) -> None:
    queue = FakeQueue("user", state)

    await approvals(queue).respond(ANA, SESSION, frame(arguments={"note": "x"}, approved=approved), "digest")

    assert queue.answers[0]["arguments"] is None
