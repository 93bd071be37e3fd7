"""`on_busy` as an independent client sees it: what becomes of a message that comes while a turn runs."""

from __future__ import annotations

import asyncio

import pytest

from agent.providers.scripted import Pause, Say
from tests.server.conftest import RunningNode

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
