"""A TCP proxy before Redis, as a process: `python -m tests.chaos.proxy --port P --upstream unix-socket`.

It is told what to break by lines of JSON on stdin and answers each by one on stdout; it ends when stdin does.
`{"do": "cut", "which": "all|pubsub|commands", "share": 0.5}` and so on, see `Proxy.do`. A connection is pub/sub
once it has said SSUBSCRIBE or SUBSCRIBE. Answers name the nodes (`prosa:<node>` of CLIENT SETNAME) that were struck.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sys
from collections import deque
from typing import Any, Final, cast

import uvloop

from tests.chaos.resp import Frames

_NAME: Final = re.compile(rb"prosa:(node_[0-9a-z]+)")


class Pipe(asyncio.Protocol):
    """One end of a connection: `peer` is the other one."""

    def __init__(self, link: ProxiedConnection, *, is_client: bool) -> None:
        self._link = link
        self._is_client = is_client
        self.transport: asyncio.Transport | None = None
        self._held: deque[tuple[float, bytes]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def send(self, data: bytes, delay_s: float) -> None:
        """Hand on, after a while; never before what was to be handed on earlier."""
        now_s = asyncio.get_running_loop().time()
        if not self._held and not delay_s:
            self._write(data)
            return
        self._held.append((now_s + delay_s, data))
        if self._timer is None:
            self._release()

    def _release(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        while self._held and self._held[0][0] <= loop.time():
            self._write(self._held.popleft()[1])
        if self._held:
            self._timer = loop.call_at(self._held[0][0], self._release)

    def _write(self, data: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(data)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._is_client:
            self._link.from_client(data)
        else:
            self._link.from_server(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._link.close()


class ProxiedConnection:
    """A client's connection and the one to Redis behind it."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self.client = Pipe(self, is_client=True)
        self.server = Pipe(self, is_client=False)
        self.node = ""
        self.is_pubsub = False
        self.is_silent = False
        self.cuts_reply = False
        self.drops_messages = 0
        self._frames: Frames | None = None
        self._early: list[bytes] = []
        self._closed = False

    async def open(self) -> None:
        """Connect to Redis and hand on what the client has said meanwhile."""
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: self.server, self._proxy.upstream)
        except OSError:
            self.close()
            return
        early, self._early = self._early, []
        for data in early:
            self.server.send(data, self._proxy.delay_s)

    def from_client(self, data: bytes) -> None:
        if not self.node and (found := _NAME.search(data)):
            self.node = found.group(1).decode()
        if not self.is_pubsub and b"SUBSCRIBE\r\n" in data:
            self.is_pubsub = True
        if self.is_silent:
            return
        if self.server.transport is None:
            self._early.append(data)
        else:
            self.server.send(data, self._proxy.delay_s)

    def from_server(self, data: bytes) -> None:
        if self.is_silent:
            return
        if self.cuts_reply:
            self.close()
            return
        if self.drops_messages or self._frames is not None:
            data = self._without_messages(data)
        if data:
            self.client.send(data, self._proxy.delay_s)

    def close(self) -> None:
        """End both sides at once."""
        if self._closed:
            return
        self._closed = True
        self._proxy.connections.discard(self)
        for pipe in (self.client, self.server):
            if pipe.transport is not None:
                pipe.transport.abort()

    def _without_messages(self, data: bytes) -> bytes:
        """Swallow pub/sub messages, whole ones; once begun the stream is kept in whole frames."""
        self._frames = self._frames or Frames()
        kept: list[bytes] = []
        for frame in self._frames.feed(data):
            if self.drops_messages and b"smessage" in frame[:24] and b"ch:ses_" in frame[:120]:
                self.drops_messages -= 1
            else:
                kept.append(frame)
        return b"".join(kept)


class Proxy:
    """All connections, and what is done to them."""

    def __init__(self, upstream: str) -> None:
        self.upstream = upstream
        self.connections: set[ProxiedConnection] = set()
        self.delay_s = 0.0
        self.accepts = True
        self._chance = random.Random(0)
        self._opening: set[asyncio.Task[None]] = set()

    def accept(self) -> asyncio.Protocol:
        """A client has connected."""
        connection = ProxiedConnection(self)
        if self.accepts:
            self.connections.add(connection)
            task = asyncio.get_running_loop().create_task(connection.open())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)
        else:
            asyncio.get_running_loop().call_soon(connection.close)
        return connection.client

    def do(self, wish: dict[str, Any]) -> list[str]:
        """Break or mend something. Gives the nodes of the connections that were struck.

        cut: close connections at once. half_open: swallow all they say from now on, both ways, closing nothing.
        cut_reply: close when the next reply comes, which is dropped. drop: swallow the next `count` messages about
        sessions. delay: hold everything back by `ms` each way. refuse, accept: take no new ones, or do.
        """
        struck = self._choose(wish)
        for connection in struck:
            self._break(connection, wish)
        match wish["do"]:
            case "delay":
                self.delay_s = wish["ms"] / 1000
            case "refuse":
                self.accepts = False
                for connection in list(self.connections):
                    connection.close()
            case "accept":
                self.accepts = True
            case _:
                pass
        return sorted({connection.node for connection in struck if connection.node})

    def _break(self, connection: ProxiedConnection, wish: dict[str, Any]) -> None:
        match wish["do"]:
            case "cut":
                connection.close()
            case "half_open":
                connection.is_silent = True
            case "cut_reply":
                connection.cuts_reply = True
            case "drop":
                connection.drops_messages += wish["count"]
            case _:
                pass

    def _choose(self, wish: dict[str, Any]) -> list[ProxiedConnection]:
        which = wish.get("which", "all")
        fitting = [
            connection
            for connection in self.connections
            if connection.node and (which == "all" or connection.is_pubsub == (which == "pubsub"))
        ]
        if "share" not in wish:
            return []
        fitting.sort(key=id)
        return self._chance.sample(fitting, min(len(fitting), max(1, round(len(fitting) * wish["share"]))))


async def _run(port: int, upstream: str) -> None:
    loop = asyncio.get_running_loop()
    proxy = Proxy(upstream)
    wishes = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(wishes), sys.stdin)
    async with await loop.create_server(proxy.accept, "127.0.0.1", port, backlog=256):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while line := await wishes.readline():
            sys.stdout.write(json.dumps(proxy.do(json.loads(line))) + "\n")
            sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True)
    arguments = parser.parse_args()
    uvloop.run(_run(arguments.port, arguments.upstream))


if __name__ == "__main__":
    main()
