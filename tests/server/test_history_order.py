"""History where the books and the live view meet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from agent.settings import parse_agent
from core.clock import SystemClock
from core.ids import SystemIds
from core.measurements import NoMeasure
from core.messages import Message
from core.turns import SessionRef
from core.view import SessionView
from server.sessions import Sessions

SESSION = SessionRef(session_id="ses_" + "0" * 26, tenant="default", user_id="ana")


def message(message_id: str, turn_id: str, role: Any, ts: int) -> Message:
    return Message(
        message_id=message_id, turn_id=turn_id, role=role, content=message_id, channel="web", ts=ts, status="complete"
    )


class Store:
    async def view(self, session: SessionRef) -> SessionView:
        view = SessionView(epoch="epoch_1")
        view.messages = [message("question", "retry", "user", 5), message("new", "retry", "assistant", 9)]
        return view


class Stored:
    async def messages(self, session: SessionRef, *, before: str | None, limit: int) -> tuple[Sequence[Message], bool]:
        return [message("question", "first", "user", 5), message("old", "first", "assistant", 5)], False


async def test_an_answer_of_its_questions_own_millisecond_comes_after_it() -> None:
    """The old answer was in the books only, its question in the view: of the same millisecond, the answer came first,
    and as nobody had asked before it, it was not marked as replaced."""
    unused = cast(Any, None)
    agent = parse_agent("{name: sales, title: Sales, instructions: {id: sales, version: 1}}", source="test")
    sessions = Sessions(
        store=cast(Any, Store()),
        log=unused,
        queue=unused,
        feedbacks=unused,
        deliveries=unused,
        books=cast(Any, Stored()),
        tools=unused,
        clock=SystemClock(),
        ids=SystemIds(),
        measure=NoMeasure(),
        agents={"sales": agent},
        default_agent="sales",
    )

    history, more = await sessions.history(SESSION)

    assert [one.message_id for one in history] == ["question", "old", "new"]
    assert [one.replaced_by for one in history] == [None, "new", None]
    assert not more
