"""What 10,000 idle and 500 stalled connections cost the others.

    python -m tests.server.many_connections --idle 10000 --stalled 500

A server of its own on a Redis of its own, a model whose every word says when it was spoken, and one client that
measures how old the words are when they come: alone, beside idle connections, and while others do not read.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import psutil

from tests.server.crowd import Crowd
from tests.server.server_process import ServerProcess, server_process
from tests.server.wire_client import WireClient
from tests.servers import valkey_server

WORDS = 200
WORD_S = 0.02
FLOOD_PIECES = 100
FLOOD_BYTES = 4096
FLOOD_S = 0.005
FLOODS = 3
OTHERS_GO_S = 60.0


async def model(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Chat Completions: `flood` is answered by much, anything else by words that say when they were spoken."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    asked = json.loads(await reader.readexactly(length))
    users = [message["content"] for message in asked["messages"] if message["role"] == "user"]
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
    if "flood" in str(users[-1]):
        for _ in range(FLOOD_PIECES):
            await say(writer, "x" * FLOOD_BYTES)
            await asyncio.sleep(FLOOD_S)
    else:
        for _ in range(WORDS):
            await say(writer, f"{time.monotonic_ns()} ")
            await asyncio.sleep(WORD_S)
    await say(writer, "", "stop")
    writer.write(b"data: [DONE]\n\n")
    writer.close()


async def say(writer: asyncio.StreamWriter, text: str, finish_reason: str | None = None) -> None:
    """Stream a piece."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}
    writer.write(b"data: " + json.dumps({"id": "c", "model": "m", "choices": [choice]}).encode() + b"\n\n")
    await writer.drain()


class Ages(WireClient):
    """A client that notes how old each word is when it comes, in milliseconds."""

    def ages_ms(self, since: int) -> list[float]:
        """Of the deltas after that many frames; the words of one delta were spoken one after the other."""
        found = [frame for frame in self.frames[since:] if frame["type"] == "message.delta"]
        return [frame["came_ms"] - int(word) / 1e6 for frame in found for word in frame["text"].split()]

    async def _read(self) -> None:
        try:
            async for raw in self.socket:
                came_ms = time.monotonic_ns() / 1e6
                value = json.loads(raw)
                for frame in value if isinstance(value, list) else [value]:
                    if frame["type"] == "ping":
                        await self.say("pong", cid=None)
                    self.frames.append({**frame, "came_ms": came_ms})
                self._changed.set()
        finally:
            self._closed = True
            self._changed.set()


class Measured:
    """The server, and what is known of it."""

    def __init__(self, server: ServerProcess) -> None:
        assert server.process is not None
        self.port = int(server.settings["PORT"])
        self._process = psutil.Process(server.process.pid)
        self._url = server.url

    def rss_kb(self) -> float:
        """Its resident memory."""
        return self._process.memory_info().rss / 1024

    async def connections(self) -> int:
        """How many WebSockets it has, by its own metrics."""
        async with httpx2.AsyncClient(timeout=30) as http:
            lines = (await http.get(f"{self._url}/metrics")).text.splitlines()
        return sum(
            int(float(line.split()[-1]))
            for line in lines
            if line.startswith("prosa_connections") and "websocket" in line
        )

    async def ask(self, client: Ages, session_id: str, what: str) -> list[float]:
        """Ask something; the ages of the words of the answer."""
        since = len(client.frames)
        ok = await client.ask("message.send", session_id=session_id, content=what)
        await client.until_turn_ends(ok["turn_id"])
        return client.ages_ms(since) if what != "flood" else []


@asynccontextmanager
async def started(folder: Path, redis_url: str) -> AsyncIterator[Measured]:
    """A server with the model above."""
    listening = await asyncio.start_server(model, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
    settings = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "none", "LLM_MODEL": "openai:m", "LOG_LEVEL": "ERROR"}
    async with server_process(folder, REDIS_URL=redis_url, **settings) as server:
        yield Measured(server)
    listening.close()


def tell(line: str) -> None:
    """Print a line of the report."""
    print(line, flush=True)  # noqa: T201


def told(name: str, ages: list[float], server: Measured) -> None:
    """Print what an answer was like."""
    cuts = statistics.quantiles(ages, n=100)
    tell(
        f"{name:<34} words {len(ages):>5}   age p50 {cuts[49]:6.1f} ms   p99 {cuts[98]:6.1f} ms   "
        f"max {max(ages):6.1f} ms   RSS {server.rss_kb() / 1024:6.1f} MiB"
    )


async def measure(idle: int, stalled: int) -> None:
    """Print the report."""
    with valkey_server() as redis, tempfile.TemporaryDirectory() as folder:
        async with started(Path(folder), redis.url) as server, Ages.connect(f"ws://127.0.0.1:{server.port}/ws") as ana:
            assert isinstance(ana, Ages)
            session_id = (await ana.open("ana"))["session_id"]
            await server.ask(ana, session_id, "warm up")
            told("alone", await server.ask(ana, session_id, "alone"), server)
            empty_kb = server.rss_kb()
            crowd, still = Crowd(server.port), Crowd(server.port)
            started_s = time.monotonic()
            await crowd.join([f"idle-{number}" for number in range(idle)])
            tell(f"{idle} idle: joined in {time.monotonic() - started_s:.1f} s, "
                  f"{(server.rss_kb() - empty_kb) / idle:.1f} KiB of memory each")  # fmt: skip
            told(f"beside {idle} idle", await server.ask(ana, session_id, "idle"), server)
            idle_kb = server.rss_kb()
            await still.join(["flood"] * stalled, stalls=True)
            async with Ages.connect(f"ws://127.0.0.1:{server.port}/ws") as flooder:
                flooded = (await flooder.open("flood"))["session_id"]
                answers = asyncio.create_task(words(server, ana, session_id, FLOODS))
                for _ in range(FLOODS):
                    await server.ask(flooder, flooded, "flood")  # type: ignore[arg-type]
                told(f"while {stalled} others stall", await answers, server)
                tell(f"{stalled} stalled: {(server.rss_kb() - idle_kb) / stalled:.1f} KiB of memory each")
            told("while they stall, nothing flows", await server.ask(ana, session_id, "quiet"), server)
            while await server.connections() > idle + 1:
                await asyncio.sleep(0.5)
            tell(f"stalled ones were closed with {dict(await still.close_codes())}")
            told("after that", await server.ask(ana, session_id, "after"), server)
            tell(f"idle ones still connected: {sum(not peer.ended.done() for peer in crowd.peers)}")
            crowd.leave()


async def words(server: Measured, client: Ages, session_id: str, turns: int) -> list[float]:
    """The ages of the words of several answers."""
    return [age for _ in range(turns) for age in await server.ask(client, session_id, "meanwhile")]


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--idle", type=int, default=10_000)
    arguments.add_argument("--stalled", type=int, default=500)
    given = arguments.parse_args()
    asyncio.run(measure(given.idle, given.stalled))
