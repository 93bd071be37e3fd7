"""How records get into the tables, in one transaction that may be repeated at will.

Rows are written parents first and sorted by key, so that nodes which write the same batch at once wait for each
other instead of locking up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from core.flags import FlagChange
from core.turns import FeedbackRecord, Record, TurnRecord
from metrics.sql import queries, rows, schema
from metrics.sql.flags import write_flag_changes
from metrics.sql.upsert import insert_for, later

UsersRecord = TurnRecord | FeedbackRecord
"""A record that is about a user, who may be erased."""
ERASURE_LOCK: Final = 0x50726F73_61000002
"""The number of the Postgres advisory lock that keeps recording and erasing apart: "Prosa", 2."""


async def hold_erasures_off(connection: AsyncConnection, *, erasing: bool = False) -> None:
    """Wait until no erasure is under way (any number may record at once), or, `erasing`, nothing at all.

    On SQLite the transaction's own write lock does that.
    """
    if connection.dialect.name == "postgresql":
        kind = "" if erasing else "_shared"
        await connection.execute(text(f"SELECT pg_advisory_xact_lock{kind}(:lock)"), {"lock": ERASURE_LOCK})


async def write_records(connection: AsyncConnection, records: Sequence[Record]) -> None:
    """Write what is not there yet."""
    await write_flag_changes(connection, [record for record in records if isinstance(record, FlagChange)])
    await _write_users_records(connection, [record for record in records if not isinstance(record, FlagChange)])


async def _write_users_records(connection: AsyncConnection, records: Sequence[UsersRecord]) -> None:
    if not records:
        return
    await hold_erasures_off(connection)
    erased = await _erased(connection, records)
    turns = _once([record for record in records if isinstance(record, TurnRecord)])
    verdicts = [r for r in records if isinstance(r, FeedbackRecord) and not _is_erased(r, erased)]
    known = [turn for turn in turns if not _is_erased(turn, erased)]
    await _write_owners(connection, records, [*known, *verdicts])
    new = await _write_turns(connection, turns, known)
    await _write_details(connection, [turn for turn in turns if turn.turn_id in new])
    await _write_messages(connection, [turn for turn in known if turn.turn_id in new])
    await _write_feedback(connection, verdicts)


def _user(record: UsersRecord) -> tuple[str, str]:
    return record.tenant, rows.user_digest(record.tenant, record.user_id)


def _made_ms(record: UsersRecord) -> int:
    return record.accepted_ms if isinstance(record, TurnRecord) else record.ts


def _once(turns: Sequence[TurnRecord]) -> list[TurnRecord]:
    first: dict[str, TurnRecord] = {}
    for turn in turns:
        first.setdefault(turn.turn_id, turn)
    return list(first.values())


async def _erased(connection: AsyncConnection, records: Sequence[UsersRecord]) -> dict[tuple[str, str], int]:
    found = await connection.execute(queries.erased_since({_user(record) for record in records}))
    return {(row.tenant, row.user_digest): row.erased_ms for row in found}


def _is_erased(record: UsersRecord, erased: dict[tuple[str, str], int]) -> bool:
    return _made_ms(record) <= erased.get(_user(record), -1)


async def _write_owners(
    connection: AsyncConnection, records: Sequence[UsersRecord], known: Sequence[UsersRecord]
) -> None:
    insert = insert_for(connection)
    tenants = rows.tenant_rows((record.tenant, _made_ms(record)) for record in records)
    await connection.execute(insert(schema.tenants).on_conflict_do_nothing(), tenants)
    users = rows.span_rows(
        (((record.tenant, record.user_id), _made_ms(record)) for record in known),
        ("tenant", "user_id", "first_seen_ms", "last_seen_ms"),
    )
    sessions = rows.span_rows(
        (((record.session_id, record.tenant, record.user_id), _made_ms(record)) for record in known),
        ("session_id", "tenant", "user_id", "created_ms", "last_turn_ms"),
    )
    if not known:
        return
    users_insert = insert(schema.users)
    seen = later(users_insert.excluded.last_seen_ms, schema.users.c.last_seen_ms)
    await connection.execute(
        users_insert.on_conflict_do_update(index_elements=["tenant", "user_id"], set_={"last_seen_ms": seen}), users
    )
    sessions_insert = insert(schema.sessions)
    used = later(sessions_insert.excluded.last_turn_ms, schema.sessions.c.last_turn_ms)
    await connection.execute(
        sessions_insert.on_conflict_do_update(index_elements=["session_id"], set_={"last_turn_ms": used}), sessions
    )


async def _write_turns(
    connection: AsyncConnection, turns: Sequence[TurnRecord], known: Sequence[TurnRecord]
) -> set[str]:
    """Insert turns; gives the ids of those that were not there."""
    if not turns:
        return set()
    with_user = {turn.turn_id for turn in known}
    values = [
        rows.turn_row(turn) if turn.turn_id in with_user else {**rows.turn_row(turn), **rows.PERSONAL_IN_TURNS}
        for turn in turns
    ]
    statement = insert_for(connection)(schema.turns).on_conflict_do_nothing().returning(schema.turns.c.turn_id)
    return set((await connection.execute(statement, values)).scalars())


async def _write_details(connection: AsyncConnection, turns: Sequence[TurnRecord]) -> None:
    insert = insert_for(connection)
    steps = [row for turn in turns for row in rows.step_rows(turn)]
    tools = [row for turn in turns for row in rows.tool_call_rows(turn)]
    if steps:
        await connection.execute(insert(schema.steps).on_conflict_do_nothing(), steps)
    if tools:
        await connection.execute(insert(schema.tool_calls).on_conflict_do_nothing(), tools)


async def _write_messages(connection: AsyncConnection, turns: Sequence[TurnRecord]) -> None:
    """Insert messages. A retry's user messages are there already and move to it; its answer replaces the old one.

    Right in whichever order a turn and its retry arrive.
    """
    messages = [row for turn in turns for row in rows.message_rows(turn)]
    if messages:
        await connection.execute(insert_for(connection)(schema.messages).on_conflict_do_nothing(), messages)
    retries = [turn for turn in turns if turn.retry_of is not None and rows.answer_id(turn) is not None]
    for retry in retries:
        await connection.execute(queries.move_user_messages(str(retry.retry_of), retry.turn_id))
    touched = {turn.turn_id for turn in turns} | {str(retry.retry_of) for retry in retries}
    if touched:
        await connection.execute(queries.mark_replaced_answers(sorted(touched)))


async def _write_feedback(connection: AsyncConnection, verdicts: Sequence[FeedbackRecord]) -> None:
    """Insert verdicts; of one principal on one message the last counts."""
    last: dict[tuple[str, str, str], FeedbackRecord] = {}
    for verdict in sorted(verdicts, key=lambda verdict: verdict.ts):
        last[verdict.session_id, verdict.message_id, verdict.by] = verdict
    if not last:
        return
    statement = insert_for(connection)(schema.feedback)
    changed = {name: statement.excluded[name] for name in ("score", "comment", "ts_ms")}
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["session_id", "message_id", "by"],
            set_=changed,
            where=statement.excluded.ts_ms >= schema.feedback.c.ts_ms,
        ),
        [rows.feedback_row(last[key]) for key in sorted(last)],
    )
