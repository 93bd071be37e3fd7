"""Time as a dependency: `SystemClock` is real, `FakeClock` is moved by a test."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where everything that needs the time gets it."""

    def now_ms(self) -> int:
        """Unix time in milliseconds, for what is shown and stored."""
        ...

    def monotonic_s(self) -> float:
        """Seconds from an arbitrary point that never go back, for durations and deadlines."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Unix time in milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()


class FakeClock:
    """A clock that stands still until `advance` is called."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        self._start_ms = now_ms
        self._elapsed_s = 0.0

    def now_ms(self) -> int:
        """Unix time in milliseconds."""
        return self._start_ms + round(self._elapsed_s * 1000)

    def monotonic_s(self) -> float:
        """Seconds since the clock was made."""
        return self._elapsed_s

    def advance(self, seconds: float) -> None:
        """Move the clock on by `seconds`."""
        self._elapsed_s += seconds
