"""OpenAI's Chat Completions, and every server that speaks them (vLLM, Groq, OpenRouter, Ollama, LM Studio, ...).

Keys, proxies, pools and TLS are the official SDK's; the stream's bytes are read by ourselves, because the SDK's models
cost about 95 µs a token and ours some 5. The SDK's own retries are off: it would also wait and try again where
the account is out of money, and the runner tries again with what it knows of the turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any, Final, cast
from urllib.parse import urlsplit

import httpx2
import msgspec
import openai
from openai import AsyncOpenAI, AsyncStream

from agent.providers.chat_chunks import ChatAssembler
from agent.providers.openai_errors import error_of_status
from agent.providers.openai_messages import request_body
from agent.providers.sse import SseParser
from core.errors import ProviderError, StreamCut
from core.models import ModelEvent, ModelRequest

OPENAI_URL: Final = "https://api.openai.com/v1"
_CLOSE_S: Final = 2.0
_DRAIN_S: Final = 0.1


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """How long the provider is waited for, in seconds."""

    connect_s: float = 5.0
    first_token_s: float = 45.0
    """From the call to the first event; a reasoning model thinks before it speaks."""
    between_tokens_s: float = 30.0


class OpenAIProvider:
    """A `Provider` over Chat Completions.

    `base_url` as the vendors print it, ending in `/v1` or the like. `name` is the part of `provider:model` that
    it is known by. `transport` replaces the network.
    """

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str = OPENAI_URL,
        name: str = "openai",
        timeouts: Timeouts | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self.name = name
        self._timeouts = timeouts or Timeouts()
        own = (urlsplit(base_url).hostname or "").endswith((".openai.com", ".openai.azure.com"))
        self._limit_name = "max_completion_tokens" if own else "max_tokens"
        wait = httpx2.Timeout(None, connect=self._timeouts.connect_s, pool=self._timeouts.connect_s)
        limits = httpx2.Limits(max_connections=1000, max_keepalive_connections=100)
        self._client = AsyncOpenAI(
            api_key=api_key or "none",  # servers of one's own often want none, the SDK wants one
            base_url=base_url,
            max_retries=0,
            timeout=wait,
            http_client=httpx2.AsyncClient(timeout=wait, limits=limits, transport=transport),
        )

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[ModelEvent]]:
        """Call the model; see `core.ports.Provider.stream`."""
        body = request_body(request, provider=self.name, limit_name=self._limit_name)
        deadline_s = asyncio.get_running_loop().time() + self._timeouts.first_token_s
        async with AsyncExitStack() as stack:
            response = await self._open(stack, body, request.model, deadline_s)
            async with aclosing(self._events(response, deadline_s)) as events:
                yield events

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _open(
        self, stack: AsyncExitStack, body: dict[str, Any], model: str, deadline_s: float
    ) -> httpx2.Response:
        """Send the request and wait for the answer's head; the answer is closed with the stack.

        `post` and not `chat.completions.create`: that walks every message and tool schema of the body for renames,
        11 ms a call were measured, and this body needs none.
        """
        try:
            async with asyncio.timeout_at(deadline_s):
                answer = await self._client.post(
                    "/chat/completions",
                    cast_to=httpx2.Response,
                    body=body,
                    stream=True,
                    stream_cls=AsyncStream[Any],
                )
        except TimeoutError as error:
            raise self._too_slow("did not begin to answer in time") from error
        except openai.APITimeoutError as error:
            raise self._too_slow("could not be reached in time") from error
        except openai.APIStatusError as error:
            raise error_of_status(self.name, error.status_code, error.body, error.response.headers, model) from error
        except openai.APIConnectionError as error:
            raise ProviderError(f"the provider {self.name!r} cannot be reached") from error
        response = cast("httpx2.Response", answer)  # `cast_to` decides; the SDK's types say otherwise for streams
        stack.push_async_callback(_close, response)
        return response

    async def _events(self, response: httpx2.Response, deadline_s: float) -> AsyncGenerator[ModelEvent, None]:
        parser, assembler = SseParser(), ChatAssembler(self.name)
        reads = response.aiter_bytes()
        loop = asyncio.get_running_loop()
        started = False
        while not assembler.done:
            chunk = await self._read(reads, loop.time() + self._timeouts.between_tokens_s if started else deadline_s)
            payloads = parser.finish() if chunk is None else parser.feed(chunk)
            for event in assembler.feed(payloads):
                started = True
                yield event
            if chunk is None:
                break
        for event in assembler.finish():
            yield event
        await _drain(reads)

    async def _read(self, reads: AsyncIterator[bytes], deadline_s: float) -> bytes | None:
        """What the next read of the network gives; None at the end."""
        try:
            async with asyncio.timeout_at(deadline_s):
                return await anext(reads, None)
        except TimeoutError as error:
            raise self._too_slow("stopped answering") from error
        except (httpx2.TransportError, httpx2.StreamError) as error:
            raise StreamCut(f"the connection to {self.name!r} broke in the middle of an answer") from error
        except httpx2.DecodingError as error:
            raise ProviderError(f"the provider {self.name!r} sent what cannot be unpacked") from error

    def _too_slow(self, what: str) -> ProviderError:
        return ProviderError(f"the provider {self.name!r} {what}", status=None)


async def _drain(reads: AsyncIterator[bytes]) -> None:
    """Read the body's end, which is usually there already: a connection with an unread rest is not used again."""
    try:
        async with asyncio.timeout(_DRAIN_S):
            while await anext(reads, None) is not None:
                pass
    except (TimeoutError, httpx2.TransportError, httpx2.StreamError):
        return


async def _close(response: httpx2.Response) -> None:
    """Close the answer and its connection, within bounds: a stop must not wait for a vendor."""
    try:
        async with asyncio.timeout(_CLOSE_S):
            await response.aclose()
    except (TimeoutError, httpx2.TransportError):
        return
