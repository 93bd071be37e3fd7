"""`POST /chat` and its relatives against a real node."""

from __future__ import annotations

import asyncio
import json

import pytest

from agent.providers.scripted import Fail, Pause, Report, Say
from core.errors import ProviderError
from core.models import Usage
from tests.server.conftest import RunningNode

pytestmark = pytest.mark.asyncio(loop_scope="session")
ACME = "acme-secret-0123456789"
GLOBEX = "globex-secret-0123456789"


async def test_chat_answers_with_the_fields_of_the_contract(development_node: RunningNode, user: str) -> None:
    usage = Usage(input=7, output=3, cached=0, reasoning=0, total=10)
    development_node.provider.plan(user, [Say("Olá, "), Say("Ana."), Report(usage=usage)])
    async with development_node.http() as http:
        response = await http.post("/chat", json={"user_id": user, "message": f"{user}: oi"})
    answer = response.json()
    assert response.status_code == 200
    assert answer["response"] == "Olá, Ana."
    assert answer["model"] == "double"
    assert answer["provider"] == "scripted"
    assert answer["tokens_used"] == 10
    assert [entry["role"] for entry in answer["memory"]] == ["system", "user"]
    assert answer["memory"][1]["content"] == f"{user}: oi"
    assert answer["context_size"] == len(answer["memory"])
    assert answer["tools_called"] == []
    assert answer["cost_usd"] == 0
    assert answer["cached"] is False
    assert answer["time_ms"] >= 0
    assert answer["turn_id"].startswith("turn_")
    assert answer["session_id"].startswith("ses_")


async def test_rest_goes_on_with_what_was_begun_by_websocket_on_another_node(
    development_node: RunningNode, keyed_node: RunningNode, user: str
) -> None:
    keyed_node.provider.plan(user, [Say("Prazer.")], [Say("Você disse oi.")])
    async with keyed_node.connect(key=ACME) as client:
        session_id = (await client.open(user))["session_id"]
        ok = await client.ask("message.send", session_id=session_id, content=f"{user}: oi")
        await client.until_turn_ends(ok["turn_id"])
    async with keyed_node.http(ACME) as http:
        answer = (await http.post("/chat", json={"user_id": user, "message": f"{user}: o que eu disse?"})).json()
    assert answer["session_id"] == session_id
    assert [(entry["role"], entry["content"]) for entry in answer["memory"][1:]] == [
        ("user", f"{user}: oi"),
        ("assistant", "Prazer."),
        ("user", f"{user}: o que eu disse?"),
    ]


@pytest.mark.parametrize(
    ("body", "status", "code", "word"),
    [
        pytest.param({"message": "oi"}, 422, "invalid_request", "user_id", id="no_user"),
        pytest.param({"user_id": "u"}, 422, "invalid_request", "message", id="no_message"),
        pytest.param({"user_id": "u", "message": ""}, 422, "invalid_request", "content", id="empty"),
        pytest.param({"user_id": "u", "message": "  \n "}, 422, "invalid_request", "content", id="white_space"),
        pytest.param({"user_id": "u", "message": "a" * 16_001}, 422, "invalid_request", "16000", id="too_long"),
        pytest.param({"user_id": 7, "message": "oi"}, 422, "invalid_request", "user_id", id="user_of_wrong_type"),
        pytest.param(
            {"user_id": "u", "message": ["oi"]}, 422, "invalid_request", "message", id="message_of_wrong_type"
        ),
        pytest.param({"user_id": "", "message": "oi"}, 422, "invalid_request", "user_id", id="empty_user"),
        pytest.param({"user_id": "u" * 129, "message": "oi"}, 422, "invalid_request", "user_id", id="long_user"),
        pytest.param({"user_id": "u\u0000", "message": "oi"}, 422, "invalid_request", "user_id", id="nul"),
        pytest.param(["u", "oi"], 422, "invalid_request", "object", id="not_an_object"),
        pytest.param({"user_id": "u", "message": "oi", "agent": "nobody"}, 404, "not_found", "nobody", id="no_agent"),
        pytest.param({"user_id": "u", "message": "oi", "model": "gpt"}, 422, "invalid_request", "model", id="model"),
        pytest.param(
            {"user_id": "u", "message": "oi", "session_id": "a b"}, 422, "invalid_request", "session_id", id="name"
        ),
        pytest.param(
            {"user_id": "u", "message": "oi", "session_id": "ses_" + "0" * 26},
            404,
            "not_found",
            "session",
            id="unknown",
        ),
    ],
)
async def test_bad_input_gets_a_4xx_with_a_code_and_a_sentence(
    development_node: RunningNode, body: object, status: int, code: str, word: str
) -> None:
    async with development_node.http() as http:
        response = await http.post("/chat", json=body)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["retryable"]) == (status, code, False)
    assert word in error["message"]


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        pytest.param(b"{", "application/json", 400, id="not_json"),
        pytest.param(b"\xff", "application/json", 400, id="not_utf8"),
        pytest.param(b"", "application/json", 400, id="nothing"),
        pytest.param(b"[" * 100_000, "application/json", 400, id="deeply_nested"),
        pytest.param(b'{"user_id":"u","message":"\\ud800"}', "application/json", 400, id="lone_surrogate"),
        pytest.param(b"user_id=u", "application/x-www-form-urlencoded", 415, id="form"),
        pytest.param(b'{"user_id":"' + b"u" * 1_100_000 + b'"}', "application/json", 413, id="over_1_mib"),
    ],
)
async def test_a_bad_body_never_gives_a_5xx(
    development_node: RunningNode, content: bytes, content_type: str, status: int
) -> None:
    async with development_node.http() as http:
        response = await http.post("/chat", content=content, headers={"Content-Type": content_type})
    assert response.status_code == status
    assert response.json()["error"]["message"]


