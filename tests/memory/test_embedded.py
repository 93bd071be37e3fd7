"""The embedded Valkey: its data, its lock, its life and its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import SettingsError
from memory.backends import open_memory
from tests.conformance.kit import Reader, eventually, exchange, open_session
from tests.memory.conftest import all_written

OWNER = """
import asyncio, sys
from pathlib import Path
from memory.backends import open_memory

async def main():
    async with open_memory(redis_url=None, data_dir=Path(sys.argv[1]), node="owner"):
        print("open", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def pid_of(data_dir: Path) -> int:
    return int((data_dir / "redis" / "valkey.pid").read_text())


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_data_survives_from_one_start_to_the_next(tmp_path: Path) -> None:
    async with open_memory(redis_url=None, data_dir=tmp_path, node="first") as memory:
        session = await open_session(memory)
        await exchange(memory, session, "quanto?", "dez")

    async with open_memory(redis_url=None, data_dir=tmp_path, node="second") as memory:
        again = await open_session(memory)
        view = await memory.sessions.view(again)

    assert again == session
    assert [message.content for message in view.messages] == ["quanto?", "dez"]


async def test_leaving_stops_the_child(tmp_path: Path) -> None:
    async with open_memory(redis_url=None, data_dir=tmp_path, node="n"):
        pid = pid_of(tmp_path)
        assert alive(pid)

    assert not alive(pid)


async def test_a_second_server_in_the_same_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    async with open_memory(redis_url=None, data_dir=tmp_path, node="first"):
        with pytest.raises(SettingsError, match="another server runs in") as error:
            async with open_memory(redis_url=None, data_dir=tmp_path, node="second"):
                pytest.fail("it started")

    assert "\n" not in error.value.message


async def test_a_second_node_may_share_it_by_its_url(tmp_path: Path) -> None:
    async with (
        open_memory(redis_url=None, data_dir=tmp_path, node="one") as one,
        open_memory(redis_url=one.redis_url, data_dir=tmp_path, node="two") as two,
    ):
        session = await open_session(one)

        assert await open_session(two) == session


async def test_a_child_that_dies_is_started_again_and_everything_heals(tmp_path: Path) -> None:
    async with open_memory(redis_url=None, data_dir=tmp_path, node="n") as memory:
        session = await open_session(memory)
        await exchange(memory, session, "um", "1")
        reader = Reader()
        await memory.log.attach(session, reader)
        first = pid_of(tmp_path)

        await all_written(memory.redis_url)
        os.kill(first, signal.SIGKILL)
        await reader.until(lambda it: bool(it.epochs))
        head = await memory.log.attach(session, again := Reader())
        await exchange(memory, session, "dois", "2")

        await again.until_seq(head.seq + 7)
        view = await memory.sessions.view(session)
        assert pid_of(tmp_path) != first
        assert [message.content for message in view.messages] == ["um", "1", "dois", "2"]


async def test_a_folder_too_deep_for_a_socket_is_served_from_a_short_one(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)

    async with open_memory(redis_url=None, data_dir=deep, node="n") as memory:
        socket = Path(memory.redis_url.removeprefix("unix://"))
        assert socket.exists()
        await open_session(memory)

    assert not socket.parent.exists()
    assert (deep / "redis" / "appendonlydir").is_dir()


async def test_data_that_valkey_cannot_read_is_said_in_one_line(tmp_path: Path) -> None:
    files = tmp_path / "redis" / "appendonlydir"
    files.mkdir(parents=True)
    (files / "appendonly.aof.manifest").write_text("not a manifest\n")

    with pytest.raises(SettingsError, match=r"does not start; see .*valkey\.log") as refusal:
        async with open_memory(redis_url=None, data_dir=tmp_path, node="n"):
            pass

    assert "\n" not in str(refusal.value)


async def test_a_folder_that_cannot_be_made_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(SettingsError, match="DATA_DIR"):
        async with open_memory(redis_url=None, data_dir=tmp_path / "file", node="n"):
            pytest.fail("it started")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has PR_SET_PDEATHSIG")
async def test_the_child_of_a_killed_server_ends_and_the_next_start_waits_for_it(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"open\n"
        child = pid_of(tmp_path)
        owner.kill()

    async with open_memory(redis_url=None, data_dir=tmp_path, node="next") as memory:
        await eventually(lambda: not alive(child))
        assert memory.ready()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
async def test_the_child_has_its_own_session_so_that_ctrl_c_does_not_reach_it(tmp_path: Path) -> None:
    async with open_memory(redis_url=None, data_dir=tmp_path, node="n"):
        assert os.getsid(pid_of(tmp_path)) != os.getsid(0)
