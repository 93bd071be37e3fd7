"""`core.ports.StatusBoard`: each node says its own, all of them can be read, who is silent is forgotten."""

from __future__ import annotations

import asyncio

from core.ports import ModelStatus
from memory.statuses.board import RedisStatusBoard
from tests.conformance.conftest import Nodes


async def test_what_each_node_said_last_is_read_by_all(nodes: Nodes) -> None:
    old, new = (
        ModelStatus(model="openai:gpt", breaker="open", calls=calls, last_error="rate_limited") for calls in (1, 2)
    )
    await nodes.one.statuses.tell("node_1", "one", [old])
    await nodes.one.statuses.tell("node_1", "one", [new])
    await nodes.two.statuses.tell("node_2", "two", [])

    first, second = await nodes.two.statuses.all()

    assert (first.node_id, first.node, first.models) == ("node_1", "one", (new,))
    assert (second.node_id, second.node, second.models) == ("node_2", "two", ())
    assert 0 < first.at_ms <= second.at_ms


async def test_a_node_that_says_nothing_more_is_forgotten(nodes: Nodes) -> None:
    brief = RedisStatusBoard(nodes.one.database, kept_ms=50)
    await nodes.one.statuses.tell("node_1", "one", [])
    async with asyncio.timeout(20):
        while await brief.all():
            await asyncio.sleep(0.01)

    await brief.tell("node_2", "two", [])

    assert [node.node_id for node in await nodes.two.statuses.all()] == ["node_2"]
