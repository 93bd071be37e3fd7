"""Snapshot = fold, for what parks, waits, is merged and is delivered: what an independent client makes of the events."""

from __future__ import annotations

import asyncio

import pytest

from agent.providers.scripted import Call, Item, Pause, Say
from tests.server.conftest import RunningNode
from tests.server.folded import Frame, fold, snapshot_shows
from tests.server.wire_client import WireClient

pytestmark = pytest.mark.asyncio(loop_scope="session")
ACME = "acme-secret-0123456789"
FOLLOW_UP = {"account": "Acme Corporation", "note": "ligar", "due_date": "2018-01-10"}
ACTING: list[Item] = [
    Say("Vou anotar."),
    Call("sales_find", {"text": "Acme"}),
    Call("create_follow_up", FOLLOW_UP),
    Call("sales_find", {"wrong": 1}),
]


async def told(node: RunningNode, user: str, opened: Frame) -> tuple[Frame, Frame]:
    """What a snapshot of now shows, and what all events from the first one on make, for two clients who come now."""
    async with node.connect(key=ACME) as client, node.connect(key=ACME) as other:
        await client.open(user)
        snapshot = await client.until_type("session.snapshot")
        again = await other.open(user, resume={"epoch": opened["epoch"], "seq": 0})
        assert (again["recovered"], again["head"]) == (True, snapshot["seq"])
        folded = fold(other.frames)
    assert folded.wrong == []
    return snapshot_shows(snapshot), folded.shown()


async def said(client: WireClient, session_id: str, content: str, **fields: object) -> str:
    """Send a message; gives its turn."""
    return str((await client.ask("message.send", session_id=session_id, content=content, **fields))["turn_id"])


async def test_a_parked_turn_and_what_becomes_of_it_is_told_by_the_events(keyed_node: RunningNode, user: str) -> None:
    done = [Say("Anotado.")]
    keyed_node.provider.plan(user, ACTING, done, ACTING, done, done)
    async with keyed_node.connect(key=ACME) as client:
        opened = await client.open(user)
        session_id = opened["session_id"]
        turn_id = await said(client, session_id, f"{user}: anote")
        await client.until_turn_ends(turn_id)
        retried = await client.ask("turn.retry", session_id=session_id, turn_id=turn_id)
        await client.until_type("turn.waiting")
        parked, parked_fold = await told(keyed_node, user, opened)
        waiting = await said(client, session_id, f"{user}: deixa")  # it declines what was asked
        await client.until_turn_ends(retried["turn_id"])
        await client.until_turn_ends(waiting)
        ended, ended_fold = await told(keyed_node, user, opened)
    assert parked["turn"]["state"] == "parked"
    assert [tool["status"] for tool in parked["turn"]["tools"]] == ["completed", "failed"]
    assert [approval["name"] for approval in parked["turn"]["approvals"]] == ["create_follow_up"]
    assert parked == parked_fold
    assert ended["turn"] is None
    assert ended == ended_fold


async def test_merged_messages_and_deliveries_are_told_by_the_events(keyed_node: RunningNode, user: str) -> None:
    gate = asyncio.Event()
    keyed_node.provider.plan(user, [Say("um"), Pause(until=gate)], [Say("dois")], [Say("três")])
    async with keyed_node.connect(key=ACME) as client:
        opened = await client.open(user, channel=user)
        session_id = opened["session_id"]
        await said(client, session_id, f"{user}: a")
        await client.until_type("message.delta")
        waiting = [await said(client, session_id, f"{user}: {word}", on_busy="merge") for word in ("b", "c")]
        last = await said(client, session_id, f"{user}: d")
        queued, queued_fold = await told(keyed_node, user, opened)
        gate.set()
        await client.until_turn_ends(last)
        await client.ask("delivery.take", channel=user, limit=1)
        ready = await client.until_type("delivery.ready")
        await client.ask("delivery.report", delivery_id=ready["delivery_id"], status="delivered")
        await client.until_type("delivery.updated")
        delivered, delivered_fold = await told(keyed_node, user, opened)
    assert [(turn["turn_id"], len(turn["message_ids"])) for turn in queued["queue"]] == [(waiting[0], 2), (last, 1)]
    assert queued == queued_fold
    assert [message["delivery"]["status"] for message in delivered["messages"] if "delivery" in message] == [
        "delivered"
    ]
    assert delivered == delivered_fold
