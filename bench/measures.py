"""What a measurement is made of: figures, samples of them, scenarios that take samples, the place where they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import msgspec

from bench.processes import Cores
from bench.systems import Starter, System, start_upstream


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A number that a scenario gives. `better`: which way is better; `neither`: no ratio is given."""

    key: str
    """Its name in a sample and in the JSON."""
    name: str
    unit: str
    better: Literal["higher", "lower", "neither"]


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """What one run gave: values by the keys of figures, and what makes them void."""

    values: Mapping[str, float | None]
    problems: tuple[str, ...] = ()


class Place:
    """Where scenarios run. Systems are started when they are first asked for and live until `stack` is left."""

    def __init__(self, stack: ExitStack, cores: Cores, folder: Path, starters: Mapping[str, Starter]) -> None:
        self.cores = cores
        self.folder = folder
        self.starters = starters
        self._stack = stack
        self._systems: dict[str, System] = {}

    def system(self, name: str) -> System:
        """Give a running system. Raises KeyError for a name that nobody starts, RuntimeError where it fails to."""
        if name not in self._systems:
            self._systems[name] = self._start(name)
        return self._systems[name]

    @property
    def upstream(self) -> int:
        """The port of the fake model."""
        return self.system("direct").port

    def own_folder(self, name: str) -> Path:
        """Make a folder for one run; it goes with the place."""
        folder = self.folder / name
        folder.mkdir()
        return folder

    def _start(self, name: str) -> System:
        if name == "direct":
            return start_upstream(self._stack, self.cores, self.folder)
        return self.starters[name].start(self._stack, self.upstream, self.cores, self.folder)


Run = Callable[[Place, str, str], Sample]
"""Takes one sample, given the place, the name of a system and a name that no other run has."""

OTHERS = "*"
"""In `Scenario.runs`: any system that is not named there, such as a peer."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of work: how a sample of it is taken on each system, and the figures read from samples."""

    name: str
    title: str
    how: str
    """How to read it: sizes, and where the clock starts and stops."""
    figures: tuple[Figure, ...]
    runs: Mapping[str, Run]
    warm_up: bool = True
    """Whether the first run of each system is thrown away."""
    most_repeats: int = 99

    def run_of(self, system: str) -> Run | None:
        """How this is measured on a system; None: it is not."""
        return self.runs.get(system) or (self.runs.get(OTHERS) if system not in OWN else None)


OWN = frozenset({"direct", "naive", "naive-redis", "prosa"})
"""Systems that this package starts; others come from outside (`--also`)."""
