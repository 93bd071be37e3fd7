"""OpenAI's Chat Completions, and every server that speaks them (vLLM, Groq, OpenRouter, Ollama, LM Studio, ...).

The connection is `http.py`'s, events are cut by `sse.py` and understood by `chat_chunks.py`. Nothing is tried again
here: the runner does, with what it knows of the turn.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import msgspec

from agent.providers.chat_chunks import ChatAssembler
from agent.providers.chat_dialect import dialect_of
from agent.providers.http import ModelCall, ModelHttp, Timeouts
from agent.providers.openai_errors import error_of_status
from agent.providers.openai_http import OPENAI_URL, endpoint, headers, json_or_text
from agent.providers.openai_messages import request_body
from agent.providers.sse import SseParser
from agent.providers.tool_names import ToolNames
from core.models import ModelEvent, ModelRequest

__all__ = ["OPENAI_URL", "OpenAIProvider", "Timeouts"]

_encode = msgspec.json.Encoder().encode


class OpenAIProvider:
    """A `Provider` over Chat Completions.

    `base_url` as the vendors print it, ending in `/v1` or the like; a query (`?api-version=...`) stays, a user and
    password in it take the key's place. `name` is the part of `provider:model` that it is known by. `organization`
    and `project` say who pays; by default what OPENAI_ORG_ID and OPENAI_PROJECT_ID say, as in the vendor's SDK.
    """

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str = OPENAI_URL,
        name: str = "openai",
        timeouts: Timeouts | None = None,
        organization: str | None = None,
        project: str | None = None,
    ) -> None:
        self.name = name
        self._dialect = dialect_of(base_url)
        self._url, login = endpoint(base_url, "chat/completions")
        self._headers = headers(api_key, login, organization, project)
        self._http = ModelHttp(name, timeouts or Timeouts())

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[ModelEvent]]:
        """Call the model; see `core.ports.Provider.stream`."""
        names = ToolNames(spec.name for spec in request.tools)
        body = _encode(request_body(request, names, provider=self.name, dialect=self._dialect))
        async with self._http.post(self._url, body, self._headers) as call:
            if not 200 <= call.status < 300:
                error = json_or_text(await call.read_error())
                raise error_of_status(self.name, call.status, error, call.headers, request.model)
            async with aclosing(self._events(call, names)) as events:
                yield events

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _events(self, call: ModelCall, names: ToolNames) -> AsyncGenerator[ModelEvent, None]:
        parser, assembler = SseParser(), ChatAssembler(self.name, names)
        while not assembler.done and (chunk := await call.read()):
            for event in assembler.feed(parser.feed(chunk)):
                call.began()
                yield event
        for event in assembler.feed(parser.finish()):
            yield event
        call.ended()
        for event in assembler.finish():
            yield event
