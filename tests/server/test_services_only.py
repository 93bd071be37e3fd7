"""What only services may do, and what a user's browser is told: no transport has credentials for browsers yet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from agent.settings import parse_agent
from core.clock import FakeClock
from core.errors import UserError
from core.ids import SequentialIds
from core.measurements import NoMeasure
from core.ports import SessionHead
from core.turns import Principal, SessionRef
from core.wire.frames import DeliveryReport, DeliveryTake
from server.commands import deliver
from server.sessions import Sessions

ANA = Principal(tenant="default", name="ana", user_id="ana")
SERVICE = Principal(tenant="default", name="key_1")
SESSION_ID = "ses_" + "0" * 26


class MergedStore:
    """Whatever name is opened, it stands for a session of bia's."""

    async def open(self, tenant: str, user_id: str, name: str | None) -> SessionHead:
        session = SessionRef(session_id=SESSION_ID, tenant=tenant, user_id="bia")
        return SessionHead(session=session, epoch="e", seq=0)


@pytest.fixture
def sessions() -> Sessions:
    unused = cast(Any, None)
    return Sessions(
        store=cast(Any, MergedStore()),
        log=unused,
        queue=unused,
        feedbacks=unused,
        deliveries=unused,
        books=unused,
        tools=unused,
        clock=FakeClock(),
        ids=SequentialIds(),
        measure=NoMeasure(),
        agents={
            "sales": parse_agent("{name: sales, title: Sales, instructions: {id: sales, version: 1}}", source="test")
        },
        default_agent="sales",
    )


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda sessions: sessions.merge(ANA, SESSION_ID, SESSION_ID), id="merge"),
        pytest.param(lambda sessions: sessions.journal(ANA, "turn_1"), id="journal"),
        pytest.param(lambda sessions: deliver(sessions, ANA, DeliveryTake(cid="c", channel="x", limit=1)), id="take"),
        pytest.param(
            lambda sessions: deliver(sessions, ANA, DeliveryReport(cid="c", delivery_id="d", status="sent")),
            id="report",
        ),
    ],
)
async def test_an_end_user_is_told_that_a_service_has_to(
    sessions: Sessions, act: Callable[[Sessions], Awaitable[object]]
) -> None:
    with pytest.raises(UserError, match="Only a service") as refused:
        await act(sessions)

    assert refused.value.code == "unauthorized"


async def test_a_name_that_leads_to_another_users_session_leads_only_services_there(sessions: Sessions) -> None:
    head = await sessions.open(SERVICE, user_id="ana")
    with pytest.raises(UserError) as refused:
        await sessions.open(ANA)

    assert head.session.user_id == "bia"
    assert refused.value.code == "not_found"
