"""What is asked of the books, each question by its name. The same statements run on SQLite and Postgres."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Delete, Select, Update, and_, delete, func, or_, select, update
from sqlalchemy.sql import Subquery

from core.models import Usage
from metrics.sql.rows import PERSONAL_IN_TURNS
from metrics.sql.schema import erasures, feedback, messages, sessions, steps, tool_calls, turns, users

PERCENTILES: Final = (50, 95, 99)
_RETRY: Final = turns.alias("retry")
"""Made once: an alias copies every column of the table."""


# ---------------------------------------------------------------- writing


def move_user_messages(retried_turn_id: str, turn_id: str) -> Update:
    """A retry takes the user's messages over: they are now this turn's."""
    return (
        update(messages)
        .where(messages.c.turn_id == retried_turn_id, messages.c.role != "assistant")
        .values(turn_id=turn_id)
    )


def mark_replaced_answers(turn_ids: Collection[str]) -> Update:
    """Set `replaced_by` on the answers of these turns that another turn was a retry of."""
    retry = _RETRY.c
    answer = select(retry.answer_id).where(retry.retry_of == messages.c.turn_id, retry.answer_id.is_not(None))
    return (
        update(messages)
        .where(
            messages.c.turn_id.in_(turn_ids),
            messages.c.role == "assistant",
            messages.c.replaced_by.is_(None),
            answer.correlate(messages).exists(),
        )
        .values(replaced_by=answer.correlate(messages).limit(1).scalar_subquery())
    )


def erased_since(digests: Collection[tuple[str, str]]) -> Select[Any]:
    """When which of these users, by (tenant, digest), asked to be forgotten.

    A tenant's digest beside another's tenant may be among the rows, none that was asked for is left out. The text of
    the statement does not depend on how many are asked for, so that SQLAlchemy compiles it once.
    """
    return select(erasures.c.tenant, erasures.c.user_digest, erasures.c.erased_ms).where(
        erasures.c.tenant.in_(sorted({tenant for tenant, _ in digests})),
        erasures.c.user_digest.in_(sorted({digest for _, digest in digests})),
    )


def forget_old_erasures(before_ms: int) -> Delete:
    """Drop erasures that no record on its way can be older than."""
    return delete(erasures).where(erasures.c.erased_ms < before_ms)


def erasure_of(tenant: str, user_id: str) -> tuple[Delete | Update, ...]:
    """All of a user's rows, children first; of the turns only what leads to the user."""
    theirs = select(sessions.c.session_id).where(sessions.c.tenant == tenant, sessions.c.user_id == user_id)
    return (
        delete(feedback).where(
            or_(
                and_(feedback.c.tenant == tenant, feedback.c.user_id == user_id),
                feedback.c.session_id.in_(theirs),
            )
        ),
        delete(messages).where(messages.c.session_id.in_(theirs)),
        update(turns).where(turns.c.tenant == tenant, turns.c.user_id == user_id).values(**PERSONAL_IN_TURNS),
        delete(sessions).where(sessions.c.tenant == tenant, sessions.c.user_id == user_id),
        delete(users).where(users.c.tenant == tenant, users.c.user_id == user_id),
    )


def owners_of_nothing_else(tenant: str, session_ids: Collection[str]) -> Select[Any]:
    """The users of these sessions who have no others on the books."""
    of_these = select(sessions.c.user_id).where(sessions.c.tenant == tenant, sessions.c.session_id.in_(session_ids))
    others = select(sessions.c.user_id).where(sessions.c.tenant == tenant, sessions.c.session_id.not_in(session_ids))
    return select(users.c.user_id).where(
        users.c.tenant == tenant, users.c.user_id.in_(of_these), users.c.user_id.not_in(others)
    )


def erasure_of_sessions(
    tenant: str, session_ids: Collection[str], owners: Collection[str]
) -> tuple[Delete | Update, ...]:
    """All rows of these sessions and these users, children first; of the turns only what leads to the user."""
    theirs = select(sessions.c.session_id).where(sessions.c.tenant == tenant, sessions.c.session_id.in_(session_ids))
    return (
        delete(feedback).where(feedback.c.tenant == tenant, feedback.c.session_id.in_(session_ids)),
        delete(messages).where(messages.c.session_id.in_(theirs)),
        update(turns).where(turns.c.tenant == tenant, turns.c.session_id.in_(session_ids)).values(**PERSONAL_IN_TURNS),
        delete(sessions).where(sessions.c.tenant == tenant, sessions.c.session_id.in_(session_ids)),
        delete(users).where(users.c.tenant == tenant, users.c.user_id.in_(owners)),
    )


# ---------------------------------------------------------------- statistics


def turns_of(tenant: str, since_ms: int | None, user_id: str | None) -> ColumnElement[bool]:
    """Which turns are counted: the tenant's, those that ended at or after `since_ms`, those of one user."""
    wanted = [turns.c.tenant == tenant]
    if since_ms is not None:
        wanted.append(turns.c.ended_ms >= since_ms)
    if user_id is not None:
        wanted.append(turns.c.user_id == user_id)
    return and_(*wanted)


