"""Erasure as an independent client sees it: whatever was under way, nothing of a forgotten user comes back."""

from __future__ import annotations

import asyncio

import aiosqlite
import pytest
from redis.asyncio import Redis

from agent.providers.scripted import Pause, Say
from tests.server.conftest import RunningNode
from tests.server.wire_client import WireClient

pytestmark = pytest.mark.asyncio(loop_scope="session")
ACME = "acme-secret-0123456789"


async def words(node: RunningNode, secret: str) -> list[str]:
    """Where in Redis and SQL a word still stands."""
    async with Redis.from_url(node.settings.redis_url) as redis:
        found = [
            key.decode()
            async for key in redis.scan_iter("*")
            if secret.encode() in key + (await redis.dump(key) or b"")
        ]
    async with aiosqlite.connect(node.settings.data_dir / "prosa.db") as sql:
        for table in ("messages", "turns", "sessions", "users", "feedback"):
            rows = await (await sql.execute(f"SELECT * FROM {table}")).fetchall()
            found += [table for row in rows if secret in str(tuple(row))]
    return found


async def asked(client: WireClient, session_id: str, content: str) -> str:
    """Send a message; gives its turn."""
    ok = await client.ask("message.send", session_id=session_id, content=content)
    return str(ok["turn_id"])


async def test_a_user_is_forgotten_in_mid_answer_with_all_that_waits(keyed_node: RunningNode, user: str) -> None:
    reached = asyncio.Event()
    keyed_node.provider.plan(user, [Say("primeiro")], [Say("sim "), Pause(until=asyncio.Event(), reached=reached)])
    async with keyed_node.connect(key=ACME) as client, keyed_node.http(ACME) as http:
        session_id = (await client.open(user, channel="whatsapp"))["session_id"]
        await client.until_turn_ends(await asked(client, session_id, f"{user}: a"))
        turns = [await asked(client, session_id, f"{user}: b") for _ in range(3)]
        await reached.wait()

        erased = await http.delete(f"/api/v1/users/{user}")

        code = await client.closed()
        states = [(await http.get(f"/api/v1/turns/{turn_id}")).status_code for turn_id in turns]
    assert erased.json() == {"user_id": user, "sessions_erased": 1}
    assert code == 4504
    assert states == [404, 404, 404]
    left = {f"prosa:{{p0}}:s:{session_id}", *await sweeps(keyed_node, session_id)}  # the tombstone, and its list
    assert set(await words(keyed_node, session_id)) == left


async def sweeps(node: RunningNode, session_id: str) -> list[str]:
    """The lists of what is to be swept again, which name the session and nothing else of it."""
    async with Redis.from_url(node.settings.redis_url) as redis:
        return [key.decode() async for key in redis.scan_iter("*:er:*") if await redis.hexists(key, f"s:{session_id}")]


async def test_a_user_who_comes_back_begins_anew(keyed_node: RunningNode, user: str) -> None:
    keyed_node.provider.plan(user, [Say("um")], [Say("dois")])
    async with keyed_node.connect(key=ACME) as client, keyed_node.http(ACME) as http:
        old = (await client.open(user))["session_id"]
        await client.until_turn_ends(await asked(client, old, f"{user}: a"))
        await http.delete(f"/api/v1/users/{user}")
        await client.closed()
    async with keyed_node.connect(key=ACME) as client:
        opened = await client.open(user)
        snapshot = await client.until_type("session.snapshot")
        await client.until_turn_ends(await asked(client, opened["session_id"], f"{user}: b"))
    assert opened["session_id"] != old
    assert snapshot["messages"] == []
