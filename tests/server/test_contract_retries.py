"""A retry of a turn that acted, as an independent client sees it: what was done once is not done again without a yes."""

from __future__ import annotations

import asyncio

import pytest

from agent.providers.scripted import Call, Item, Pause, Say
from tests.server.conftest import RunningNode
from tests.server.folded import Frame
from tests.server.wire_client import WireClient

pytestmark = pytest.mark.asyncio(loop_scope="session")
FOLLOW_UP = {"account": "Acme Corporation", "note": "ligar", "due_date": "2018-01-10"}
ACTING: list[Item] = [Say("Vou anotar."), Call("create_follow_up", FOLLOW_UP)]
DONE: list[Item] = [Say("Anotado.")]


async def acted(client: WireClient, node: RunningNode, user: str, *later: list[Item]) -> tuple[str, str]:
    """Have a follow-up created; `later` are the model's further answers. Gives the session and the turn."""
    node.provider.plan(user, ACTING, DONE, *later)
    session_id = (await client.open(user))["session_id"]
    ok = await client.ask("message.send", session_id=session_id, content=f"{user}: anote")
    assert (await client.until_turn_ends(ok["turn_id"]))["tools"] == ["create_follow_up"]
    return session_id, ok["turn_id"]


async def retried(client: WireClient, session_id: str, turn_id: str) -> Frame:
    """Ask for a turn again; gives `approval.requested`, or the end of a turn that asked for nothing."""
    ok = await client.ask("turn.retry", session_id=session_id, turn_id=turn_id)
    assert ok["type"] == "ok", ok
    stops = ("approval.requested", "turn.completed")
    stop = await client.until(lambda f: f["type"] in stops and f["turn_id"] == ok["turn_id"])
    if stop["type"] == "approval.requested":
        await client.until(lambda f: f["type"] == "turn.waiting" and f["turn_id"] == ok["turn_id"])
    return stop


async def respond(client: WireClient, session_id: str, requested: Frame, **fields: object) -> Frame:
    """Answer and wait for the turn's end."""
    await client.ask("approval.respond", session_id=session_id, approval_id=requested["approval_id"], **fields)
    return await client.until_turn_ends(requested["turn_id"])


async def test_a_retry_asks_before_it_acts_again_and_shows_so_to_whoever_comes(
    development_node: RunningNode, user: str
) -> None:
    async with development_node.connect() as client, development_node.connect() as other:
        session_id, turn_id = await acted(client, development_node, user, ACTING, DONE)
        requested = await retried(client, session_id, turn_id)
        await other.open(user)
        snapshot = await other.until_type("session.snapshot")
        ended = await respond(client, session_id, requested, approved=True)
    left_out = {"type", "seq", "ts", "session_id", "turn_id"}
    turn = snapshot["turn"]
    assert requested["approver"] == "user"
    assert requested["arguments"] == FOLLOW_UP
    assert turn["approvals"] == [{name: requested[name] for name in requested if name not in left_out}]
    assert (turn["turn_id"], turn["state"], turn["attempt"], turn["tools"]) == (
        requested["turn_id"], "parked", 1, [],
    )  # fmt: skip
    assert snapshot["messages"][-1]["message_id"] == turn["message_id"]
    assert snapshot["messages"][-1]["content"] == "Vou anotar."
    assert client.text(ended["message_id"]) == "Vou anotar.\n\nAnotado."
    assert ended["tools"] == ["create_follow_up"]


async def test_a_retry_of_a_retry_that_did_not_act_still_asks(development_node: RunningNode, user: str) -> None:
    async with development_node.connect() as client:
        session_id, turn_id = await acted(client, development_node, user, ACTING, DONE, ACTING, ACTING)
        declined = await retried(client, session_id, turn_id)
        await respond(client, session_id, declined, approved=False)
        stopped = await retried(client, session_id, declined["turn_id"])
        await client.ask("turn.cancel", session_id=session_id, turn_id=stopped["turn_id"])
        await client.until_turn_ends(stopped["turn_id"])
        third = await retried(client, session_id, stopped["turn_id"])
    assert [declined["type"], stopped["type"], third["type"]] == ["approval.requested"] * 3


async def test_a_retry_of_an_answer_that_was_stopped_after_it_acted_asks(
    development_node: RunningNode, user: str
) -> None:
    reached = asyncio.Event()
    writing: list[Item] = [Say("Ano"), Pause(until=asyncio.Event(), reached=reached)]
    development_node.provider.plan(user, ACTING, writing, ACTING)
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        ok = await client.ask("message.send", session_id=session_id, content=f"{user}: anote")
        await reached.wait()
        await client.ask("turn.cancel", session_id=session_id, turn_id=ok["turn_id"])
        await client.until_turn_ends(ok["turn_id"])
        requested = await retried(client, session_id, ok["turn_id"])
    assert requested["type"] == "approval.requested"


async def test_a_new_message_acts_without_being_asked(development_node: RunningNode, user: str) -> None:
    async with development_node.connect() as client:
        session_id, _ = await acted(client, development_node, user, ACTING, DONE)
        ok = await client.ask("message.send", session_id=session_id, content=f"{user}: anote mais um")
        ended = await client.until_turn_ends(ok["turn_id"])
    assert (ended["type"], ended["tools"]) == ("turn.completed", ["create_follow_up"])


async def test_two_calls_are_asked_for_one_after_the_other(development_node: RunningNode, user: str) -> None:
    second = {**FOLLOW_UP, "note": "escrever"}
    both: list[Item] = [*ACTING, Call("create_follow_up", second)]
    development_node.provider.plan(user, both, DONE, both, DONE)
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        ok = await client.ask("message.send", session_id=session_id, content=f"{user}: anote dois")
        await client.until_turn_ends(ok["turn_id"])
        first_asked = await retried(client, session_id, ok["turn_id"])
        start = len(client.frames)
        answer = {"session_id": session_id, "approval_id": first_asked["approval_id"], "approved": True}
        await client.ask("approval.respond", **answer)
        second_asked = await client.until_type("approval.requested", start)
        await respond(client, session_id, second_asked, approved=False)
    ends = [frame["type"] for frame in client.frames[start:] if frame["type"].startswith("tool.")]
    assert (first_asked["arguments"], second_asked["arguments"]) == (FOLLOW_UP, second)
    assert ends == ["tool.started", "tool.completed", "tool.started", "tool.failed"]


async def test_the_history_names_the_answer_in_the_old_ones_place_at_once(
    development_node: RunningNode, user: str
) -> None:
    gate = asyncio.Event()
    development_node.provider.plan(user, [Say("um")], [Say("dois"), Pause(until=gate)])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        old = await client.ask("message.send", session_id=session_id, content=f"{user}: oi")
        await client.until_turn_ends(old["turn_id"])
        await development_node.recorded(session_id, turns=1)
        start = len(client.frames)
        new = await client.ask("turn.retry", session_id=session_id, turn_id=old["turn_id"])
        started = await client.until_type("message.started", start)
        history = await client.ask("history.get", session_id=session_id)
        gate.set()
        await client.until_turn_ends(new["turn_id"])
    answers = [
        (message["turn_id"], message["content"], message.get("replaced_by"))
        for message in history["messages"]
        if message["role"] == "assistant"
    ]
    assert answers[0] == (old["turn_id"], "um", started["message_id"])
    assert (answers[1][0], answers[1][2]) == (new["turn_id"], None)
