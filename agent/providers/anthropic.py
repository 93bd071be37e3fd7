"""Anthropic's Messages API, and every server that speaks it.

The connection is `http.py`'s, events are cut by `sse.py` and understood by `anthropic_events.py`. Nothing is tried
again here, for the runner does, with what it knows of the turn; but a request that is refused for its thoughts goes
once more without them. They are bound to the account that they were thought in, among other things, and a session
would be refused for ever (platform.claude.com/docs/en/build-with-claude/preserved-thinking).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any, Final

import aiohttp
import msgspec
from loguru import logger
from multidict import CIMultiDict
from yarl import URL

from agent.providers.anthropic_errors import are_thoughts_refused, error_of_status
from agent.providers.anthropic_events import MessageAssembler
from agent.providers.anthropic_messages import prefix_of, request_body
from agent.providers.http import ModelCall, ModelHttp, Timeouts
from agent.providers.sse import SseParser
from agent.providers.tool_names import ToolNames
from core.messages import AssistantMessage
from core.models import ModelEvent, ModelRequest

ANTHROPIC_URL: Final = "https://api.anthropic.com"
_VERSION: Final = "2023-06-01"
"""The API's version, which each request must name; there is no newer one (anthropic 2.12)."""
_encode = msgspec.json.Encoder().encode


class AnthropicProvider:
    """A `Provider` over the Messages API.

    `base_url` as the vendors print it, with or without `/v1`; a query stays, a user and password in it take the key's
    place. `name` is the part of `provider:model` that it is known by.
    """

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str = ANTHROPIC_URL,
        name: str = "anthropic",
        timeouts: Timeouts | None = None,
    ) -> None:
        self.name = name
        self._url, login = _messages_url(base_url)
        self._headers = CIMultiDict({"anthropic-version": _VERSION})
        if login is not None:
            self._headers["Authorization"] = login
        else:
            self._headers["x-api-key"] = api_key.strip() or "none"  # who wants no key, is not hurt by one
        self._http = ModelHttp(name, timeouts or Timeouts())

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[ModelEvent]]:
        """Call the model; see `core.ports.Provider.stream`."""
        names = _tool_names(request)
        async with AsyncExitStack() as stack:
            call, body = await self._ask(stack, request, names, thoughts_of=self.name)
            assembler = MessageAssembler(self.name, request.model, names, lambda: prefix_of(body))
            async with aclosing(self._events(call, assembler)) as events:
                yield events

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _ask(
        self, stack: AsyncExitStack, request: ModelRequest, names: ToolNames, *, thoughts_of: str
    ) -> tuple[ModelCall, dict[str, Any]]:
        """Send, and give the call whose answer begins, with the body that it is an answer to. Raises ProviderError."""
        body = request_body(request, names, provider=thoughts_of)
        call = await stack.enter_async_context(self._http.post(self._url, _encode(body), self._headers))
        if 200 <= call.status < 300:
            return call, body
        error = _json_or_text(await call.read_error())
        if are_thoughts_refused(call.status, error) and body != request_body(request, names, provider=""):
            logger.warning("model.thoughts_refused", provider=self.name, model=request.model)
            await stack.aclose()
            return await self._ask(stack, request, names, thoughts_of="")
        raise error_of_status(self.name, call.status, error, call.headers, request.model)

    async def _events(self, call: ModelCall, assembler: MessageAssembler) -> AsyncGenerator[ModelEvent, None]:
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


def _tool_names(request: ModelRequest) -> ToolNames:
    """Names of the tools that are offered, then of those that the history called: these may be offered no more."""
    offered = [spec.name for spec in request.tools]
    called = [
        call.name
        for message in request.messages
        if isinstance(message, AssistantMessage)
        for call in message.tool_calls
    ]
    return ToolNames(dict.fromkeys([*offered, *called]))


def _messages_url(base_url: str) -> tuple[URL, str | None]:
    """The address of the Messages API without user and password, and these as an Authorization header."""
    url = URL(base_url)
    path = url.raw_path.rstrip("/").removesuffix("/messages")
    path = f"{path}/messages" if path.endswith("/v1") else f"{path}/v1/messages"
    login = aiohttp.encode_basic_auth(url.user or "", url.password or "") if url.raw_user else None
    return url.with_user(None).with_path(path, encoded=True, keep_query=True), login


def _json_or_text(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body.decode(errors="replace")
