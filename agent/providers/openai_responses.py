"""OpenAI's Responses API: reasoning models keep their thoughts between the steps of a turn, which Chat forgets.

The connection is `http.py`'s, events are cut by `sse.py` and understood by `responses_events.py`. Nothing is stored at
the vendor, and nothing is tried again here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import msgspec
from loguru import logger

from agent.providers.http import ModelCall, ModelHttp, Timeouts
from agent.providers.openai_errors import error_of_status, is_reasoning_refused
from agent.providers.openai_http import OPENAI_URL, endpoint, headers, json_or_text
from agent.providers.responses_events import ResponseAssembler
from agent.providers.responses_messages import request_body
from agent.providers.sse import SseParser
from agent.providers.tool_names import ToolNames
from core.models import ModelEvent, ModelRequest

_encode = msgspec.json.Encoder().encode


class OpenAIResponsesProvider:
    """A `Provider` over the Responses API.

    `base_url` as the vendors print it, ending in `/v1` or the like; a query (`?api-version=...`) stays, a user and
    password in it take the key's place. `name` is the part of `provider:model` that it is known by. `organization`
    and `project` say who pays; by default what OPENAI_ORG_ID and OPENAI_PROJECT_ID say, as in the vendor's SDK.
    """

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str = OPENAI_URL,
        name: str = "openai-responses",
        timeouts: Timeouts | None = None,
        organization: str | None = None,
        project: str | None = None,
    ) -> None:
        self.name = name
        self._url, login = endpoint(base_url, "responses")
        self._headers = headers(api_key, login, organization, project)
        self._http = ModelHttp(name, timeouts or Timeouts())

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[ModelEvent]]:
        """Call the model; see `core.ports.Provider.stream`."""
        names = ToolNames(spec.name for spec in request.tools)
        async with AsyncExitStack() as stack:
            call = await self._ask(stack, request, names, thoughts=True)
            async with aclosing(self._events(call, ResponseAssembler(self.name, names, request.model))) as events:
                yield events

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _ask(
        self, stack: AsyncExitStack, request: ModelRequest, names: ToolNames, *, thoughts: bool
    ) -> ModelCall:
        """Send, and give the call whose answer begins. Raises ProviderError.

        Encrypted reasoning that the vendor cannot read any more (codex #8128) would be refused with every request of
        its session from then on, and a model that does not reason refuses to be asked for it: the request goes once
        more, without.
        """
        body = request_body(request, names, provider=self.name, thoughts=thoughts)
        call = await stack.enter_async_context(self._http.post(self._url, _encode(body), self._headers))
        if 200 <= call.status < 300:
            return call
        error = json_or_text(await call.read_error())
        if thoughts and call.status == 400 and is_reasoning_refused(error):
            logger.warning("model.thoughts_refused", provider=self.name, model=request.model)
            await stack.aclose()
            return await self._ask(stack, request, names, thoughts=False)
        raise error_of_status(self.name, call.status, error, call.headers, request.model)

    async def _events(self, call: ModelCall, assembler: ResponseAssembler) -> AsyncGenerator[ModelEvent, None]:
        parser = SseParser()
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
