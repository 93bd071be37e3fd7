"""Vectors of texts over OpenAI's `POST /embeddings`, which compatible servers (vLLM, Ollama, LM Studio...) speak too.

The connection is `http.py`'s; what a vendor answers wrongly is refused here, and nothing is tried again.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from operator import mul
from typing import Any, Final

import msgspec

from agent.providers.failures import answered
from agent.providers.http import ModelCall, ModelHttp, Timeouts
from agent.providers.openai_errors import error_of_status
from agent.providers.openai_http import OPENAI_URL, endpoint, headers, json_or_text
from core.errors import ProviderError
from core.ports import Embedded

BATCH: Final = 64
"""Texts in one call; vendors take 2,048 at most (platform.openai.com/docs/api-reference/embeddings, read 2026-11)."""
LARGEST: Final = 8_192
"""Numbers in one vector: twice what the largest common models give."""
LONGEST_ANSWER_BYTES: Final = 16 * 1024 * 1024
"""A batch of 64 vectors of 8,192 numbers, 25 characters each, is 13 MiB."""


class _Vector(msgspec.Struct):
    index: int
    embedding: list[float]


class _Usage(msgspec.Struct):
    prompt_tokens: int = 0


class _Answer(msgspec.Struct):
    data: list[_Vector]
    usage: _Usage | None = None


_encode = msgspec.json.Encoder().encode
_ANSWER: Final = msgspec.json.Decoder(_Answer)


class OpenAIEmbedder:
    """A `core.ports.Embedder` over OpenAI's API.

    `base_url`, `organization` and `project` as in `OpenAIProvider`. `dimensions`: how many numbers the model is asked
    for (only some can); 0: as many as it gives.
    """

    def __init__(
        self,
        *,
        model: str,
        api_key: str,
        base_url: str = OPENAI_URL,
        provider: str = "openai",
        dimensions: int = 0,
        timeouts: Timeouts | None = None,
        organization: str | None = None,
        project: str | None = None,
    ) -> None:
        self.name = f"{provider}:{model}"
        self.dimensions = dimensions
        self._model, self._provider = model, provider
        self._url, login = endpoint(base_url, "embeddings")
        self._headers = headers(api_key, login, organization, project)
        self._http = ModelHttp(provider, timeouts or Timeouts())

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """See `core.ports.Embedder.embed`: one call for each 64 texts, one after the other."""
        vectors: list[bytes] = []
        tokens = 0
        for start in range(0, len(texts), BATCH):
            made = await self._call(texts[start : start + BATCH])
            vectors += made.vectors
            tokens += made.tokens
        return Embedded(vectors=tuple(vectors), tokens=tokens)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _call(self, texts: Sequence[str]) -> Embedded:
        request: dict[str, Any] = {"model": self._model, "input": list(texts)}
        if self.dimensions:
            request["dimensions"] = self.dimensions
        async with self._http.post(self._url, _encode(request), self._headers) as call:
            if not 200 <= call.status < 300:
                error = json_or_text(await call.read_error())
                raise error_of_status(self._provider, call.status, error, call.headers, self._model)
            body = await self._read(call)
            return self._understood(body, len(texts), call.status)

    async def _read(self, call: ModelCall) -> bytes:
        body = bytearray()
        while chunk := await call.read():
            body += chunk
            if len(body) > LONGEST_ANSWER_BYTES:
                raise self._wrong("sent more than vectors can be", call.status)
        return bytes(body)

    def _understood(self, body: bytes, count: int, status: int) -> Embedded:
        try:
            answer = _ANSWER.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise self._wrong("sent no vectors", status) from None  # the cause quotes what was sent
        found = sorted(answer.data, key=lambda each: each.index)
        if [each.index for each in found] != list(range(count)):
            raise self._wrong("sent other vectors than were asked for", status)
        size = self.dimensions or len(found[0].embedding)
        if not 0 < size <= LARGEST or any(len(each.embedding) != size for each in found):
            raise self._wrong("sent vectors of another size", status)
        try:
            vectors = tuple(packed(each.embedding) for each in found)
        except (ValueError, OverflowError):
            raise self._wrong("sent a vector without a direction", status) from None
        return Embedded(vectors=vectors, tokens=answer.usage.prompt_tokens if answer.usage else 0)

    def _wrong(self, what: str, status: int) -> ProviderError:
        return answered(self._provider, status, what, retryable=False)


def packed(numbers: Sequence[float]) -> bytes:
    """A vector as `core.ports.Embedded` holds it. Raises ValueError for one without a direction."""
    length = math.sqrt(sum(map(mul, numbers, numbers)))
    if not math.isfinite(length) or length == 0.0:
        raise ValueError("a vector without a direction")
    return struct.pack(f"<{len(numbers)}f", *(number / length for number in numbers))
