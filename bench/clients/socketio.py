"""A client of Socket.IO that costs little: Engine.IO 4 over a bare WebSocket, one namespace, text only.

The words on the wire are those of the protocol's documents (https://socket.io/docs/v4/engine-io-protocol/ and
socket-io-protocol/, 2026): a digit of Engine.IO, for its messages a digit of Socket.IO, then JSON. What differs
between applications is in an `Application`. Acknowledgements, binary events and polling are not here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from bench.clients.conversation import Answer, now_us
from bench.clients.socket import WebSocket

_OPEN: Final = b"0"
_ENGINE_PING: Final = b"2"
_ENGINE_PONG: Final = b"3"
_CONNECT: Final = b"40"
_DISCONNECT: Final = b"41"
_EVENT: Final = b"42"
_CONNECT_ERROR: Final = b"44"

_array = msgspec.json.Decoder(list[msgspec.Raw])
_name = msgspec.json.Decoder(str)


class Event(msgspec.Struct, frozen=True):
    """An event of the server: its name and its first argument as JSON (`null` where it has none)."""

    name: str
    data: bytes


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """What an application over Socket.IO asks of its clients."""

    path: str
    """Where Engine.IO is mounted."""
    credentials: Callable[[str], Mapping[str, object]]
    """What a user sends with the connection."""
    greeting: str = ""
    """An event that a client sends once it is connected; empty: none."""
    opened_by: str = ""
    """The event that says that questions may be asked; empty: the connection itself does."""
    question: Callable[[str, str], bytes]
    """The packet of a user's question."""
    texts: Mapping[str, Callable[[bytes], str]]
    """How to read text out of the events that carry it."""
    ends: str
    """The event that ends an answer."""
    cancel: str = ""
    """The event by which a user stops an answer, which then ends as ever; empty: by hanging up."""
    fails: str = ""
    """The event that says why there is no answer."""


def event_packet(name: str, *arguments: object) -> bytes:
    """Encode an event of the default namespace."""
    return _EVENT + msgspec.json.encode([name, *arguments])


def connect_packet(credentials: Mapping[str, object]) -> bytes:
    """Encode the connection to the default namespace."""
    return _CONNECT + msgspec.json.encode(credentials)


def read_event(packet: bytes) -> Event:
    """Decode an event without acknowledgement. Raises ValueError (of msgspec) for anything else."""
    name, *arguments = _array.decode(packet[2:])
    return Event(_name.decode(name), bytes(arguments[0]) if arguments else b"null")


class SocketIoConversation:
    """One user over one Socket.IO connection."""

    def __init__(self, application: Application, port: int, user: str) -> None:
        self._application = application
        self._user = user
        self._answer = Answer(asked_us=0)
        self._ended: asyncio.Future[str | None] | None = None
        self._is_stopping = False
        target = f"{application.path}?EIO=4&transport=websocket"
        self._socket = WebSocket(port, self._take, self._lost, target=target, subprotocol="")

    async def open(self) -> None:
        """Connect, and greet where the application wants it. Raises ConnectionError where it refuses."""
        self._ended = asyncio.get_running_loop().create_future()
        await self._socket.open()
        problem = await self._ended
        if problem is not None:
            raise ConnectionError(f"the connection could not be opened: {problem}")

    async def ask(self, text: str) -> Answer:
        """Ask and read events to the answer's end."""
        self._ended = asyncio.get_running_loop().create_future()
        answer = Answer(asked_us=now_us(), pieces=[])
        self.attach(answer)
        self._socket.send(self._application.question(self._user, text))
        answer.problem = await self._ended
        answer.is_cut = self._is_stopping
        answer.ended_us = now_us()
        return answer

    def stop(self) -> None:
        """Have the answer that is under way end."""
        self._is_stopping = True
        if self._application.cancel:
            self._socket.send(event_packet(self._application.cancel))
        else:
            self.close()

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    async def ping(self) -> bool:
        """Ping the connection; False where it is gone."""
        return await self._socket.ping()

    @property
    def is_open(self) -> bool:
        """Whether the connection lives, as far as is known."""
        return self._socket.is_open

    @property
    def pongs(self) -> int:
        """How many pings were answered."""
        return self._socket.pongs

    def attach(self, answer: Answer) -> None:
        """Let what comes from now on go into `answer`."""
        self._answer = answer

    def receive(self, data: bytes) -> None:
        """Take bytes of the connection in, after the handshake."""
        self._socket.receive(data)

    def _take(self, packet: bytes) -> None:
        kind = packet[:2]
        if kind == _EVENT:
            self._note(read_event(packet))
        elif packet == _ENGINE_PING:
            self._socket.send(_ENGINE_PONG)
        elif packet[:1] == _OPEN:
            self._socket.send(connect_packet(self._application.credentials(self._user)))
        elif kind == _CONNECT:
            self._greet()
        elif kind in (_DISCONNECT, _CONNECT_ERROR):
            self._end(f"the server refused: {packet[2:200].decode()}")

    def _greet(self) -> None:
        if self._application.greeting:
            self._socket.send(event_packet(self._application.greeting))
        if not self._application.opened_by:
            self._end(None)

    def _note(self, event: Event) -> None:
        application = self._application
        if (read := application.texts.get(event.name)) is not None:
            self._answer.pieces.append((read(event.data), now_us()))
        elif event.name in (application.ends, application.opened_by):
            self._end(None)
        elif event.name == application.fails:
            self._end(event.data.decode())

    def _lost(self, why: str) -> None:
        self._end(None if self._is_stopping else why)

    def _end(self, problem: str | None) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(problem)