def totals_by_outcome(counted: ColumnElement[bool]) -> Select[Any]:
    """Turns, tokens and money, one row an outcome."""
    return select(turns.c.outcome, *_sums()).where(counted).group_by(turns.c.outcome)


def totals_by_user(counted: ColumnElement[bool], limit: int) -> Select[Any]:
    """Turns, tokens and money, one row a user; the most expensive first, then who used most tokens."""
    return (
        select(turns.c.user_id, *_sums())
        .where(counted, turns.c.user_id.is_not(None))
        .group_by(turns.c.user_id)
        .order_by(
            func.sum(turns.c.cost_microusd).desc(),
            func.sum(turns.c.total_tokens).desc(),
            turns.c.user_id,
        )
        .limit(limit)
    )


def cache_totals(counted: ColumnElement[bool]) -> Select[Any]:
    """Turns and what was saved, one row a result of the lookup."""
    found = func.count().label("turns"), func.sum(turns.c.saved_microusd).label("saved_microusd")
    return select(turns.c.cache, *found).where(counted, turns.c.cache.is_not(None)).group_by(turns.c.cache)


def mean_of(column: Column[int], counted: ColumnElement[bool]) -> Select[Any]:
    """The mean of a column; null where there is nothing."""
    return select(func.avg(column)).where(counted, column.is_not(None))


def percentiles_of(column: Column[int], counted: ColumnElement[bool]) -> Select[Any]:
    """The rows (rank, of, value) that the percentiles stand on, by nearest rank: at most one a percentile.

    The p-th percentile of n values is the one at rank ceil(p * n / 100), counted from 1 in ascending order: the
    smallest value that at least p % of all do not exceed, and always one that was measured. The database sorts
    (to disk, if it must); at most three rows leave it, however many turns there are.
    """
    ranked = _ranked(column, counted)
    return select(ranked).where(or_(*(ranked.c.rank == nearest_rank(p, ranked.c.of) for p in PERCENTILES)))


def nearest_rank(percent: int, of: Any) -> Any:
    """ceil(percent * of / 100) in whole numbers, for an int or a column."""
    return (of * percent + 99) // 100


def _ranked(column: Column[int], counted: ColumnElement[bool]) -> Subquery:
    return (
        select(
            func.row_number().over(order_by=column).label("rank"),
            func.count().over().label("of"),
            column.label("value"),
        )
        .where(counted, column.is_not(None))
        .subquery()
    )


def _sums() -> list[ColumnElement[Any]]:
    tokens = [f"{name}_tokens" for name in Usage.__struct_fields__]
    return [
        func.count().label("turns"),
        *(func.sum(turns.c[name]).label(name) for name in (*tokens, "cost_microusd")),
    ]


# ---------------------------------------------------------------- history and single turns


def place_of(session_id: str, message_id: str) -> Select[Any]:
    """Where a message stands in its session."""
    return select(messages.c.ts_ms, messages.c.position).where(
        messages.c.session_id == session_id, messages.c.message_id == message_id
    )


def newest_messages(tenant: str, session_id: str, before: tuple[int, int] | None, limit: int) -> Select[Any]:
    """The last messages of a session before a place (None: its end), newest first.

    The order is that of `ts_ms`; within one millisecond that in which they went on the books.
    """
    query = (
        select(messages)
        .join(sessions, sessions.c.session_id == messages.c.session_id)
        .where(messages.c.session_id == session_id, sessions.c.tenant == tenant)
    )
    if before is not None:
        ts_ms, position = before
        same = and_(messages.c.ts_ms == ts_ms, messages.c.position < position)
        query = query.where(or_(messages.c.ts_ms < ts_ms, same))
    return query.order_by(messages.c.ts_ms.desc(), messages.c.position.desc()).limit(limit)


def verdicts_on(session_id: str, message_ids: Collection[str]) -> Select[Any]:
    """Feedback on messages, the oldest first: of several principals' the last one is shown."""
    return (
        select(feedback)
        .where(feedback.c.session_id == session_id, feedback.c.message_id.in_(message_ids))
        .order_by(feedback.c.ts_ms)
    )


def turn_by_id(tenant: str, turn_id: str) -> Select[Any]:
    """A turn, unless its user was erased."""
    return select(turns).where(turns.c.tenant == tenant, turns.c.turn_id == turn_id, turns.c.session_id.is_not(None))


def steps_of(turn_id: str) -> Select[Any]:
    """A turn's model calls in their order."""
    return select(steps).where(steps.c.turn_id == turn_id).order_by(steps.c.position)


def tool_calls_of(turn_id: str) -> Select[Any]:
    """A turn's tool calls in their order."""
    return select(tool_calls).where(tool_calls.c.turn_id == turn_id).order_by(tool_calls.c.position)


def messages_of(turn_id: str) -> Select[Any]:
    """A turn's messages in their order."""
    return select(messages).where(messages.c.turn_id == turn_id).order_by(messages.c.ts_ms, messages.c.position)
