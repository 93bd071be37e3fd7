"""The conformance suite of `core.ports.Books`, on SQLite and on Postgres."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import func, select, text

from core.clock import FakeClock
from core.errors import BackendError
from core.messages import Message, Part, Source
from core.models import Usage
from core.ports import Times
from core.turns import SessionRef
from metrics.sql import SqlBooks, open_books
from metrics.sql.schema import metadata

SESSION = SessionRef(session_id="ses_1", tenant="acme", user_id="ana")


async def _rows(books: SqlBooks) -> dict[str, int]:
    async with books.engine.connect() as connection:
        return {
            table.name: (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for table in metadata.sorted_tables
        }


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


async def test_recording_twice_changes_nothing(books, make_turn, make_verdict):
    records = [make_turn(), make_turn(), make_verdict()]
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


async def test_a_value_that_a_constraint_forbids_is_refused_for_good(books, make_verdict):
    with pytest.raises(BackendError) as refused:
        await books.record([make_verdict(score=7)])

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


async def test_erasing_a_user_leaves_only_numbers(books, make_turn, make_verdict):
    kept = make_turn(turn_id="turn_kept", user_id="bia", session_id="ses_b")
    await books.record([make_turn(), make_turn(), kept, make_verdict()])

    erased = await books.erase("acme", "ana")

    # 1 verdict, 4 messages, 2 turns made nobody's, 1 session, 1 user
    assert erased == 9
    stats = await books.stats("acme")
    assert (stats.turns, stats.cost_microusd) == (3, 3 * 1234)
    assert [user.user_id for user in stats.users] == ["bia"]
    assert await books.turn("acme", "turn_2") is None
    assert await books.messages(SESSION, before=None, limit=5) == ([], False)
    assert await books.turn("acme", kept.turn_id) == kept


async def test_nothing_in_the_database_names_an_erased_user(books, make_turn, make_verdict):
    await books.record([make_turn(user_id="ana-maria"), make_verdict(user_id="ana-maria")])

    await books.erase("acme", "ana-maria")

    async with books.engine.connect() as connection:
        found = [row for table in metadata.sorted_tables for row in (await connection.execute(select(table))).all()]
    assert found
    assert not [row for row in found if "ana-maria" in str(row) or "ses_1" in str(row) or "question" in str(row)]


async def test_a_record_that_was_on_its_way_during_the_erasure_leaves_only_its_numbers(books, make_turn, make_verdict):
    await books.record([make_turn()])
    late = make_turn()
    await books.erase("acme", "ana")

    await books.record([late, make_verdict(ts=1)])

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


async def test_the_file_of_sqlite_does_not_keep_what_was_erased(tmp_path, clock, make_turn):
    """SQLite leaves deleted rows in the pages of its file until something is written over them."""
    async with open_books(None, tmp_path, clock) as books:
        await books.record(
            [make_turn(question="who-needs-to-know " * 50), make_turn(user_id="bia", session_id="ses_b")]
        )
        await books.erase("acme", "ana")

    assert b"who-needs-to-know" not in b"".join(path.read_bytes() for path in tmp_path.glob("prosa.db*"))


async def test_sqlite_waits_for_a_lock_and_keeps_a_write_ahead_log(sqlite_books):
    async with sqlite_books.engine.connect() as connection:
        answers = [
            (await connection.execute(text(f"PRAGMA {pragma}"))).scalar_one()
            for pragma in ("journal_mode", "busy_timeout", "foreign_keys")
        ]

    assert answers == ["wal", 5000, 1]
