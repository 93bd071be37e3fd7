"""One run of the peers: what could be started is measured, what could not is told, nobody waits for anybody."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from bench.measures import Place, Run, Sample, Scenario
from bench.processes import Cores
from bench.report import Problem, Row, problems_of, rows_of
from bench.systems import Starter, System
from bench.tables import table

Result = TypeVar("Result")

START: Final = "start"
"""In a report: the scenario of the problem that a peer is not there at all."""


class PeersRun:
    """Systems that were started, and what was found out about them. All end with `stack`."""

    def __init__(self, stack: ExitStack, cores: Cores, folder: Path, starters: Sequence[Starter]) -> None:
        self._place = Place(stack, cores, folder, {starter.name: _patient(starter) for starter in starters})
        self.titles = {starter.name: starter.title for starter in starters}
        self.systems: dict[str, System] = {}
        """What runs, by name; `direct` is the upstream itself."""
        self.rows: list[Row] = []
        self.problems: list[Problem] = []

    def start(self) -> None:
        """Start the upstream and all others; one that does not start is told of and left out."""
        direct = self._place.system("direct")
        self.systems["direct"] = direct
        self.titles["direct"] = direct.title
        for name in self._place.starters:
            system = self._tried(name, START, partial(self._place.system, name))
            if system is not None:
                self.systems[name] = system

    def measure(self, scenario: Scenario, repeats: int) -> None:
        """Take a scenario on all that know it, repeats interleaved, and print what was found. Who fails drops out."""
        taking_part = {name: run for name in self.systems if (run := scenario.run_of(name)) is not None}
        measured: dict[str, list[Sample]] = {name: [] for name in taking_part}
        first = 0 if scenario.warm_up else 1
        for repeat in range(first, min(repeats, scenario.most_repeats) + 1):
            for name in list(measured):
                sample = self._sample(scenario, taking_part[name], name, repeat)
                if sample is None:
                    del measured[name]
                elif repeat:
                    measured[name].append(sample)
        found = rows_of(scenario, measured)
        self.rows.extend(found)
        self.problems.extend(problems_of(scenario, measured))
        print(table(scenario, found, self.titles), flush=True)

    def _sample(self, scenario: Scenario, run: Run, system: str, repeat: int) -> Sample | None:
        name = f"{scenario.name}_{system}_{repeat}".replace("-", "_")
        return self._tried(system, scenario.name, partial(run, self._place, system, name))

    def _tried(self, name: str, scenario: str, work: Callable[[], Result]) -> Result | None:
        try:
            return work()
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            self.problems.append(Problem(scenario=scenario, system=name, what=str(error)))
            print(f"{name}: {scenario} failed: {error}", flush=True)
            return None


def _patient(starter: Starter) -> Starter:
    """Start a system a second time where it fails: its port was free when it was chosen, seconds before."""

    def start(stack: ExitStack, upstream: int, cores: Cores, folder: Path) -> System:
        try:
            return _whole(starter, stack, upstream, cores, folder)
        except RuntimeError as error:
            print(f"{starter.name}: started once more after: {error}", flush=True)
            again = folder / f"{starter.name}-again"
            again.mkdir()
            return _whole(starter, stack, upstream, cores, again)

    return msgspec.structs.replace(starter, start=start)


def _whole(starter: Starter, stack: ExitStack, upstream: int, cores: Cores, folder: Path) -> System:
    """Start a system, or leave nothing of it behind."""
    with ExitStack() as trial:
        system = starter.start(trial, upstream, cores, folder)
        stack.push(trial.pop_all())
    return system
