"""The doors without WebSocket as an independent client reads them: statuses, and that bad input never gives a 5xx."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import quote

import pytest
import websockets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.providers.scripted import Pause, Say
from tests.server.conftest import RunningNode

pytestmark = pytest.mark.asyncio(loop_scope="session")
ACME = "acme-secret-0123456789"
HOSTILE = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["\0", "\ud800", "a\0b", "ses_" + "0" * 26, "..", "%00", "1e999", "nan", "-1", "9" * 400, "\u202e"]
    ),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), HOSTILE),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(HOSTILE, inner, max_size=4)),
    max_leaves=8,
)
FIELDS = ["type", "cid", "session_id", "turn_id", "message_id", "content", "score", "before", "limit", "on_busy", "on"]
COMMANDS = ["message.send", "turn.cancel", "turn.retry", "feedback.create", "history.get", "typing", "session.open"]
fuzzed = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


async def raw_request(node: RunningNode, request: bytes) -> bytes:
    """Send bytes as they are; gives all that comes back until the server closes or the answer's head is there."""
    reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
    try:
        writer.write(request)
        async with asyncio.timeout(10):
            return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        return error.partial
    finally:
        writer.close()


def status_of(answer: bytes) -> int:
    """The status of an HTTP answer."""
    return int(answer.split(b" ", 2)[1])


def dumped(value: object) -> bytes:
    """JSON as a careless client writes it: NaN and lone surrogates as they are."""
    return json.dumps(value).encode()


@fuzzed
@given(
    body=st.one_of(
        JSON,
        st.fixed_dictionaries({}, optional=dict.fromkeys(("user_id", "session_id", "agent", "model", "unknown"), JSON)),
    ),
    path=st.sampled_from(["/chat", "/chat/stream", "/api/v1/sessions"]),
)
async def test_no_body_of_chat_or_sessions_gives_a_5xx(development_node: RunningNode, body: object, path: str) -> None:
    async with development_node.http() as http:
        answer = await http.post(path, content=dumped(body), headers={"Content-Type": "application/json"})
    assert answer.status_code < 500, (path, body, answer.text)


@pytest.mark.parametrize(
    ("body", "place"),
    [({"message": "a\0b"}, "message"), ({"agent": "\0"}, "agent"), ({"extra": "\0"}, "an unknown field")],
    ids=["message", "agent", "unknown"],
)
async def test_a_nul_in_a_body_is_refused_and_its_field_is_named(
    development_node: RunningNode, body: dict[str, str], place: str
) -> None:
    content = dumped({"user_id": "ana", "message": "oi", **body})
    async with development_node.http() as http:
        answer = await http.post("/chat", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["error"]["message"] == f"{place} must hold neither NUL nor lone surrogates."


@fuzzed
@given(
    content=st.binary(max_size=200), content_type=st.sampled_from(["application/json", "", "text/plain", "a;b=\xff"])
)
async def test_no_bytes_as_a_body_give_a_5xx(development_node: RunningNode, content: bytes, content_type: str) -> None:
    async with development_node.http() as http:
        answer = await http.post("/chat", content=content, headers={"Content-Type": content_type.encode("latin-1")})
    assert 400 <= answer.status_code < 500


@fuzzed
@given(kind=st.sampled_from(COMMANDS), fields=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6))
async def test_no_command_by_post_gives_a_5xx(
    development_node: RunningNode, kind: str, fields: dict[str, object]
) -> None:
    async with development_node.http() as http:
        opened = (await http.post("/api/v1/sessions", json={"user_id": "fuzzed"})).json()
        frame = {"cid": "c", "session_id": opened["session_id"], **fields, "type": kind}
        frame.pop("content", None)  # what is not accepted is looked at here
        address = f"/api/v1/sessions/{opened['session_id']}/commands"
        answer = await http.post(address, content=dumped(frame), headers={"Content-Type": "application/json"})
    assert answer.status_code < 500, (frame, answer.text)


