"""HTTP/1.1 on a bare asyncio protocol: one connection, one request at a time, bodies handed on as they come."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, cast

_END_OF_HEAD: Final = b"\r\n\r\n"


class HttpConnection(asyncio.Protocol):
    """A keep-alive connection. `on_body` gets each part of the body, dechunked; `bearer` is sent as its token."""

    def __init__(self, on_body: Callable[[bytes], None], *, bearer: str = "bench") -> None:
        self._on_body = on_body
        self._bearer = bearer
        self._buffer = b""
        self._in_body = False
        self._left: int | None = None
        """Bytes of a body of known length still to come; None: chunked."""
        self._ended: asyncio.Future[int] | None = None
        self._status = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop has its own kind

    def connection_lost(self, error: Exception | None) -> None:
        """Whoever waits for an answer learns that none comes."""
        if self._ended is not None and not self._ended.done():
            self._ended.set_exception(ConnectionError("the server hung up in the middle of an answer"))

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    async def post(self, path: str, body: bytes) -> int:
        """Send a JSON body and wait for the end of the answer; gives its status. Raises ConnectionError."""
        assert self._transport is not None
        self._ended = asyncio.get_running_loop().create_future()
        head = (
            f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer {self._bearer}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self._transport.write(head.encode() + body)
        return await self._ended

    def data_received(self, data: bytes) -> None:
        """Take bytes in."""
        self._buffer = self._buffer + data if self._buffer else data
        if not self._in_body and not self._read_head():
            return
        if self._left is None:
            self._read_chunks()
        else:
            self._read_plain()

    def _read_head(self) -> bool:
        end = self._buffer.find(_END_OF_HEAD)
        if end < 0:
            return False
        lines = self._buffer[:end].decode("latin-1").lower().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        self._status = int(lines[0].split(" ")[1])
        self._left = None if headers.get("transfer-encoding") == "chunked" else int(headers.get("content-length", "0"))
        self._buffer = self._buffer[end + len(_END_OF_HEAD) :]
        self._in_body = True
        return True

    def _read_plain(self) -> None:
        assert self._left is not None
        part, self._buffer = self._buffer[: self._left], self._buffer[self._left :]
        self._left -= len(part)
        if part:
            self._on_body(part)
        if self._left == 0:
            self._end()

    def _read_chunks(self) -> None:
        buffer, place, parts, last = self._buffer, 0, [], False
        while (line_end := buffer.find(b"\r\n", place)) >= 0:
            size = int(buffer[place:line_end], 16)
            end = line_end + 2 + size
            if len(buffer) < end + 2:
                break
            parts.append(buffer[line_end + 2 : end])
            place = end + 2
            if size == 0:
                last = True
                break
        self._buffer = buffer[place:]
        body = b"".join(parts)
        if body:
            self._on_body(body)
        if last:
            self._end()

    def _end(self) -> None:
        self._in_body = False
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(self._status)
