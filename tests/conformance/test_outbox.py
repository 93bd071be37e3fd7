"""`core.ports.Outbox`: records stay until they are acknowledged."""

from __future__ import annotations

import asyncio

from core.turns import SessionRef, TurnRecord
from memory.backends import Memory
from tests.conformance.conftest import Nodes
from tests.conformance.kit import exchange, open_session


async def test_each_ended_turn_leaves_one_record(memory: Memory, session: SessionRef) -> None:
    submissions = [(await exchange(memory, session))[0] for _ in range(3)]

    records = [record for _, record in await memory.outbox.pending(10)]

    assert [type(record) for record in records] == [TurnRecord] * 3
    assert [record.turn_id for record in records] == [it.input.turn_id for it in submissions]  # type: ignore[union-attr]


async def test_pending_records_stay_until_they_are_acknowledged(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await exchange(nodes.one, session)
    await exchange(nodes.one, session)
    [(first, _), (second, _)] = await nodes.one.outbox.pending(10)
    assert await nodes.two.outbox.pending(10) == await nodes.one.outbox.pending(10)

    left = await nodes.one.outbox.acknowledge([first])

    assert left == 1
    assert [token for token, _ in await nodes.two.outbox.pending(10)] == [second]


async def test_acknowledging_twice_is_harmless(memory: Memory, session: SessionRef) -> None:
    await exchange(memory, session)
    [(token, _)] = await memory.outbox.pending(10)
    await memory.outbox.acknowledge([token])

    assert await memory.outbox.acknowledge([token]) == 0


async def test_pending_gives_at_most_its_limit_oldest_first(memory: Memory, session: SessionRef) -> None:
    submissions = [(await exchange(memory, session))[0] for _ in range(3)]

    records = await memory.outbox.pending(2)

    assert [record.turn_id for _, record in records] == [it.input.turn_id for it in submissions[:2]]  # type: ignore[union-attr]


async def test_records_of_every_partition_come_out(memory: Memory) -> None:
    for number in range(8):
        await exchange(memory, await open_session(memory, f"user-{number}"))

    records = await memory.outbox.pending(100)

    assert {record.user_id for _, record in records} == {f"user-{number}" for number in range(8)}
    assert await memory.outbox.acknowledge([token for token, _ in records]) == 0


async def test_a_long_outbox_forgets_a_session_and_no_other(nodes: Nodes) -> None:
    """SQL was away for long. Redis is asked for a part at a time: one script over all of it held everybody up."""
    keys = nodes.one.database.keys
    with nodes.server.client() as client, client.pipeline() as adding:
        for number in range(900):
            sid = ("ses_gone", "ses_stays")[number % 3 == 0]
            adding.xadd(f"{keys.prefix(keys.partitions - 1)}outbox", {"s": sid, "d": "{}"})
        adding.execute()

    await nodes.one.outbox.forget(["ses_gone"])

    with nodes.server.client() as client:
        left = client.xrange(f"{keys.prefix(keys.partitions - 1)}outbox")
    assert [fields[b"s"] for _, fields in left] == [b"ses_stays"] * 300


async def test_wait_returns_when_a_turn_ends_on_another_node(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await nodes.two.outbox.wait(0.01)
    waiting = asyncio.create_task(nodes.two.outbox.wait(30))

    await exchange(nodes.one, session)

    async with asyncio.timeout(5):
        await waiting


async def test_wait_returns_after_its_timeout(memory: Memory) -> None:
    await memory.outbox.wait(0.01)
    await memory.outbox.wait(0.01)
