"""Merging as an independent client sees it: one conversation goes on in another."""

from __future__ import annotations

import asyncio

import pytest

from agent.providers.scripted import Pause, Say
from tests.server.conftest import RunningNode
from tests.server.wire_client import Frame, WireClient

pytestmark = pytest.mark.asyncio(loop_scope="session")
ACME = "acme-secret-0123456789"
GLOBEX = "globex-secret-0123456789"


async def answered(client: WireClient, session_id: str, content: str) -> Frame:
    """Send a message and wait for its turn's end."""
    ok = await client.ask("message.send", session_id=session_id, content=content)
    assert ok["type"] == "ok", ok
    return await client.until_turn_ends(ok["turn_id"])


async def test_a_merged_session_ends_and_says_where_it_goes_on(keyed_node: RunningNode, user: str) -> None:
    keyed_node.provider.plan(user, [Say("um")], [Say("dois")])
    async with keyed_node.connect(key=ACME) as client, keyed_node.http(ACME) as http:
        source = (await client.open(user, session_id="whatsapp"))["session_id"]
        into = (await client.open(user, session_id="site"))["session_id"]
        await answered(client, source, f"{user}: a")
        merged = await http.post(f"/api/v1/sessions/{source}/merge", json={"into": into})
        told = await client.until_type("session.merged")
        refused = await client.ask("message.send", session_id=source, content=f"{user}: b", cid="moved")
        again = await client.ask("message.send", session_id=source, content=f"{user}: b", cid="moved-2")
        posted = await http.post(
            f"/api/v1/sessions/{source}/commands",
            json={"type": "message.send", "cid": "p", "session_id": source, "content": "b"},
        )
        chat = await http.post("/chat", json={"user_id": user, "message": "b", "session_id": source})
        renamed = (await client.open(user, session_id="whatsapp"))["session_id"]
        await answered(client, renamed, f"{user}: b")
        kept = await http.get(f"/api/v1/sessions/{source}/messages")
    assert merged.json() == {"session_id": source, "into": into}
    assert (told["session_id"], told["into"]) == (source, into)
    assert (refused["code"], refused["session_id"], refused["retryable"]) == ("moved", into, False)
    assert again["session_id"] == into
    assert (posted.status_code, posted.json()["error"]["session_id"]) == (409, into)
    assert (chat.status_code, chat.json()["error"]["code"], chat.json()["error"]["session_id"]) == (409, "moved", into)
    assert renamed == into
    assert [message["content"] for message in kept.json()["messages"]] == [f"{user}: a", "um"]


async def test_the_model_knows_what_was_said_in_the_merged_session(keyed_node: RunningNode, user: str) -> None:
    plan = keyed_node.provider.plan(user, [Say("um")], [Say("dois")])
    async with keyed_node.connect(key=ACME) as client, keyed_node.http(ACME) as http:
        source = (await client.open(user, session_id="a"))["session_id"]
        into = (await client.open(user, session_id="b"))["session_id"]
        await answered(client, source, f"{user}: me chamo Ana")
        await http.post(f"/api/v1/sessions/{source}/merge", json={"into": into})
        await answered(client, into, f"{user}: quem sou?")
    said = [message.content for message in plan.requests[-1].messages]
    assert said[-3:] == [f"{user}: me chamo Ana", "um", f"{user}: quem sou?"]


async def test_a_merge_may_be_repeated(keyed_node: RunningNode, user: str) -> None:
    async with keyed_node.connect(key=ACME) as client, keyed_node.http(ACME) as http:
        source = (await client.open(user, session_id="a"))["session_id"]
        into = (await client.open(user, session_id="b"))["session_id"]
        answers = [await http.post(f"/api/v1/sessions/{source}/merge", json={"into": into}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len([event for event in client.events(source) if event["type"] == "session.merged"]) == 1


async def test_a_session_whose_turn_runs_is_busy(keyed_node: RunningNode, user: str) -> None:
    reached, gate = asyncio.Event(), asyncio.Event()
    keyed_node.provider.plan(user, [Pause(until=gate, reached=reached), Say("um")])
    async with keyed_node.connect(key=ACME) as client, keyed_node.http(ACME) as http:
        source = (await client.open(user, session_id="a"))["session_id"]
        into = (await client.open(user, session_id="b"))["session_id"]
        ok = await client.ask("message.send", session_id=source, content=f"{user}: oi")
        await reached.wait()
        refused = await http.post(f"/api/v1/sessions/{source}/merge", json={"into": into})
        gate.set()
        await client.until_turn_ends(ok["turn_id"])
        merged = await http.post(f"/api/v1/sessions/{source}/merge", json={"into": into})
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "busy")
    assert merged.status_code == 200


async def test_what_cannot_be_merged_is_refused(keyed_node: RunningNode, user: str) -> None:
    async with (
        keyed_node.connect(key=ACME) as client,
        keyed_node.connect(key=GLOBEX) as other,
        keyed_node.http(ACME) as http,
    ):
        source = (await client.open(user))["session_id"]
        foreign = (await other.open(user))["session_id"]
        unknown = "ses_" + "0" * 26
        pairs = [(source, source), (source, foreign), (source, unknown), (foreign, source), ("main", source)]
        answers = [await http.post(f"/api/v1/sessions/{one}/merge", json={"into": two}) for one, two in pairs]
        wrong = [await http.post(f"/api/v1/sessions/{source}/merge", json=body) for body in ({}, {"into": 1})]
    assert [answer.status_code for answer in answers] == [422, 404, 404, 404, 404]
    assert [answer.status_code for answer in wrong] == [422, 422]


async def test_the_names_of_a_user_who_became_another_lead_services_there(keyed_node: RunningNode, user: str) -> None:
    async with keyed_node.connect(key=ACME) as client, keyed_node.http(ACME) as http:
        guest = (await client.open(f"{user}-guest"))["session_id"]
        ana = (await client.open(user))["session_id"]
        await http.post(f"/api/v1/sessions/{guest}/merge", json={"into": ana})
        opened = await client.open(f"{user}-guest")
    assert (opened["session_id"], opened["user_id"]) == (ana, user)