@fuzzed
@given(
    path=st.sampled_from(
        ["/api/v1/turns/{}", "/api/v1/sessions/{}/messages", "/api/v1/sessions/{}/events", "/{}", "/docs/{}"]
    ),
    value=HOSTILE,
    query=st.dictionaries(
        st.sampled_from(["wait_s", "before", "limit", "since_ms", "user_id", "x"]), HOSTILE, max_size=4
    ),
)
async def test_no_path_or_query_gives_a_5xx(
    development_node: RunningNode, path: str, value: str, query: dict[str, str]
) -> None:
    target = path.format(quote(value, safe="", errors="surrogatepass"))
    pairs = "&".join(f"{name}={quote(text, safe='', errors='surrogatepass')}" for name, text in query.items())
    request = f"GET {target}?{pairs} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    assert 200 <= status_of(await raw_request(development_node, request)) < 500, (target, pairs)


@fuzzed
@given(
    path=st.sampled_from(["/api/v1/stats", "/api/v1/sessions/{}/messages"]),
    query=st.dictionaries(st.sampled_from(["before", "limit", "since_ms", "user_id"]), HOSTILE, min_size=1, max_size=4),
)
async def test_no_query_of_a_real_session_gives_a_5xx(
    development_node: RunningNode, path: str, query: dict[str, str]
) -> None:
    async with development_node.http() as http:
        opened = (await http.post("/api/v1/sessions", json={"user_id": "fuzzed"})).json()
    target = path.format(opened["session_id"])
    pairs = "&".join(f"{name}={quote(text, safe='', errors='surrogatepass')}" for name, text in query.items())
    request = f"GET {target}?{pairs} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    assert 200 <= status_of(await raw_request(development_node, request)) < 500, pairs


@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"Origin: http://[", id="origin_with_half_an_address"),
        pytest.param(b"Origin: http://[::1", id="origin_with_an_open_bracket"),
        pytest.param(b"Origin: null", id="origin_null"),
        pytest.param(b"Origin: http://localhost:port", id="origin_with_a_port_of_letters"),
        pytest.param(b"Origin: \xff\xfe", id="origin_of_no_text"),
        pytest.param(b"Authorization: Bearer \xff", id="key_of_no_text"),
        pytest.param(b"Authorization: Basic eA==", id="another_scheme"),
        pytest.param(b"Idempotency-Key: " + b"k" * 300, id="long_key"),
        pytest.param(b"Idempotency-Key:", id="empty_key"),
        pytest.param(b"Idempotency-Key: \xe9", id="key_of_latin_1"),
        pytest.param(b"Accept-Language: " + b"\xff" * 100, id="language_of_no_text"),
        pytest.param(b"Last-Event-ID: \xff:1", id="last_event_of_no_text"),
        pytest.param(b"Content-Length: -1", id="negative_length"),
        pytest.param(b"Content-Length: x", id="length_of_letters"),
        pytest.param(b"Transfer-Encoding: none", id="unknown_encoding"),
        pytest.param(b"Cookie: " + b"c" * 20_000, id="long_cookie"),
        pytest.param(b"Host: other", id="two_hosts"),
        pytest.param(b"\x00: x", id="nul_as_a_name"),
        pytest.param(b"Expect: 200-maybe", id="unknown_expectation"),
    ],
)
@pytest.mark.parametrize("target", [b"/chat", b"/api/v1/sessions", b"/ws"])
async def test_no_header_gives_a_5xx(development_node: RunningNode, header: bytes, target: bytes) -> None:
    upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    begin = b"GET /ws" if target == b"/ws" else b"POST " + target
    extra = (
        upgrade if target == b"/ws" else b"Content-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n"
    )
    request = begin + b" HTTP/1.1\r\nHost: x\r\n" + extra + header + b"\r\n\r\n" + (b"" if target == b"/ws" else b"{}")
    answer = await raw_request(development_node, request)
    assert answer == b"" or 101 <= status_of(answer) < 500, answer


@pytest.mark.parametrize("depth", [300, 900, 5_000, 100_000])
@pytest.mark.parametrize("path", ["/chat", "/api/v1/sessions"])
async def test_a_deep_unknown_field_never_gives_a_5xx(
    development_node: RunningNode, user: str, path: str, depth: int
) -> None:
    content = b'{"user_id":7,"message":"oi","x":' + b"[" * depth + b"]" * depth + b"}"
    async with development_node.http() as http:
        answer = await http.post(path, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)


