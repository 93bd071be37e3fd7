"""A device of a user: the client machine (`core.wire.client_side`) over a real WebSocket, to whichever node."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import websockets
from websockets.asyncio.client import ClientConnection

from core.errors import ProtocolError
from core.view import SessionView
from core.wire.client_actions import Action, Done, Drop, Erased, GiveUp, OpenRefused, Refused, Send
from core.wire.client_cursor import Phase
from core.wire.client_side import ClientSide
from core.wire.frames import Command, ErrorFrame, SessionOpen
from tests.chaos.history import Connected, Received, Sent
from tests.chaos.recording import Recorder, now_ns

JITTER: Final = 0.12
"""The share of the protocol's jitter that is waited: a run lasts minutes, and no crowd has to be spread."""
CONNECT_S: Final = 4.0
KEY: Final = "chat"


@dataclass
class Answer:
    """What became of a command."""

    result: dict[str, Any] | None = None
    error: ErrorFrame | None = None


@dataclass(kw_only=True)
class Device:
    """One device. `run` until cancelled; the rest may be called at any time."""

    name: str
    session: str
    ports: Sequence[int]
    recorder: Recorder
    chance: random.Random
    opening: SessionOpen
    """What it asks for."""
    begin: asyncio.Event = field(default_factory=asyncio.Event)
    """It does nothing before this is set."""
    gone: bool = False
    """Its session was erased: it does nothing any more."""
    node: int = -1
    """The node that it is connected to; -1: none."""
    flap_until_s: float = 0.0
    """While set, its connections are cut after 100 ms and made again at once."""
    deaf_until_s: float = 0.0
    """While set, it does not read."""
    connections: int = 0
    machine: ClientSide = field(init=False)

    def __post_init__(self) -> None:
        cids = itertools.count(1)
        self.machine = ClientSide(
            new_cid=lambda: f"{self.name}.m{next(cids)}", chance=lambda: self.chance.random() * JITTER
        )
        self.machine.open(KEY, self.opening, time.monotonic())
        self._socket: ClientConnection | None = None
        self._outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        self._answers: dict[str, asyncio.Future[Answer]] = {}
        self.session_ids: set[str] = set()

    @property
    def asked_for(self) -> str | None:
        """The id of the session that it asks for; None: the user's main one."""
        return self.opening.session_id

    def ask_for(self, session_id: str) -> None:
        """Before it begins: open this session."""
        self.opening = msgspec.structs.replace(self.opening, session_id=session_id)
        self.machine.open(KEY, self.opening, time.monotonic())

    @property
    def view(self) -> SessionView | None:
        """What it shows."""
        return self.machine.view(KEY) if not self.gone else None

    @property
    def takes_part(self) -> bool:
        """Whether it has begun, and its session was not erased."""
        return self.begin.is_set() and not self.gone

    @property
    def is_live(self) -> bool:
        """Whether all up to the head has come on the present connection."""
        return self._socket is not None and not self.gone and self.machine.phase(KEY) is Phase.LIVE

    @property
    def session_id(self) -> str | None:
        """The server's id."""
        return self.machine.session_id(KEY) if not self.gone else None

    def send(self, command: Command) -> asyncio.Future[Answer]:
        """Send a command as the protocol has it: again on each connection until it is answered."""
        future = self._answers.get(command.cid)
        if future is None or future.done():
            future = asyncio.get_running_loop().create_future()
            self._answers[command.cid] = future
        self._perform(self.machine.send(KEY, command, time.monotonic()))
        return future

    def cut(self) -> None:
        """Cut its connection as a lost network does."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def run(self) -> None:
        """Connect, follow, and connect again, until the session is erased."""
        await self.begin.wait()
        while not self.gone:
            node = self.chance.randrange(len(self.ports))
            socket = await dial(self.ports[node])
            if socket is None:
                await asyncio.sleep(self.chance.uniform(0.05, 0.4))
            else:
                await self._follow(node, socket)

    async def _follow(self, node: int, socket: ClientConnection) -> None:
        self.node, self._socket, self._outgoing = node, socket, asyncio.Queue()
        self.connections += 1
        self._note(up=True)
        speaking = asyncio.create_task(self._speak(socket))
        flapping = asyncio.create_task(self._flap(socket))
        try:
            self._perform(self.machine.connected(time.monotonic()))
            await self._hear(socket)
        except (websockets.ConnectionClosed, ProtocolError, _DropIt):
            pass
        finally:
            for task in (speaking, flapping):
                task.cancel()
            await asyncio.gather(speaking, flapping, return_exceptions=True)
            socket.transport.abort()
        self._socket = None
        code = socket.close_code
        self._note(up=False, code=code)
        self.node = -1
        verdict = self.machine.disconnected(code or 1006, time.monotonic())
        await asyncio.sleep(0.5 if isinstance(verdict, GiveUp) else 0.0 if self._flaps else verdict.delay_s)

    @property
    def _flaps(self) -> bool:
        return time.monotonic() < self.flap_until_s

    async def _flap(self, socket: ClientConnection) -> None:
        while True:
            await asyncio.sleep(0.1)
            if self._flaps:
                socket.transport.abort()

    async def _speak(self, socket: ClientConnection) -> None:
        with suppress(websockets.ConnectionClosed):
            while True:
                await socket.send((await self._outgoing.get()).decode())

    async def _hear(self, socket: ClientConnection) -> None:
        while True:
            await self._be_deaf(socket)
            wait_s = max(0.0, (self.machine.deadline_s() or 0.0) - time.monotonic())
            try:
                async with asyncio.timeout(min(wait_s, 0.5)):
                    text = await socket.recv()
            except TimeoutError:
                self._perform(self.machine.tick(time.monotonic()))
                continue
            self._take(text)

    async def _be_deaf(self, socket: ClientConnection) -> None:
        silence_s = self.deaf_until_s - time.monotonic()
        if silence_s > 0:
            with suppress(RuntimeError):
                socket.transport.pause_reading()
            await asyncio.sleep(silence_s)
            with suppress(RuntimeError):
                socket.transport.resume_reading()

    def _take(self, text: str | bytes) -> None:
        value = json.loads(text)
        for frame in value if isinstance(value, list) else [value]:
            if frame.get("type") == "session.opened":
                self.session_ids.add(frame["session_id"])
            self.recorder.write(
                Received(
                    at_ns=now_ns(),
                    device=self.name,
                    session=self.session,
                    node=self.node,
                    connection=self.connections,
                    frame=frame,
                )
            )
        self._perform(self.machine.receive_text(text, time.monotonic()))

    def _perform(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send(payload=payload):
                    self._say(payload)
                case Drop(reason=reason):
                    raise _DropIt(reason)
                case Done(cid=cid, result=result):
                    self._settle(cid, Answer(result=dict(result)))
                case Refused(cid=cid, error=error):
                    self._settle(cid, Answer(error=error))
                case Erased():
                    self.gone = True  # the server closes the connection
                case OpenRefused(error=error) if error.code == "not_found":
                    self.gone = True
                    raise _DropIt("not found")
                case _:
                    pass

    def _settle(self, cid: str, answer: Answer) -> None:
        future = self._answers.get(cid)
        if future is not None and not future.done():
            future.set_result(answer)

    def _say(self, payload: bytes) -> None:
        frame = json.loads(payload)
        if "cid" in frame:
            self.recorder.write(
                Sent(
                    at_ns=now_ns(),
                    device=self.name,
                    session=self.session,
                    node=self.node,
                    connection=self.connections,
                    frame=frame,
                )
            )
        self._outgoing.put_nowait(payload)

    def _note(self, *, up: bool, code: int | None = None) -> None:
        self.recorder.write(
            Connected(
                at_ns=now_ns(),
                device=self.name,
                session=self.session,
                node=self.node,
                connection=self.connections,
                up=up,
                code=code,
            )
        )


async def dial(port: int) -> ClientConnection | None:
    """Connect to a node; None where that cannot be done now."""
    try:
        async with asyncio.timeout(CONNECT_S):
            return await websockets.connect(
                f"ws://127.0.0.1:{port}/ws",
                subprotocols=[websockets.Subprotocol("prosa.v1")],
                compression=None,
                max_size=None,
                ping_interval=None,
                close_timeout=0.5,
            )
    except (OSError, TimeoutError, websockets.WebSocketException, EOFError):
        return None


class _DropIt(Exception):
    """The machine takes the connection for dead."""
