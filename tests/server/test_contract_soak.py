"""Some users, two nodes, everything at random from a seed: each client's fold is the server's, each cid one turn."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.providers.scripted import Call, Cut, Item, Say, ScriptedProvider
from core.models import ModelRequest
from tests.server.conftest import RunningNode, running_node
from tests.server.folded import Folded, Frame, snapshot_shows
from tests.server.wire_client import WireClient
from tests.servers import valkey_server

USERS = 6
ACTIONS = 25


class RandomProvider:
    """A model that says anything, calls a tool now and then, and breaks off now and then."""

    name = "scripted"

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def stream(self, request: ModelRequest) -> Any:
        """Play a script made for this call."""
        words: list[Item] = [
            Say(self._chance.choice(("olá ", "ação ", "🙂 "))) for _ in range(self._chance.randint(1, 30))
        ]
        asked = type(request.messages[-1]).__name__ == "UserMessage"
        ends: list[list[Item]] = [[], [], [], [Cut()], [Call("sales_query", {"metrics": ["revenue"]})]]
        return ScriptedProvider([words + self._chance.choice(ends if asked else ends[:3])]).stream(request)

    async def close(self) -> None:
        """Nothing to free."""


class RandomUser:
    """A user whose client does anything at any time and never forgets what it was told."""

    def __init__(self, name: str, nodes: list[RunningNode], chance: random.Random) -> None:
        self.name = name
        self.folded = Folded()
        self.accepted: dict[str, Frame] = {}
        self.told_twice: list[tuple[Frame, Frame]] = []
        self.session_id = ""
        self._nodes = nodes
        self._chance = chance
        self._commands: dict[str, tuple[str, Frame]] = {}

    async def live(self) -> None:
        """Act at random, over as many connections as chance wants."""
        left = ACTIONS
        while left > 0:
            async with self.connected() as client:
                for _ in range(min(left, self._chance.randint(1, 8))):
                    left -= 1
                    await self._act(client)
                    await asyncio.sleep(self._chance.random() * 0.03)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[WireClient]:
        """A connection to any node that goes on where the last one was; all that comes is folded."""
        resume = {"epoch": self.folded.epoch, "seq": self.folded.seq}
        fields = {"resume": resume} if self.folded.epoch and self._chance.random() < 0.8 else {}
        async with self._chance.choice(self._nodes).connect() as client:
            self.session_id = (await client.open(self.name, **fields))["session_id"]
            try:
                yield client
            finally:
                for frame in client.frames:
                    self.folded.take(frame)

    async def rest(self) -> None:
        """Wait until nothing runs or waits any more."""
        async with self.connected() as client:
            for ok in self.accepted.values():
                await until_ended(client, self._nodes[0], ok["turn_id"])
            await client.ask("history.get", session_id=self.session_id)
        async with self.connected():
            pass

    async def _act(self, client: WireClient) -> None:
        action = self._chance.choice(("send", "send", "send", "cancel", "retry", "repeat", "history", "open"))
        turns = [ok["turn_id"] for ok in self.accepted.values()] or ["turn_none"]
        match action:
            case "send":
                await self._accept(client, "message.send", {"content": f"oi {len(self._commands)}"})
            case "retry":
                await self._accept(client, "turn.retry", {"turn_id": turns[-1]})
            case "repeat" if self._commands:
                await self._repeat(client, self._chance.choice(list(self._commands)))
            case "cancel":
                await client.ask("turn.cancel", session_id=self.session_id, turn_id=self._chance.choice(turns[-3:]))
            case "open":
                await client.open(self.name)
            case _:
                await client.ask("history.get", session_id=self.session_id, limit=5)

    async def _accept(self, client: WireClient, kind: str, body: Frame) -> None:
        cid = f"{self.name}-{len(self._commands)}"
        self._commands[cid] = (kind, body)
        await self._repeat(client, cid)

    async def _repeat(self, client: WireClient, cid: str) -> None:
        kind, body = self._commands[cid]
        start = len(client.frames)
        await client.say(kind, cid=cid, session_id=self.session_id, **body)
        answer = await client.until(lambda f: f.get("re") == cid and f["type"] in ("ok", "error"), start)
        if answer["type"] == "ok":
            before = self.accepted.setdefault(cid, answer)
            self.told_twice.append((before, answer))


async def until_ended(client: WireClient, node: RunningNode, turn_id: str) -> None:
    """Wait until a turn has ended, by asking for it."""
    async with node.http() as http:
        while (await http.get(f"/api/v1/turns/{turn_id}", params={"wait_s": 10})).status_code == 202:
            pass


@pytest.fixture
async def two_nodes(tmp_path: Path) -> AsyncIterator[list[RunningNode]]:
    """Two nodes that run turns, on a Redis of their own."""
    provider: Any = RandomProvider(random.Random(1))
    with valkey_server() as redis:
        async with AsyncExitStack() as stack:
            settings = {"redis_url": redis.url, "data_dir": tmp_path}
            yield [await stack.enter_async_context(running_node(provider, **settings)) for _ in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [7])
async def test_whatever_clients_do_their_folds_are_the_servers_and_each_cid_is_one_turn(
    two_nodes: list[RunningNode], seed: int
) -> None:
    users = [RandomUser(f"user-{number}", two_nodes, random.Random(seed + number)) for number in range(USERS)]
    await asyncio.gather(*(user.live() for user in users))
    await asyncio.gather(*(user.rest() for user in users))
    snapshots = [await last_snapshot(two_nodes[1], user.name) for user in users]
    folds = [tail(user.folded.shown(), snapshot) for user, snapshot in zip(users, snapshots, strict=True)]
    twice = [pair for user in users for pair in user.told_twice]
    turns = [ok["turn_id"] for user in users for ok in user.accepted.values()]
    asked = [message["re"] for user in users for message in user.folded.messages if message["role"] == "user"]
    assert folds == [snapshot_shows(snapshot) for snapshot in snapshots]
    assert [user.folded.wrong for user in users] == [[] for _ in users]
    assert {count for user in users for count in user.folded.ends.values()} == {1}
    assert [again["turn_id"] for _, again in twice] == [first["turn_id"] for first, _ in twice]
    assert len(turns) == len(set(turns)) > USERS
    assert len(asked) == len(set(asked))


async def last_snapshot(node: RunningNode, user: str) -> Frame:
    """What a new client is shown."""
    async with node.connect() as client:
        await client.open(user)
        return await client.until_type("session.snapshot")


def tail(shown: Frame, snapshot: Frame) -> Frame:
    """A view cut to as many messages as the snapshot has."""
    return {**shown, "messages": shown["messages"][len(shown["messages"]) - len(snapshot["messages"]) :]}
