"""`core.ports.Books.erase_sessions`, the second sweep of an erasure, on SQLite and on Postgres."""

from __future__ import annotations

from sqlalchemy import func, select

from core.turns import SessionRef
from metrics.sql import SqlBooks
from metrics.sql.schema import metadata


async def _counts(books: SqlBooks) -> dict[str, int]:
    async with books.engine.connect() as connection:
        return {
            table.name: (await connection.execute(select(func.count()).select_from(table))).scalar_one()
            for table in metadata.sorted_tables
        }


async def _words(books: SqlBooks, session_id: str, user_id: str = "ana") -> list[object]:
    session = SessionRef(session_id=session_id, tenant="acme", user_id=user_id)
    return [message.content for message in (await books.messages(session, before=None, limit=50))[0]]


async def test_nothing_of_an_erased_session_is_left_but_its_numbers(books, make_turn, make_verdict):
    turn = make_turn(session_id="ses_1")
    await books.record([turn, make_verdict(session_id="ses_1")])

    erased = await books.erase_sessions("acme", ["ses_1"])

    counts = await _counts(books)
    assert erased == 6  # a verdict, two messages, a turn, a session, a user
    assert {name: counts[name] for name in ("feedback", "messages", "sessions", "users")} == dict.fromkeys(
        ("feedback", "messages", "sessions", "users"), 0
    )
    assert await books.turn("acme", turn.turn_id) is None
    stats = await books.stats("acme")
    assert (stats.turns, stats.users) == (1, ())


async def test_the_session_with_which_a_user_came_back_stays(books, make_turn, make_verdict):
    old, new = make_turn(session_id="ses_1"), make_turn(session_id="ses_2", question="voltei", answer="olá")
    await books.record([old, new, make_verdict(session_id="ses_2")])

    await books.erase_sessions("acme", ["ses_1"])

    assert await _words(books, "ses_1") == []
    assert await _words(books, "ses_2") == ["voltei", "olá"]
    assert await books.turn("acme", new.turn_id) == new
    counts = await _counts(books)
    assert (counts["users"], counts["sessions"], counts["feedback"]) == (1, 1, 1)


async def test_another_tenants_session_of_that_id_is_left(books, make_turn):
    turn = make_turn(session_id="ses_1", tenant="globex")
    await books.record([turn])

    assert await books.erase_sessions("acme", ["ses_1"]) == 0

    assert await books.turn("globex", turn.turn_id) == turn


async def test_users_of_other_sessions_are_left(books, make_turn):
    await books.record([make_turn(session_id="ses_1"), make_turn(session_id="ses_2", user_id="bia")])

    await books.erase_sessions("acme", ["ses_1"])

    assert [user.user_id for user in (await books.stats("acme")).users] == ["bia"]


async def test_sweeping_again_changes_nothing(books, make_turn):
    await books.record([make_turn(session_id="ses_1")])
    await books.erase_sessions("acme", ["ses_1"])

    assert await books.erase_sessions("acme", ["ses_1"]) == 0
    assert await books.erase_sessions("acme", []) == 0


async def test_a_record_that_comes_after_the_sweep_of_a_user_who_was_erased_leaves_only_numbers(books, make_turn):
    """The recorder may hold a batch that it read before the erasure."""
    late = make_turn(session_id="ses_1")
    await books.erase("acme", "ana")
    await books.record([late])

    await books.erase_sessions("acme", ["ses_1"])

    assert await _words(books, "ses_1") == []
    assert await books.turn("acme", late.turn_id) is None
