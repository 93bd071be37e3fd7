from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import Server, ServerConnection, serve

from bench.ceiling import websocket_tokens_per_s
from bench.clients.frames import FrameReader, client_frame
from bench.clients.websocket import ProsaConversation


def server_frame(payload: bytes, *, opcode: int = 1, final: bool = True) -> bytes:
    size = len(payload)
    length = bytes((size,)) if size < 126 else b"\x7e" + size.to_bytes(2, "big")
    return bytes(((0x80 if final else 0) | opcode,)) + length + payload


@pytest.mark.parametrize("size", [0, 125, 126, 65_535])
@pytest.mark.parametrize("cut", [1, 2, 3])
def test_messages_are_read_however_the_bytes_are_cut(size: int, cut: int):
    reader = FrameReader()
    data = server_frame(b"x" * size) + server_frame(b"tail")

    messages = [*reader.feed(data[:cut]), *reader.feed(data[cut:-1]), *reader.feed(data[-1:])]

    assert messages == [(1, b"x" * size), (1, b"tail")]


def test_fragments_are_joined_around_a_ping():
    reader = FrameReader()
    data = server_frame(b"one ", final=False) + server_frame(b"!", opcode=9) + server_frame(b"two", opcode=0)

    assert list(reader.feed(data)) == [(9, b"!"), (1, b"one two")]


async def test_client_frames_of_every_length_are_understood_by_another_implementation():
    sizes = [0, 125, 126, 65_535, 65_536]
    seen: list[str | bytes] = []

    async def collect(connection: ServerConnection) -> None:
        seen.extend([await connection.recv() for _ in sizes])

    async with serve(collect, "127.0.0.1", 0, compression=None) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
        writer.write(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"".join(client_frame(1, b"x" * size) for size in sizes))
        await reader.read()
        writer.close()
        await writer.wait_closed()

    assert [len(message) for message in seen] == sizes


def port_of(server: Server) -> int:
    port: int = next(iter(server.sockets)).getsockname()[1]
    return port


class ScriptedProsa:
    """Answers `session.open` as protocol.md says, and each `message.send` with the frames given."""

    def __init__(self, *answer: Any) -> None:
        self._answer = answer

    async def __call__(self, connection: ServerConnection) -> None:
        opening = msgspec.json.decode(await connection.recv())
        opened = {"type": "session.opened", "re": opening["cid"], "session_id": "ses_1", "epoch": "e", "head": 4}
        snapshot = {"type": "session.snapshot", "session_id": "ses_1", "epoch": "e", "seq": 4, "messages": []}
        live = {"type": "session.live", "session_id": "ses_1", "seq": 4}
        await connection.send(msgspec.json.encode([opened, snapshot, live]).decode())
        sent = msgspec.json.decode(await connection.recv())
        assert (sent["type"], sent["session_id"]) == ("message.send", "ses_1")
        for frame in self._answer:
            await connection.send(msgspec.json.encode(frame).decode())
        await connection.wait_closed()


def delta(seq: int, text: str) -> dict[str, Any]:
    return {"type": "message.delta", "session_id": "ses_1", "seq": seq, "message_id": "m", "off": 0, "text": text}


COMPLETED = {"type": "turn.completed", "session_id": "ses_1", "seq": 7, "turn_id": "t"}


@pytest.fixture
async def asked(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    async with serve(ScriptedProsa(*request.param), "127.0.0.1", 0, compression=None) as server:
        client = ProsaConversation(port_of(server), "ana")
        await client.open()
        yield await client.ask("hello")
        client.close()


@pytest.mark.parametrize(
    "asked", [[{"type": "ok", "re": "1", "seq": 99}, [delta(5, "0 "), delta(6, "1 ")], COMPLETED]], indirect=True
)
async def test_an_answer_is_read_from_single_frames_and_arrays(asked: Any):
    assert asked.problem is None
    assert "".join(text for text, _ in asked.pieces) == "0 1 "


@pytest.mark.parametrize("asked", [[delta(5, "0 "), delta(7, "1 ")]], indirect=True)
async def test_a_gap_in_the_log_is_a_problem(asked: Any):
    assert asked.problem == "seq 7 after 5"


@pytest.mark.parametrize(
    "asked", [[{"type": "error", "re": "1", "code": "busy", "message": "wait", "retryable": True}]], indirect=True
)
async def test_a_refusal_is_a_problem(asked: Any):
    assert asked.problem == "error busy 'wait'"


async def test_a_server_that_refuses_the_handshake_is_a_connection_error():
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        client = ProsaConversation(server.sockets[0].getsockname()[1], "ana")

        with pytest.raises(ConnectionError, match="403 Forbidden"):
            await client.open()

        client.close()


def test_the_client_is_faster_than_any_server_that_it_measures():
    assert websocket_tokens_per_s() > 0
