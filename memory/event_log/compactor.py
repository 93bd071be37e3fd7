"""Cuts logs a while after turns end, so that long sessions stay flat in memory."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from loguru import logger

from core.clock import Clock
from core.errors import ProsaError
from core.turns import SessionRef
from memory.event_log.gate import KEPT_AFTER_END_MS, Gate

_AFTER_S: Final = KEPT_AFTER_END_MS / 1000 + 1
_ROUND_S: Final = 1.0
WORTH_BYTES: Final = 16_384
"""Logs with a shorter tail after their stored fold are left alone."""


class Compactor:
    """Remembers the sessions whose turns ended on this node. `run` must be running while it is used."""

    def __init__(self, gate: Gate, clock: Clock) -> None:
        self._gate = gate
        self._clock = clock
        self._due: deque[tuple[float, SessionRef]] = deque()
        self._waiting: set[str] = set()

    def later(self, session: SessionRef) -> None:
        """Compact that session a minute from now; once, however often it is called until then."""
        if session.session_id not in self._waiting:
            self._waiting.add(session.session_id)
            self._due.append((self._clock.monotonic_s() + _AFTER_S, session))

    async def run(self) -> None:
        """Compact what is due, until cancelled."""
        while True:
            await asyncio.sleep(_ROUND_S)
            await self.compact_due()

    async def compact_due(self) -> None:
        """Compact the sessions whose minute is over."""
        while self._due and self._due[0][0] <= self._clock.monotonic_s():
            _, session = self._due.popleft()
            self._waiting.discard(session.session_id)
            try:
                await self._gate.compact(session, at_least_bytes=WORTH_BYTES)
            except ProsaError as error:
                logger.debug("log.compact_failed", session_id=session.session_id, error=error.message)
