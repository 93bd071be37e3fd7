"""`NearQuestions` and `EmbeddingStore` on Redis: a bounded hash a bucket, and one key a vector; both expire.

They are in the tenant's partition and in the user's list beside the answers, so that clearing and forgetting those
(`answers.py`) does it for these.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

import msgspec

from core.ports import CacheScope, NearQuestion
from memory.cache.answers import whose
from memory.connection import Database
from memory.keys import user_key
from memory.scripts import CACHE_KEEP_NEAR, CACHE_KEEP_VECTOR, CACHE_NEAR, CACHE_VECTOR

BUCKET: Final = 16
"""Questions that a bucket holds: all of them ask for the same, so a few are plenty."""
_ENCODE: Final = msgspec.msgpack.Encoder().encode
_QUESTION: Final = msgspec.msgpack.Decoder(NearQuestion)


class RedisNearQuestions:
    """See `core.ports.NearQuestions` and `EmbeddingStore`. Each method is one command."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def near(self, scope: CacheScope, bucket: str) -> Sequence[NearQuestion]:
        """See the port."""
        reply = await self._database.call(CACHE_NEAR, self._of(scope.tenant), scope.tenant, whose(scope, bucket))
        return [_QUESTION.decode(each) for each in reply[2:]]

    async def keep_near(self, scope: CacheScope, bucket: str, question: NearQuestion, ttl_s: float) -> None:
        """See the port."""
        await self._database.call(
            CACHE_KEEP_NEAR,
            self._of(scope.tenant),
            scope.tenant,
            whose(scope, bucket),
            question.digest,
            _ENCODE(question),
            round(ttl_s * 1000),
            user_key(scope.tenant, scope.user_id),
            BUCKET,
        )

    async def vector(self, tenant: str, digest: str) -> bytes | None:
        """See the port."""
        reply = await self._database.call(CACHE_VECTOR, self._of(tenant), _name(tenant, digest))
        return bytes(reply[2]) or None

    async def keep_vector(self, tenant: str, user_id: str, digest: str, vector: bytes, ttl_s: float) -> None:
        """See the port."""
        user = user_key(tenant, user_id)
        await self._database.call(
            CACHE_KEEP_VECTOR, self._of(tenant), _name(tenant, digest), vector, round(ttl_s * 1000), user
        )

    def _of(self, tenant: str) -> int:
        return self._database.keys.of(tenant)


def _name(tenant: str, digest: str) -> str:
    return sha256(msgspec.json.encode([tenant, digest])).hexdigest()
