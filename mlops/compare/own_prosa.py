"""A Prosa started for the run where no address is given: its own data in a temporary folder, ended with the run.

Its settings are the environment's and `.env`'s, as those of `make run`; what would mix the run with other data or send
a question to another model than the one that is measured is set here (`settings_of_its_own`).
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import aiohttp

from mlops.compare.keeper import ROOT, command

START_S: Final = 60.0
STOP_S: Final = 45.0
"""More than a server takes to stop: DRAIN_S and 20 s."""
_POLL_S: Final = 0.05
_LOG_CHARACTERS: Final = 1500


class ProsaNotReady(Exception):
    """The server is not there or cannot take a turn; the message says what it said."""


@asynccontextmanager
async def own_prosa(settings: Mapping[str, str] | None = None) -> AsyncIterator[str]:
    """Run a server while the block lasts; gives its address. `settings` go before the environment's.

    Raises ProsaNotReady where it does not start in 60 s.
    """
    with tempfile.TemporaryDirectory(prefix="prosa-compare-", ignore_cleanup_errors=True) as folder:
        port = _free_port()
        environment = {**os.environ, **settings_of_its_own(Path(folder), port), **(settings or {})}
        log = Path(folder) / "server.log"
        with log.open("wb") as output:
            keeper = await asyncio.create_subprocess_exec(
                *command("server"),
                cwd=ROOT,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a terminal's Ctrl-C is ours to answer: what is under way ends first
            )
        try:
            url = f"http://127.0.0.1:{port}"
            await _until_ready(url, keeper, log)
            yield url
        finally:
            await _end(keeper)


def settings_of_its_own(folder: Path, port: int) -> dict[str, str]:
    """Give the settings that make the server the run's own: no keys, no other stores, no other model steps in."""
    return {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "ROLES": "web,worker",
        "DATA_DIR": str(folder / "data"),
        "REDIS_URL": "",
        "DATABASE_URL": "",
        "BOOTSTRAP_API_KEYS": "",
        "LLM_FALLBACKS": "",
    }


async def require_ready(url: str) -> None:
    """Return where a server can take a turn. Raises ProsaNotReady with what to do."""
    problem = await _not_ready(url)
    if problem is not None:
        raise ProsaNotReady(f"No Prosa can take a turn at {url!r} ({problem}); start one or correct --url.")


async def _until_ready(url: str, keeper: asyncio.subprocess.Process, log: Path) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(START_S):
            while keeper.returncode is None:
                if await _not_ready(url) is None:
                    return
                await asyncio.sleep(_POLL_S)
    said = await asyncio.to_thread(log.read_text, "utf-8", errors="replace")
    raise ProsaNotReady(f"A server for the run does not start. It said:\n{said[-_LOG_CHARACTERS:].strip()}")


async def _not_ready(url: str) -> str | None:
    timeout = aiohttp.ClientTimeout(total=5)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http, http.get(f"{url.rstrip('/')}/ready") as response:
            return None if response.status == 200 else f"/ready answers {response.status}"
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return type(error).__name__


async def _end(keeper: asyncio.subprocess.Process) -> None:
    assert keeper.stdin is not None
    keeper.stdin.close()
    try:
        async with asyncio.timeout(STOP_S):
            await keeper.wait()
    except TimeoutError:
        keeper.kill()
        await keeper.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
