"""The bare Socket.IO client: golden packets, and a conversation with a server that plays them over a real WebSocket."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve

from bench.clients.conversation import Answer
from bench.clients.socketio import Event, SocketIoConversation, connect_packet, event_packet, read_event
from bench.peers import chainlit, python_socketio
from bench.peers.ceiling import socketio_tokens_per_s

OPEN = '0{"sid":"lv_VI97HAXpY6yYWAAAC","upgrades":[],"pingInterval":25000,"pingTimeout":5000,"maxPayload":1000000}'
CONNECTED = '40{"sid":"wZX3oN0bSVIhsaknAAAI"}'


def test_packets_of_a_client_are_those_of_the_protocol():
    assert connect_packet({"token": "123"}) == b'40{"token":"123"}'
    assert event_packet("foo") == b'42["foo"]'
    assert event_packet("ask", {"text": "olá \n"}) == '42["ask",{"text":"olá \\n"}]'.encode()


@pytest.mark.parametrize(
    ("packet", "event"),
    [
        pytest.param(b'42["foo"]', Event("foo", b"null"), id="without_argument"),
        pytest.param(b'42["token",{"text":"1 "}]', Event("token", b'{"text":"1 "}'), id="with_an_object"),
        pytest.param(b'42["two",[1,2],"rest"]', Event("two", b"[1,2]"), id="the_first_of_two_arguments"),
    ],
)
def test_events_of_a_server_are_read(packet: bytes, event: Event):
    assert read_event(packet) == event


@pytest.mark.parametrize("packet", [b"42[]", b"42[1]", b'42{"a":1}', b'4213["with an id"]'])
def test_what_is_no_plain_event_is_an_error(packet: bytes):
    with pytest.raises(ValueError):
        read_event(packet)


def test_a_question_for_chainlit_has_what_its_handler_reads():
    name, payload = msgspec.json.decode(chainlit.question("ana", "hello")[2:])

    assert name == "client_message"
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", payload["message"]["id"])
    assert payload["message"]["output"] == "hello"
    assert payload["message"]["type"] == "user_message"


@asynccontextmanager
async def playing(script: Callable[[ServerConnection], object]) -> AsyncIterator[int]:
    """Serve Engine.IO's beginning, then the script."""

    async def handle(connection: ServerConnection) -> None:
        assert connection.request is not None
        assert connection.request.path.endswith("?EIO=4&transport=websocket")
        await connection.send(OPEN)
        await script(connection)  # type: ignore[misc]
        await connection.wait_closed()

    async with serve(handle, "127.0.0.1", 0, compression=None) as server:
        yield next(iter(server.sockets)).getsockname()[1]


async def test_an_answer_of_chainlit_is_read_whole():
    heard: list[str | bytes] = []

    async def script(connection: ServerConnection) -> None:
        heard.append(await connection.recv())
        await connection.send(CONNECTED)
        heard.append(await connection.recv())
        await connection.send('42["task_end",{}]')
        await connection.recv()
        await connection.send('42["task_start",{}]')
        await connection.send('42["stream_start",{"id":"a","output":"0.5.3 ","streaming":true}]')
        await connection.send('42["stream_token",{"id":"a","token":"1 ","isSequence":false,"isInput":false}]')
        await connection.send('42["first_interaction",{"interaction":"x","thread_id":"y"}]')
        await connection.send('42["stream_token",{"id":"a","token":"2 ","isSequence":false,"isInput":false}]')
        await connection.send('42["update_message",{"id":"a","output":"0.5.3 1 2 "}]')
        await connection.send('42["task_end",{}]')

    async with playing(script) as port:
        client = chainlit.conversation(port, "ana")
        await client.open()
        answer = await client.ask("hello")
        client.close()

    connection, greeting = [str(packet) for packet in heard]
    assert {"sessionId", "clientType"} <= msgspec.json.decode(connection.removeprefix("40")).keys()
    assert greeting == '42["connection_successful"]'
    assert "".join(text for text, _ in answer.pieces) == "0.5.3 1 2 "
    assert answer.problem is None