async def test_the_same_idempotency_key_joins_the_same_turn(development_node: RunningNode, user: str) -> None:
    gate = asyncio.Event()
    development_node.provider.plan(user, [Pause(until=gate), Say("uma vez")])
    body, headers = {"user_id": user, "message": f"{user}: oi"}, {"Idempotency-Key": "k1"}
    async with development_node.http() as http, development_node.connect() as client:
        await client.open(user)
        first = asyncio.create_task(http.post("/chat", json=body, headers=headers))
        second = asyncio.create_task(http.post("/chat", json=body, headers=headers))
        await client.until_type("turn.started")
        gate.set()
        answers = [(await first).json(), (await second).json()]
        later = (await http.post("/chat", json=body, headers=headers)).json()
        other = await http.post("/chat", json={**body, "message": "x"}, headers=headers)
    assert {answer["turn_id"] for answer in [*answers, later]} == {answers[0]["turn_id"]}
    assert later["response"] == "uma vez"
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_conflict")


async def test_a_turn_that_takes_too_long_is_a_202_and_can_be_waited_for(
    redis_url: str, development_node: RunningNode, user: str
) -> None:
    gate = asyncio.Event()
    development_node.provider.plan(user, [Pause(until=gate), Say("enfim")])
    development_node.chat_wait(0.05)
    async with development_node.http() as http:
        pending = await http.post("/chat", json={"user_id": user, "message": f"{user}: oi"})
        turn_id = pending.json()["turn_id"]
        still = await http.get(f"/api/v1/turns/{turn_id}")
        development_node.chat_wait(50)
        waiting = asyncio.create_task(http.get(f"/api/v1/turns/{turn_id}?wait_s=20"))
        gate.set()
        ended = await waiting
    assert pending.status_code == 202
    assert pending.json()["state"] in ("queued", "running")
    assert still.status_code == 202
    assert (ended.status_code, ended.json()["response"]) == (200, "enfim")


async def test_a_failed_turn_is_an_error_with_its_code(development_node: RunningNode, user: str) -> None:
    refused = ProviderError("The vendor refused the key; check it.", retryable=False)
    development_node.provider.plan(user, [Fail(error=refused)])
    async with development_node.http() as http:
        response = await http.post("/chat", json={"user_id": user, "message": f"{user}: oi"})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["retryable"]) == (502, "provider_unavailable", False)


