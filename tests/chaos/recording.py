"""Writes a process's part of the history (`tests/chaos/history.py`)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from tests.chaos.history import Entry, Fault

_ENCODER: Final = msgspec.json.Encoder()


class Recorder:
    """Appends entries to a file of its own; flushed by `flush` and `close`."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO = path.open("ab")
        self.faults: Counter[str] = Counter()
        """How many were injected from here, by kind."""
        self.hits = 0
        """How many of them hit a running turn."""

    def write(self, entry: Entry) -> None:
        """Write one entry down."""
        self._file.write(_ENCODER.encode(entry) + b"\n")

    def flush(self) -> None:
        """Hand what was written to the system, so that it outlives this process."""
        self._file.flush()

    def fault(self, name: str, target: str, hit: int | Collection[str] = 0, *, ended: bool = False) -> None:
        """A fault was injected, or (`ended`) is over. `hit`: the turns that ran where it struck, or their number."""
        turns = [] if isinstance(hit, int) else sorted(hit)
        hit_turns = hit if isinstance(hit, int) else len(turns)
        if not ended:
            self.faults[name] += 1
            self.hits += hit_turns > 0
        self.write(Fault(at_ns=now_ns(), name=name, target=target, hit_turns=hit_turns, turns=turns, ended=ended))
        self.flush()

    def close(self) -> None:
        """Write the rest."""
        self._file.close()


def now_ns() -> int:
    """CLOCK_MONOTONIC in nanoseconds, the same for all processes of a machine."""
    return time.monotonic_ns()
