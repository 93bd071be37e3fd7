"""`python -m server` as a process of its own, for tests that start, stop and kill it."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

ROOT = Path(__file__).parents[2]


@dataclass
class ServerProcess:
    """`python -m server` with settings."""

    settings: dict[str, str]
    process: asyncio.subprocess.Process | None = None
    lines: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.settings['PORT']}"

    async def start(self) -> None:
        """Start it and wait until it is ready."""
        await self.spawn()
        async with httpx2.AsyncClient() as http:
            while True:
                assert self.process is not None
                assert self.process.returncode is None, await self.errors()
                try:
                    if (await http.get(f"{self.url}/ready")).status_code == 200:
                        return
                except httpx2.TransportError:
                    await asyncio.sleep(0.05)

    async def spawn(self) -> None:
        """Start it."""
        environment = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG")}
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "server",
            cwd=ROOT,
            env={**environment, **self.settings},
            stderr=asyncio.subprocess.PIPE,
        )

    async def errors(self) -> str:
        """What it wrote to stderr until it ended."""
        assert self.process is not None
        _, errors = await self.process.communicate()
        return errors.decode()

    async def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; gives the exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        await self.errors()
        return self.process.returncode or 0


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@asynccontextmanager
async def server_process(tmp_path: Path, **settings: Any) -> AsyncIterator[ServerProcess]:
    """A server that is ready; ended with the block."""
    base = {"PORT": free_port(), "DATA_DIR": tmp_path / "data", "LOG_FORMAT": "json"}
    server = ServerProcess({key: str(value) for key, value in {**base, **settings}.items()})
    await server.start()
    try:
        yield server
    finally:
        await server.end()
