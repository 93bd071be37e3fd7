"""`AnswerCache` on Redis: one key an answer, which expires.

A tenant's generation is in the key's name, so that clearing is one step; a list a user says what their questions left.

What is given back by mistake is somebody else's answer: so whose it is goes into the digest, not beside it.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

import msgspec
from loguru import logger

from core.ports import CachedAnswer, CacheLookup, CacheScope
from memory.connection import JSON, Database
from memory.keys import user_key
from memory.scripts import CACHE_CLEAR, CACHE_FORGET, CACHE_GET, CACHE_PUT, Script

_ANSWER: Final = msgspec.json.Decoder(CachedAnswer)


class RedisAnswers:
    """See `core.ports.AnswerCache`. All of a tenant's answers are in the partition of its name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, scope: CacheScope, digest: str) -> CacheLookup:
        """One command."""
        reply = await self._call(CACHE_GET, scope.tenant, whose(scope, digest))
        generation, kept = reply[3].decode(), reply[2]
        try:
            return CacheLookup(answer=_ANSWER.decode(kept) if kept else None, generation=generation)
        except msgspec.DecodeError:  # kept by a version that writes another form: asked anew, and kept over it
            logger.warning("cache.unreadable", tenant=scope.tenant)
            return CacheLookup(generation=generation)

    async def put(
        self, scope: CacheScope, digest: str, answer: CachedAnswer, ttl_s: float, generation: str | None = None
    ) -> None:
        """One command."""
        await self._call(
            CACHE_PUT,
            scope.tenant,
            whose(scope, digest),
            JSON.encode(answer),
            round(ttl_s * 1000),
            user_key(scope.tenant, scope.user_id),
            generation or "",
        )

    async def clear(self, tenant: str) -> None:
        """See `core.ports.AnswerCache.clear`."""
        await self._call(CACHE_CLEAR, tenant)

    async def forget(self, tenant: str, user_id: str) -> None:
        """See `core.ports.AnswerCache.forget`."""
        await self._database.call(CACHE_FORGET, self._database.keys.of(tenant), user_key(tenant, user_id))

    async def _call(self, script: Script, tenant: str, *arguments: Any) -> Any:
        return await self._database.call(script, self._database.keys.of(tenant), tenant, *arguments)


def whose(scope: CacheScope, digest: str) -> str:
    """The name of what has this digest and is given to those of `scope` only."""
    owner = [scope.tenant] if scope.shared else [scope.tenant, scope.user_id]
    return sha256(msgspec.json.encode([owner, digest])).hexdigest()
