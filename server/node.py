"""One running process: its HTTP application, its connections, its worker, and how it stops."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
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
            for connection in list(self.connections):
                await _tick(connection)
            self.measure.emit(ConnectionsChanged(transport="websocket", count=len(self.connections)))

    async def drain(self) -> None:
        """Stop in order: not ready, no new turns, running turns end or go back, then every wait and connection ends."""
        self.draining.set()
        logger.info("node.draining", connections=len(self.connections))
        if self.worker is not None:
            await self.worker.stop()
        self.leaving.begin()
        await _close(self.connections)

    def hurry(self) -> None:
        """Have `drain` wait for running turns no longer."""
        if self.worker is not None:
            self.worker.hurry()


async def _tick(connection: Connection) -> None:
    try:
        await connection.tick()
    except Exception:  # noqa: BLE001 - one connection's trouble is not the others'
        logger.exception("connection.tick_failed")


async def _close(connections: Iterable[Connection]) -> None:
    for connection in list(connections):
        connection.drain(random.randint(*RECONNECT_MS))
    await asyncio.sleep(0)  # the close frames' flush tasks begin
