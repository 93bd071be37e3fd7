"""Google's Gemini, over the `generateContent` API that streams (generativelanguage.googleapis.com, v1beta).

The connection is `http.py`'s and events are cut by `sse.py`; `google_events.py` understands them, `google_messages.py`
writes what is asked. Nothing is tried again here, but a request whose thought signatures were refused: the runner does,
with what it knows of the turn. Gemini over its
OpenAI-compatible address is `openai.py`'s; there, thought signatures are easily lost.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import msgspec
from loguru import logger
from multidict import CIMultiDict
from yarl import URL

from agent.providers.google_errors import are_signatures_refused, error_of_status
from agent.providers.google_events import AnswerAssembler
from agent.providers.google_messages import request_body
from agent.providers.http import ModelCall, ModelHttp, Timeouts
from agent.providers.sse import SseParser
from agent.providers.tool_names import ToolNames
from core.errors import ProviderError
from core.ids import Ids, SystemIds
from core.models import ModelEvent, ModelRequest

GOOGLE_URL: Final = "https://generativelanguage.googleapis.com"
_VERSION: Final = "v1beta"
_IS_VERSION: Final = re.compile(r"v\d+((alpha|beta)\d*)?")
_REST_S: Final = 1.0
"""How long the body's end is waited for after the finish reason came. Only usage may still follow; no event says
that all was sent."""
_encode = msgspec.json.Encoder().encode


class GoogleProvider:
    """A `Provider` over `streamGenerateContent`.

    `base_url` as GOOGLE_GEMINI_BASE_URL is written: with or without the version at its end (`/v1beta`); a path before
    it and a query stay, a user and password in it go as an Authorization header, for a proxy that wants one. `name`
    is the part of `provider:model` that it is known by. `ids` makes ids for calls to which the model gave none.
    """

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str = GOOGLE_URL,
        name: str = "google",
        timeouts: Timeouts | None = None,
        ids: Ids | None = None,
    ) -> None:
        self.name = name
        self._base, login = _base(base_url)
        self._headers = CIMultiDict({"x-goog-api-key": api_key.strip()})
        if login is not None:
            self._headers["Authorization"] = login
        self._ids = ids or SystemIds()
        self._http = ModelHttp(name, timeouts or Timeouts())

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[ModelEvent]]:
        """Call the model; see `core.ports.Provider.stream`."""
        names = ToolNames(tool.name for tool in request.tools)
        async with AsyncExitStack() as stack:
            call = await self._ask(stack, request, names)
            async with aclosing(self._events(call, names)) as events:
                yield events

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _ask(
        self, stack: AsyncExitStack, request: ModelRequest, names: ToolNames, *, unsigned: bool = False
    ) -> ModelCall:
        """Send, and give the call whose answer begins. Raises ProviderError.

        Where the signatures of the history are refused, as after a change of model or key, it is sent once more
        without them: no waiting would heal that, and the session would be stuck.
        """
        body = _encode(request_body(request, provider=self.name, names=names, unsigned=unsigned))
        call = await stack.enter_async_context(self._http.post(self._url(request.model), body, self._headers))
        if 200 <= call.status < 300:
            return call
        error = _json_or_text(await call.read_error())
        if not unsigned and are_signatures_refused(call.status, error):
            logger.warning("model.thoughts_refused", provider=self.name, model=request.model)
            await stack.aclose()
            return await self._ask(stack, request, names, unsigned=True)
        raise error_of_status(self.name, call.status, error, call.headers, request.model)

    async def _events(self, call: ModelCall, names: ToolNames) -> AsyncGenerator[ModelEvent, None]:
        parser, assembler = SseParser(), AnswerAssembler(self.name, names, self._ids)
        while chunk := await (_rest(call) if assembler.finished else call.read()):
            for event in assembler.feed(parser.feed(chunk)):
                call.began()
                yield event
        for event in assembler.feed(parser.finish()):
            yield event
        call.ended()
        for event in assembler.finish():
            yield event

    def _url(self, model: str) -> URL:
        """The address of a model's stream. `model` is a bare name, or a path such as `tunedModels/mine`."""
        resource = model if "/" in model else f"models/{model}"
        path = f"{self._base.raw_path}/{quote(resource, safe='/')}:streamGenerateContent"
        return self._base.with_path(path, encoded=True, keep_query=True).extend_query(alt="sse")


async def _rest(call: ModelCall) -> bytes:
    """More of an answer whose finish reason came; empty where it ends, breaks off or keeps us waiting."""
    try:
        async with asyncio.timeout(_REST_S):
            return await call.read()
    except (TimeoutError, ProviderError):
        return b""


def _base(base_url: str) -> tuple[URL, str | None]:
    """The address up to its version, without user and password, and these as an Authorization header."""
    url = URL(base_url)
    path = url.raw_path.rstrip("/")
    if not _IS_VERSION.fullmatch(path.rpartition("/")[2]):
        path = f"{path}/{_VERSION}"
    login = aiohttp.encode_basic_auth(url.user or "", url.password or "") if url.raw_user else None
    return url.with_user(None).with_path(path, encoded=True, keep_query=True), login


def _json_or_text(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body.decode(errors="replace")
