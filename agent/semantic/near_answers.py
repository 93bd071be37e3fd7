"""The second look into the cache: for an answer to the same question in other words.

    exact miss ─▶ bucket: all that the exact digest holds, but the question's meaning (guard.py) for its words
                  └─ nearest question there ≥ threshold ─▶ the answer that is kept under its digest

A bucket holds only questions that the guard calls the same, so the embedder can never find an answer that the guard
would refuse; where the bucket is empty, nobody is asked for a vector before the model is.
"""

from __future__ import annotations

from hashlib import sha256

import msgspec
from loguru import logger

from agent.semantic.guard import FORM, meaning
from agent.semantic.vectors import KeptVectors, cosine
from agent.settings import CacheSettings
from core.errors import BackendError
from core.ports import AnswerCache, CachedAnswer, CacheScope, NearQuestion, NearQuestions


class NearAnswers:
    """What all turns of a process share."""

    def __init__(self, questions: NearQuestions, answers: AnswerCache, vectors: KeptVectors) -> None:
        self.questions, self.answers, self.vectors = questions, answers, vectors

    def turn(self, scope: CacheScope, settings: CacheSettings, question: str, rest: str) -> NearTurn | None:
        """A turn's second look; `rest` is the digest of all but the question. None where there is to be none."""
        asked = meaning(question) if settings.semantic is not None else None
        if asked is None or settings.semantic is None:
            return None
        bucket = sha256(msgspec.json.encode([FORM, self.vectors.space, asked, rest])).hexdigest()
        return NearTurn(self, scope, bucket, question, settings.semantic.threshold)


class NearTurn:
    """One turn's second look, and what it leaves."""

    def __init__(self, shared: NearAnswers, scope: CacheScope, bucket: str, question: str, threshold: float) -> None:
        self._shared, self._scope, self._bucket = shared, scope, bucket
        self._question, self._threshold = question, threshold

    async def find(self) -> CachedAnswer | None:
        """The answer to the nearest question that is near enough. Raises BackendError."""
        kept = await self._shared.questions.near(self._scope, self._bucket)
        vector = await self._shared.vectors.of(self._scope, self._question) if kept else None
        if vector is None:
            return None
        nearness, nearest = max(((cosine(vector, each.vector), each) for each in kept), key=lambda pair: pair[0])
        if nearness < self._threshold:
            return None
        return (await self._shared.answers.get(self._scope, nearest.digest)).answer

    async def keep(self, digest: str, ttl_s: float) -> None:
        """The question was answered, and its answer is kept under `digest`: let others find it."""
        try:
            vector = await self._shared.vectors.of(self._scope, self._question)
            if vector is not None:
                question = NearQuestion(vector=vector, digest=digest)
                await self._shared.questions.keep_near(self._scope, self._bucket, question, ttl_s)
        except BackendError as error:
            logger.warning("cache.away", detail=error.message)
