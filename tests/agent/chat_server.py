"""A local HTTP server that plays one scripted answer a request: real sockets, so that framing and closing are real."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, Self

Ending = Literal["whole", "cut", "hang"]


@dataclass(kw_only=True)
class Answer:
    """`pieces` go out as one chunk each. `ending`: whole (last chunk), cut (the socket is closed), hang (kept open)."""

    pieces: Sequence[bytes] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    ending: Ending = "whole"
    silent: bool = False
    """Close at once, without an answer's head."""
    deaf: bool = False
    """Read the request and never answer."""
    half_a_head: bool = False
    """Close within the answer's head; `garbage`: after what is no head at all."""
    garbage: bool = False
    begin_after: asyncio.Event | None = None
    end_after: asyncio.Event | None = None
    """Wait for these before the answer's head, and before the body's end."""


def split(data: bytes, every: int | None) -> list[bytes]:
    """The data in pieces of `every` bytes; None: in one."""
    if every is None:
        return [data]
    return [data[start : start + every] for start in range(0, len(data), every)]


def split_at_random(data: bytes, random: Random, *, longest: int) -> list[bytes]:
    """The data in pieces of 1 to `longest` bytes."""
    pieces, start = [], 0
    while start < len(data):
        end = start + random.randint(1, longest)
        pieces.append(data[start:end])
        start = end
    return pieces


def chunk(text: str | None = None, *, finish: str | None = None, **delta: Any) -> bytes:
    """One event of a chat completion."""
    content = {"content": text} if text is not None else {}
    choice = {"index": 0, "delta": content | delta, "finish_reason": finish}
    return event({"id": "c1", "object": "chat.completion.chunk", "model": "m-1", "choices": [choice]})


def event(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"


class ChatServer:
    """Answers requests in order with what `play` was given; keeps the requests' bodies and heads."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.heads: list[str] = []
        self.connections = 0
        self.gone = asyncio.Event()
        """Set when a client closed a connection while its answer was under way."""
        self.asked = asyncio.Event()
        """Set when a request came; a test that waits for the next one clears it."""
        self.answered = asyncio.Event()
        """Set when a body's end was sent."""
        self._answers: list[Answer | Callable[[dict[str, Any]], Answer]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._objections: list[AssertionError] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._objections:
            raise self._objections[0]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    def play(self, *answers: Answer | Callable[[dict[str, Any]], Answer]) -> None:
        """The next answers, in order; one may be made from the request's body.

        What it asserts of the body fails the test when the server is left; the client sees a closed connection.
        """
        self._answers.extend(answers)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.heads.append(head)
                length = next(
                    int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("content-length:")
                )
                self.bodies.append(json.loads(await reader.readexactly(length)))
                self.asked.set()
                answer = self._answers.pop(0)
                if not await self._answer(answer(self.bodies[-1]) if callable(answer) else answer, reader, writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        except AssertionError as objection:
            self._objections.append(objection)
        finally:
            writer.close()

    async def _answer(self, answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if answer.silent:
            return False
        if answer.half_a_head:
            writer.write(b"This is no HTTP\r\n\r\n" if answer.garbage else b"HTTP/1.1 200 OK\r\ncontent-")
            await writer.drain()
            return False
        if answer.begin_after is not None:
            await answer.begin_after.wait()
        if not answer.deaf:
            headers = {"content-type": "text/event-stream", "transfer-encoding": "chunked"} | answer.headers
            lines = [f"HTTP/1.1 {answer.status} X", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
            writer.write("\r\n".join(lines).encode())
            for piece in answer.pieces:
                writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        if answer.ending == "hang" or answer.deaf:
            await writer.drain()
            with suppress(ConnectionError):
                await reader.read()  # until the client goes away
            self.gone.set()
            return False
        if answer.end_after is not None:
            await writer.drain()
            await answer.end_after.wait()
        if answer.ending == "whole":
            writer.write(b"0\r\n\r\n")
            self.answered.set()
        await writer.drain()
        return answer.ending == "whole"
