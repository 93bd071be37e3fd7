"""`python -m bench.peers`: make what the peers need, measure them beside the naive loop and Prosa, keep the results."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec

from bench.ceiling import websocket_tokens_per_s
from bench.idlers import allow_many_files
from bench.peers import chainlit, environments, litellm, open_webui, python_socketio
from bench.peers.ceiling import socketio_tokens_per_s
from bench.peers.peer import Peer
from bench.peers.run import START, PeersRun
from bench.peers.scenarios import NAMES, plan
from bench.processes import ROOT, choose_cores, pin
from bench.report import Problem, Report, describe, write
from bench.systems import NAIVE, PROSA, has_prosa

PEERS: Final = (chainlit.PEER, python_socketio.PEER, litellm.PEER, open_webui.PEER)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    peers: tuple[Peer, ...]
    scenarios: frozenset[str]
    repeats: int
    results: Path


def read_options(arguments: Sequence[str]) -> Options:
    """Read the command line; ends the process with a line of help where it is wrong."""
    names = [peer.name for peer in PEERS]
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--peers", nargs="+", choices=names, default=names, help="default: all")
    parser.add_argument("--scenarios", nargs="+", choices=NAMES, default=NAMES, help="default: all")
    parser.add_argument("--repeats", type=int, default=3, help="default: 3; idle connections are measured once")
    parser.add_argument("--results", type=Path, default=ROOT / "bench" / "results", help="folder for the JSON")
    given = parser.parse_args(arguments)
    return Options(
        peers=tuple(peer for peer in PEERS if peer.name in given.peers),
        scenarios=frozenset(given.scenarios),
        repeats=given.repeats,
        results=given.results,
    )


def make_environments(
    peers: Sequence[Peer], *, folder: Path = environments.FOLDER, pins: Path = environments.PINS
) -> tuple[dict[Peer, str], list[Problem]]:
    """Make the peers' environments; gives the versions of those that are there, and why the others are not."""
    found: dict[Peer, str] = {}
    problems: list[Problem] = []
    for peer in peers:
        try:
            environments.make(peer, folder=folder, pins=pins)
            found[peer] = environments.version_of(peer, folder=folder)
        except environments.Unavailable as error:
            problems.append(Problem(scenario=START, system=peer.name, what=str(error)))
    return found, problems


def main(arguments: Sequence[str]) -> int:
    """Measure; gives 1 where a figure is void because an answer was not whole. A peer that is missing is told."""
    options = read_options(arguments)
    started = dt.datetime.now(dt.UTC)
    found, problems = make_environments(options.peers)
    allow_many_files()
    cores = choose_cores()
    pin(0, cores.others)
    starters = [NAIVE, *([PROSA] if has_prosa() else []), *(peer.starter for peer in found)]
    scenarios = [scenario for scenario in plan() if scenario.name in options.scenarios]
    with tempfile.TemporaryDirectory(prefix="prosa-peers-") as folder, ExitStack() as stack:
        run = PeersRun(stack, cores, Path(folder), starters)
        run.start()
        for scenario in scenarios:
            run.measure(scenario, options.repeats)
    problems.extend(run.problems)
    report = describe(
        "peers",
        run.rows,
        problems,
        {
            "websocket client, tokens per CPU second": websocket_tokens_per_s(),
            "Socket.IO client, tokens per CPU second": socketio_tokens_per_s(),
        },
        started,
        systems={name: run.titles[name] for name in run.systems},
        scenarios=scenarios,
    )
    versions = {**report.versions, **{peer.name: version for peer, version in found.items()}}
    report = msgspec.structs.replace(report, versions=versions)
    _print_end(report, [peer.name for peer in found], write(report, options.results))
    return 1 if any(problem.scenario != START for problem in problems) else 0


def _print_end(report: Report, peers: Sequence[str], path: Path) -> None:
    print()
    print("measured: " + ", ".join(f"{name} {report.versions[name]}" for name in peers if name in report.systems))
    for note, value in report.notes.items():
        print(f"{note}: {value:,.0f}")
    for problem in report.problems:
        word = "MISSING" if problem.scenario == START else f"VOID {problem.scenario},"
        print(f"{word} {problem.system}: {problem.what}")
    if all(problem.scenario == START for problem in report.problems):
        print("no token was lost, doubled or reordered in any answer")
    print(f"results, after {report.duration_s:,.0f} s: {path}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
