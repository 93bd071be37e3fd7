"""What every client looks like to the load: open, ask, read what came."""

from __future__ import annotations

import time
from typing import Protocol

import msgspec


def now_us() -> int:
    """Microseconds of the machine's monotonic clock, the same in all its processes."""
    return time.monotonic_ns() // 1000


class Answer(msgspec.Struct, kw_only=True):
    """One answer as it came in: pieces of text with their time of arrival in microseconds."""

    asked_us: int
    pieces: list[tuple[str, int]] = []
    ended_us: int = 0
    problem: str | None = None
    is_cut: bool = False
    """The client stopped it: its beginning came, and that in order."""
    tool_ms: int | None = None
    """How long its tools took, as the server says."""


class Conversation(Protocol):
    """One user talking, one question after the other."""

    async def open(self) -> None:
        """Connect. Raises OSError or RuntimeError where the server refuses."""
        ...

    async def ask(self, text: str) -> Answer:
        """Ask and wait for the answer's end. What went wrong is in the answer's `problem`."""
        ...

    def stop(self) -> None:
        """End the answer that is under way, if there is one: `ask` returns what came of it as cut."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...
