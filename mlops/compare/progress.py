"""How far a run is: one line on a terminal, rewritten; elsewhere nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TextIO

from mlops.compare.results import Result

_LATEST: Final = 20
"""Answers of which the rate is taken, so that a slow beginning is forgotten."""


class Progress:
    """Shows what is done, the rate, the failures and about how long the rest takes."""

    def __init__(
        self, out: TextIO, *, total: int, already: int, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._out = out
        self._shown = out.isatty()
        self._monotonic_s = monotonic_s
        self._total = total
        self._done = already
        self._failed = 0
        self._ends_s = [monotonic_s()]

    def add(self, result: Result) -> None:
        """One more is done."""
        self._done += 1
        self._failed += result.failure is not None
        self._ends_s = [*self._ends_s[-_LATEST:], self._monotonic_s()]
        if self._shown:
            self._out.write(f"\r\x1b[K{self.line()}")
            self._out.flush()

    def end(self) -> None:
        """Leave the line."""
        if self._shown:
            self._out.write("\n")
            self._out.flush()

    def line(self) -> str:
        """Say how far it is, in a line."""
        seconds = self._ends_s[-1] - self._ends_s[0]
        rate = (len(self._ends_s) - 1) / seconds if seconds > 0 else 0.0
        left = f", about {_duration((self._total - self._done) / rate)} left" if rate else ""
        return f"{self._done}/{self._total} asked, {rate * 60:.0f} a minute, {self._failed} failed{left}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
