"""Two processes on one Redis, one of them without a worker: the contract holds whichever node a client is on."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx2
import pytest
import pytest_asyncio

from tests.server.folded import Frame, fold, snapshot_shows
from tests.server.slow_model import SlowModel
from tests.server.test_process import ServerProcess, server_process
from tests.server.wire_client import WireClient
from tests.servers import RedisServer, valkey_server

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


@dataclass(frozen=True, kw_only=True)
class TwoNodes:
    """A node that runs turns, one that only holds connections, and what they stand on."""

    worker: ServerProcess
    web: ServerProcess
    redis: RedisServer
    model: SlowModel


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def nodes(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TwoNodes]:
    """Both nodes, with a model whose words the test says."""
    tmp_path = tmp_path_factory.mktemp("nodes")
    with valkey_server() as redis:
        async with AsyncExitStack() as stack:
            model = await stack.enter_async_context(SlowModel())
            settings = {
                "REDIS_URL": redis.url,
                "DATA_DIR": tmp_path / "data",
                "OPENAI_BASE_URL": model.url,
                "OPENAI_API_KEY": "none",
                "LLM_MODEL": "openai:slow",
                "LOG_LEVEL": "ERROR",
            }
            worker = await stack.enter_async_context(server_process(tmp_path, **settings))
            web = await stack.enter_async_context(server_process(tmp_path, **settings, ROLES="web"))
            yield TwoNodes(worker=worker, web=web, redis=redis, model=model)


def connect(node: ServerProcess) -> object:
    """A WebSocket client of a node."""
    return WireClient.connect(f"{node.url.replace('http', 'ws')}/ws")


async def test_a_node_without_a_worker_accepts_cancels_and_follows_what_another_runs(nodes: TwoNodes) -> None:
    async with connect(nodes.web) as web, connect(nodes.worker) as worker:
        session_id = (await web.open("ana"))["session_id"]
        assert (await worker.open("ana"))["session_id"] == session_id
        ok = await web.ask("message.send", session_id=session_id, content="conte")
        await nodes.model.next_call()
        await nodes.model.say("um dois")
        await web.until_type("message.delta")
        cancelled = await web.ask("turn.cancel", session_id=session_id, turn_id=ok["turn_id"])
        ends = [await client.until_turn_ends(ok["turn_id"]) for client in (web, worker)]
        await web.say("typing", cid=None, session_id=session_id, on=True)
        typing = await worker.until_type("typing")
        history = [await client.ask("history.get", session_id=session_id) for client in (web, worker)]
    assert cancelled["state"] == "running"
    assert ends[0] == ends[1]
    assert ends[0]["type"] == "turn.cancelled"
    assert web.events() == worker.events()
    assert (typing["session_id"], typing["on"]) == (session_id, True)
    assert history[0]["messages"] == history[1]["messages"]
    assert [(m["content"], m["status"]) for m in history[0]["messages"]] == [
        ("conte", "complete"),
        ("um dois", "cancelled"),
    ]


async def test_chat_on_a_node_without_a_worker_waits_for_the_one_that_has(nodes: TwoNodes) -> None:
    body, key = {"user_id": "bia", "message": "oi"}, {"Idempotency-Key": "k"}
    async with httpx2.AsyncClient(timeout=30) as http:
        asked = [
            asyncio.create_task(http.post(f"{n.url}/chat", json=body, headers=key)) for n in (nodes.web, nodes.worker)
        ]
        await nodes.model.next_call()
        await nodes.model.say("olá")
        await nodes.model.finish()
        answers = [(await task).json() for task in asked]
        turn = (await http.get(f"{nodes.web.url}/api/v1/turns/{answers[0]['turn_id']}")).json()
    assert {answer["turn_id"] for answer in answers} == {turn["turn_id"]}
    assert [answer["response"] for answer in (*answers, turn)] == ["olá"] * 3


async def test_a_client_goes_on_at_the_other_node_where_it_was(nodes: TwoNodes) -> None:
    async with connect(nodes.worker) as before:
        opened = await before.open("cris")
        ok = await before.ask("message.send", session_id=opened["session_id"], content="conte")
        await nodes.model.next_call()
        await nodes.model.say("um ")
        await before.until_type("message.delta")
    position = {"epoch": opened["epoch"], "seq": before.events()[-1]["seq"]}
    async with connect(nodes.web) as after:
        again = await after.open("cris", resume=position)
        await nodes.model.say("dois")
        await nodes.model.finish()
        await after.until_turn_ends(ok["turn_id"])
    whole = fold([*before.frames, *after.frames])
    assert again["recovered"] is True
    assert whole.wrong == []
    assert whole.messages[-1]["content"] == "um dois"


@pytest.mark.chaos
async def test_a_redis_that_was_killed_costs_a_snapshot_and_doubles_nothing(nodes: TwoNodes) -> None:
    async with connect(nodes.worker) as one, connect(nodes.web) as two:
        opened = await one.open("davi")
        session_id = opened["session_id"]
        await two.open("davi")
        ok = await one.ask("message.send", session_id=session_id, content="conte", cid="first")
        waiting = await two.ask("message.send", session_id=session_id, content="e mais", cid="second")
        await nodes.model.next_call()
        await nodes.model.say("um dois ")
        await two.until_type("message.delta")
        nodes.redis.kill()
        await two.say("ping", cid=None, t="away")
        await two.until(lambda frame: frame == {"type": "pong", "t": "away"})
        nodes.redis.start()
        fresh = [await new_epoch(client, opened["epoch"]) for client in (one, two)]
        again = await resent(two, session_id, "conte", "first")
        await nodes.model.say("e isto sabe ninguém")  # the run learns that its log is another
        await nodes.model.next_call()
        await nodes.model.say("um dois três")
        await nodes.model.finish()
        await one.until_turn_ends(ok["turn_id"])
        await nodes.model.next_call()
        await nodes.model.say("quatro")
        await nodes.model.finish()
        await one.until_turn_ends(waiting["turn_id"])
        await two.until_turn_ends(waiting["turn_id"])
    async with connect(nodes.worker) as late:
        await late.open("davi")
        snapshot = await late.until_type("session.snapshot")
    folds = [fold(client.frames) for client in (one, two)]
    assert fresh[0]["epoch"] == fresh[1]["epoch"] != opened["epoch"]
    assert again == {**ok, "duplicate": True}
    assert [folded.shown() for folded in folds] == [snapshot_shows(snapshot)] * 2
    assert [folded.wrong for folded in folds] == [[], []]
    assert folds[0].ends == {ok["turn_id"]: 1, waiting["turn_id"]: 1}
    assert [message["content"] for message in snapshot["messages"]] == ["conte", "e mais", "um dois três", "quatro"]


@pytest.mark.chaos
async def test_a_redis_that_has_lost_everything_sends_its_clients_to_a_new_session(nodes: TwoNodes) -> None:
    async with connect(nodes.web) as before:
        old = await before.open("eva")
        nodes.redis.kill()
        shutil.rmtree(nodes.redis.folder / "appendonlydir")
        nodes.redis.start()
        code = await before.closed()
    async with connect(nodes.web) as after:
        new = await after.open("eva", resume={"epoch": old["epoch"], "seq": old["head"]})
    assert code == 4006
    assert new["session_id"] != old["session_id"]
    assert (new["recovered"], new["reason"]) == (False, "epoch")


async def new_epoch(client: WireClient, old: str) -> Frame:
    """The first snapshot of another epoch; no event of it came before."""
    snapshot = await client.until(lambda f: f["type"] == "session.snapshot" and f["epoch"] != old)
    await client.until_type("session.live", client.frames.index(snapshot))
    return snapshot


async def resent(client: WireClient, session_id: str, content: str, cid: str) -> Frame:
    """Send a message again, as a client does after a new epoch, and wait for the answer."""
    start = len(client.frames)
    await client.say("message.send", session_id=session_id, content=content, cid=cid)
    return await client.until(lambda frame: frame.get("re") == cid and frame["type"] in ("ok", "error"), start)
