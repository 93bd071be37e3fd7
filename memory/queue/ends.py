"""Turns whose end somebody on this node waits for: where a run of this node writes it, it need not be read back.

What is told here is what `turn.lua` would answer a moment later. Nothing is kept that nobody waits for.
"""

from __future__ import annotations

import asyncio
from typing import Final

from core.ports import TurnStatus

PATIENCE_S: Final = 2.0
"""How long an end that is being written is waited for before Redis is asked instead."""

End = asyncio.Future[TurnStatus | None]
"""How the turn ended; None where the write failed."""


class Ends:
    """See the module. For one event loop."""

    def __init__(self) -> None:
        self._ends: dict[str, End | None] = {}

    def expect(self, turn_id: str, expected: bool) -> None:
        """Somebody waits for that turn's end, or does so no longer."""
        if expected:
            self._ends.setdefault(turn_id, None)
        else:
            self._ends.pop(turn_id, None)

    def begin(self, turn_id: str) -> End | None:
        """A run is about to write the end: the future is to get how; None where nobody waits for it."""
        if turn_id not in self._ends:
            return None
        end = self._ends[turn_id] = asyncio.get_running_loop().create_future()
        return end

    async def find(self, turn_id: str) -> TurnStatus | None:
        """How a turn ended that is waited for and that a run of this node ended; None: ask Redis."""
        end = self._ends.get(turn_id)
        if end is None:
            return None
        if not end.done():
            await asyncio.wait([end], timeout=PATIENCE_S)
        return end.result() if end.done() else None
