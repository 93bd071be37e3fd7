"""History as the books give it: retries, pages, verdicts; on SQLite and on Postgres."""

from __future__ import annotations

import pytest

from core.errors import UserError
from core.messages import Message
from core.turns import SessionRef

SESSION = SessionRef(session_id="ses_1", tenant="acme", user_id="ana")


def _ids(messages: object) -> list[str]:
    return [message.message_id for message in messages]  # type: ignore[attr-defined]


# ---------------------------------------------------------------- retries


async def test_a_retrys_answer_replaces_the_old_one_and_takes_the_question_over(books, make_turn):
    await books.record([make_turn(turn_id="turn_1", question_id="msg_q")])
    await books.record([make_turn(turn_id="turn_2", question_id="msg_q", retry_of="turn_1")])

    shown, _ = await books.messages(SESSION, before=None, limit=10)

    assert [(m.message_id, m.turn_id, m.replaced_by) for m in shown] == [
        ("msg_q", "turn_2", None),
        ("msg_turn_1_assistant", "turn_1", "msg_turn_2_assistant"),
        ("msg_turn_2_assistant", "turn_2", None),
    ]


async def test_a_retry_that_comes_before_its_turn_ends_in_the_same_books(books, make_turn):
    first = make_turn(turn_id="turn_1", question_id="msg_q")
    second = make_turn(turn_id="turn_2", question_id="msg_q", retry_of="turn_1")
    third = make_turn(turn_id="turn_3", question_id="msg_q", retry_of="turn_2")

    await books.record([third])
    await books.record([second])
    await books.record([first])

    shown, _ = await books.messages(SESSION, before=None, limit=10)
    assert {m.message_id: (m.turn_id, m.replaced_by) for m in shown} == {
        "msg_q": ("turn_3", None),
        "msg_turn_1_assistant": ("turn_1", "msg_turn_2_assistant"),
        "msg_turn_2_assistant": ("turn_2", "msg_turn_3_assistant"),
        "msg_turn_3_assistant": ("turn_3", None),
    }


async def test_a_retry_that_failed_before_its_first_token_replaces_the_answer_by_its_turn(books, make_turn):
    failed = make_turn(turn_id="turn_2", question_id="msg_q", retry_of="turn_1", outcome="failed", answer=None)

    await books.record([make_turn(turn_id="turn_1", question_id="msg_q"), failed])

    shown, _ = await books.messages(SESSION, before=None, limit=10)
    assert [m.replaced_by for m in shown] == [None, "turn_2"]


async def test_a_retry_that_was_cancelled_while_it_waited_replaces_nothing(books, make_turn):
    waited = make_turn(
        turn_id="turn_2", question_id="msg_q", retry_of="turn_1", outcome="cancelled", answer=None, steps=()
    )

    await books.record([make_turn(turn_id="turn_1", question_id="msg_q"), waited])

    shown, _ = await books.messages(SESSION, before=None, limit=10)
    assert [(m.turn_id, m.replaced_by) for m in shown] == [("turn_1", None), ("turn_1", None)]


# ---------------------------------------------------------------- history


async def test_pages_go_back_to_the_first_message_without_gap_or_repetition(books, make_turn):
    turns = [make_turn() for _ in range(5)]
    await books.record(turns)
    everything = [message.message_id for turn in turns for message in turn.messages]

    newest, more_after_newest = await books.messages(SESSION, before=None, limit=4)
    middle, more_after_middle = await books.messages(SESSION, before=newest[0].message_id, limit=4)
    oldest, more_after_oldest = await books.messages(SESSION, before=middle[0].message_id, limit=4)

    assert _ids([*oldest, *middle, *newest]) == everything
    assert (more_after_newest, more_after_middle, more_after_oldest) == (True, True, False)


async def test_messages_of_one_millisecond_keep_the_order_in_which_they_were_recorded(books, make_turn):
    messages = tuple(
        Message(message_id=f"msg_{n}", turn_id="t", role="user", content=str(n), channel="web", ts=9, status="complete")
        for n in range(11)
    )
    await books.record([make_turn(messages=messages)])

    newest, _ = await books.messages(SESSION, before=None, limit=3)
    rest, _ = await books.messages(SESSION, before="msg_8", limit=20)

    assert [m.content for m in (*rest, *newest)] == [str(n) for n in range(11)]


async def test_before_a_message_that_is_not_there_is_not_found(books, make_turn):
    await books.record([make_turn()])

    with pytest.raises(UserError) as refused:
        await books.messages(SESSION, before="msg_nope", limit=5)

    assert refused.value.code == "not_found"


async def test_a_message_of_another_session_is_no_place_in_this_one(books, make_turn):
    await books.record([make_turn(), make_turn(session_id="ses_2", turn_id="turn_other")])

    with pytest.raises(UserError):
        await books.messages(SESSION, before="msg_turn_other_user", limit=5)


async def test_another_tenant_sees_nothing_of_a_session(books, make_turn):
    await books.record([make_turn()])

    stranger = SessionRef(session_id="ses_1", tenant="other", user_id="ana")

    assert await books.messages(stranger, before=None, limit=5) == ([], False)


async def test_an_empty_session_has_no_messages(books):
    assert await books.messages(SESSION, before=None, limit=5) == ([], False)


async def test_the_last_verdict_on_a_message_is_shown(books, make_turn, make_verdict):
    await books.record([make_turn(), make_verdict(score=-1, comment="errado", ts=1), make_verdict(score=1, ts=2)])
    await books.record([make_verdict(score=-1, ts=1)])

    shown, _ = await books.messages(SESSION, before=None, limit=5)

    assert [message.feedback for message in shown] == [None, {"score": 1}]


async def test_a_verdicts_comment_is_shown(books, make_turn, make_verdict):
    await books.record([make_verdict(score=-1, comment="errado"), make_turn()])

    shown, _ = await books.messages(SESSION, before=None, limit=5)

    assert shown[-1].feedback == {"score": -1, "comment": "errado"}
