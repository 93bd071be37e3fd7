"""`python -m bench`: measure everything side by side, print tables, keep the results as JSON."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.ceiling import websocket_tokens_per_s
from bench.processes import ROOT, Cores, choose_cores, pin
from bench.report import Problem, Row, describe, problems_of, rows_of, table, write
from bench.scenarios import Measured, Scenario, measure, plan
from bench.systems import STARTERS, System, has_prosa, running


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    full: bool
    repeats: int
    systems: frozenset[str]
    scenarios: frozenset[str]
    results: Path


def read_options(arguments: Sequence[str]) -> Options:
    """Read the command line; ends the process with a line of help where it is wrong."""
    names = [starter.name for starter in STARTERS]
    kinds = [scenario.name for scenario in plan(full=True)]
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--full", action="store_true", help="longer runs, more conversations, five repeats")
    parser.add_argument("--repeats", type=int, help="default: 3, with --full 5")
    parser.add_argument("--systems", nargs="+", choices=names, default=names, help="default: all")
    parser.add_argument("--scenarios", nargs="+", choices=kinds, default=kinds, help="default: all of the profile")
    parser.add_argument("--results", type=Path, default=ROOT / "bench" / "results", help="folder for the JSON")
    given = parser.parse_args(arguments)
    return Options(
        full=given.full,
        repeats=given.repeats or (5 if given.full else 3),
        systems=frozenset(given.systems),
        scenarios=frozenset(given.scenarios),
        results=given.results,
    )


def measure_scenario(
    scenario: Scenario, systems: Sequence[System], cores: Cores, repeats: int
) -> dict[str, list[Measured]]:
    """Run a scenario on all systems that it knows, repeats interleaved; one more first, uncounted, warms up."""
    taking_part = [system for system in systems if system.name in scenario.loads]
    measured: dict[str, list[Measured]] = {system.name: [] for system in taking_part}
    for repeat in range(repeats + 1):
        for system in taking_part:
            name = f"{scenario.name}-{system.name}-{repeat}".replace("-", "_")
            found = measure(system, scenario.loads[system.name], name, cores)
            if repeat:
                measured[system.name].append(found)
    return measured


def main(arguments: Sequence[str]) -> int:
    """Measure; gives 1 where a figure is void because an answer was not whole."""
    options = read_options(arguments)
    systems = options.systems if has_prosa() else options.systems - {"prosa"}
    cores = choose_cores()
    pin(0, cores.others)
    started = dt.datetime.now(dt.UTC)
    rows: list[Row] = []
    problems: list[Problem] = []
    with tempfile.TemporaryDirectory(prefix="prosa-bench-") as folder, running(systems, cores, Path(folder)) as there:
        titles = {system.name: system.title for system in there}
        for scenario in plan(options.full):
            if scenario.name not in options.scenarios:
                continue
            measured = measure_scenario(scenario, there, cores, options.repeats)
            found = rows_of(scenario, measured)
            print(table(scenario, found, titles), flush=True)
            rows.extend(found)
            problems.extend(problems_of(scenario, measured))
    notes = {"websocket client, tokens per CPU second": websocket_tokens_per_s()}
    report = describe("full" if options.full else "quick", rows, problems, notes, started)
    path = write(report, options.results)
    _print_end(problems, notes, path)
    return 1 if problems else 0


def _print_end(problems: Sequence[Problem], notes: dict[str, float], path: Path) -> None:
    print()
    for note, value in notes.items():
        print(f"{note}: {value:,.0f}")
    for problem in problems:
        print(f"VOID {problem.scenario}, {problem.system}: {problem.what}")
    if not problems:
        print("no token was lost, doubled or reordered in any answer")
    print(f"results: {path}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
