"""The way to a vendor of models: POST a JSON body, read the answer's bytes as they come.

Any vendor's provider stands on it. It knows connections, time limits and proxies, and nothing of what the bytes mean:
that is `sse.py` and the vendor's own module. The client is aiohttp's, whose parser is C
(docs/decisions/0010-the-vendors-streams-are-read-over-aiohttp.md).
"""

from __future__ import annotations

import asyncio
import io
import urllib.request
from types import SimpleNamespace, TracebackType
from typing import Final, Self

import aiohttp
import msgspec
from aiohttp.http_exceptions import ContentEncodingError
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from core.errors import ProviderError, StreamCut

_KEEP_ALIVE_S: Final = 30.0
"""How long an idle connection is kept: less than most vendors do, so that it is mostly we who close."""
_DNS_S: Final = 30.0
_LINGER_S: Final = 1.0
"""How long a connection may take to end a body of which everything that counts was read."""
_LOOK_AGAIN_S: Final = 1.0
_LONGEST_ERROR_BYTES: Final = 64 * 1024
_LONGEST_HEADER_BYTES: Final = 64 * 1024
_LARGE_BODY_BYTES: Final = 1024 * 1024
"""From here on aiohttp wants a file of its bodies, to send them piece by piece."""


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """How long the provider is waited for, in seconds."""

    connect_s: float = 5.0
    first_token_s: float = 45.0
    """From the call to the first event; a reasoning model thinks before it speaks."""
    between_tokens_s: float = 30.0
    total_s: float = 300.0
    """From the call to the answer's end, whatever comes; nobody waits longer for one answer."""


class ModelHttp:
    """One vendor's connections: kept alive, without a limit to their number, made on the loop that first uses them.

    `name` is the provider's, for messages. Proxies are those of the environment (`HTTPS_PROXY`, `NO_PROXY`, ...).
    Redirects are not followed, so that a key goes to nobody but the address that was set.
    """

    def __init__(self, name: str, timeouts: Timeouts) -> None:
        self.name, self.timeouts = name, timeouts
        self._session: aiohttp.ClientSession | None = None
        self._proxies: dict[tuple[str, str], str | None] = {}
        self._calls: set[ModelCall] = set()
        self._closed = False

    def post(self, url: URL, body: bytes, headers: CIMultiDict[str]) -> ModelCall:
        """A call, which begins when its context is entered. `headers` need no content type."""
        return ModelCall(self, url, body, headers)

    async def close(self) -> None:
        """Close all connections, also those that are in use: who reads from them gets StreamCut."""
        self._closed = True
        for call in tuple(self._calls):
            call.abort()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def send(self, url: URL, body: bytes, headers: CIMultiDict[str]) -> aiohttp.ClientResponse:
        """Send a request and give its answer's head. Raises what aiohttp raises.

        aiohttp tries nothing again that is not idempotent (RFC 9110, 9.2.2), so one thing is done here: a connection
        that was kept alive may be closed by the vendor while the request is on its way. Where it broke without a
        byte of an answer, the request is sent once more; should the vendor have begun all the same, it is paid twice.
        """
        connection = SimpleNamespace(reused=False)
        try:
            return await self._send(url, body, headers, connection)
        except aiohttp.ClientOSError:
            if not connection.reused:
                raise
        except aiohttp.ServerDisconnectedError as error:
            if not (connection.reused and isinstance(error.message, str)):  # else it is a part of an answer's head
                raise
        return await self._send(url, body, headers, connection)

    async def _send(
        self, url: URL, body: bytes, headers: CIMultiDict[str], connection: SimpleNamespace
    ) -> aiohttp.ClientResponse:
        if self._closed:
            raise aiohttp.ClientConnectionError("closed")
        session = self._session or self._open()
        return await session.post(
            url,
            data=body if len(body) <= _LARGE_BODY_BYTES else io.BytesIO(body),
            headers=headers,
            proxy=self._proxy(url),
            allow_redirects=False,
            trace_request_ctx=connection,
        )

    def _open(self) -> aiohttp.ClientSession:
        """The session. It asks for bodies that are not packed: packing costs, and may hold back what came first."""
        traces = aiohttp.TraceConfig()
        traces.on_connection_reuseconn.append(_note_reuse)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S, ttl_dns_cache=int(_DNS_S)),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity", "Content-Type": "application/json", "User-Agent": "Prosa"},
            timeout=aiohttp.ClientTimeout(total=None, connect=self.timeouts.connect_s),
            max_line_size=_LONGEST_HEADER_BYTES,
            max_field_size=_LONGEST_HEADER_BYTES,
            trace_configs=[traces],
        )
        return self._session

    def _proxy(self, url: URL) -> str | None:
        """The environment's proxy for an address, looked up once: aiohttp's own `trust_env` asks a thread each time."""
        key = (url.scheme, url.host or "")
        if key not in self._proxies:
            self._proxies[key] = None if urllib.request.proxy_bypass(key[1]) else _proxy_of(url.scheme)
        return self._proxies[key]

    def note(self, call: ModelCall, *, in_use: bool) -> None:
        """Keep a call in mind, or forget it, for `close`."""
        if in_use:
            self._calls.add(call)
        else:
            self._calls.discard(call)


