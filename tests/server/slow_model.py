"""A Chat Completions server whose answer is written by the test, piece by piece."""

from __future__ import annotations

import asyncio
import json
from types import TracebackType


class SlowModel:
    """`say` adds to the running call's answer, `finish` ends it, `next_call` waits for another call."""

    def __init__(self) -> None:
        self._calls: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
        self._current: asyncio.StreamWriter | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._hung_up = asyncio.Event()

    async def __aenter__(self) -> SlowModel:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()

    @property
    def url(self) -> str:
        """The base URL for an OpenAI client."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def next_call(self) -> None:
        """Wait for the next call; what is said goes there."""
        self._current = await self._calls.get()

    async def say(self, text: str) -> None:
        """Stream a piece of the answer."""
        await self._chunk({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]})

    async def finish(self) -> None:
        """End the answer."""
        await self._chunk({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        await self._write(b"data: [DONE]\n\n")
        await self._write(b"")

    async def hung_up(self) -> None:
        """Wait until a client has closed its connection."""
        await self._hung_up.wait()

    async def _chunk(self, data: dict[str, object]) -> None:
        await self._write(b"data: " + json.dumps({"id": "c", "model": "slow", **data}).encode() + b"\n\n")

    async def _write(self, data: bytes) -> None:
        if self._current is None:
            await self.next_call()
        assert self._current is not None
        self._current.write(b"%x\r\n%s\r\n" % (len(data), data))
        await self._current.drain()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.partition(b":")[2]) for line in head.splitlines() if line.lower().startswith(b"content-length:")
        )
        await reader.readexactly(length)
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        )
        await self._calls.put(writer)
        await reader.read()  # until the client hangs up
        self._hung_up.set()
