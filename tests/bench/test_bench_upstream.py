from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from bench.clients.chat import ChatConversation
from bench.clients.http import HttpConnection
from bench.clients.streams import StreamConversation, openai_body, openai_text
from bench.order import Order, faults, read_tokens
from bench.upstream import Upstream


@pytest.fixture
async def port() -> AsyncIterator[int]:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def conversation(port: int) -> AsyncIterator[StreamConversation]:
    client = StreamConversation(port, "ana", "/v1/chat/completions", openai_body, openai_text)
    await client.open()
    yield client
    client.close()


@pytest.fixture
async def wire(port: int) -> AsyncIterator[tuple[HttpConnection, list[bytes]]]:
    parts: list[bytes] = []
    connection = HttpConnection(parts.append)
    await asyncio.get_running_loop().create_connection(lambda: connection, "127.0.0.1", port)
    yield connection, parts
    connection.close()


def request(order: Order, **fields: object) -> bytes:
    return msgspec.json.encode({"model": "fake", "messages": [{"role": "user", "content": order.text()}], **fields})


@pytest.mark.parametrize("tokens", [1, 2, 64, 65, 1000])
async def test_an_unthrottled_answer_comes_whole(conversation: StreamConversation, tokens: int):
    answer = await conversation.ask(Order(id="1", tokens=tokens).text())

    assert answer.problem is None
    assert faults(read_tokens(answer.pieces), tokens) == []


async def test_a_paced_answer_is_stamped_token_by_token(conversation: StreamConversation):
    answer = await conversation.ask(Order(id="1", tokens=5, rate=500, ttft_ms=5).text())

    tokens = read_tokens(answer.pieces)
    stamps = [token.sent_us for token in tokens]
    assert faults(tokens, 5) == []
    assert None not in stamps
    assert stamps == sorted(stamps)
    assert tokens[0].asked_us is not None


async def test_a_connection_serves_one_request_after_the_other(conversation: StreamConversation):
    first = await conversation.ask(Order(id="1", tokens=3).text())
    second = await conversation.ask(Order(id="2", tokens=4).text())

    assert [len(read_tokens(answer.pieces)) for answer in (first, second)] == [3, 4]


async def test_a_stream_ends_as_openai_ends_it(wire: tuple[HttpConnection, list[bytes]]):
    connection, parts = wire

    status = await connection.post("/v1", request(Order(id="1", tokens=2), stream=True))

    *_, finish, done = b"".join(parts).strip().split(b"\n\n")
    assert status == 200
    assert msgspec.json.decode(finish.removeprefix(b"data: "))["choices"][0]["finish_reason"] == "stop"
    assert done == b"data: [DONE]"


async def test_usage_is_told_where_it_is_asked_for(wire: tuple[HttpConnection, list[bytes]]):
    connection, parts = wire

    await connection.post("/v1", request(Order(id="1", tokens=2), stream=True, stream_options={"include_usage": True}))

    usage = msgspec.json.decode(b"".join(parts).strip().split(b"\n\n")[-2].removeprefix(b"data: "))
    assert usage["choices"] == []
    assert usage["usage"] == {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}


async def test_without_stream_the_answer_is_one_completion(wire: tuple[HttpConnection, list[bytes]]):
    connection, parts = wire

    status = await connection.post("/v1", request(Order(id="1", tokens=3)))

    completion = msgspec.json.decode(b"".join(parts))
    text = completion["choices"][0]["message"]["content"]
    assert status == 200
    assert faults(read_tokens([(text, 0)]), 3) == []
    assert completion["usage"]["completion_tokens"] == 3


async def test_a_request_without_an_order_is_a_client_error(port: int):
    client = ChatConversation(port, "ana")
    await client.open()

    answer = await client.ask("hello")

    client.close()
    assert answer.problem is not None
    assert answer.problem.startswith("status 400")


async def test_a_request_that_comes_in_pieces_is_answered_once_it_is_whole(port: int):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = request(Order(id="1", tokens=2))
    whole = b"POST /v1 HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    writer.write(whole[:30])
    await writer.drain()
    writer.write(whole[30:])
    status = await reader.readline()

    writer.close()
    await writer.wait_closed()
    assert status == b"HTTP/1.1 200 OK\r\n"


async def test_a_reader_who_leaves_stops_the_answer(port: int):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = request(Order(id="1", tokens=1_000_000, rate=1000), stream=True)
    writer.write(b"POST /v1 HTTP/1.1\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
    await reader.readline()

    writer.close()
    await writer.wait_closed()

    again, other = await asyncio.open_connection("127.0.0.1", port)
    short = request(Order(id="2", tokens=1))
    other.write(b"POST /v1 HTTP/1.1\r\ncontent-length: %d\r\n\r\n%s" % (len(short), short))
    assert await again.readline() == b"HTTP/1.1 200 OK\r\n"
    other.close()
    await other.wait_closed()
