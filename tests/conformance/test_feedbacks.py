"""`core.ports.Feedbacks`: once a cid, shown in the view, on the books."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest

from core.errors import UserError
from core.turns import FeedbackRecord, SessionRef
from memory.backends import Memory
from tests.conformance.kit import ANA, BRIDGE, exchange, open_session


def verdict(session: SessionRef, message_id: str, score: Literal[-1, 1], comment: str | None = None) -> FeedbackRecord:
    return FeedbackRecord(
        session_id=session.session_id,
        tenant=session.tenant,
        user_id=session.user_id,
        message_id=message_id,
        score=score,
        comment=comment,
        by="ana",
        ts=1,
    )


async def test_a_verdict_is_shown_and_goes_on_the_books(memory: Memory, session: SessionRef) -> None:
    _, message_id = await exchange(memory, session)
    record = verdict(session, message_id, 1, "ótimo")

    await memory.feedbacks.put(session, ANA, "cid-1", "d", record)

    view = await memory.sessions.view(session)
    assert view.messages[-1].feedback == {"score": 1, "comment": "ótimo"}
    assert view.messages[0].feedback is None
    assert [it for _, it in await memory.outbox.pending(5)][-1] == record


async def test_the_last_verdict_on_a_message_is_shown(memory: Memory, session: SessionRef) -> None:
    _, message_id = await exchange(memory, session)
    await memory.feedbacks.put(session, ANA, "cid-1", "d1", verdict(session, message_id, 1))

    await memory.feedbacks.put(session, ANA, "cid-2", "d2", verdict(session, message_id, -1))

    assert (await memory.sessions.view(session)).messages[-1].feedback == {"score": -1}


async def test_the_same_cid_counts_once(memory: Memory, session: SessionRef) -> None:
    _, message_id = await exchange(memory, session)

    known = await asyncio.gather(
        *(memory.feedbacks.put(session, ANA, "cid-1", "d", verdict(session, message_id, 1)) for _ in range(5))
    )

    assert sorted(known) == [False, True, True, True, True]
    assert len(await memory.outbox.pending(5)) == 2


async def test_the_same_cid_with_another_verdict_is_a_conflict(memory: Memory, session: SessionRef) -> None:
    _, message_id = await exchange(memory, session)
    await memory.feedbacks.put(session, ANA, "cid-1", "d1", verdict(session, message_id, 1))

    with pytest.raises(UserError) as error:
        await memory.feedbacks.put(session, ANA, "cid-1", "d2", verdict(session, message_id, -1))

    assert error.value.code == "idempotency_conflict"


async def test_a_message_that_the_session_does_not_show_is_not_found(memory: Memory, session: SessionRef) -> None:
    _, of_bia = await exchange(memory, await open_session(memory, "bia"))

    with pytest.raises(UserError) as error:
        await memory.feedbacks.put(session, ANA, "cid-1", "d", verdict(session, of_bia, 1))

    assert error.value.code == "not_found"


async def test_cids_of_two_principals_are_apart(memory: Memory, session: SessionRef) -> None:
    _, message_id = await exchange(memory, session)
    await memory.feedbacks.put(session, ANA, "cid-1", "d1", verdict(session, message_id, 1))

    await memory.feedbacks.put(session, BRIDGE, "cid-1", "d2", verdict(session, message_id, -1))

    assert (await memory.sessions.view(session)).messages[-1].feedback == {"score": -1}
