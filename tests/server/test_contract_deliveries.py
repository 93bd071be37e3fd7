"""Deliveries as a bridge sees them: it takes answers of its channel, and reports how far they got."""

from __future__ import annotations

import itertools

import pytest

from agent.providers.scripted import Say
from tests.server.conftest import RunningNode
from tests.server.wire_client import Frame, WireClient

pytestmark = pytest.mark.asyncio(loop_scope="session")
ACME = "acme-secret-0123456789"
GLOBEX = "globex-secret-0123456789"
CHANNELS = itertools.count(1)


@pytest.fixture
def channel() -> str:
    """A channel nobody else delivers."""
    return f"channel-{next(CHANNELS)}"


async def answered(client: WireClient, user: str, channel: str) -> Frame:
    """Say something on a channel and wait for the answer; gives the end of its turn."""
    session_id = (await client.open(user, channel=channel))["session_id"]
    ok = await client.ask("message.send", session_id=session_id, content=f"{user}: oi")
    return await client.until_turn_ends(ok["turn_id"])


async def test_a_bridge_takes_an_answer_of_its_channel_and_reports_it(
    keyed_node: RunningNode, user: str, channel: str
) -> None:
    keyed_node.provider.plan(user, [Say("olá!")])
    async with keyed_node.connect(key=ACME) as client, keyed_node.connect(key=ACME) as bridge:
        ended = await answered(client, user, channel)
        await bridge.open(f"{user}-bridge")
        taken = await bridge.ask("delivery.take", channel=channel, limit=10)
        ready = await bridge.until_type("delivery.ready")
        again = await bridge.ask("delivery.take", channel=channel, limit=10)
        sent = await bridge.ask("delivery.report", delivery_id=ready["delivery_id"], status="sent", external_id="w1")
        read = await bridge.ask("delivery.report", delivery_id=ready["delivery_id"], status="read")
        late = await bridge.ask("delivery.report", delivery_id=ready["delivery_id"], status="delivered")
        await client.until(lambda frame: frame["type"] == "delivery.updated" and frame["status"] == "read")
    updates = [event for event in client.events(ended["session_id"]) if event["type"] == "delivery.updated"]
    assert (taken["count"], again["count"]) == (1, 0)
    assert ready == {
        "type": "delivery.ready",
        "delivery_id": ready["delivery_id"],
        "session_id": ended["session_id"],
        "user_id": user,
        "message_id": ended["message_id"],
        "content": "olá!",
        "attempt": 1,
    }
    assert bridge.frames.index(ready) < bridge.frames.index(taken)
    assert [answer["state"] for answer in (sent, read, late)] == ["sent", "read", "read"]
    assert [(update["message_id"], update["channel"], update["status"]) for update in updates] == [
        (ended["message_id"], channel, "sent"),
        (ended["message_id"], channel, "read"),
    ]


async def test_a_snapshot_shows_how_far_an_answer_got(keyed_node: RunningNode, user: str, channel: str) -> None:
    keyed_node.provider.plan(user, [Say("olá!")])
    async with keyed_node.connect(key=ACME) as client:
        await answered(client, user, channel)
        await client.ask("delivery.take", channel=channel, limit=1)
        ready = await client.until_type("delivery.ready")
        await client.ask("delivery.report", delivery_id=ready["delivery_id"], status="failed", error="sem número")
    async with keyed_node.connect(key=ACME) as client:
        await client.open(user)
        snapshot = await client.until_type("session.snapshot")
    assert snapshot["messages"][-1]["delivery"] == {"channel": channel, "status": "failed"}


async def test_other_tenants_and_channels_take_nothing(keyed_node: RunningNode, user: str, channel: str) -> None:
    keyed_node.provider.plan(user, [Say("olá!")])
    async with keyed_node.connect(key=ACME) as client, keyed_node.connect(key=GLOBEX) as stranger:
        await answered(client, user, channel)
        await stranger.open(user)
        of_stranger = await stranger.ask("delivery.take", channel=channel, limit=10)
        of_web = await client.ask("delivery.take", channel="web", limit=10)
        await client.ask("delivery.take", channel=channel, limit=10)
        ready = await client.until_type("delivery.ready")
        foreign = await stranger.ask("delivery.report", delivery_id=ready["delivery_id"], status="sent")
        unknown = await stranger.ask("delivery.report", delivery_id="dlv_none", status="sent")
    assert of_stranger["count"] == of_web["count"] == 0
    assert foreign["code"] == unknown["code"] == "not_found"
    assert foreign["message"] == unknown["message"]


async def test_deliveries_can_be_taken_and_reported_by_post(keyed_node: RunningNode, user: str, channel: str) -> None:
    keyed_node.provider.plan(user, [Say("olá!")])
    async with keyed_node.connect(key=ACME) as client, keyed_node.http(ACME) as http:
        ended = await answered(client, user, channel)
        address = f"/api/v1/sessions/{ended['session_id']}/commands"
        take = {"type": "delivery.take", "cid": "t", "channel": channel, "limit": 5}
        ready, ok = (await http.post(address, json=take)).json()
        none = await http.post(address, json=take)
        report = {"type": "delivery.report", "cid": "r", "delivery_id": ready["delivery_id"], "status": "sent"}
        reported = await http.post(address, json=report)
    assert (ready["type"], ready["content"]) == ("delivery.ready", "olá!")
    assert ok == {"type": "ok", "re": "t", "count": 1}
    assert none.json() == {"type": "ok", "re": "t", "count": 0}
    assert reported.json() == {"type": "ok", "re": "r", "state": "sent"}


async def test_nothing_is_taken_before_a_session_was_opened(keyed_node: RunningNode, channel: str) -> None:
    async with keyed_node.connect(key=ACME) as bridge:
        refused = await bridge.ask("delivery.take", channel=channel, limit=1)
    assert refused["code"] == "unauthorized"
