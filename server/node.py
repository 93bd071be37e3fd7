"""One running process: its HTTP application, its connections, its worker, and how it stops."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Final

from loguru import logger
from starlette.applications import Starlette

from core.measurements import ConnectionsChanged, Measure
from server.connection import Connection
from server.leaving import Leaving
from server.worker import Worker

TICK_S: Final = 1.0
"""The connections' one timer: open deadlines, heartbeats and stalled peers are looked after so often."""
TICKED_AT_ONCE: Final = 200
FAREWELL_S: Final = 3.0
FAREWELL_STEP_S: Final = 0.02
RECONNECT_MS: Final = (200, 3_000)
"""Clients of a node that goes away come back spread over this span."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """What `server.wiring` has built."""

    app: Starlette
    connections: set[Connection]
    leaving: Leaving
    worker: Worker | None
    draining: asyncio.Event
    measure: Measure

    async def watch_connections(self) -> None:
        """Tick every connection, for ever."""
        while True:
            await asyncio.sleep(TICK_S)
            for number, connection in enumerate(list(self.connections), start=1):
                _tick(connection)
                if number % TICKED_AT_ONCE == 0:
                    await asyncio.sleep(0)  # a thousand heartbeats that are due must not hold up an answer
            self.measure.emit(ConnectionsChanged(transport="websocket", count=len(self.connections)))

    async def drain(self) -> None:
        """Stop in order: not ready, clients told; running turns end or go on elsewhere; waits and connections end."""
        self.draining.set()
        logger.info("node.draining", connections=len(self.connections))
        for connection in list(self.connections):
            connection.drain(random.randint(*RECONNECT_MS))
        if self.worker is not None:
            await self.worker.stop()
        self.leaving.begin()
        await self._close_connections()

    async def _close_connections(self) -> None:
        """Let commands that were given be answered, for 3 s at most; who does not read its close frame is dropped."""
        for connection in list(self.connections):
            connection.leave()
        deadline_s = asyncio.get_running_loop().time() + FAREWELL_S
        while self.connections and asyncio.get_running_loop().time() < deadline_s:  # noqa: ASYNC110 - a set has no event
            await asyncio.sleep(FAREWELL_STEP_S)
        for connection in list(self.connections):
            connection.drop()

    def hurry(self) -> None:
        """Have `drain` wait for running turns no longer."""
        if self.worker is not None:
            self.worker.hurry()


def _tick(connection: Connection) -> None:
    try:
        connection.tick()
    except Exception:  # noqa: BLE001 - one connection's trouble is not the others'
        logger.exception("connection.tick_failed")
