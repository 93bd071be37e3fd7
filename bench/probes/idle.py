"""What connections cost that are open and silent: memory each, and what they take from others' tokens."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Final

import msgspec

from bench.child import Child
from bench.load import Load
from bench.loading import measure, sample_of, server_share
from bench.measures import Place, Sample
from bench.processes import Process
from bench.systems import System

_FEW: Final = 10
_MANY: Final = 10_000
"""What a node has to hold; fewer say nothing about it."""
_SETTLED_WITHIN: Final = 0.002
_SETTLE_S: Final = 1.0
_SETTLE_TIMES: Final = 10


class IdleRun(msgspec.Struct, frozen=True, kw_only=True):
    """A system is started for each run: memory that others left behind would not be seen to grow."""

    some: int
    most: int
    window_s: float

    def __call__(self, place: Place, system: str, name: str) -> Sample:
        """Run it."""
        with ExitStack() as stack:
            folder = place.own_folder(name)
            there = place.starters[system].start(stack, place.upstream, place.cores, folder)
            assert there.process is not None
            idlers = stack.enter_context(Child("bench.idlers", [there.dialect, str(there.port)], place.cores))
            idlers.ask(hold=_FEW)
            few = self._paced(there, place, f"{name}f")
            before = settled_bytes(there.process)
            idlers.ask(hold=self.some + _FEW)
            some = settled_bytes(there.process)
            idlers.ask(hold=self.most + _FEW)
            most = settled_bytes(there.process)
            held = idlers.ask(ping=True) - _FEW
            many = self._paced(there, place, f"{name}m")
            share = server_share(there.process, self.window_s)
            last = idlers.ask(ping=True) - _FEW
        problems = [] if held == last == self.most else [f"of {self.most} connections {held}, later {last} answered"]
        few_us, many_us = few.values["cpu_us_per_token"], many.values["cpu_us_per_token"]
        return Sample(
            values={
                "rss_kb_per_connection": (some - before) / self.some / 1000,
                "rss_kb_per_connection_of_all": (most - before) / self.most / 1000,
                "answered": min(held, last) / self.most * 100,
                "held": float(min(held, last)) if self.most >= _MANY else None,
                "cpu_us_few_idle": few_us,
                "cpu_us_many_idle": many_us,
                "growth_idle": many_us / few_us if many_us and few_us else None,
                "cpu_of_idle": share,
            },
            problems=(*problems, *few.problems, *many.problems),
        )

    def _paced(self, system: System, place: Place, name: str) -> Sample:
        load = Load(
            conversations=40,
            rate=50,
            tokens=200,
            ttft_ms=50,
            pause_ms=500,
            stagger_s=2.0,
            window_s=self.window_s,
        )
        return sample_of(measure(system, load, name, place.cores))


def settled_bytes(process: Process) -> int:
    """Give a process's resident memory once it has stopped changing, within a fifth of a per cent in a second."""
    last = process.resident_bytes()
    for _ in range(_SETTLE_TIMES):
        time.sleep(_SETTLE_S)
        now = process.resident_bytes()
        if abs(now - last) <= last * _SETTLED_WITHIN:
            return now
        last = now
    return last