async def test_an_answer_that_is_stopped_is_cut():
    heard: list[str | bytes] = []

    async def script(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(CONNECTED)
        await connection.recv()
        await connection.send('42["token",{"text":"0.5.3 "}]')
        heard.append(await connection.recv())
        await connection.send('42["done",{}]')

    async with playing(script) as port:
        client = python_socketio.conversation(port, "ana")
        await client.open()
        asked = asyncio.ensure_future(client.ask("hello"))
        await asyncio.sleep(0)
        client.stop()
        answer = await asked
        client.close()

    assert heard == ['42["stop"]']
    assert (answer.is_cut, answer.problem) == (True, None)


async def test_a_failure_that_the_application_tells_is_the_answers_problem():
    async def script(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(CONNECTED)
        await connection.recv()
        await connection.send('42["failed",{"why":"no model"}]')

    async with playing(script) as port:
        client = python_socketio.conversation(port, "ana")
        await client.open()
        answer = await client.ask("hello")
        client.close()

    assert answer.problem == '{"why":"no model"}'


async def test_a_ping_is_answered():
    heard: list[str | bytes] = []

    async def script(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send("2")
        heard.append(await connection.recv())
        await connection.send(CONNECTED)

    async with playing(script) as port:
        client = python_socketio.conversation(port, "ana")
        await client.open()
        client.close()

    assert heard == ["3"]


async def test_a_refused_connection_is_an_error_with_its_reason():
    async def script(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send('44{"message":"authentication failed"}')

    async with playing(script) as port:
        client = python_socketio.conversation(port, "ana")
        with pytest.raises(ConnectionError, match="authentication failed"):
            await client.open()
        client.close()


async def test_a_server_that_hangs_up_ends_the_answer_with_a_problem():
    async def script(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.send(CONNECTED)
        await connection.recv()
        await connection.send('42["token",{"text":"0.5.3 "}]')
        await connection.close()

    async with playing(script) as port:
        client = python_socketio.conversation(port, "ana")
        await client.open()
        answer = await client.ask("hello")

    assert answer.problem == "closed with 1000"
    assert [text for text, _ in answer.pieces] == ["0.5.3 "]


async def test_a_server_that_speaks_in_the_same_write_as_the_handshake_is_answered():
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def serve_raw(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x01" + b"0")
        heard.set_result(await reader.readexactly(2))
        writer.close()

    async with await asyncio.start_server(serve_raw, "127.0.0.1", 0) as server:
        client = python_socketio.conversation(server.sockets[0].getsockname()[1], "ana")
        with pytest.raises(ConnectionError):
            await client.open()

    assert heard.result()[0] == 0x81


async def test_a_client_whose_handshake_is_not_yet_noticed_can_answer():
    client = SocketIoConversation(python_socketio.APPLICATION, 0, "ana")
    sent: list[bytes] = []

    class Transport(asyncio.Transport):
        def write(self, data: object) -> None:
            sent.append(bytes(data))  # type: ignore[call-overload]

    protocol = client._socket._handshake()
    protocol.connection_made(Transport())
    protocol.data_received(b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x01" + b"0")

    assert len(sent) == 2


def test_several_tokens_in_one_read_are_all_there():
    client = SocketIoConversation(python_socketio.APPLICATION, 0, "ana")
    frames = [event_packet("token", {"text": f"{index} "}) for index in range(3)]

    answer = Answer(asked_us=0, pieces=[])
    client.attach(answer)
    client.receive(b"".join(b"\x81" + bytes((len(frame),)) + frame for frame in frames))

    assert [text for text, _ in answer.pieces] == ["0 ", "1 ", "2 "]


def test_the_clients_own_speed_can_be_told():
    assert socketio_tokens_per_s() > 0
