"""The conformance suite of `core.ports.Books`, on SQLite and on Postgres."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import func, select, text

from core.clock import FakeClock
from core.errors import BackendError, UserError
from core.messages import Message, Part, Source
from core.models import Usage
from core.ports import Times
from core.turns import FeedbackRecord, SessionRef
from metrics.sql import SqlBooks
from metrics.sql.schema import metadata

SESSION = SessionRef(session_id="ses_1", tenant="acme", user_id="ana")


def _verdict(**changes: object) -> FeedbackRecord:
    values: dict[str, object] = {
        "session_id": "ses_1",
        "tenant": "acme",
        "user_id": "ana",
        "message_id": "msg_turn_1_assistant",
        "score": 1,
        "by": "ana",
        "ts": 5,
    }
    return FeedbackRecord(**{**values, **changes})  # type: ignore[arg-type]


async def _rows(books: SqlBooks) -> dict[str, int]:
    async with books.engine.connect() as connection:
        return {
            table.name: (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for table in metadata.sorted_tables
        }


def _ids(messages: object) -> list[str]:
    return [message.message_id for message in messages]  # type: ignore[attr-defined]


# ---------------------------------------------------------------- record and turn


async def test_a_recorded_turn_comes_back_whole(books, make_turn):
    turn = make_turn()

    await books.record([turn])

    assert await books.turn("acme", turn.turn_id) == turn


async def test_parts_sources_and_delivery_of_messages_come_back(books, make_turn):
    message = Message(
        message_id="msg_parts",
        turn_id="turn_parts",
        role="user",
        content=(Part(type="text", text="veja"), Part(type="image", url="https://x/y.png")),
        channel="whatsapp",
        ts=7,
        status="complete",
        delivery={"channel": "whatsapp", "status": "read"},
        sources=(Source(source_id="doc_1", title="Catálogo", url="https://x"),),
    )

    await books.record([make_turn(turn_id="turn_parts", messages=(message,))])

    shown, _ = await books.messages(SESSION, before=None, limit=10)
    assert shown == [message]


async def test_recording_twice_changes_nothing(books, make_turn):
    records = [make_turn(), make_turn(), _verdict()]
    await books.record(records)
    before = await _rows(books), await books.stats("acme")

    await books.record(records)

    assert (await _rows(books), await books.stats("acme")) == before


async def test_a_turn_that_is_twice_in_one_batch_is_recorded_once(books, make_turn):
    turn = make_turn()

    await books.record([turn, turn])

    assert (await books.stats("acme")).turns == 1


async def test_what_came_first_stays_when_the_same_turn_comes_with_other_numbers(books, make_turn):
    await books.record([make_turn(turn_id="turn_x", cost_microusd=1)])

    await books.record([make_turn(turn_id="turn_x", cost_microusd=2)])

    assert (await books.stats("acme")).cost_microusd == 1


async def test_many_nodes_that_record_the_same_batch_at_once_record_it_once(books, make_turn):
    records = [make_turn(user_id=f"user_{n % 3}", session_id=f"ses_{n % 3}") for n in range(30)]

    await asyncio.gather(*(books.record(records[start:]) for start in (0, 0, 5, 10)))

    assert (await books.stats("acme")).turns == 30


async def test_recording_nothing_is_fine(books):
    await books.record([])

    assert (await _rows(books))["tenants"] == 0


async def test_characters_that_no_database_keeps_are_replaced(books, make_turn):
    await books.record([make_turn(question="a\0b", answer="c\ud800d")])

    shown, _ = await books.messages(SESSION, before=None, limit=10)
    assert [message.content for message in shown] == ["a\ufffdb", "c?d"]


async def test_a_number_that_does_not_fit_is_refused_for_good(books, make_turn):
    with pytest.raises(BackendError) as refused:
        await books.record([make_turn(duration_ms=2**70)])

    assert not refused.value.retryable


async def test_a_value_that_a_constraint_forbids_is_refused_for_good(books):
    with pytest.raises(BackendError) as refused:
        await books.record([_verdict(score=7)])

    assert not refused.value.retryable


async def test_a_refused_record_takes_its_whole_batch_back(books, make_turn):
    with pytest.raises(BackendError):
        await books.record([make_turn(), make_turn(duration_ms=2**70)])

    assert (await _rows(books))["turns"] == 0


async def test_an_unknown_turn_is_none(books):
    assert await books.turn("acme", "turn_nope") is None


async def test_another_tenants_turn_is_none(books, make_turn):
    await books.record([make_turn(turn_id="turn_x")])

    assert await books.turn("other", "turn_x") is None


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
        Message(
            message_id=f"msg_{n}", turn_id="t", role="user", content=str(n), channel="web", ts=9, status="complete"
        )
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


async def test_the_last_verdict_on_a_message_is_shown(books, make_turn):
    await books.record([make_turn(), _verdict(score=-1, comment="errado", ts=1), _verdict(score=1, ts=2)])
    await books.record([_verdict(score=-1, ts=1)])

    shown, _ = await books.messages(SESSION, before=None, limit=5)

    assert [message.feedback for message in shown] == [None, {"score": 1}]


async def test_a_verdicts_comment_is_shown(books, make_turn):
    await books.record([_verdict(score=-1, comment="errado"), make_turn()])

    shown, _ = await books.messages(SESSION, before=None, limit=5)

    assert shown[-1].feedback == {"score": -1, "comment": "errado"}


# ---------------------------------------------------------------- statistics


async def test_statistics_of_nothing_are_zeros_and_nones(books):
    stats = await books.stats("acme")

    nothing = Times(mean=None, p50=None, p95=None, p99=None)
    assert (stats.turns, stats.outcomes, stats.tokens, stats.users) == (0, {}, Usage(), ())
    assert (stats.ttft_ms, stats.duration_ms) == (nothing, nothing)


async def test_turns_without_a_first_token_do_not_count_in_its_times(books, make_turn):
    await books.record([make_turn(ttft_ms=None, outcome="failed", code="internal"), make_turn(ttft_ms=300)])

    stats = await books.stats("acme")

    assert stats.ttft_ms == Times(mean=300.0, p50=300.0, p95=300.0, p99=300.0)
    assert stats.outcomes == {"failed": 1, "completed": 1}


async def test_statistics_see_one_tenant_only(books, make_turn):
    await books.record([make_turn(), make_turn(tenant="other", session_id="ses_o")])

    assert (await books.stats("acme")).turns == 1


# ---------------------------------------------------------------- erasure


async def test_erasing_a_user_leaves_only_numbers(books, make_turn):
    kept = make_turn(turn_id="turn_kept", user_id="bia", session_id="ses_b")
    await books.record([make_turn(), make_turn(), kept, _verdict()])

    erased = await books.erase("acme", "ana")

    # 1 verdict, 4 messages, 2 turns made nobody's, 1 session, 1 user
    assert erased == 9
    stats = await books.stats("acme")
    assert (stats.turns, stats.cost_microusd) == (3, 3 * 1234)
    assert [user.user_id for user in stats.users] == ["bia"]
    assert await books.turn("acme", "turn_2") is None
    assert await books.messages(SESSION, before=None, limit=5) == ([], False)
    assert await books.turn("acme", kept.turn_id) == kept


async def test_nothing_in_the_database_names_an_erased_user(books, make_turn):
    await books.record([make_turn(user_id="ana-maria"), _verdict(user_id="ana-maria")])

    await books.erase("acme", "ana-maria")

    async with books.engine.connect() as connection:
        found = [row for table in metadata.sorted_tables for row in (await connection.execute(select(table))).all()]
    assert found
    assert not [row for row in found if "ana-maria" in str(row) or "ses_1" in str(row) or "question" in str(row)]


async def test_a_record_that_was_on_its_way_during_the_erasure_leaves_only_its_numbers(books, make_turn):
    await books.record([make_turn()])
    late = make_turn()
    await books.erase("acme", "ana")

    await books.record([late, _verdict(ts=1)])

    rows = await _rows(books)
    assert {name: rows[name] for name in ("users", "sessions", "messages", "feedback")} == {
        "users": 0,
        "sessions": 0,
        "messages": 0,
        "feedback": 0,
    }
    assert (await books.stats("acme")).turns == 2


async def test_a_user_who_comes_back_after_an_erasure_is_recorded_again(books, make_turn, clock: FakeClock):
    await books.erase("acme", "ana")
    clock.advance(10)

    await books.record([make_turn(accepted_ms=clock.now_ms(), session_id="ses_new")])

    assert [user.user_id for user in (await books.stats("acme")).users] == ["ana"]


async def test_erasing_twice_erases_nothing_more(books, make_turn):
    await books.record([make_turn()])
    await books.erase("acme", "ana")

    assert await books.erase("acme", "ana") == 0


async def test_old_erasures_are_forgotten(books, clock: FakeClock):
    await books.erase("acme", "ana")
    clock.advance(31 * 24 * 3600)

    await books.erase("acme", "bia")

    assert (await _rows(books))["erasures"] == 1


async def test_erasing_and_recording_at_once_leaves_nothing_of_the_user(books, make_turn):
    await books.record([make_turn()])
    records = [make_turn() for _ in range(20)]

    await asyncio.gather(*(books.record([record]) for record in records), books.erase("acme", "ana"))

    assert (await _rows(books))["messages"] == 0


# ---------------------------------------------------------------- readiness


async def test_the_books_are_ready(books):
    assert await books.ready()


async def test_sqlite_waits_for_a_lock_and_keeps_a_write_ahead_log(sqlite_books):
    async with sqlite_books.engine.connect() as connection:
        answers = [
            (await connection.execute(text(f"PRAGMA {pragma}"))).scalar_one()
            for pragma in ("journal_mode", "busy_timeout", "foreign_keys")
        ]

    assert answers == ["wal", 5000, 1]
