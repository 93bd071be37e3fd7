"""Many readers of one session, in a process of their own, and what is appended for them: `python -m bench.readers`.

Told `open` it connects readers, told `burst` it appends batches of events, each as soon as every reader has the one
before, told `pace` it appends single events at a rate and says how soon the first reader has them, told `ask` it lets
a model answer. Every reader's log is checked between two batches: all events, once, in order.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
import redis.asyncio
import uvloop

from bench.appending import PREFIX, Appender, append_call, append_script, delta, digest_of
from bench.child import answer_all
from bench.clients.conversation import now_us
from bench.clients.frames import TEXT, FrameReader
from bench.clients.socket import WebSocket
from bench.figures import percentiles
from bench.idlers import allow_many_files
from bench.order import Order

_USER: Final = "everyone"
_AT_ONCE: Final = 50
_MARK: Final = b"#%d#"
"""Ends a batch: what a reader looks for in the bytes, so that nothing is parsed while it is measured."""


class _Event(msgspec.Struct):
    type: str
    session_id: str = ""
    seq: int | None = None
    epoch: str = ""


_decoder: Final = msgspec.json.Decoder(list[_Event] | _Event)
_UNNUMBERED: Final = frozenset({"ok", "session.snapshot", "session.live"})


class Reader(WebSocket):
    """A reader that keeps the bytes that come and looks only for a mark in them."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.marked: asyncio.Future[int] | None = None
        self.mark = b""
        self.seq: int | None = None
        self.events = 0
        self.session = self.epoch = ""
        self._chunks: list[bytes] = []
        self._reader = FrameReader()

    def expect(self, mark: bytes) -> asyncio.Future[int]:
        """Give a future that gets the time in microseconds at which `mark` was read."""
        self.mark = mark
        self.marked = asyncio.get_running_loop().create_future()
        return self.marked

    def receive(self, data: bytes) -> None:
        """Keep bytes, after the handshake."""
        self._chunks.append(data)
        if self.marked is None or self.marked.done():
            return
        if self.mark in data or (len(data) < 400 and self.mark in b"".join(self._chunks[-2:])):
            self.marked.set_result(now_us())

    def lost(self, why: str) -> None:
        """Whoever waits for a mark learns that none comes."""
        super().lost(why)
        if self.marked is not None and not self.marked.done():
            self.marked.set_exception(ConnectionError(why))

    def check(self, known: dict[bytes, list[_Event]]) -> str | None:
        """Read what was kept; gives what is wrong with it. `known`: what other readers were sent, decoded once."""
        data = b"".join(self._chunks)
        self._chunks.clear()
        for opcode, payload in self._reader.feed(data):
            if opcode != TEXT:
                continue
            if payload not in known:
                found = _decoder.decode(payload)
                known[payload] = found if isinstance(found, list) else [found]
            for event in known[payload]:
                if (problem := self._take(event)) is not None:
                    return problem
        return None

    def _take(self, event: _Event) -> str | None:
        if event.type == "session.opened":
            self.session, self.epoch = event.session_id, event.epoch
        elif event.type == "session.snapshot":
            self.seq = event.seq
        elif event.type == "ping":
            self.send(b'{"type":"pong"}')
        elif event.seq is not None and event.type not in _UNNUMBERED:
            if self.seq is not None and event.seq != self.seq + 1:
                return f"a reader got seq {event.seq} after {self.seq}"
            self.seq = event.seq
            self.events += 1
        return None


