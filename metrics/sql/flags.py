"""Feature flags in SQL (`core.ports.FlagBooks`), and how the recorder's changes get there.

The live flags are in Redis; these rows are what a Redis that has lost everything gets them back from, and the audit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from loguru import logger
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from core.flags import Flag, FlagChange
from metrics.sql import schema
from metrics.sql.engine import reading
from metrics.sql.upsert import insert_for

_CHANGED: Final = ("version", "value", "rules", "description", "updated_ms", "updated_by")


class SqlFlags:
    """See `core.ports.FlagBooks`. Every method raises BackendError where SQL is away."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def flags(self) -> Sequence[Flag]:
        """All flags of all scopes, those that were taken back included."""
        async with reading(self._engine) as connection:
            rows = (await connection.execute(select(schema.flags))).mappings().all()
        found = []
        for row in rows:
            try:
                found.append(msgspec.convert({name: row[name] for name in Flag.__struct_fields__}, Flag))
            except msgspec.ValidationError as error:  # a newer node's, in an upgrade
                logger.error("flags.not_readable", scope=row["scope"], key=row["key"], error=str(error))
        return found

    async def audit(self, scope: str, *, key: str | None, before_ms: int | None, limit: int) -> Sequence[FlagChange]:
        """Changes in a scope, the newest first."""
        audit = schema.audit.c
        query = select(schema.audit).where(audit.scope == scope)
        if key is not None:
            query = query.where(audit.subject == key)
        if before_ms is not None:
            query = query.where(audit.ts_ms < before_ms)
        async with reading(self._engine) as connection:
            found = await connection.execute(query.order_by(audit.ts_ms.desc(), audit.position.desc()).limit(limit))
            rows = found.mappings().all()
        return [
            FlagChange(
                tenant=row["tenant"],
                by=row["by"],
                ts=row["ts_ms"],
                before=None if row["before"] is None else msgspec.convert(row["before"], Flag),
                after=msgspec.convert(row["after"], Flag),
            )
            for row in rows
        ]


async def write_flag_changes(connection: AsyncConnection, changes: Sequence[FlagChange]) -> None:
    """Write the flags as they are now and each change once, in whatever order and however often they come."""
    if not changes:
        return
    newest: dict[tuple[str, str], Flag] = {}
    for change in sorted(changes, key=lambda change: change.after.version):
        newest[change.after.scope, change.after.key] = change.after
    insert = insert_for(connection)
    statement = insert(schema.flags)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["scope", "key"],
            set_={name: statement.excluded[name] for name in _CHANGED},
            where=statement.excluded.version > schema.flags.c.version,
        ),
        [_flag_row(newest[place]) for place in sorted(newest)],
    )
    await connection.execute(insert(schema.audit).on_conflict_do_nothing(), [_audit_row(change) for change in changes])


def _flag_row(flag: Flag) -> dict[str, Any]:
    return {
        "scope": flag.scope,
        "key": flag.key,
        "version": flag.version,
        "value": flag.value,
        "rules": msgspec.to_builtins(flag.rules),
        "description": flag.description,
        "updated_ms": flag.updated_ms,
        "updated_by": flag.updated_by,
    }


def _audit_row(change: FlagChange) -> dict[str, Any]:
    return {
        "scope": change.after.scope,
        "subject": change.after.key,
        "version": change.after.version,
        "tenant": change.tenant,
        "by": change.by,
        "ts_ms": change.ts,
        "before": None if change.before is None else msgspec.to_builtins(change.before),
        "after": msgspec.to_builtins(change.after),
    }
