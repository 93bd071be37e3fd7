"""The service keys of tenants. What is kept is a hash: who reads the database cannot use the keys."""

from __future__ import annotations

import hashlib

import msgspec
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from core.clock import Clock
from core.ids import Ids
from metrics.sql import schema
from metrics.sql.engine import reading, writing
from metrics.sql.upsert import insert_for


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A service key as it is on the books; `created_ms` is Unix milliseconds."""

    key_id: str
    tenant: str
    label: str
    created_ms: int


def hash_secret(secret: str) -> str:
    """SHA-256 in hex. A fast hash is enough: secrets are random and long, so there is nothing to guess."""
    return hashlib.sha256(secret.encode()).hexdigest()


class ApiKeys:
    """Keeps and finds service keys."""

    def __init__(self, engine: AsyncEngine, clock: Clock, ids: Ids) -> None:
        self._engine = engine
        self._clock = clock
        self._ids = ids

    async def add(self, tenant: str, secret: str, label: str) -> ApiKey | None:
        """Keep a key; gives what is valid now. One that is there already stays as it is; None if it was revoked."""
        row = {
            "key_hash": hash_secret(secret),
            "key_id": self._ids.new("key"),
            "tenant": tenant,
            "label": label,
            "created_ms": self._clock.now_ms(),
        }
        async with writing(self._engine) as connection:
            insert = insert_for(connection)
            tenant_row = {"tenant": tenant, "created_ms": row["created_ms"]}
            await connection.execute(insert(schema.tenants).on_conflict_do_nothing(), tenant_row)
            await connection.execute(insert(schema.api_keys).on_conflict_do_nothing(), row)
        return await self.find(secret)

    async def find(self, secret: str) -> ApiKey | None:
        """The key of a secret, or None where there is none or it is revoked. Raises BackendError."""
        keys = schema.api_keys.c
        query = select(keys.key_id, keys.tenant, keys.label, keys.created_ms).where(
            keys.key_hash == hash_secret(secret), keys.revoked_ms.is_(None)
        )
        async with reading(self._engine) as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        return None if row is None else ApiKey(**row)

    async def revoke(self, tenant: str, key_id: str) -> bool:
        """Make a key invalid from now on; gives whether it was valid."""
        keys = schema.api_keys.c
        change = (
            update(schema.api_keys)
            .where(keys.tenant == tenant, keys.key_id == key_id, keys.revoked_ms.is_(None))
            .values(revoked_ms=self._clock.now_ms())
        )
        async with writing(self._engine) as connection:
            return (await connection.execute(change)).rowcount > 0
