"""Pub/sub messages that never come: the next one shows the gap, and without a next one the heads are compared."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from memory.backends import Memory, open_memory
from tests.conformance.kit import Reader, delta, eventually, open_session, said, take_one
from tests.memory.faulty import FaultyProxy
from tests.servers import RedisServer

PUSH = b"*3\r\n$8\r\nsmessage\r\n"
"""How every pub/sub message begins in RESP2."""


class LosingProxy(FaultyProxy):
    """Passes everything on but the pub/sub messages that hold `lost`."""

    def __init__(self, target: Path) -> None:
        super().__init__(target)
        self.lost = b""
        self.losses = 0

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event) -> None:
        while data := await reader.read(1 << 20):
            writer.write(self._without_the_lost(data))
            await writer.drain()

    def _without_the_lost(self, data: bytes) -> bytes:
        first, *pushes = data.split(PUSH)
        kept = [push for push in pushes if not self.lost or self.lost not in push]
        self.losses += len(pushes) - len(kept)
        return b"".join([first, *(PUSH + push for push in kept)])


@asynccontextmanager
async def losing_proxy(server: RedisServer) -> AsyncIterator[tuple[LosingProxy, str]]:
    """A proxy before a Redis, and its URL."""
    proxy = LosingProxy(Path(server.url.removeprefix("unix://")))
    path = server.folder / "losing.sock"
    listening = await asyncio.start_unix_server(proxy.serve, path=str(path))
    try:
        yield proxy, f"unix://{path}"
    finally:
        listening.close()
        await proxy.close()


@pytest.fixture
async def nodes(server: RedisServer, tmp_path: Path) -> AsyncIterator[tuple[LosingProxy, Memory, Memory]]:
    """The proxy, the node behind it, and one that is not."""
    async with (
        losing_proxy(server) as (proxy, url),
        open_memory(redis_url=url, data_dir=tmp_path, node="deaf") as deaf,
        open_memory(redis_url=server.url, data_dir=tmp_path, node="writing") as writing,
    ):
        yield proxy, deaf, writing


async def test_a_lost_message_is_read_from_the_log_when_the_next_one_comes(
    nodes: tuple[LosingProxy, Memory, Memory],
) -> None:
    proxy, deaf, writing = nodes
    session = await open_session(writing)
    await deaf.log.attach(session, reader := Reader())
    await writing.queue.submit(said(session))
    turn = await take_one(writing)
    proxy.lost = b"never-heard"
    writer = writing.queue.writer(turn)
    await writer.append([delta(turn, "m", "never-heard")])
    await writer.append([delta(turn, "m", "heard")])
    await reader.until_seq(5)
    assert (proxy.losses, reader.seqs) == (1, [1, 2, 3, 4, 5])


async def test_a_last_message_that_was_lost_is_found_by_comparing_heads(
    nodes: tuple[LosingProxy, Memory, Memory],
) -> None:
    proxy, deaf, writing = nodes
    session = await open_session(writing)
    await deaf.log.attach(session, reader := Reader())
    await writing.queue.submit(said(session))
    turn = await take_one(writing)
    await reader.until_seq(3)
    proxy.lost = b"never-heard"
    await writing.queue.writer(turn).append([delta(turn, "m", "never-heard")])
    await reader.until_seq(4, timeout_s=15)
    assert (proxy.losses, reader.seqs) == (1, [1, 2, 3, 4])


async def test_a_listener_that_fails_leaves_the_node_its_hearing(
    nodes: tuple[LosingProxy, Memory, Memory], server: RedisServer
) -> None:
    """A message that cannot be read, of one session: the connection stays, and the others are heard."""
    _, deaf, writing = nodes
    ana, bia = await open_session(writing, "ana"), await open_session(writing, "bia")
    await deaf.log.attach(ana, Reader())
    await deaf.log.attach(bia, reader := Reader())
    with server.client() as client:
        client.execute_command("SPUBLISH", f"prosa:{{p0}}:ch:{ana.session_id}", b"E no numbers here\n[]")
        before = client.execute_command("CLIENT", "LIST", "TYPE", "pubsub")
    await writing.queue.submit(said(bia))
    await reader.until_seq(2)
    with server.client() as client:
        after = client.execute_command("CLIENT", "LIST", "TYPE", "pubsub")
    assert [line.split()[0] for line in after.splitlines()] == [line.split()[0] for line in before.splitlines()]


async def test_a_pubsub_connection_that_says_nothing_more_is_replaced_although_redis_does_not_answer_either(
    server: RedisServer, tmp_path: Path
) -> None:
    """A Redis that is paused looks like a network that swallows everything; when it is back, the node hears again."""
    async with open_memory(redis_url=server.url, data_dir=tmp_path, node="n") as memory:
        session = await open_session(memory)
        await memory.log.attach(session, reader := Reader())
        server.pause()
        await eventually(lambda: not memory.ready(), timeout_s=15)
        server.resume()
        await eventually(memory.ready, timeout_s=15)
        await memory.queue.submit(said(session))
        await reader.until_seq(2)
        assert reader.seqs == [1, 2]
