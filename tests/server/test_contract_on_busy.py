"""`on_busy` as an independent client sees it: what becomes of a message that comes while a turn runs."""

from __future__ import annotations

import asyncio

import pytest

from agent.providers.scripted import Pause, Say
from tests.server.conftest import RunningNode
from tests.server.wire_client import Frame, WireClient

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_merged_messages_are_answered_by_one_turn(development_node: RunningNode, user: str) -> None:
    reached, gate = asyncio.Event(), asyncio.Event()
    script = [Pause(until=gate, reached=reached), Say("um")]
    plan = development_node.provider.plan(user, script, [Say("tudo")])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        first = await client.ask("message.send", session_id=session_id, content=f"{user}: a")
        await reached.wait()
        sent = [
            await client.ask("message.send", session_id=session_id, content=f"{user}: {word}", on_busy="merge")
            for word in ("b", "c", "d")
        ]
        gate.set()
        await client.until_turn_ends(sent[0]["turn_id"])
    turns = {ok["turn_id"] for ok in sent}
    started = [event["turn_id"] for event in client.events() if event["type"] == "turn.started"]
    assert len(turns) == 1
    assert started == [first["turn_id"], *turns]
    assert len({ok["message_id"] for ok in sent}) == 3
    assert plan.requests[-1].messages[-1].content == f"{user}: b\n\n{user}: c\n\n{user}: d"


async def test_a_retry_of_merged_messages_asks_the_model_the_same_again(
    development_node: RunningNode, user: str
) -> None:
    reached, gate = asyncio.Event(), asyncio.Event()
    script = [Pause(until=gate, reached=reached), Say("um")]
    plan = development_node.provider.plan(user, script, [Say("tudo")], [Say("de novo")])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        await client.ask("message.send", session_id=session_id, content=f"{user}: a")
        await reached.wait()
        contents = [f"{user}: b", [{"type": "text", "text": "c"}]]
        sent = [
            await client.ask("message.send", session_id=session_id, content=content, on_busy="merge")
            for content in contents
        ]
        gate.set()
        await client.until_turn_ends(sent[0]["turn_id"])
        retried = await client.ask("turn.retry", session_id=session_id, turn_id=sent[0]["turn_id"])
        await client.until_turn_ends(retried["turn_id"])
    assert {ok["turn_id"] for ok in sent} == {sent[0]["turn_id"]}
    assert retried["message_id"] == sent[0]["message_id"]
    assert plan.requests[-1].messages[-1] == plan.requests[-2].messages[-1]


async def test_an_interrupting_message_cancels_what_runs_and_is_answered(
    development_node: RunningNode, user: str
) -> None:
    reached = asyncio.Event()
    script = [Say("Era uma vez"), Pause(until=asyncio.Event(), reached=reached)]
    development_node.provider.plan(user, script, [Say("Pois não.")])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        first = await client.ask("message.send", session_id=session_id, content=f"{user}: conte")
        await reached.wait()
        second = await client.ask("message.send", session_id=session_id, content=f"{user}: pare", on_busy="interrupt")
        cut = await client.until_turn_ends(first["turn_id"])
        ended = await client.until_turn_ends(second["turn_id"])
    assert (cut["type"], cut["by"]) == ("turn.cancelled", "interrupt")
    assert ended["type"] == "turn.completed"
    assert client.text(ended["message_id"]) == "Pois não."


async def full(client: WireClient, node: RunningNode, user: str, gate: asyncio.Event) -> tuple[str, list[Frame]]:
    """A session whose turn runs until `gate`, with 8 that wait; gives the session and the `ok`s."""
    reached = asyncio.Event()
    node.provider.plan(user, [Say("um"), Pause(until=gate, reached=reached)], *[[Say("mais")]] * 10)
    session_id = (await client.open(user))["session_id"]
    first = await client.ask("message.send", session_id=session_id, content=f"{user}: 0")
    await reached.wait()
    waiting = [
        await client.ask("message.send", session_id=session_id, content=f"{user}: {number}") for number in range(1, 9)
    ]
    return session_id, [first, *waiting]


@pytest.mark.parametrize("on_busy", ["queue", "reject", "interrupt"])
async def test_a_ninth_waiting_message_is_busy_and_changes_nothing(
    development_node: RunningNode, user: str, on_busy: str
) -> None:
    gate = asyncio.Event()
    async with development_node.connect() as client:
        session_id, accepted = await full(client, development_node, user, gate)
        refused = await client.ask("message.send", session_id=session_id, content=f"{user}: 9", on_busy=on_busy)
        gate.set()
        ends = [await client.until_turn_ends(ok["turn_id"]) for ok in accepted]
    started = [event["turn_id"] for event in client.events() if event["type"] == "turn.started"]
    assert (refused["type"], refused["code"], refused["retryable"]) == ("error", "busy", True)
    assert [event for event in client.events() if event.get("content") == f"{user}: 9"] == []
    assert [ok["position"] for ok in accepted] == list(range(9))
    assert {end["type"] for end in ends} == {"turn.completed"}
    assert started == [ok["turn_id"] for ok in accepted]


async def test_a_merged_message_finds_room_in_a_full_queue(development_node: RunningNode, user: str) -> None:
    gate = asyncio.Event()
    async with development_node.connect() as client, development_node.connect() as other:
        session_id, accepted = await full(client, development_node, user, gate)
        merged = await client.ask("message.send", session_id=session_id, content=f"{user}: e", on_busy="merge")
        await other.open(user)
        snapshot = await other.until_type("session.snapshot")
        gate.set()
        await client.until_turn_ends(merged["turn_id"])
    last = accepted[-1]
    assert (merged["turn_id"], merged["position"]) == (last["turn_id"], 8)
    assert snapshot["queue"][-1] == {
        "turn_id": last["turn_id"],
        "message_ids": [last["message_id"], merged["message_id"]],
    }


async def test_a_waiting_turn_that_is_cancelled_never_starts_and_makes_room(
    development_node: RunningNode, user: str
) -> None:
    gate = asyncio.Event()
    async with development_node.connect() as client:
        session_id, accepted = await full(client, development_node, user, gate)
        gone = accepted[3]["turn_id"]
        state = (await client.ask("turn.cancel", session_id=session_id, turn_id=gone))["state"]
        ended = await client.until_turn_ends(gone)
        late = await client.ask("message.send", session_id=session_id, content=f"{user}: 9")
        gate.set()
        await client.until_turn_ends(late["turn_id"])
        again = await client.ask("turn.cancel", session_id=session_id, turn_id=gone)
    started = [event["turn_id"] for event in client.events() if event["type"] == "turn.started"]
    assert (state, ended["type"], ended["by"], ended["usage"]["total"]) == ("cancelled", "turn.cancelled", "user", 0)
    assert late["position"] == 8
    assert started == [ok["turn_id"] for ok in [*accepted, late] if ok["turn_id"] != gone]
    assert again["state"] == "cancelled"
