"""`python -m bench`: measure everything side by side, print tables, keep the results as JSON."""

from __future__ import annotations

import argparse
import datetime as dt
import pkgutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from bench.bars import judge
from bench.ceiling import websocket_tokens_per_s
from bench.idlers import allow_many_files
from bench.measures import Place, Sample, Scenario
from bench.processes import ROOT, choose_cores, pin
from bench.report import Problem, Report, Row, derived_rows, describe, problems_of, rows_of, write
from bench.scenarios import plan
from bench.systems import STARTERS, TITLES, Starter, has_prosa
from bench.tables import table, verdicts


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    full: bool
    repeats: int
    systems: frozenset[str]
    scenarios: frozenset[str]
    results: Path
    starters: tuple[Starter, ...]


def read_options(arguments: Sequence[str]) -> Options:
    """Read the command line; ends the process with a line of help where it is wrong."""
    first = argparse.ArgumentParser(add_help=False)
    first.add_argument("--also", nargs="+", default=[], metavar="MODULE:NAME", help="starters of further systems")
    known, _ = first.parse_known_args(arguments)
    starters = (*STARTERS, *(one for name in known.also for one in pkgutil.resolve_name(name)))
    names = ["direct", *(starter.name for starter in starters)]
    kinds = [scenario.name for scenario in plan(full=True)]
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__, parents=[first])
    parser.add_argument("--full", action="store_true", help="longer runs, more connections, three repeats")
    parser.add_argument("--repeats", type=int, help="default: 2, with --full 3; some scenarios have fewer")
    parser.add_argument("--systems", nargs="+", choices=names, default=names, help="default: all")
    parser.add_argument("--scenarios", nargs="+", choices=kinds, default=kinds, help="default: all")
    parser.add_argument("--results", type=Path, default=ROOT / "bench" / "results", help="folder for the JSON")
    given = parser.parse_args(arguments)
    return Options(
        full=given.full,
        repeats=given.repeats or (3 if given.full else 2),
        systems=frozenset(given.systems) - (frozenset() if has_prosa() else {"prosa"}),
        scenarios=frozenset(given.scenarios),
        results=given.results,
        starters=starters,
    )


def measure_scenario(scenario: Scenario, systems: Sequence[str], place: Place, repeats: int) -> dict[str, list[Sample]]:
    """Run a scenario on all systems that it knows, repeats interleaved."""
    taking_part = {name: run for name in systems if (run := scenario.run_of(name)) is not None}
    measured: dict[str, list[Sample]] = {name: [] for name in taking_part}
    first = 0 if scenario.warm_up else 1
    for repeat in range(first, min(repeats, scenario.most_repeats) + 1):
        for system, run in taking_part.items():
            sample = run(place, system, f"{scenario.name}-{system}-{repeat}".replace("-", "_"))
            if repeat:
                measured[system].append(sample)
    return measured


def main(arguments: Sequence[str]) -> int:
    """Measure; gives 1 where a figure is void because an answer was not whole."""
    options = read_options(arguments)
    allow_many_files()
    cores = choose_cores()
    pin(0, cores.others)
    started = dt.datetime.now(dt.UTC)
    titles = {**TITLES, **{starter.name: starter.title for starter in options.starters}}
    systems = [name for name in titles if name in options.systems]
    scenarios = [scenario for scenario in plan(options.full) if scenario.name in options.scenarios]
    rows: list[Row] = []
    problems: list[Problem] = []
    with tempfile.TemporaryDirectory(prefix="prosa-bench-") as folder, ExitStack() as stack:
        place = Place(stack, cores, Path(folder), {starter.name: starter for starter in options.starters})
        for scenario in scenarios:
            measured = measure_scenario(scenario, systems, place, options.repeats)
            found = rows_of(scenario, measured)
            print(table(scenario, found, titles), flush=True)
            rows.extend(found)
            problems.extend(problems_of(scenario, measured))
    report = describe(
        "full" if options.full else "quick",
        [*rows, *derived_rows(rows)],
        problems,
        {"websocket client, tokens per CPU second": websocket_tokens_per_s()},
        started,
        systems={name: titles[name] for name in systems},
        scenarios=scenarios,
    )
    _print_end(report, titles, write(report, options.results))
    return 1 if problems else 0


def _print_end(report: Report, titles: Mapping[str, str], path: Path) -> None:
    print(verdicts([one for one in judge(report.rows) if one.row is not None]))
    print()
    for note, value in report.notes.items():
        print(f"{note}: {value:,.0f}")
    for problem in report.problems:
        print(f"VOID {problem.scenario}, {titles[problem.system]}: {problem.what}")
    if not report.problems:
        print("no token was lost, doubled or reordered in any answer")
    print(f"results, after {report.duration_s:,.0f} s: {path}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
