"""FSYNC_BEFORE_OK: nothing is said to be accepted before it is on Redis' disk, or the start is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.errors import BackendError, SettingsError
from memory.backends import Memory, open_memory
from memory.connection import Database
from memory.fsync import Fsync
from memory.keys import Keys
from tests.conformance.kit import open_session, said
from tests.servers import RedisServer, debian_redis, redis_server, valkey_server


@pytest.fixture
def server() -> object:
    with valkey_server() as running:
        yield running


@pytest.fixture
async def durable(server: RedisServer, tmp_path: Path) -> AsyncIterator[Memory]:
    async with open_memory(redis_url=server.url, data_dir=tmp_path, node="node_1", fsync_before_ok=True) as memory:
        yield memory


async def refused(redis_url: str, tmp_path: Path) -> str:
    with pytest.raises(SettingsError) as error:
        async with open_memory(redis_url=redis_url, data_dir=tmp_path, node="n", fsync_before_ok=True):
            pytest.fail("it started")
    assert "\n" not in error.value.message
    return error.value.message


@pytest.mark.skipif(debian_redis() is None, reason="redis-server is not installed")
async def test_a_redis_that_does_not_know_it_is_refused(tmp_path: Path) -> None:
    with redis_server("--maxmemory-policy", "noeviction") as server:
        assert "Redis 7.2 or newer" in await refused(server.url, tmp_path)


async def test_a_redis_that_writes_no_file_is_refused(tmp_path: Path) -> None:
    with valkey_server("--appendonly", "no") as server:
        assert "appendonly yes" in await refused(server.url, tmp_path)


async def test_what_was_accepted_is_there_after_redis_was_killed(durable: Memory, server: RedisServer) -> None:
    session = await open_session(durable)
    submission = said(session, "não se perde")
    accepted = await durable.queue.submit(submission)

    server.kill()
    server.start()

    with server.client() as client:
        assert client.exists(f"prosa:{{p0}}:t:{accepted.turn_id}") == 1


async def test_many_who_wait_at_once_share_the_rounds(durable: Memory) -> None:
    sessions = [await open_session(durable, f"user-{number}") for number in range(30)]

    async with asyncio.timeout(15):  # one after the other would take half a minute
        accepted = await asyncio.gather(*(durable.queue.submit(said(session)) for session in sessions))

    assert len({each.turn_id for each in accepted}) == 30


async def test_a_repetition_waits_for_the_disk_too(durable: Memory) -> None:
    submission = said(await open_session(durable))
    await durable.queue.submit(submission)

    assert (await durable.queue.submit(submission)).duplicate


async def test_what_another_redis_process_wrote_is_not_promised(server: RedisServer) -> None:
    database = Database(server.url, Keys(1), "node_1")
    fsync = Fsync(database.make_connection)
    task = asyncio.create_task(fsync.run())

    with pytest.raises(BackendError, match="started anew"):
        await fsync.reached(b"the one before")

    task.cancel()
    await asyncio.wait([task])


async def test_without_an_answer_from_the_disk_there_is_an_error_worth_another_try(tmp_path: Path) -> None:
    database = Database(f"unix://{tmp_path}/nobody.sock", Keys(1), "node_1")
    fsync = Fsync(database.make_connection, patience_s=0.05)
    task = asyncio.create_task(fsync.run())

    with pytest.raises(BackendError) as error:
        await fsync.reached(b"")

    assert error.value.retryable
    task.cancel()
    await asyncio.wait([task])
