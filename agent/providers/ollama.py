"""Ollama over its own API, `POST /api/chat`: the compatible one cannot set the context, and cuts prompts in silence.

The connection is `http.py`'s, lines are cut by `ndjson.py` and understood by `ollama_lines.py`. Nothing is tried again
here: the runner does, with what it knows of the turn.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Final

import aiohttp
import msgspec
from multidict import CIMultiDict
from yarl import URL

from agent.providers.http import ModelCall, ModelHttp, Timeouts
from agent.providers.ndjson import NdjsonParser
from agent.providers.ollama_errors import error_of_status
from agent.providers.ollama_lines import OllamaAssembler
from agent.providers.ollama_messages import request_body
from agent.providers.tool_names import ToolNames
from core.models import ModelEvent, ModelRequest

OLLAMA_URL: Final = "http://127.0.0.1:11434"
CONTEXT_TOKENS: Final = 24_576
"""An agent's window (12,000), its tools (about 2,000) and its answer (4,000), and a third more, for models' tokenizers
cut Portuguese finer than the one that we count with. Ollama's own default is 4096 below 24 GiB of graphics memory."""
_encode = msgspec.json.Encoder().encode


class OllamaProvider:
    """A `Provider` over Ollama's own API.

    `base_url` without `/api`; a user and password in it are for a proxy before Ollama, which itself wants no key.
    `context_tokens` is `num_ctx`: a model is loaded with it, so each change of it loads the model anew, and more of it
    takes more memory.
    """

    name = "ollama"

    def __init__(
        self,
        *,
        base_url: str = OLLAMA_URL,
        context_tokens: int = CONTEXT_TOKENS,
        timeouts: Timeouts | None = None,
    ) -> None:
        url = URL(base_url)
        self._url = url.with_user(None).with_path(url.raw_path.rstrip("/") + "/api/chat", encoded=True)
        self._headers: CIMultiDict[str] = CIMultiDict()
        if url.raw_user:
            self._headers["Authorization"] = aiohttp.encode_basic_auth(url.user or "", url.password or "")
        self._context_tokens = context_tokens
        self._http = ModelHttp(self.name, timeouts or Timeouts())

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[ModelEvent]]:
        """Call the model; see `core.ports.Provider.stream`."""
        names = ToolNames(spec.name for spec in request.tools)
        body = _encode(request_body(request, names, provider=self.name, context_tokens=self._context_tokens))
        async with self._http.post(self._url, body, self._headers) as call:
            if not 200 <= call.status < 300:
                error = await call.read_error()
                raise error_of_status(self.name, call.status, error, call.headers, request.model)
            async with aclosing(self._events(call, OllamaAssembler(self.name, request.model, names))) as events:
                yield events

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _events(self, call: ModelCall, assembler: OllamaAssembler) -> AsyncGenerator[ModelEvent, None]:
        parser = NdjsonParser()
        while not assembler.done and (chunk := await call.read()):
            for event in assembler.feed(parser.feed(chunk)):
                call.began()
                yield event
        if not assembler.done:
            for event in assembler.feed(parser.finish()):
                yield event
        call.ended()
        for event in assembler.finish():
            yield event