async def test_busy_is_429_with_retry_after(development_node: RunningNode, user: str) -> None:
    gate = asyncio.Event()
    development_node.provider.plan(user, [Pause(until=gate), Say("0")], *[[Say("x")] for _ in range(8)])
    async with development_node.http() as http, development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        await client.ask("message.send", session_id=session_id, content=f"{user}: 0")
        await client.until_type("turn.started")
        last = [await client.ask("message.send", session_id=session_id, content=f"{user}: x") for _ in range(8)][-1]
        response = await http.post("/chat", json={"user_id": user, "message": f"{user}: oi"})
        gate.set()
        await client.until_turn_ends(last["turn_id"])
    assert (response.status_code, response.json()["error"]["code"]) == (429, "busy")
    assert int(response.headers["Retry-After"]) >= 1


async def test_the_stream_gives_the_turns_events_and_then_the_result(development_node: RunningNode, user: str) -> None:
    development_node.provider.plan(user, [Say("um "), Say("dois")])
    async with development_node.http() as http:
        response = await http.post("/chat/stream", json={"user_id": user, "message": f"{user}: oi"})
    events = [part.split("\n") for part in response.text.split("\n\n") if part.startswith("event: ")]
    names = [lines[0].removeprefix("event: ") for lines in events]
    data = [json.loads(lines[1].removeprefix("data: ")) for lines in events]
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["x-accel-buffering"] == "no"
    assert (names[0], names[-2], names[-1]) == ("ok", "turn.completed", "chat.result")
    assert "".join(d["text"] for n, d in zip(names, data, strict=True) if n == "message.delta") == "um dois"
    assert data[-1]["response"] == "um dois"


async def test_without_a_key_nothing_is_served_where_keys_are_configured(keyed_node: RunningNode, user: str) -> None:
    async with keyed_node.http() as nobody, keyed_node.http("wrong-0123456789abc") as wrong:
        answers = [await client.post("/chat", json={"user_id": user, "message": "oi"}) for client in (nobody, wrong)]
        answers.append(await nobody.get("/api/v1/stats"))
        answers.append(await nobody.delete(f"/api/v1/users/{user}"))
    assert [(answer.status_code, answer.json()["error"]["code"]) for answer in answers] == [(401, "unauthorized")] * 4


async def test_two_tenants_cannot_see_each_other(keyed_node: RunningNode, user: str) -> None:
    keyed_node.provider.plan(user, [Say("segredo")], [Say("nada")])
    async with keyed_node.http(ACME) as acme, keyed_node.http(GLOBEX) as globex:
        mine = (await acme.post("/chat", json={"user_id": user, "message": f"{user}: oi"})).json()
        theirs = (await globex.post("/chat", json={"user_id": user, "message": f"{user}: oi"})).json()
        foreign = [
            await globex.get(f"/api/v1/turns/{mine['turn_id']}"),
            await globex.get(f"/api/v1/sessions/{mine['session_id']}/events"),
            await globex.get(f"/api/v1/sessions/{mine['session_id']}/messages"),
            await globex.post("/chat", json={"user_id": user, "message": "oi", "session_id": mine["session_id"]}),
        ]
        unknown = await globex.get("/api/v1/turns/turn_" + "0" * 26)
        stats = (await globex.get("/api/v1/stats", params={"user_id": user})).json()
    assert mine["session_id"] != theirs["session_id"]
    assert theirs["context_size"] == 2
    assert [answer.status_code for answer in foreign] == [404] * 4
    assert foreign[0].json() == unknown.json()
    assert stats["turns"] <= 1


async def test_a_forgotten_user_begins_anew(development_node: RunningNode, user: str) -> None:
    development_node.provider.plan(user, [Say("guardo")], [Say("quem é você?")])
    async with development_node.http() as http, development_node.connect() as client:
        await client.open(user)
        before = (await http.post("/chat", json={"user_id": user, "message": f"{user}: oi"})).json()
        await client.until_turn_ends(before["turn_id"])
        forgotten = await http.delete(f"/api/v1/users/{user}")
        code = await client.closed()
        after = (await http.post("/chat", json={"user_id": user, "message": f"{user}: oi"})).json()
        old = await http.get(f"/api/v1/turns/{before['turn_id']}")
    assert forgotten.json() == {"user_id": user, "sessions_erased": 1}
    assert code == 4504
    assert client.frames[-1]["type"] == "session.erased"
    assert after["session_id"] != before["session_id"]
    assert after["context_size"] == 2
    assert old.status_code == 404
