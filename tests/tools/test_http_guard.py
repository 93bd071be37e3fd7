"""The guarded HTTP client: against a real server on loopback, and against look-ups that lie."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.tools.http_server import (
    ScriptedServer,
    answer,
    cut_in_mid_body,
    endless,
    hang,
    hang_in_mid_body,
    redirect,
    scripted_server,
)
from tools.builtin.http import GuardedHttp, HttpError, HttpRules, Resolve


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as made:
        yield made


@pytest.fixture
async def http(server: ScriptedServer) -> AsyncIterator[GuardedHttp]:
    rules = HttpRules(
        hosts=("127.0.0.1", "rates.test"), ports=(80, 443, server.port), timeout_s=0.5, response_bytes=1_000
    )
    async with GuardedHttp(rules, resolve=resolves_to("127.0.0.1")) as client:
        yield client


def resolves_to(*addresses: str) -> Resolve:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return addresses

    return resolve


# ---------------------------------------------------------------- answers


async def test_a_whole_answer_comes_back(server: ScriptedServer, http: GuardedHttp) -> None:
    server.play(answer('{"ok": true}'))

    found = await http.get(f"{server.url}/a", {"formato": "json", "d": "01/02/2017"})

    assert (found.status, found.body) == (200, b'{"ok": true}')
    assert server.requests == ["/a?formato=json&d=01%2F02%2F2017"]


async def test_a_status_is_told_and_not_judged(server: ScriptedServer, http: GuardedHttp) -> None:
    server.play(answer("broken", "500 Internal Server Error"))

    assert (await http.get(server.url)).status == 500


@pytest.mark.parametrize(
    ("script", "message", "retryable"),
    [
        pytest.param(cut_in_mid_body('[{"data":'), "connection failed", True, id="cut_in_mid_body"),
        pytest.param(hang(), "no whole answer within 0.5 s", True, id="hangs"),
        pytest.param(hang_in_mid_body("[1"), "no whole answer within 0.5 s", True, id="hangs_in_mid_body"),
        pytest.param(answer("x" * 1_001), "longer than 1000 bytes", False, id="too_long"),
        pytest.param(endless(), "longer than 1000 bytes", False, id="endless"),
        pytest.param(answer(b"\x1f\x8b", headers="Content-Encoding: gzip\r\n"), "compressed", False, id="compressed"),
    ],
)
async def test_an_answer_that_is_not_whole_is_an_error(
    server: ScriptedServer, http: GuardedHttp, script: object, message: str, retryable: bool
) -> None:
    server.play(script)  # type: ignore[arg-type]

    with pytest.raises(HttpError, match=message) as caught:
        await http.get(server.url)

    assert caught.value.retryable is retryable


async def test_a_closed_port_is_an_error() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: nobody else answers there
        port: int = unused.getsockname()[1]
        async with GuardedHttp(HttpRules(hosts=("127.0.0.1",), ports=(port,))) as http:
            with pytest.raises(HttpError, match="connection failed") as caught:
                await http.get(f"http://127.0.0.1:{port}/")

    assert caught.value.retryable


async def test_no_proxy_or_credential_of_the_environment_is_used(
    server: ScriptedServer, http: GuardedHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    server.play(answer("{}"))

    assert (await http.get(server.url)).status == 200
    assert "authorization" not in server.headers[0]


# ---------------------------------------------------------------- redirects


async def test_a_redirect_inside_the_allow_list_is_followed(server: ScriptedServer, http: GuardedHttp) -> None:
    server.play(redirect("/moved"), answer("here"))

    assert (await http.get(f"{server.url}/old")).body == b"here"
    assert server.requests == ["/old", "/moved"]


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("http://evil.test/", "'evil.test' is not on the allow-list"),
        ("http://169.254.169.254/latest/meta-data", "not on the allow-list"),
        ("http://127.0.0.1:22/", "port 22 is not allowed"),
        ("file:///etc/passwd", "'file' is not http"),
        ("http://user:password@127.0.0.1/", "user name"),
        ("//evil.test/x", "'evil.test' is not on the allow-list"),
    ],
)
async def test_a_redirect_outside_is_not_followed(
    server: ScriptedServer, http: GuardedHttp, location: str, message: str
) -> None:
    server.play(redirect(location))

    with pytest.raises(HttpError, match=message):
        await http.get(server.url)

    assert len(server.requests) == 1


async def test_redirects_end_after_three(server: ScriptedServer, http: GuardedHttp) -> None:
    server.play(redirect("/again"))

    with pytest.raises(HttpError, match="more than 3 redirects"):
        await http.get(server.url)

    assert len(server.requests) == 4


# ---------------------------------------------------------------- addresses


PRIVATE = [
    "127.0.0.1",
    "10.0.0.1",
    "172.16.3.4",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1%eth0",
    "fc00::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "2002:7f00:1::",
    "2001:0:53aa:64c:0:0:80ff:fffe",
    "64:ff9b::7f00:1",
]


@pytest.mark.parametrize("address", PRIVATE)
async def test_a_name_that_leads_to_a_private_address_is_refused(address: str) -> None:
    async with GuardedHttp(HttpRules(hosts=("rates.test",)), resolve=resolves_to(address)) as http:
        with pytest.raises(HttpError, match="private address"):
            await http.get("http://rates.test/")


async def test_one_private_address_among_public_ones_refuses_the_name() -> None:
    resolve = resolves_to("93.184.216.34", "127.0.0.1")
    async with GuardedHttp(HttpRules(hosts=("rates.test",)), resolve=resolve) as http:
        with pytest.raises(HttpError, match="private address"):
            await http.get("http://rates.test/")


async def test_a_name_is_resolved_once_and_the_connection_goes_there(server: ScriptedServer) -> None:
    """DNS rebinding: the second answer would lead elsewhere; there is no second question."""
    answers = ["127.0.0.1", "192.0.2.1"]
    asked: list[str] = []

    async def rebinding(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return [answers.pop(0)]

    server.play(answer("{}"))
    rules = HttpRules(hosts=("rates.test", "127.0.0.1"), ports=(server.port,))
    async with GuardedHttp(rules, resolve=rebinding) as http:
        assert (await http.get(f"http://rates.test:{server.port}/x")).status == 200

    assert asked == ["rates.test"]
    assert f"host: rates.test:{server.port}" in server.headers[0]


async def test_a_redirect_is_resolved_anew_and_checked_anew(server: ScriptedServer) -> None:
    answers = ["127.0.0.1", "10.0.0.1"]

    async def rebinding(_host: str, _port: int) -> Sequence[str]:
        return [answers.pop(0)]

    server.play(redirect("/second"))
    rules = HttpRules(hosts=("rates.test", "127.0.0.1"), ports=(server.port,))
    async with GuardedHttp(rules, resolve=rebinding) as http:
        with pytest.raises(HttpError, match="private address"):
            await http.get(f"http://rates.test:{server.port}/first")


@pytest.mark.parametrize(
    ("hosts", "host"),
    [
        pytest.param(("127.0.0.0/8",), "127.0.0.1", id="network"),
        pytest.param(("127.0.0.1",), "127.0.0.1", id="address"),
        pytest.param(("Rates.Test.", "127.0.0.1"), "RATES.test.", id="name_and_address"),
    ],
)
async def test_a_private_address_that_the_operator_lists_may_be_asked(
    server: ScriptedServer, hosts: tuple[str, ...], host: str
) -> None:
    server.play(answer("{}"))
    rules = HttpRules(hosts=hosts, ports=(server.port,))
    async with GuardedHttp(rules, resolve=resolves_to("127.0.0.1")) as http:
        assert (await http.get(f"http://{host}:{server.port}/")).status == 200


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://evil.test/", "not on the allow-list"),
        ("http://rates.test.evil.test/", "not on the allow-list"),
        ("http://2130706433/", "not on the allow-list"),
        ("http://0x7f.1/", "not on the allow-list"),
        ("http://93.184.216.34/", "not on the allow-list"),
        ("http://rates.test@evil.test/", "user name"),
        ("ftp://rates.test/", "'ftp' is not http"),
        ("http://rates.test:6379/", "port 6379"),
        ("http://[::1", "cannot be made"),
        ("rates.test", "'' is not http"),
    ],
)
async def test_other_hosts_and_schemes_are_refused(url: str, message: str) -> None:
    async with GuardedHttp(HttpRules(hosts=("rates.test",)), resolve=resolves_to("93.184.216.34")) as http:
        with pytest.raises(HttpError, match=message):
            await http.get(url)


async def test_a_name_without_an_address_is_an_error_that_may_pass() -> None:
    async def unknown(_host: str, _port: int) -> Sequence[str]:
        raise OSError("no such name")

    async with GuardedHttp(HttpRules(hosts=("rates.test",)), resolve=unknown) as http:
        with pytest.raises(HttpError, match="has no address now") as caught:
            await http.get("http://rates.test/")
    async with GuardedHttp(HttpRules(hosts=("rates.test",)), resolve=resolves_to()) as http:
        with pytest.raises(HttpError, match="has no address now"):
            await http.get("http://rates.test/")

    assert caught.value.retryable


async def test_the_machines_own_resolver_is_the_default(server: ScriptedServer) -> None:
    server.play(answer("{}"))
    rules = HttpRules(hosts=("localhost", "127.0.0.1", "::1"), ports=(server.port,))
    async with GuardedHttp(rules) as http:
        with pytest.raises(HttpError, match="not on the allow-list"):
            await http.get(f"http://elsewhere:{server.port}/")
        # Where localhost is ::1 first, the server (IPv4 only) is not there: either end proves the look-up.
        outcome = await asyncio.gather(http.get(f"http://localhost:{server.port}/"), return_exceptions=True)

    assert getattr(outcome[0], "status", 200) == 200


# ---------------------------------------------------------------- TLS


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    key, public = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=rates.test -addext subjectAltName=DNS:rates.test"
    )
    subprocess.run([*command.split(), "-keyout", key, "-out", public], check=True, capture_output=True)
    return key, public


async def tls_client(certificate: tuple[Path, Path], host: str) -> tuple[int, list[str]]:
    """GET https://<host>/ from a server whose certificate is for rates.test; the status and the names it was asked for."""
    key, public = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, key)
    names: list[str] = []
    context.sni_callback = lambda _socket, name, _context: names.append(str(name))
    scripted = ScriptedServer()
    scripted.play(answer("{}"))
    server = await asyncio.start_server(scripted.handle, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    rules = HttpRules(hosts=(host, "127.0.0.1"), ports=(port,))
    trusting = ssl.create_default_context(cafile=str(public))
    try:
        async with GuardedHttp(rules, resolve=resolves_to("127.0.0.1"), tls=trusting) as http:
            return (await http.get(f"https://{host}:{port}/")).status, names
    finally:
        server.close()


async def test_the_certificate_is_checked_against_the_name_and_not_the_address(certificate: tuple[Path, Path]) -> None:
    assert await tls_client(certificate, "rates.test") == (200, ["rates.test"])


async def test_a_certificate_for_another_name_is_refused(certificate: tuple[Path, Path]) -> None:
    with pytest.raises(HttpError, match="connection failed"):
        await tls_client(certificate, "other.test")
