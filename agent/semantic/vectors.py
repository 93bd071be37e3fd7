"""Vectors of texts, kept: in the process for minutes, in Redis for days; who wants the same at once shares one call.

What is kept is found by the digest of model, dimensions and text; the text itself is kept nowhere here.
"""

from __future__ import annotations

import asyncio
import struct
from collections import OrderedDict
from hashlib import sha256
from operator import mul
from typing import Final

import msgspec
from loguru import logger

from core.errors import ProviderError
from core.measurements import Measure, TextEmbedded
from core.ports import CacheScope, Embedder, EmbeddingStore

KEPT_S: Final = 604_800.0
"""7 days, like the longest of answers."""
HERE: Final = 512
"""Vectors in the process: at 256 dimensions half a MiB."""
HERE_S: Final = 300.0
"""Shorter than the 10 minutes after which an erased user is swept again."""
PATIENCE_S: Final = 1.0
"""How long a vector is waited for: whoever waits longer is better served by the model itself."""
PAUSE_S: Final = 10.0
"""After a failure the vendor is left alone for so long, so that not every question waits for it."""


class KeptVectors:
    """An embedder with a memory.

    `patience_s` bounds a call of the vendor (default: 1 s); after one that failed none is made for `pause_s` (10 s).
    """

    def __init__(
        self,
        embedder: Embedder,
        store: EmbeddingStore,
        measure: Measure,
        *,
        patience_s: float = PATIENCE_S,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._embedder, self._store, self._measure = embedder, store, measure
        self._patience_s, self._pause_s, self._away_until_s = patience_s, pause_s, 0.0
        self._here: OrderedDict[tuple[str, str], tuple[float, bytes]] = OrderedDict()
        self._under_way: dict[tuple[str, str], asyncio.Future[bytes | None]] = {}

    @property
    def space(self) -> tuple[str, int]:
        """What makes the vectors: those of another are not to be compared with them."""
        return self._embedder.name, self._embedder.dimensions

    async def of(self, scope: CacheScope, text: str) -> bytes | None:
        """The vector of one text; None where it could not be had in time. Raises BackendError."""
        key = scope.tenant, self._digest(text)
        if (vector := self._remembered(key)) is not None:
            self._count("cached")
            return vector
        if (under_way := self._under_way.get(key)) is not None:
            self._count("cached")
            return await asyncio.shield(under_way)
        mine = self._under_way[key] = asyncio.get_running_loop().create_future()
        vector = None
        try:
            vector = await self._found_or_made(scope, key[1], text)
        finally:
            del self._under_way[key]
            mine.set_result(vector)
        if vector is not None:
            self._remember(key, vector)
        return vector

    async def close(self) -> None:
        """Close the embedder."""
        await self._embedder.close()

    async def _found_or_made(self, scope: CacheScope, digest: str, text: str) -> bytes | None:
        vector = await self._store.vector(scope.tenant, digest)
        if vector is not None:
            self._count("cached")
            return vector
        loop = asyncio.get_running_loop()
        if loop.time() < self._away_until_s:
            return None
        try:
            async with asyncio.timeout(self._patience_s):
                made = await self._embedder.embed([text])
        except (ProviderError, TimeoutError) as error:
            detail = error.message if isinstance(error, ProviderError) else "no answer in time"
            logger.warning("embedding.away", model=self._embedder.name, detail=detail)
            self._count("failed")
            self._away_until_s = loop.time() + self._pause_s
            return None
        self._count("made", made.tokens)
        await self._store.keep_vector(scope.tenant, scope.user_id, digest, made.vectors[0], KEPT_S)
        return made.vectors[0]

    def _digest(self, text: str) -> str:
        return sha256(msgspec.json.encode([self.space, text])).hexdigest()

    def _remembered(self, key: tuple[str, str]) -> bytes | None:
        until_s, vector = self._here.get(key, (0.0, None))
        if vector is None or until_s <= asyncio.get_running_loop().time():
            self._here.pop(key, None)
            return None
        return vector

    def _remember(self, key: tuple[str, str], vector: bytes) -> None:
        self._here[key] = asyncio.get_running_loop().time() + HERE_S, vector
        while len(self._here) > HERE:
            self._here.popitem(last=False)

    def _count(self, outcome: str, tokens: int = 0) -> None:
        self._measure.emit(TextEmbedded(model=self._embedder.name, outcome=outcome, tokens=tokens))


def cosine(one: bytes, other: bytes) -> float:
    """How near two vectors of length 1 are: 1 the same direction, 0 nothing in common; 0 where their sizes differ."""
    if len(one) != len(other):
        return 0.0
    form = f"<{len(one) // 4}f"
    return float(sum(map(mul, struct.unpack(form, one), struct.unpack(form, other))))