class _FanOut:
    """The readers and the appender of one session."""

    def __init__(self) -> None:
        self._readers: list[Reader] = []
        self._batch = 0
        self._problems: set[str] = set()

    async def answer(self, question: dict[str, Any]) -> object:
        """Do what is asked for."""
        match question.pop("do"):
            case "open":
                return await self.open(**question)
            case "burst":
                return await self.burst(**question)
            case "ask":
                return await self.ask(**question)
            case _:
                return await self.pace(**question)

    async def open(self, *, ports: list[int], readers: int, redis_url: str) -> bool:
        """Connect `readers` readers, spread over nodes, and take the session over."""
        for start in range(0, readers, _AT_ONCE):
            more = [Reader(ports[number % len(ports)]) for number in range(start, min(readers, start + _AT_ONCE))]
            self._readers += more
            await asyncio.gather(*(self._open(reader) for reader in more))
        self._check()
        first = self._readers[0]
        self._redis = redis.asyncio.Redis.from_url(redis_url)
        await self._redis.script_load(append_script())
        self._digest = digest_of(append_script())
        instance = await self._redis.hget(f"{PREFIX}s:{first.session}", "instance")
        assert isinstance(instance, bytes)
        self._appender = Appender(session=first.session, instance=instance.decode(), epoch=first.epoch)
        return True

    async def _open(self, reader: Reader) -> None:
        await reader.open()
        live = reader.expect(b'"session.live"')
        reader.send(msgspec.json.encode({"type": "session.open", "cid": "open", "user_id": _USER}))
        await live

    async def ask(self, *, tokens: int) -> dict[str, Any]:
        """Let a model answer the first reader: the events are the product's own."""
        before = self._events()
        ended = [reader.expect(b'"turn.completed"') for reader in self._readers]
        order = Order(id="fanout", tokens=tokens)
        first = self._readers[0]
        first.send(
            msgspec.json.encode(
                {"type": "message.send", "cid": "ask", "session_id": first.session, "content": order.text()}
            )
        )
        await asyncio.gather(*ended)
        self._check()
        return {"events": self._events() - before, "problems": sorted(self._problems)[:5]}

    async def burst(self, *, rounds: int, events: int) -> dict[str, Any]:
        """Append `rounds` batches of `events` events; gives how many reached readers."""
        await self._take_over()
        before = self._events()
        for _ in range(rounds):
            await self._append(events)
            self._check()
        return {"events": self._events() - before, "problems": sorted(self._problems)[:5]}

    async def pace(self, *, rate: float, events: int) -> dict[str, Any]:
        """Append single events; gives the first reader's latency in milliseconds."""
        await self._take_over()
        latencies = []
        for _ in range(events):
            begun_us = now_us()
            arrived_us = await self._append(1)
            latencies.append((arrived_us - begun_us) / 1000)
            self._check()
            await asyncio.sleep(1 / rate)
        return {"latency": percentiles(latencies), "problems": sorted(self._problems)[:5]}

    async def _take_over(self) -> None:
        self._batch = 0
        await self._redis.hset(self._appender.meta_key, mapping=self._appender.holds())

    async def _append(self, events: int) -> int:
        """Append a batch and wait until every reader has it; gives when the first reader had."""
        self._batch += 1
        mark = _MARK % now_us()
        marked = [reader.expect(mark) for reader in self._readers]
        bodies = [delta(self._appender.session, number * 6, " token") for number in range(events - 1)]
        bodies.append(delta(self._appender.session, (events - 1) * 6, mark.decode()))
        append = self._appender.arguments(self._batch, bodies)
        call = append_call(self._digest, self._appender.instance, [append])
        reply = await self._redis.execute_command(*call)  # type: ignore[no-untyped-call]
        if reply[0][0] != b"ok":
            raise RuntimeError(f"an append was answered {reply!r}")
        arrived = await asyncio.gather(*marked)
        return arrived[0]

    def _check(self) -> None:
        known: dict[bytes, list[_Event]] = {}
        self._problems.update(problem for reader in self._readers if (problem := reader.check(known)) is not None)

    def _events(self) -> int:
        return sum(reader.events for reader in self._readers)


def main() -> None:
    """Run as a process."""
    allow_many_files()

    async def serve() -> None:
        await answer_all(_FanOut().answer)

    uvloop.run(serve())


if __name__ == "__main__":
    main()
