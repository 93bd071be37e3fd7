"""Sessions as an independent client reads the contract: names, open and open again, snapshots that equal the fold, SSE."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx2
import pytest

from agent.providers.scripted import Call, Pause, Say
from server import sse as sse_module
from tests.server.conftest import RunningNode
from tests.server.folded import Frame, fold, snapshot_shows, without_verdicts
from tests.server.wire_client import WireClient

pytestmark = pytest.mark.asyncio(loop_scope="session")
ACME = "acme-secret-0123456789"


async def snapshot_of(node: RunningNode, user: str, **options: object) -> Frame:
    """The snapshot that a connection made now gets."""
    async with node.connect(**options) as client:
        await client.open(user)
        return await client.until_type("session.snapshot")


async def snapshots(node: RunningNode, user: str, count: int) -> list[Frame]:
    """Snapshots taken one after the other, by a connection each."""
    return [await snapshot_of(node, user) for _ in range(count)]


async def send(client: WireClient, session_id: str, content: str) -> str:
    """Send a message; gives its turn."""
    return (await client.ask("message.send", session_id=session_id, content=content))["turn_id"]


async def test_two_nodes_that_open_the_same_name_at_once_agree(
    development_node: RunningNode, keyed_node: RunningNode, user: str
) -> None:
    async with keyed_node.http(ACME) as http, keyed_node.connect(key=ACME) as client:
        body = {"user_id": user, "session_id": "new"}
        asked = [http.post("/api/v1/sessions", json=body) for _ in range(6)]
        opened, *answers = await asyncio.gather(client.open(user, session_id="new"), *asked)
    assert {answer.json()["session_id"] for answer in answers} == {opened["session_id"]}


async def test_the_unnamed_session_is_the_users_main(development_node: RunningNode, user: str) -> None:
    async with development_node.connect() as client, development_node.http() as http:
        unnamed = await client.open(user)
        main = await client.open(user, session_id="main")
        by_id = await client.open(session_id=unnamed["session_id"])
        rest = (await http.post("/api/v1/sessions", json={"user_id": user})).json()
    assert {unnamed["session_id"], main["session_id"], by_id["session_id"]} == {rest["session_id"]}
    assert by_id["user_id"] == user


async def test_a_second_open_subscribes_anew_and_events_come_once(development_node: RunningNode, user: str) -> None:
    gate = asyncio.Event()
    development_node.provider.plan(user, [Say("um "), Pause(until=gate), Say("dois")])
    async with development_node.connect() as client:
        opened = await client.open(user)
        turn_id = await send(client, opened["session_id"], f"{user}: oi")
        await client.until_type("message.delta")
        seq = client.events()[-1]["seq"]
        again = await client.open(user, resume={"epoch": opened["epoch"], "seq": seq})
        start = client.frames.index(again)
        gate.set()
        await client.until_turn_ends(turn_id)
    after = [frame["seq"] for frame in client.frames[start:] if frame.get("seq") and frame["type"] != "session.live"]
    assert again["recovered"] is True
    assert after == list(range(seq + 1, client.events()[-1]["seq"] + 1))


async def test_without_a_snapshot_only_the_head_is_told(development_node: RunningNode, user: str) -> None:
    development_node.provider.plan(user, [Say("um")], [Say("dois")])
    async with development_node.connect() as one, development_node.connect() as two:
        session_id = (await one.open(user))["session_id"]
        await one.until_turn_ends(await send(one, session_id, f"{user}: a"))
        opened = await two.open(user, snapshot=False)
        await one.until_turn_ends(turn_id := await send(one, session_id, f"{user}: b"))
        await two.until_turn_ends(turn_id)
    live = await two.until_type("session.live")
    assert opened["head"] == live["seq"] == two.events()[0]["seq"] - 1
    assert [frame["type"] for frame in two.frames[:2]] == ["session.opened", "session.live"]


async def test_every_snapshot_of_a_running_turn_is_the_fold_of_the_log_up_to_it(
    development_node: RunningNode, user: str
) -> None:
    gates = [asyncio.Event() for _ in range(3)]
    call = Call("sales_query", {"metrics": ["revenue"], "by": ["agent"]})
    wrong = Call("sales_query", {"metrics": ["nonsense"]})
    development_node.provider.plan(
        user,
        [Say("Vou "), Pause(until=gates[0]), Say("ver."), call, wrong],
        [Pause(until=gates[1]), *[Say(f"parte {number} ") for number in range(40)], Pause(until=gates[2]), Say("fim")],
        [Say("segunda")],
    )
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        first = await send(client, session_id, f"{user}: quanto?")
        second = await send(client, session_id, f"{user}: e depois?")
        await client.until_type("message.delta")
        taken = await snapshots(development_node, user, 2)
        gates[0].set()
        taken += await snapshots(development_node, user, 8)
        await client.until_type("tool.completed")
        gates[1].set()
        taken += await snapshots(development_node, user, 8)
        gates[2].set()
        taken += await snapshots(development_node, user, 4)
        await client.until_turn_ends(second)
        retried = await client.ask("turn.retry", session_id=session_id, turn_id=second)
        taken += await snapshots(development_node, user, 3)
        await client.until_turn_ends(retried["turn_id"])
        taken += await snapshots(development_node, user, 1)
    whole = fold(client.frames)
    folds = [fold(client.frames, upto=snapshot["seq"]).shown() for snapshot in taken]
    assert [snapshot_shows(snapshot) for snapshot in taken] == folds
    assert whole.wrong == []
    assert set(whole.ends) == {first, second, retried["turn_id"]}
    assert set(whole.ends.values()) == {1}
    assert len({snapshot["seq"] for snapshot in taken}) > 4


async def test_a_snapshot_has_fifty_messages_and_history_the_rest_in_order(
    development_node: RunningNode, user: str
) -> None:
    development_node.provider.plan(user, *[[Say(f"resposta {number}")] for number in range(30)])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        for number in range(30):
            await client.until_turn_ends(await send(client, session_id, f"{user}: {number}"))
        snapshot = await snapshot_of(development_node, user)
        before = snapshot["messages"][0]["message_id"]
        await development_node.recorded(session_id, turns=30)
        older = await client.ask("history.get", session_id=session_id, before=before)
        newest = await client.ask("history.get", session_id=session_id, limit=7)
        everything = await client.ask("history.get", session_id=session_id, limit=100_000)
    shown = fold(client.frames).messages
    assert (len(snapshot["messages"]), snapshot["more"]) == (50, True)
    assert [*older["messages"], *snapshot["messages"]] == shown == everything["messages"]
    assert (older["more"], newest["more"], everything["more"]) == (False, True, False)
    assert newest["messages"] == shown[-7:]


async def test_a_snapshot_holds_192_kib_of_whole_messages(development_node: RunningNode, user: str) -> None:
    development_node.provider.plan(user, *[[Say("x" * 30_000)] for _ in range(9)])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        for number in range(9):
            await client.until_turn_ends(await send(client, session_id, f"{user}: {number}"))
        snapshot = await snapshot_of(development_node, user)
    size = len(json.dumps(snapshot["messages"]))
    assert snapshot["more"] is True
    assert 150 * 1024 < size < 230 * 1024
    assert snapshot["messages"] == fold(client.frames).messages[-len(snapshot["messages"]) :]


@pytest.mark.parametrize("before", ["msg_none", "msg_0123456789abcdefghjkmnpqrs"], ids=["no_id", "nobodys"])
async def test_history_before_an_unknown_message_is_not_found_in_a_sentence(
    development_node: RunningNode, user: str, before: str
) -> None:
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        refused = await client.ask("history.get", session_id=session_id, before=before)
    assert (refused["code"], refused["message"]) == ("not_found", "There is no such message in this session.")


async def test_history_and_rest_show_a_message_as_the_snapshot_does(development_node: RunningNode, user: str) -> None:
    development_node.provider.plan(user, [Say("bom")])
    async with development_node.connect() as client, development_node.http() as http:
        session_id = (await client.open(user))["session_id"]
        await client.until_turn_ends(await send(client, session_id, f"{user}: oi"))
        completed = await client.until_type("turn.completed")
        await client.ask(
            "feedback.create", session_id=session_id, message_id=completed["message_id"], score=-1, comment="não"
        )
        await development_node.recorded(session_id, turns=1)
        snapshot = await snapshot_of(development_node, user)
        history = await client.ask("history.get", session_id=session_id)
        rest = (await http.get(f"/api/v1/sessions/{session_id}/messages")).json()
    assert snapshot["messages"] == history["messages"] == rest["messages"]
    assert snapshot["messages"][1]["feedback"] == {"score": -1, "comment": "não"}
    assert without_verdicts(history["messages"]) == fold(client.frames).messages


async def test_all_of_what_is_ready_comes_in_order_whether_in_arrays_or_alone(
    development_node: RunningNode, user: str
) -> None:
    development_node.provider.plan(user, [Say("x") for _ in range(300)])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        await client.until_turn_ends(await send(client, session_id, f"{user}: oi"))
    seqs = [event["seq"] for event in client.events()]
    frames = [json.loads(raw) for raw in client.raw]
    assert seqs == list(range(1, len(seqs) + 1))
    assert any(isinstance(frame, list) for frame in frames)
    assert all(isinstance(frame, dict) or (frame and isinstance(frame[0], dict)) for frame in frames)
    assert fold(client.frames).wrong == []


async def lines(response: httpx2.Response, last: str) -> AsyncIterator[str]:
    """The lines of an SSE stream up to the first that begins so."""
    async for line in response.aiter_lines():
        yield line
        if line.startswith(last):
            return


async def test_a_silent_stream_says_a_comment(
    development_node: RunningNode, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sse_module.KEEPALIVE_S == 15
    monkeypatch.setattr(sse_module.is_set, "__defaults__", (0.05,))
    async with development_node.http() as http:
        session_id = (await http.post("/api/v1/sessions", json={"user_id": user})).json()["session_id"]
        async with http.stream("GET", f"/api/v1/sessions/{session_id}/events") as response:
            seen = [line async for line in lines(response, ":")]
    assert seen[-1] == ":"


async def test_each_event_of_a_stream_has_the_id_that_resumes_after_it(
    development_node: RunningNode, user: str
) -> None:
    development_node.provider.plan(user, [Say("um "), Say("dois")])
    async with development_node.http() as http, development_node.connect() as client:
        opened = await client.open(user)
        address = f"/api/v1/sessions/{opened['session_id']}/events"
        await client.until_turn_ends(await send(client, opened["session_id"], f"{user}: oi"))
        last = client.events()[-1]["seq"]
        replies = []
        for seq in (0, 1, last - 1, last):
            headers = {"Last-Event-ID": f"{opened['epoch']}:{seq}"}
            async with http.stream("GET", address, headers=headers) as response:
                replies.append([line async for line in lines(response, 'data: {"type":"session.live"')])
    ids = [[int(line.rpartition(":")[2]) for line in reply if line.startswith("id: ")] for reply in replies]
    assert ids == [list(range(seq + 1, last + 1)) for seq in (0, 1, last - 1, last)]
    assert not [line for reply in replies for line in reply if "snapshot" in line]
