"""A bad network between a node and Redis: a proxy on a unix socket that can lose replies, cut inside one, or go silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

Fault = Literal["none", "lose_reply", "cut_reply", "silence"]


class FaultyProxy:
    """Passes bytes on. `fault` is what happens to the next reply of a connection that asked with `trigger` in it."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self.fault: Fault = "none"
        self.trigger = b""
        self.struck = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def strike(self, fault: Fault, trigger: bytes) -> None:
        """Let that fault happen once, to the next command that holds `trigger`."""
        self.fault, self.trigger = fault, trigger

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            upstream_reader, upstream_writer = await asyncio.open_unix_connection(str(self._target))
            doomed = asyncio.Event()
            pipes = [
                asyncio.create_task(self._ask(reader, upstream_writer, doomed)),
                asyncio.create_task(self._answer(upstream_reader, writer, doomed)),
            ]
            try:
                await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pipe in pipes:
                    pipe.cancel()
                await asyncio.gather(*pipes, return_exceptions=True)
                writer.close()
                upstream_writer.close()
        except (OSError, asyncio.CancelledError):
            writer.close()
        finally:
            self._tasks.discard(task)

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event) -> None:
        while data := await reader.read(65_536):
            if self.fault != "none" and self.trigger in data:
                doomed.set()
            writer.write(data)
            await writer.drain()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, doomed: asyncio.Event) -> None:
        while data := await reader.read(65_536):
            if doomed.is_set():
                fault, self.fault = self.fault, "none"
                self.struck += 1
                doomed.clear()
                if fault == "silence":
                    await asyncio.Event().wait()
                if fault == "cut_reply":
                    writer.write(data[: len(data) // 2])
                    await writer.drain()
                return
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def faulty_proxy(target_url: str, folder: Path) -> AsyncIterator[tuple[FaultyProxy, str]]:
    """A proxy before the Redis at `unix://...`; gives it and its own URL."""
    proxy = FaultyProxy(Path(target_url.removeprefix("unix://")))
    path = folder / "proxy.sock"
    server = await asyncio.start_unix_server(proxy.serve, path=str(path))
    try:
        yield proxy, f"unix://{path}"
    finally:
        server.close()
        await proxy.close()
