"""The small process beside a worker: it speaks once the worker was killed, and only then."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from core.turns import TakenTurn
from memory.backends import Memory, open_memory
from server.lifeline import GOODBYE, encode_order, wait
from server.lifeline_holder import LifelineHolder
from tests.conformance.kit import open_session, said, take_one
from tests.server.server_process import server_process
from tests.servers import RedisServer, valkey_server

ROOT = Path(__file__).parents[2]
LEASE_MS = 600_000
"""Ten minutes: a turn that comes back sooner comes back because somebody said that its worker is dead."""


def heard(*pieces: bytes) -> tuple[int, list[object]]:
    """The exit code, and what was called, after a worker wrote these pieces and closed the pipe."""
    called: list[object] = []

    def last_will(paths: list[str], module: str, arguments: list[str]) -> int:
        called.append((paths, module, arguments))
        return 7

    reading, writing = os.pipe()
    os.write(writing, b"".join(pieces))
    os.close(writing)
    try:
        return wait(reading, last_will), called
    finally:
        os.close(reading)


ORDER = encode_order(["/a", "/b"], "some.module", ["redis://:secret@host", "2", "node_1"])


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        pytest.param(
            [ORDER],
            (7, [(["/a", "/b"], "some.module", ["redis://:secret@host", "2", "node_1"])]),
            id="a_pipe_that_just_closes_is_a_death",
        ),
        pytest.param([ORDER, GOODBYE], (0, []), id="a_goodbye_is_no_death"),
        pytest.param([ORDER[:-3]], (0, []), id="a_worker_that_died_before_it_ordered_anything"),
        pytest.param([], (0, []), id="nothing_was_said"),
    ],
)
def test_what_follows_when_the_pipe_closes(pieces: list[bytes], expected: object) -> None:
    assert heard(*pieces) == expected


def test_an_order_without_a_word_in_a_field_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        encode_order(["/a"], "module", [""])


async def test_it_is_started_again_when_it_dies_and_ends_with_a_goodbye() -> None:
    holder = LifelineHolder("memory.dead_node", ["redis://nowhere", "1", "node_1"])
    holding = asyncio.create_task(holder.run())
    first = await pid_of(holder)
    os.kill(first, signal.SIGKILL)
    await gone(first)
    second = await pid_of(holder, other_than=first)
    holding.cancel()
    await asyncio.wait([holding])
    assert not psutil.pid_exists(second)


async def test_it_costs_little_shows_no_secret_and_outlives_the_signals_of_a_terminal() -> None:
    holder = LifelineHolder("memory.dead_node", ["redis://:geheim-42@nowhere", "1", "node_1"])
    holding = asyncio.create_task(holder.run())
    process = psutil.Process(await pid_of(holder))
    while process.status() != psutil.STATUS_SLEEPING or process.memory_info().rss < 4_000_000:
        await asyncio.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    size, told = process.memory_info().rss, f"{process.cmdline()} {process.environ()}"
    is_apart = os.getsid(process.pid) == process.pid
    holding.cancel()
    await asyncio.wait([holding])
    assert size < 12_000_000
    assert "geheim-42" not in told
    assert is_apart


@dataclass
class MortalWorker:
    """A worker process that runs a turn."""

    process: asyncio.subprocess.Process
    turn_id: str
    lifeline_pid: int


@asynccontextmanager
async def mortal_worker(server: RedisServer, folder: Path, node: str) -> AsyncIterator[MortalWorker]:
    """A worker in the middle of a turn."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "tests/server/mortal_worker.py"),
        *(server.url, str(folder), node, str(LEASE_MS)),
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        _, turn_id, pid = (await process.stdout.readline()).decode().split()
        yield MortalWorker(process, turn_id, int(pid))
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture
async def memory(tmp_path: Path) -> AsyncIterator[tuple[RedisServer, Memory]]:
    """A Redis, and a node of its own on it."""
    with valkey_server() as server:
        async with open_memory(redis_url=server.url, data_dir=tmp_path, node="here") as opened:
            yield server, opened


async def test_the_turn_of_a_killed_worker_goes_on_elsewhere_long_before_its_lease_has_run_out(
    memory: tuple[RedisServer, Memory], tmp_path: Path
) -> None:
    server, here = memory
    session = await open_session(here)
    await here.queue.submit(said(session))
    async with mortal_worker(server, tmp_path, "mortal") as worker:
        worker.process.kill()
        await worker.process.wait()
        again = await taken(here)
    assert (again.input.turn_id, again.attempt) == (worker.turn_id, 2)
    await gone(worker.lifeline_pid)


async def test_a_turn_of_another_worker_is_left_to_it(memory: tuple[RedisServer, Memory], tmp_path: Path) -> None:
    server, here = memory
    ana, bia = await open_session(here, "ana"), await open_session(here, "bia")
    await here.queue.submit(said(ana))
    kept = await take_one(here)
    await here.queue.submit(said(bia))
    async with mortal_worker(server, tmp_path, "mortal") as worker:
        worker.process.kill()
        await worker.process.wait()
        again = await taken(here)
    assert again.session == bia
    assert await here.queue.renew([kept]) == []


async def test_a_worker_that_stops_hands_its_turn_back_itself_as_an_attempt_that_does_not_count(
    memory: tuple[RedisServer, Memory], tmp_path: Path
) -> None:
    server, here = memory
    session = await open_session(here)
    await here.queue.submit(said(session))
    async with mortal_worker(server, tmp_path, "mortal") as worker:
        worker.process.terminate()
        code = await worker.process.wait()
        again = await taken(here)
    assert (code, again.attempt) == (0, 1)
    assert not psutil.pid_exists(worker.lifeline_pid)


async def pid_of(holder: LifelineHolder, *, other_than: int | None = None) -> int:
    """The pid of the small process, once it runs."""
    while holder.pid is None or holder.pid == other_than:
        await asyncio.sleep(0.01)
    return holder.pid


@pytest.mark.slow
async def test_a_server_with_a_redis_of_others_has_one_and_it_ends_with_it(tmp_path: Path) -> None:
    with valkey_server() as redis:
        async with server_process(tmp_path, REDIS_URL=redis.url, LOG_LEVEL="ERROR") as server:
            assert server.process is not None
            [lifeline] = psutil.Process(server.process.pid).children()
            command = lifeline.cmdline()
            code = await server.end()
    assert command[-1].endswith("lifeline.py")
    assert (code, psutil.pid_exists(lifeline.pid)) == (0, False)


async def taken(memory: Memory) -> TakenTurn:
    """The next turn that is ready."""
    ready = asyncio.Event()
    memory.queue.on_ready(ready.set)
    while not (turns := await memory.queue.take(1)):
        await ready.wait()
        ready.clear()
    return turns[0]


async def gone(pid: int) -> None:
    """Wait until a process is no more (or only waited for by nobody)."""
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        await asyncio.sleep(0.01)