async def test_the_413_of_a_large_body_arrives_although_the_client_sends_on(development_node: RunningNode) -> None:
    async with development_node.http() as http:
        answer = await http.post("/chat", content=b"x" * 12_000_000, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


async def test_an_oversized_frame_of_many_megabytes_is_closed_with_1009(development_node: RunningNode) -> None:
    async with development_node.connect() as client:
        sending = asyncio.create_task(client.socket.send("x" * 12_000_000))
        code = await client.closed()
        await asyncio.wait([sending])
    assert code == 1009
    assert sending.exception() is None or isinstance(sending.exception(), websockets.ConnectionClosed)


async def test_the_same_key_on_chat_and_its_stream_is_one_turn(development_node: RunningNode, user: str) -> None:
    development_node.provider.plan(user, [Say("uma vez")])
    body, headers = {"user_id": user, "message": f"{user}: oi"}, {"Idempotency-Key": f"key of {user}"}
    async with development_node.http() as http:
        first = (await http.post("/chat", json=body, headers=headers)).json()
        streamed = (await http.post("/chat/stream", json=body, headers=headers)).text
    last = json.loads(streamed.strip().splitlines()[-1].removeprefix("data: "))
    assert (last["turn_id"], last["response"]) == (first["turn_id"], "uma vez")


async def test_a_key_is_of_a_session_and_a_principal(keyed_node: RunningNode, user: str) -> None:
    keyed_node.provider.plan(user, *[[Say("x")] for _ in range(3)])
    headers = {"Idempotency-Key": "shared"}
    bodies = [{"user_id": name, "message": f"{user}: oi"} for name in (user, f"{user}-b", user)]
    async with keyed_node.http(ACME) as acme, keyed_node.http("globex-secret-0123456789") as globex:
        clients = (acme, acme, globex)
        answers = [
            (await http.post("/chat", json=body, headers=headers)).json()
            for http, body in zip(clients, bodies, strict=True)
        ]
    assert len({answer["turn_id"] for answer in answers}) == 3


@pytest.mark.parametrize("wait_s", ["0", "0.01", "-5", "nan", "1e999"])
async def test_any_number_may_be_waited_for(development_node: RunningNode, user: str, wait_s: str) -> None:
    gate = asyncio.Event()
    development_node.provider.plan(user, [Pause(until=gate), Say("x")])
    async with development_node.http() as http, development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        ok = await client.ask("message.send", session_id=session_id, content=f"{user}: oi")
        asking = asyncio.create_task(http.get(f"/api/v1/turns/{ok['turn_id']}", params={"wait_s": wait_s}))
        await asyncio.wait([asking], timeout=0.3)
        gate.set()
        answer = await asking
    assert answer.status_code in (200, 202)
    assert answer.json()["turn_id"] == ok["turn_id"]


async def test_a_command_repeated_by_post_is_a_duplicate_of_the_websockets(
    development_node: RunningNode, user: str
) -> None:
    """One principal, one session, one cid: whichever door."""
    development_node.provider.plan(user, [Say("um")])
    async with development_node.http() as http, development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        command = {"session_id": session_id, "content": f"{user}: oi", "cid": "door"}
        ok = await client.ask("message.send", **command)
        await client.until_turn_ends(ok["turn_id"])
        answer = await http.post(f"/api/v1/sessions/{session_id}/commands", json={"type": "message.send", **command})
        other = await http.post(
            f"/api/v1/sessions/{session_id}/commands", json={"type": "message.send", **command, "content": "x"}
        )
    assert answer.json() == {**ok, "duplicate": True}
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_conflict")


async def test_a_name_is_no_address(development_node: RunningNode, user: str) -> None:
    """Names are resolved in session.open and REST bodies only."""
    async with development_node.http() as http, development_node.connect() as client:
        await client.open(user)
        answers = [
            await http.get("/api/v1/sessions/main/messages"),
            await http.get("/api/v1/sessions/main/events"),
            await http.post(
                "/api/v1/sessions/main/commands", json={"type": "typing", "session_id": "main", "on": True}
            ),
        ]
        by_frame = await client.ask("message.send", session_id="main", content="oi")
    assert [answer.status_code for answer in answers] == [404] * 3
    assert by_frame["code"] == "not_found"
