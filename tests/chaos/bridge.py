"""A bridge: takes the answers of a channel over a service's connection, and reports how far each got.

What it held when its connection was cut it forgets: another takes it when the lease is over.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import websockets
from websockets.asyncio.client import ClientConnection

from tests.chaos.device import dial
from tests.chaos.history import BridgeFrame
from tests.chaos.recording import Recorder, now_ns

CHANNEL: Final = "whatsapp"
TAKEN_AT_ONCE: Final = 3
ANSWER_S: Final = 15.0
"""A connection on which no answer comes in this time is cut: longer than a process is stopped."""
LOOK_S: Final = 0.15
DELIVERS_S: Final = (0.0, 0.25)
"""How long it takes to hand on an answer."""
_STATUSES: Final = (("sent",), ("sent", "delivered"), ("sent", "delivered"), ("delivered", "sent"))
"""What is reported of a delivery, each as often; the last is told in the wrong order."""

Frame = dict[str, Any]


@dataclass(kw_only=True)
class Bridge:
    """One bridge. `run` until cancelled."""

    name: str
    ports: Sequence[int]
    recorder: Recorder
    chance: random.Random
    flap_until_s: float = 0.0
    """While set, its connections are cut after 100 ms and made again at once."""
    at_work: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held from a `delivery.take` until all that it gave is reported."""
    connections: int = 0
    _socket: ClientConnection | None = None
    _cids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def cut(self) -> None:
        """Cut its connection as a lost network does."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def run(self) -> None:
        """Connect, work, and connect again, for ever."""
        while True:
            socket = await dial(self.chance.choice(self.ports))
            if socket is None:
                await asyncio.sleep(self.chance.uniform(0.05, 0.4))
                continue
            self._socket, self.connections = socket, self.connections + 1
            flapping = asyncio.create_task(self._flap(socket))
            try:
                await self._work(socket)
            except (websockets.ConnectionClosed, TimeoutError):
                continue
            finally:
                flapping.cancel()
                socket.transport.abort()

    async def _work(self, socket: ClientConnection) -> None:
        opening = {"type": "session.open", "user_id": self.name, "snapshot": False}  # nothing is answered before
        await self._insist(socket, **opening)
        while True:
            async with self.at_work:
                taken = await self._ask(socket, type="delivery.take", channel=CHANNEL, limit=TAKEN_AT_ONCE)
                for ready in taken[:-1]:
                    await asyncio.sleep(self.chance.uniform(*DELIVERS_S))
                    for status in self.chance.choice(_STATUSES):
                        await self._report(socket, ready["delivery_id"], status)
            if len(taken) <= TAKEN_AT_ONCE:
                await asyncio.sleep(LOOK_S)

    async def _report(self, socket: ClientConnection, delivery_id: str, status: str) -> None:
        await self._insist(socket, type="delivery.report", delivery_id=delivery_id, status=status)

    async def _insist(self, socket: ClientConnection, **command: Any) -> None:
        """Send a command until it is answered for good; a delivery may not be there any more."""
        while (await self._ask(socket, **command))[-1].get("retryable"):
            await asyncio.sleep(LOOK_S)

    async def _ask(self, socket: ClientConnection, **command: Any) -> list[Frame]:
        """Send a command; gives what came up to its `ok` or `error`, which is the last."""
        cid = f"{self.name}.b{next(self._cids)}"
        frame = {**command, "cid": cid}
        self._note("bridge", frame)
        await socket.send(json.dumps(frame))
        frames: list[Frame] = []
        async with asyncio.timeout(ANSWER_S):
            while not frames or frames[-1].get("re") != cid:
                value = json.loads(await socket.recv())
                for received in value if isinstance(value, list) else [value]:
                    if received["type"] == "ping":
                        await socket.send(json.dumps({"type": "pong", "t": received.get("t")}))
                    elif received["type"] in ("session.opened", "delivery.ready", "ok", "error"):
                        self._note("server", received)
                        frames.append(received)
        return frames

    async def _flap(self, socket: ClientConnection) -> None:
        while True:
            await asyncio.sleep(0.1)
            if time.monotonic() < self.flap_until_s:
                socket.transport.abort()

    def _note(self, by: Literal["bridge", "server"], frame: Frame) -> None:
        self.recorder.write(
            BridgeFrame(at_ns=now_ns(), bridge=self.name, connection=self.connections, by=by, frame=frame)
        )
