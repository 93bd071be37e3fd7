"""HTTP to hosts that the operator named, and to nobody else, whatever a URL, a DNS answer or a redirect says.

    allow-list   hosts by name or address; other ports than 80 and 443 must be given
    addresses    a name is resolved once and the connection goes to that very address (no second look-up that could
                 answer otherwise); private, loopback and link-local ones only where the operator listed the address
    redirects    at most 3, each checked like the first; never from https to http
    answers      at most `response_bytes`, uncompressed, within `timeout_s` from the look-up to the last byte

No proxy, cookie or credential of the environment is used.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Final, Self

import httpx2
import msgspec

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Gives the addresses of a host and port. Raises OSError."""

_MOST_REDIRECTS: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_EMBEDDING: Final = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
"""IPv6 networks whose addresses hold an IPv4 one (RFC 6052, RFC 8215); 6to4 and Teredo are known to `ipaddress`."""


class HttpError(Exception):
    """A request was not made or did not end well. `retryable`: another attempt may."""

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class HttpRules(msgspec.Struct, frozen=True, kw_only=True):
    """What may be asked."""

    hosts: tuple[str, ...]
    """Host names, addresses, or networks such as `10.1.2.0/24`. A listed address may be private."""
    ports: tuple[int, ...] = (80, 443)
    timeout_s: float = 5.0
    response_bytes: int = 256 * 1024


class HttpAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer."""

    status: int
    body: bytes


class GuardedHttp:
    """A client under `HttpRules`. Leave its context (or `close`) to free its connections."""

    def __init__(self, rules: HttpRules, *, resolve: Resolve | None = None, tls: ssl.SSLContext | None = None) -> None:
        """`tls`: which certificates are trusted; default those of the machine."""
        self._rules = rules
        self._resolve = resolve or _system_resolve
        self._names = frozenset(host.rstrip(".").lower() for host in rules.hosts)
        self._networks = tuple(network for host in rules.hosts if (network := _network(host)) is not None)
        self._tls = tls
        self._made_client: httpx2.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Free its connections."""
        if self._made_client is not None:
            await self._made_client.aclose()

    @property
    def _client(self) -> httpx2.AsyncClient:
        """Made by the first request: reading the machine's certificates takes a start 60 ms that it can do without."""
        if self._made_client is None:
            self._made_client = httpx2.AsyncClient(
                verify=self._tls or ssl.create_default_context(),
                trust_env=False,
                follow_redirects=False,
                timeout=self._rules.timeout_s,
                # A kept connection is found by address, and two names may share one: each request makes its own.
                limits=httpx2.Limits(max_keepalive_connections=0),
                headers={"accept": "application/json", "accept-encoding": "identity", "user-agent": "prosa"},
            )
        return self._made_client

    async def get(self, url: str, parameters: Mapping[str, str] | None = None) -> HttpAnswer:
        """GET a URL, following redirects inside the allow-list. Raises HttpError."""
        try:
            async with asyncio.timeout(self._rules.timeout_s):
                return await self._follow(httpx2.URL(url, params=parameters) if parameters else httpx2.URL(url))
        except TimeoutError as error:
            raise HttpError(f"no whole answer within {self._rules.timeout_s:g} s", retryable=True) from error
        except httpx2.TransportError as error:
            raise HttpError(f"the connection failed ({type(error).__name__})", retryable=True) from error
        except (httpx2.InvalidURL, httpx2.HTTPError, httpx2.StreamError) as error:
            raise HttpError(f"the request cannot be made ({type(error).__name__})") from error

    async def _follow(self, url: httpx2.URL) -> HttpAnswer:
        for _ in range(_MOST_REDIRECTS + 1):
            answer, location = await self._request(url)
            if location is None:
                return answer
            target = url.join(location)
            if url.scheme == "https" and target.scheme != "https":
                raise HttpError("a redirect leads from https to http")
            url = target
        raise HttpError(f"more than {_MOST_REDIRECTS} redirects")

    async def _request(self, url: httpx2.URL) -> tuple[HttpAnswer, str | None]:
        """One request to a pinned address; the second value is where a redirect leads."""
        address = await self._pinned(url)
        request = self._client.build_request(
            "GET",
            url.copy_with(host=str(address)),
            headers={"host": url.netloc.decode("ascii")},
            # The certificate is asked for, and checked against, the name and not the address.
            extensions={"sni_hostname": url.host},
        )
        response = await self._client.send(request, stream=True)
        try:
            location = response.headers.get("location") if response.status_code in _REDIRECTS else None
            body = b"" if location is not None else await self._body(response)
        finally:
            await response.aclose()
        return HttpAnswer(status=response.status_code, body=body), location

    async def _body(self, response: httpx2.Response) -> bytes:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise HttpError("the answer is compressed, which was not asked for")
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > self._rules.response_bytes:
                raise HttpError(f"the answer is longer than {self._rules.response_bytes} bytes")
        return bytes(body)

    async def _pinned(self, url: httpx2.URL) -> Address:
        """The address to connect to. Raises HttpError for what the rules do not allow."""
        if url.scheme not in ("http", "https"):
            raise HttpError(f"{url.scheme!r} is not http or https")
        if url.userinfo:
            raise HttpError("a URL with a user name is not allowed")
        port = url.port or (443 if url.scheme == "https" else 80)
        if port not in self._rules.ports:
            raise HttpError(f"port {port} is not allowed")
        host = url.host.rstrip(".").lower()
        literal = _address(host)
        if host not in self._names and not (literal is not None and self._listed(literal)):
            raise HttpError(f"the host {host!r} is not on the allow-list")
        return await self._resolved(host, port) if literal is None else self._allowed(literal)

    async def _resolved(self, host: str, port: int) -> Address:
        try:
            found = await self._resolve(host, port)
        except OSError as error:
            raise HttpError(f"the host {host!r} has no address now", retryable=True) from error
        addresses = [address for text in found if (address := _address(text.partition("%")[0])) is not None]
        if not addresses:
            raise HttpError(f"the host {host!r} has no address now", retryable=True)
        # One bad address among good ones is an attack or a mistake: refuse the lot.
        checked = [self._allowed(address) for address in addresses]
        return checked[0]

    def _allowed(self, address: Address) -> Address:
        if _is_public(address) or self._listed(address):
            return address
        raise HttpError("the host leads to a private address, which the allow-list does not name")

    def _listed(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


async def _system_resolve(host: str, port: int) -> Sequence[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return _is_public(address.ipv4_mapped)
        embeds = address.sixtofour is not None or address.teredo is not None
        if embeds or any(address in network for network in _EMBEDDING):
            return False
    return address.is_global and not address.is_multicast


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None
