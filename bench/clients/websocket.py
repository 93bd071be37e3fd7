"""A client of Prosa's WebSocket that costs little: RFC 6455 on a bare asyncio protocol, only what a test needs.

It checks on the way what a client must (protocol.md, "What holds"): `seq` without gaps, offsets that follow.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
from collections.abc import Callable, Iterator
from typing import Final, cast

import msgspec

from bench.clients.conversation import Answer, now_us

_TEXT: Final = 0x1
_CONTINUATION: Final = 0x0
_CLOSE: Final = 0x8
_PING: Final = 0x9
_PONG: Final = 0xA
_FINAL: Final = 0x80
_MASKED: Final = 0x80
_NO_MASK: Final = bytes(4)
"""A mask of zeros is a mask (RFC 6455, section 5.3 asks for chance to guard proxies; there is none here)."""


class Frame(msgspec.Struct):
    """What the client reads of a frame of Prosa; unknown fields are ignored."""

    type: str
    session_id: str = ""
    seq: int | None = None
    off: int = 0
    text: str = ""
    turn_id: str = ""
    code: str = ""
    message: str = ""


_decoder: Final = msgspec.json.Decoder(list[Frame] | Frame)
_SIGNALS_WITH_SEQ: Final = frozenset({"ok", "session.snapshot", "session.live"})
_ENDS: Final = frozenset({"turn.completed", "turn.failed", "turn.cancelled", "error"})


def client_frame(opcode: int, payload: bytes) -> bytes:
    """Encode a frame as a client must: masked, in one piece (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < 126:
        head = bytes((_FINAL | opcode, _MASKED | size))
    elif size < 65536:
        head = bytes((_FINAL | opcode, _MASKED | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((_FINAL | opcode, _MASKED | 127)) + size.to_bytes(8, "big")
    return head + _NO_MASK + payload


class FrameReader:
    """Cuts bytes into whole messages; sans I/O."""

    def __init__(self) -> None:
        self._buffer = b""
        self._fragments: list[bytes] = []

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Give each message that is whole now, as (opcode, payload); fragments come joined, as text."""
        buffer = self._buffer + data if self._buffer else data
        place = 0
        while (found := _frame_at(buffer, place)) is not None:
            first, start, end = found
            place = end
            opcode, payload = first & 0x0F, buffer[start:end]
            if opcode in (_TEXT, _CONTINUATION):
                self._fragments.append(payload)
                if first & _FINAL:
                    yield _TEXT, b"".join(self._fragments)
                    self._fragments.clear()
            else:
                yield opcode, payload
        self._buffer = buffer[place:]


def _frame_at(buffer: bytes, place: int) -> tuple[int, int, int] | None:
    """Give a server frame's first byte and where its payload begins and ends, or None where it is not whole."""
    if len(buffer) < place + 2:
        return None
    size, start = buffer[place + 1], place + 2
    if size >= 126:
        width = 2 if size == 126 else 8
        if len(buffer) < start + width:
            return None
        size, start = int.from_bytes(buffer[start : start + width], "big"), start + width
    return (buffer[place], start, start + size) if len(buffer) >= start + size else None


class _Socket(asyncio.Protocol):
    """The handshake, then bytes for the conversation."""

    def __init__(self, on_bytes: Callable[[bytes], None], on_lost: Callable[[str], None]) -> None:
        self._on_bytes = on_bytes
        self._on_lost = on_lost
        self._head: bytes | None = b""
        self.upgraded: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop has its own kind
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(
            (
                "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Protocol: prosa.v1\r\n\r\n"
            ).encode()
        )

    def connection_lost(self, error: Exception | None) -> None:
        if not self.upgraded.done():
            self.upgraded.set_exception(ConnectionError("the server refused the WebSocket"))
        self._on_lost("the server hung up")

    def data_received(self, data: bytes) -> None:
        if self._head is None:
            self._on_bytes(data)
        elif rest := self._read_head(data):
            self._on_bytes(rest)

    def _read_head(self, data: bytes) -> bytes:
        head = (self._head or b"") + data
        end = head.find(b"\r\n\r\n")
        if end < 0:
            self._head = head
            return b""
        self._head = None
        if head.startswith(b"HTTP/1.1 101"):
            self.upgraded.set_result(None)
        else:
            self.upgraded.set_exception(ConnectionError(head[: head.find(b"\r\n")].decode()))
        return head[end + 4 :]


class ProsaConversation:
    """A session of one user over one WebSocket."""

    def __init__(self, port: int, user: str) -> None:
        self._port = port
        self._user = user
        self._cids = itertools.count(1)
        self._session_id = ""
        self._seq: int | None = None
        self._reader = FrameReader()
        self._answer = Answer(asked_us=0)
        self._ended: asyncio.Future[str | None] | None = None
        self._socket: _Socket | None = None

    async def open(self) -> None:
        """Connect and open the session."""
        loop = asyncio.get_running_loop()
        self._ended = loop.create_future()
        _, socket = await loop.create_connection(lambda: _Socket(self.receive, self._end), "127.0.0.1", self._port)
        self._socket = socket
        await socket.upgraded
        self._send({"type": "session.open", "user_id": self._user, "client": {"name": "bench", "version": "1"}})
        problem = await self._ended
        if problem is not None:
            raise ConnectionError(f"the session could not be opened: {problem}")

    async def ask(self, text: str) -> Answer:
        """Ask and read the log to the turn's end."""
        self._ended = asyncio.get_running_loop().create_future()
        answer = Answer(asked_us=now_us(), pieces=[])
        self.attach(answer)
        self._send({"type": "message.send", "session_id": self._session_id, "content": text})
        answer.problem = await self._ended
        answer.ended_us = now_us()
        return answer

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.transport.close()

    def attach(self, answer: Answer) -> None:
        """Let what comes from now on go into `answer`."""
        self._answer = answer

    def receive(self, data: bytes) -> None:
        """Take bytes of the connection in, after the handshake."""
        for opcode, payload in self._reader.feed(data):
            if opcode == _TEXT:
                frames = _decoder.decode(payload)
                self._take(frames if isinstance(frames, list) else [frames])
            elif opcode == _PING and self._socket is not None:
                self._socket.transport.write(client_frame(_PONG, payload))
            elif opcode == _CLOSE:
                self._end(f"closed with {int.from_bytes(payload[:2], 'big')}")

    def _send(self, frame: dict[str, object]) -> None:
        assert self._socket is not None
        payload = msgspec.json.encode({**frame, "cid": f"{self._user}-{next(self._cids)}"})
        self._socket.transport.write(client_frame(_TEXT, payload))

    def _end(self, problem: str | None) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(problem)

    def _take(self, frames: list[Frame]) -> None:
        arrived_us = now_us()
        texts = []
        for frame in frames:
            if frame.seq is not None and frame.type not in _SIGNALS_WITH_SEQ:
                self._follow(frame.seq)
            if frame.type == "message.delta":
                texts.append(frame.text)
            else:
                self._note(frame)
        if texts:
            self._answer.pieces.append(("".join(texts), arrived_us))

    def _follow(self, seq: int) -> None:
        if self._seq is not None and seq != self._seq + 1:
            self._end(f"seq {seq} after {self._seq}")
        self._seq = seq

    def _note(self, frame: Frame) -> None:
        if frame.type == "session.opened":
            self._session_id = frame.session_id
        elif frame.type == "session.snapshot":
            self._seq = frame.seq
        elif frame.type == "session.live":
            self._end(None)
        elif frame.type == "ping":
            self._send({"type": "pong"})
        elif frame.type in _ENDS:
            self._end(None if frame.type == "turn.completed" else f"{frame.type} {frame.code} {frame.message!r}")
