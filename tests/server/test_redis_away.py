"""While Redis is away everybody stays, what cannot be accepted says so, and everything goes on when it is back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from agent.providers.scripted import Pause, Say
from tests.server.conftest import PlannedProvider, RunningNode, running_node
from tests.server.wire_client import WireClient
from tests.servers import RedisServer, valkey_server

pytestmark = pytest.mark.chaos


@dataclass(frozen=True, kw_only=True)
class Stand:
    """A node on a Redis of its own."""

    node: RunningNode
    redis: RedisServer
    provider: PlannedProvider


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    provider = PlannedProvider()
    with valkey_server() as redis:
        async with running_node(provider, redis_url=redis.url, data_dir=tmp_path) as node:
            yield Stand(node=node, redis=redis, provider=provider)
            redis.resume()


async def ready(stand: Stand) -> None:
    """Wait until the node says that it is ready, in its own words."""
    async with stand.node.http() as http:
        while (await http.get("/ready")).status_code != 200:
            await asyncio.sleep(0.05)


async def answered(client: WireClient, kind: str, **fields: object) -> dict[str, object]:
    """Repeat a command, as a client does, until its answer is not retryable."""
    while (reply := await client.ask(kind, **fields)).get("retryable"):
        await asyncio.sleep(0.1)
    return reply


async def test_a_ping_is_answered_while_commands_wait_for_a_redis_that_says_nothing(stand: Stand) -> None:
    async with stand.node.connect() as client:
        session_id = (await client.open("ana"))["session_id"]
        stand.redis.pause()
        cid = await client.say("history.get", session_id=session_id)
        await client.say("ping", cid=None, t="away")
        reply = await client.until(lambda frame: frame.get("re") == cid or frame == {"type": "pong", "t": "away"})
    assert reply["type"] == "pong"


async def test_an_open_says_that_it_may_be_repeated_and_is_on_the_same_connection(stand: Stand) -> None:
    async with stand.node.connect() as client:
        stand.redis.pause()
        refused = await client.ask("session.open", user_id="ana")
        stand.redis.resume()
        opened = await answered(client, "session.open", user_id="ana")
    assert (refused["type"], refused["code"], refused["retryable"]) == ("error", "internal", True)
    assert opened["type"] == "session.opened"


async def test_a_message_that_redis_may_or_may_not_have_had_makes_one_turn_however_often_it_is_sent(
    stand: Stand,
) -> None:
    stand.provider.plan("ana", [Say("um")], [Say("dois")])
    async with stand.node.connect() as client:
        session_id = (await client.open("ana"))["session_id"]
        stand.redis.pause()
        refused = await client.ask("message.send", session_id=session_id, content="ana: oi", cid="m1")
        stand.redis.resume()
        start = len(client.frames)
        accepted = await resent(client, session_id, start)
        await client.until_turn_ends(str(accepted["turn_id"]))
        kinds = [event["type"] for event in client.events()]
    assert refused["retryable"] is True
    assert (kinds.count("message.created"), kinds.count("turn.completed")) == (1, 1)


async def resent(client: WireClient, session_id: str, start: int) -> dict[str, object]:
    """Send the message `m1` again until it is accepted."""
    while True:
        await client.say("message.send", session_id=session_id, content="ana: oi", cid="m1")
        reply = await client.until(lambda f: f.get("re") == "m1" and f["type"] in ("ok", "error"), start)
        if reply["type"] == "ok":
            return reply
        start = len(client.frames)


async def test_after_a_restart_of_redis_messages_are_heard_answered_and_recorded_without_anybodys_help(
    stand: Stand,
) -> None:
    """Worker, hub, control channel, recorder and healing each hang on Redis: none may have died of it."""
    gate = asyncio.Event()
    stand.provider.plan("ana", [Say("antes")], [Say("dep"), Pause(until=gate), Say("ois")])
    async with stand.node.connect() as client, stand.node.connect() as other:
        opened = await client.open("ana")
        session_id, epoch = opened["session_id"], opened["epoch"]
        await other.open("ana")
        before = await client.ask("message.send", session_id=session_id, content="ana: oi")
        await client.until_turn_ends(before["turn_id"])
        await stand.node.recorded(session_id, turns=1)
        stand.redis.stop()
        stand.redis.start()
        await ready(stand)
        after = await answered(client, "message.send", session_id=session_id, content="ana: oi")
        for each in (client, other):  # an answer that ends before is in the snapshot, and no event of it comes
            await each.until(lambda frame: frame["type"] == "session.snapshot" and frame["epoch"] != epoch)
        gate.set()
        ends = [await each.until_turn_ends(str(after["turn_id"])) for each in (client, other)]
        await stand.node.recorded(session_id, turns=2)
    assert [end["type"] for end in ends] == ["turn.completed"] * 2


async def test_an_answer_goes_on_when_the_pubsub_connection_alone_is_cut_again_and_again(stand: Stand) -> None:
    gates = [asyncio.Event() for _ in range(4)]
    pieces = [piece for number, gate in enumerate(gates) for piece in (Say(f"{number} "), Pause(until=gate))]
    stand.provider.plan("ana", pieces)
    async with stand.node.connect() as client:
        session_id = (await client.open("ana"))["session_id"]
        ok = await client.ask("message.send", session_id=session_id, content="ana: oi")
        for number, gate in enumerate(gates):
            with stand.redis.client() as redis:
                redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
            gate.set()
            await client.until(lambda frame, said=f"{number} ": said in frame.get("text", ""))
        end = await client.until_turn_ends(ok["turn_id"])
        seqs = [event["seq"] for event in client.events()]
    assert client.text(end["message_id"]) == "0 1 2 3 "
    assert seqs == list(range(1, len(seqs) + 1))


async def test_a_cancel_reaches_the_run_although_its_word_on_pubsub_was_lost(stand: Stand) -> None:
    stand.provider.plan("ana", [Say("um "), Pause(until=asyncio.Event())])
    async with stand.node.connect() as client:
        session_id = (await client.open("ana"))["session_id"]
        ok = await client.ask("message.send", session_id=session_id, content="ana: oi")
        await client.until_type("message.delta")
        with stand.redis.client() as redis:
            redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await client.ask("turn.cancel", session_id=session_id, turn_id=ok["turn_id"])
        end = await client.until_turn_ends(ok["turn_id"])
    assert end["type"] == "turn.cancelled"
