"""The books (`core.ports.Books`) in SQL."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from core.clock import Clock
from core.errors import BackendError, UserError
from core.messages import Message
from core.models import Usage
from core.ports import Stats, Times, UserStats
from core.turns import Record, SessionRef, TurnRecord
from metrics.sql import queries, rows, schema
from metrics.sql.engine import reading, writing
from metrics.sql.recording import hold_erasures_off, write_records
from metrics.sql.upsert import insert_for

READY_TIMEOUT_S: Final = 2.0
KEEP_ERASURES_MS: Final = 30 * 24 * 3600 * 1000
"""How long an erasure is remembered: longer than any record waits in the outbox (30 days)."""


class SqlBooks:
    """Long-lived facts in SQLite or Postgres. Make it with `open_books`.

    Every method raises BackendError: `retryable` where SQL is away, not so where it refuses the data.
    """

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        self._clock = clock
        self.engine = engine
        """For neighbours that keep things in the same database, such as `ApiKeys`."""

    async def record(self, records: Sequence[Record]) -> None:
        """Write records in one transaction; one that was written before changes nothing.

        A record of a user who was erased after it was made leaves only its numbers; feedback leaves nothing.
        """
        if not records:
            return
        async with writing(self.engine) as connection:
            await write_records(connection, records)

    async def stats(
        self, tenant: str, *, since_ms: int | None = None, user_id: str | None = None, limit: int = 100
    ) -> Stats:
        """Totals of a tenant's turns that ended at or after `since_ms`.

        Percentiles are by nearest rank (`queries.percentiles_of`): values that were measured.
        """
        counted = queries.turns_of(tenant, since_ms, user_id)
        async with reading(self.engine) as connection:
            outcomes = (await connection.execute(queries.totals_by_outcome(counted))).mappings().all()
            users = (await connection.execute(queries.totals_by_user(counted, limit))).mappings().all()
            looked_up = (await connection.execute(queries.cache_totals(counted))).mappings().all()
            ttft_ms = await _times(connection, schema.turns.c.ttft_ms, counted)
            duration_ms = await _times(connection, schema.turns.c.duration_ms, counted)
        return Stats(
            turns=sum(row["turns"] for row in outcomes),
            outcomes={row["outcome"]: row["turns"] for row in outcomes},
            tokens=sum((rows.usage_of(row) for row in outcomes), Usage()),
            cost_microusd=sum(int(row["cost_microusd"]) for row in outcomes),
            ttft_ms=ttft_ms,
            duration_ms=duration_ms,
            cache=rows.cache_stats(looked_up),
            users=tuple(
                UserStats(
                    user_id=row["user_id"],
                    turns=row["turns"],
                    tokens=rows.usage_of(row),
                    cost_microusd=int(row["cost_microusd"]),
                )
                for row in users
            ),
        )

    async def messages(self, session: SessionRef, *, before: str | None, limit: int) -> tuple[Sequence[Message], bool]:
        """A page of history, oldest first, answers that were replaced included; and whether there are older ones.

        Raises UserError `not_found` where `before` is no message of this session on the books.
        """
        async with reading(self.engine) as connection:
            place = None if before is None else await _place(connection, session, before)
            query = queries.newest_messages(session.tenant, session.session_id, place, limit + 1)
            found = (await connection.execute(query)).mappings().all()
            page = list(reversed(found[:limit]))
            verdicts = await _verdicts(connection, session.session_id, [row["message_id"] for row in page])
        shown = [rows.message_of(row, verdicts.get(row["message_id"])) for row in page]
        return shown, len(found) > limit

    async def turn(self, tenant: str, turn_id: str) -> TurnRecord | None:
        """One turn with its steps, tool calls and messages; None for an unknown one and one of an erased user."""
        async with reading(self.engine) as connection:
            turn = (await connection.execute(queries.turn_by_id(tenant, turn_id))).mappings().one_or_none()
            if turn is None:
                return None
            steps = (await connection.execute(queries.steps_of(turn_id))).mappings().all()
            tools = (await connection.execute(queries.tool_calls_of(turn_id))).mappings().all()
            messages = (await connection.execute(queries.messages_of(turn_id))).mappings().all()
        return rows.turn_of(turn, steps, tools, [rows.message_of(message) for message in messages])

    async def erase(self, tenant: str, user_id: str) -> int:
        """Delete a user's rows and make their turns nobody's; gives how many rows that were."""
        now_ms = self._clock.now_ms()
        digest = rows.user_digest(tenant, user_id)
        async with writing(self.engine) as connection:
            await hold_erasures_off(connection, erasing=True)
            await _remember_erasure(connection, tenant, digest, now_ms)
            await connection.execute(queries.forget_old_erasures(now_ms - KEEP_ERASURES_MS))
            changes = [await connection.execute(change) for change in queries.erasure_of(tenant, user_id)]
        return sum(change.rowcount for change in changes)

    async def erase_sessions(self, tenant: str, session_ids: Sequence[str]) -> int:
        """Delete the rows of these sessions, and of their users where they have no others; gives how many."""
        async with writing(self.engine) as connection:
            await hold_erasures_off(connection, erasing=True)
            found = await connection.execute(queries.owners_of_nothing_else(tenant, session_ids))
            changes = queries.erasure_of_sessions(tenant, session_ids, list(found.scalars()))
            done = [await connection.execute(change) for change in changes]
        return sum(change.rowcount for change in done)

    async def ready(self) -> bool:
        """Whether SQL answers within 2 s and has its tables. Never raises."""
        try:
            async with asyncio.timeout(READY_TIMEOUT_S), reading(self.engine) as connection:
                await connection.execute(select(schema.tenants.c.tenant).limit(1))
        except (BackendError, TimeoutError):
            return False
        return True


async def _times(connection: AsyncConnection, column: Column[int], counted: ColumnElement[bool]) -> Times:
    mean = (await connection.execute(queries.mean_of(column, counted))).scalar_one()
    ranked = (await connection.execute(queries.percentiles_of(column, counted))).all()
    if mean is None or not ranked:
        return Times(mean=None, p50=None, p95=None, p99=None)
    by_rank = {row.rank: float(row.value) for row in ranked}
    p50, p95, p99 = (by_rank[queries.nearest_rank(percent, ranked[0].of)] for percent in queries.PERCENTILES)
    return Times(mean=float(mean), p50=p50, p95=p95, p99=p99)


async def _place(connection: AsyncConnection, session: SessionRef, message_id: str) -> tuple[int, int]:
    row = (await connection.execute(queries.place_of(session.session_id, message_id))).one_or_none()
    if row is None:
        raise UserError("There is no such message in this session.", code="not_found")
    return row.ts_ms, row.position


async def _verdicts(connection: AsyncConnection, session_id: str, message_ids: Sequence[str]) -> dict[str, Any]:
    found = (await connection.execute(queries.verdicts_on(session_id, message_ids))).mappings().all()
    return {row["message_id"]: row for row in found}


async def _remember_erasure(connection: AsyncConnection, tenant: str, digest: str, now_ms: int) -> None:
    insert = insert_for(connection)
    await connection.execute(insert(schema.tenants).on_conflict_do_nothing(), {"tenant": tenant, "created_ms": now_ms})
    await connection.execute(
        insert(schema.erasures).on_conflict_do_update(
            index_elements=["tenant", "user_digest"], set_={"erased_ms": now_ms}
        ),
        {"tenant": tenant, "user_digest": digest, "erased_ms": now_ms},
    )
