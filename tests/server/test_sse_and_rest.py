"""The SSE twin of the protocol, commands by POST, and the plain endpoints, against a real node."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx2
import pytest

from agent.providers.scripted import Pause, Report, Say
from core.models import Usage
from server.openapi import ENDPOINTS, openapi
from tests.server.conftest import RunningNode

pytestmark = pytest.mark.asyncio(loop_scope="session")
GLOBEX = "globex-secret-0123456789"
Event = tuple[str, str | None, dict[str, object]]


async def stream(response: httpx2.Response) -> AsyncIterator[Event]:
    """The events of an SSE response as (type, id, data)."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "event" in fields:
            yield fields["event"], fields.get("id"), json.loads(fields["data"])
            fields = {}


async def open_session(http: httpx2.AsyncClient, user: str, name: str = "main") -> str:
    """A session's id."""
    return (await http.post("/api/v1/sessions", json={"user_id": user, "session_id": name})).json()["session_id"]


async def until(events: AsyncIterator[Event], kind: str) -> list[Event]:
    """Events up to and with the first of that type."""
    seen = []
    async for event in events:
        seen.append(event)
        if event[0] == kind:
            return seen
    raise AssertionError(f"the stream ended before {kind}: {[event[0] for event in seen]}")


async def test_sse_gives_a_snapshot_and_then_the_same_events_as_the_websocket(
    development_node: RunningNode, user: str
) -> None:
    development_node.provider.plan(user, [Say("um "), Say("dois")])
    async with development_node.http() as http, development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        async with http.stream("GET", f"/api/v1/sessions/{session_id}/events") as response:
            events = stream(response)
            begin = await until(events, "session.live")
            command = {"type": "message.send", "cid": "c1", "session_id": session_id, "content": f"{user}: oi"}
            ok = (await http.post(f"/api/v1/sessions/{session_id}/commands", json=command)).json()
            rest = await until(events, "turn.completed")
        await client.until_turn_ends(ok["turn_id"])
    assert [kind for kind, _, _ in begin] == ["session.snapshot", "session.live"]
    assert response.headers["x-accel-buffering"] == "no"
    assert [data for _, _, data in rest] == client.events()
    assert [event_id for _, event_id, _ in rest] == [
        f"{client.frames[0]['epoch']}:{event['seq']}" for event in client.events()
    ]


async def test_last_event_id_goes_on_after_that_event(development_node: RunningNode, user: str) -> None:
    development_node.provider.plan(user, [Say("um "), Say("dois")])
    async with development_node.http() as http, development_node.connect() as client:
        opened = await client.open(user)
        ok = await client.ask("message.send", session_id=opened["session_id"], content=f"{user}: oi")
        await client.until_turn_ends(ok["turn_id"])
        headers = {"Last-Event-ID": f"{opened['epoch']}:2"}
        address = f"/api/v1/sessions/{opened['session_id']}/events"
        async with http.stream("GET", address, headers=headers) as response:
            missed = await until(stream(response), "session.live")
    assert [data for _, _, data in missed[:-1]] == client.events()[2:]


@pytest.mark.parametrize("last", ["garbage", "epoch_x:3", ":", "a:b"])
async def test_a_last_event_id_that_cannot_be_honoured_gets_a_snapshot(
    development_node: RunningNode, user: str, last: str
) -> None:
    async with development_node.http() as http:
        session_id = await open_session(http, user)
        headers = {"Last-Event-ID": last}
        async with http.stream("GET", f"/api/v1/sessions/{session_id}/events", headers=headers) as response:
            assert (await until(stream(response), "session.live"))[0][0] == "session.snapshot"


async def test_a_stream_of_an_erased_user_says_so_and_ends(development_node: RunningNode, user: str) -> None:
    async with development_node.http() as http:
        session_id = await open_session(http, user)
        async with http.stream("GET", f"/api/v1/sessions/{session_id}/events") as response:
            events = stream(response)
            await until(events, "session.live")
            await http.delete(f"/api/v1/users/{user}")
            last = await until(events, "session.erased")
            left = [event async for event in events]
    assert last[-1][2]["session_id"] == session_id
    assert left == []