class ModelCall:
    """One request and its answer: an async context manager.

    Entering sends, and returns with the answer's head: `status` and `headers`. Leaving closes the connection at once,
    unless the body was read to its end or `ended` was called. Raises ProviderError, in words of our own: a vendor's
    may quote a key.

    The time limits cost one timer a call, not one a read: reads move a deadline, and the timer looks at it when it
    is due.
    """

    status: int
    headers: CIMultiDictProxy[str]

    def __init__(self, http: ModelHttp, url: URL, body: bytes, headers: CIMultiDict[str]) -> None:
        self._http = http
        self._request = (url, body, headers)
        self._loop = asyncio.get_running_loop()
        self._time = self._loop.time
        self._between_s = http.timeouts.between_tokens_s
        now_s = self._time()
        self._last_s = now_s + http.timeouts.total_s
        self._deadline_s = min(now_s + http.timeouts.first_token_s, self._last_s)
        self._began = self._waiting = self._ended = False

    async def __aenter__(self) -> Self:
        self._response = await self._send()
        self.status, self.headers = self._response.status, self._response.headers
        self._content = self._response.content
        self._timer = self._loop.call_at(self._deadline_s, self._look)
        self._http.note(self, in_use=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        if self._content.is_eof():
            self._let_go()
        elif self._ended and error is None:
            self._timer = self._loop.call_later(_LINGER_S, self.abort)
            self._content.on_eof(self._let_go)
        else:
            self.abort()

    def began(self) -> None:
        """The first event came: from now on the limit is that between tokens."""
        if not self._began:
            self._began = True
            self._timer.cancel()
            self._timer = self._loop.call_at(min(self._time() + self._between_s, self._last_s), self._look)

    def ended(self) -> None:
        """All that counts was read: the rest of the body, usually an empty chunk, is not waited for.

        The connection is used again if the body ends within a second, else closed.
        """
        self._ended = True

    async def read(self) -> bytes:
        """What came since the last read, at least a byte; empty at the body's end. Raises StreamCut, ProviderError."""
        now_s = self._time()
        if now_s >= self._last_s:
            raise self._late()
        if self._began:
            self._deadline_s = min(now_s + self._between_s, self._last_s)
        self._waiting = True
        try:
            return await self._content.readany()
        except _TooLate as error:
            raise self._late() from error
        except aiohttp.ClientPayloadError as error:
            if isinstance(error.__cause__, ContentEncodingError):
                raise self._failed("sent what cannot be unpacked") from error
            raise self._cut() from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._cut() from error
        finally:
            self._waiting = False

    async def read_error(self) -> bytes:
        """The body of an answer that is an error: what there is of it, at most 64 KiB."""
        body = b""
        try:
            while len(body) < _LONGEST_ERROR_BYTES and (chunk := await self.read()):
                body += chunk
        except ProviderError:
            return body
        return body

    async def _send(self) -> aiohttp.ClientResponse:
        """Errors are raised with neither cause nor context: aiohttp's name the request, whose headers hold the key."""
        try:
            async with asyncio.timeout_at(self._deadline_s):
                return await self._http.send(*self._request)
        except aiohttp.ServerTimeoutError:
            failure = self._failed("could not be reached in time")
        except TimeoutError:
            failure = self._failed("did not begin to answer in time")
        except aiohttp.ClientResponseError:
            failure = self._failed("sent what is not an HTTP answer")
        except (aiohttp.ClientError, OSError):
            failure = self._failed("cannot be reached")
        except ValueError:
            failure = self._failed("cannot be asked: its address, proxy or key is malformed", retryable=False)
        raise failure

    def _look(self) -> None:
        """The timer: break the read off that is late, or come back when the next may be."""
        now_s = self._time()
        if now_s < self._deadline_s:
            self._timer = self._loop.call_at(self._deadline_s, self._look)
        elif self._waiting:
            self._content.set_exception(_TooLate())
        else:  # the reader is busy; the vendor is not to blame
            self._timer = self._loop.call_at(now_s + _LOOK_AGAIN_S, self._look)

    def abort(self) -> None:
        """Close without a word: a stop must not wait for a vendor, and TLS would wait 30 s for its goodbye."""
        self._timer.cancel()
        self._http.note(self, in_use=False)
        connection = self._response.connection
        if connection is not None and connection.transport is not None:
            connection.transport.abort()
        self._response.close()

    def _let_go(self) -> None:
        """The body has ended: aiohttp has put the connection back among the idle ones."""
        self._timer.cancel()
        self._http.note(self, in_use=False)

    def _late(self) -> ProviderError:
        over = self._time() >= self._last_s
        return self._failed("took too long for one answer" if over else "stopped answering")

    def _failed(self, what: str, *, retryable: bool = True) -> ProviderError:
        return ProviderError(f"the provider {self._http.name!r} {what}", retryable=retryable)

    def _cut(self) -> StreamCut:
        return StreamCut(f"the connection to {self._http.name!r} broke in the middle of an answer")


class _TooLate(Exception):
    """Nothing came before the deadline."""


async def _note_reuse(_: aiohttp.ClientSession, context: SimpleNamespace, __: object) -> None:
    context.trace_request_ctx.reused = True


def _proxy_of(scheme: str) -> str | None:
    """The environment's proxy for a scheme. Raises ValueError for one that does not speak HTTP."""
    proxies = urllib.request.getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy:
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    if not proxy.startswith(("http://", "https://")):
        raise ValueError("only HTTP proxies are supported")
    return proxy