async def test_cancel_by_post_stops_a_running_turn(development_node: RunningNode, user: str) -> None:
    development_node.provider.plan(user, [Say("a"), Pause(until=asyncio.Event())])
    async with development_node.http() as http, development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        ok = await client.ask("message.send", session_id=session_id, content=f"{user}: oi")
        await client.until_type("message.delta")
        command = {"type": "turn.cancel", "cid": "c", "session_id": session_id, "turn_id": ok["turn_id"]}
        answer = await http.post(f"/api/v1/sessions/{session_id}/commands", json=command)
        end = await client.until_turn_ends(ok["turn_id"])
        turn = (await http.get(f"/api/v1/turns/{ok['turn_id']}")).json()
    assert answer.json() == {"type": "ok", "re": "c", "state": "running"}
    assert end["type"] == "turn.cancelled"
    assert (turn["state"], turn["response"]) == ("cancelled", "a")


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        pytest.param(b"{", 400, "invalid_request", id="not_json"),
        pytest.param(b"[]", 422, "invalid_request", id="not_an_object"),
        pytest.param(b'{"type":"message.send","cid":"c"}', 422, "invalid_request", id="missing_field"),
        pytest.param(b'{"type":"ping"}', 422, "invalid_request", id="not_a_session_command"),
        pytest.param(b'{"type":"typing","session_id":"other","on":true}', 422, "invalid_request", id="other_session"),
        pytest.param(b'"' + b"x" * 70_000 + b'"', 413, "too_large", id="over_64_kib"),
        pytest.param(
            b'{"type":"approval.respond","cid":"c","session_id":"s","approval_id":"a","approved":true}',
            422,
            "invalid_request",
            id="not_built",
        ),
    ],
)
async def test_a_bad_command_by_post_is_a_4xx(
    development_node: RunningNode, user: str, content: bytes, status: int, code: str
) -> None:
    async with development_node.http() as http:
        session_id = await open_session(http, user)
        headers = {"Content-Type": "application/json"}
        answer = await http.post(f"/api/v1/sessions/{session_id}/commands", content=content, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_messages_are_paged_and_show_replaced_answers(development_node: RunningNode, user: str) -> None:
    development_node.provider.plan(user, [Say("um")], [Say("dois")], [Say("três")])
    async with development_node.http() as http, development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        first = await client.ask("message.send", session_id=session_id, content=f"{user}: a")
        await client.until_turn_ends(first["turn_id"])
        retried = await client.ask("turn.retry", session_id=session_id, turn_id=first["turn_id"])
        await client.until_turn_ends(retried["turn_id"])
        last = await client.ask("message.send", session_id=session_id, content=f"{user}: b")
        await client.until_turn_ends(last["turn_id"])
        await development_node.recorded(session_id, turns=3)
        address = f"/api/v1/sessions/{session_id}/messages"
        newest = (await http.get(address, params={"limit": 2})).json()
        older = (await http.get(address, params={"before": newest["messages"][0]["message_id"]})).json()
        bad = await http.get(address, params={"limit": 0})
    assert [message["content"] for message in newest["messages"]] == [f"{user}: b", "três"]
    assert newest["more"] is True
    assert [(m["content"], "replaced_by" in m) for m in older["messages"]] == [
        (f"{user}: a", False),
        ("um", True),
        ("dois", False),
    ]
    assert older["more"] is False
    assert bad.status_code == 422


async def test_stats_give_tokens_cost_and_times_a_user(keyed_node: RunningNode, user: str) -> None:
    usage = Usage(input=90, output=10, cached=5, reasoning=0, total=100)
    keyed_node.provider.plan(user, [Say("a"), Report(usage=usage)], [Say("b"), Report(usage=usage)])
    async with keyed_node.http(GLOBEX) as http:
        answers = [(await http.post("/chat", json={"user_id": user, "message": f"{user}: {n}"})).json() for n in "12"]
        await keyed_node.recorded(answers[0]["session_id"], turns=2)
        stats = (await http.get("/api/v1/stats", params={"user_id": user})).json()
        bad = await http.get("/api/v1/stats", params={"since_ms": "yesterday"})
    assert stats["turns"] == 2
    assert stats["outcomes"] == {"completed": 2}
    assert stats["tokens"] == {"input": 180, "output": 20, "cached": 10, "reasoning": 0, "total": 200}
    assert [entry["user_id"] for entry in stats["users"]] == [user]
    assert set(stats["duration_ms"]) == {"mean", "p50", "p95", "p99"}
    assert stats["duration_ms"]["p99"] >= stats["duration_ms"]["p50"] >= 0
    assert bad.status_code == 422


async def test_health_ready_metrics_and_config_need_no_key(keyed_node: RunningNode) -> None:
    async with keyed_node.http() as http:
        health, ready, metrics, config = [
            await http.get(path) for path in ("/health", "/ready", "/metrics", "/api/v1/config")
        ]
    assert health.json()["status"] == "ok"
    assert ready.json() == {"ready": True, "checks": {"redis": True, "sql": True, "accepting": True}}
    assert "prosa_" in metrics.text
    assert config.json()["agent"] == "sales"
    assert set(config.json()["starters"]) == {"pt", "en", "es"}


async def test_the_openapi_document_names_every_route(development_node: RunningNode) -> None:
    async with development_node.http() as http:
        document = (await http.get("/docs/openapi.json")).json()
    served = {
        route.path
        for route in development_node.node.app.routes
        if getattr(route, "methods", None) and not route.path.startswith(("/docs", "/widget"))
    } - {"/"}
    assert document == openapi("0.1.0")
    assert set(document["paths"]) == served
    assert document["openapi"].startswith("3.1")
    assert len(ENDPOINTS) == len({(endpoint.method, endpoint.path) for endpoint in ENDPOINTS})


async def test_the_asyncapi_document_is_served(development_node: RunningNode) -> None:
    async with development_node.http() as http:
        document = (await http.get("/docs/asyncapi.json")).json()
        missing = await http.get("/docs/other.json")
    assert document["asyncapi"].startswith("3.0")
    assert missing.status_code == 404


async def test_an_unknown_address_or_method_is_json(development_node: RunningNode) -> None:
    async with development_node.http() as http:
        missing, wrong = await http.get("/nothing"), await http.get("/chat")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "invalid_request")


async def test_a_page_of_another_site_may_not_call_the_development_server(development_node: RunningNode) -> None:
    async with development_node.http() as http:
        answer = await http.post(
            "/chat", json={"user_id": "u", "message": "oi"}, headers={"Origin": "https://evil.example"}
        )
    assert answer.status_code == 403
