"""Draw docs/performance.md from result files: `python -m bench.page RESULT.json [--peers FILE] [--budget FILE]`.

A part of the page between `<!-- bars FILE -->` and `<!-- /bars -->` is what the file of that name in bench/results
gives; a test holds the page against the files. Parts whose file is `none` say that nothing was measured.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from bench.bars import SYSTEM, Verdict, judge
from bench.budget import Budget
from bench.processes import ROOT
from bench.report import FLOOR, YARDSTICK, Report, Row
from bench.tables import number

PAGE: Final = ROOT / "docs" / "performance.md"
RESULTS: Final = ROOT / "bench" / "results"
PLOTS: Final = {
    "naive.svg": "How many times better than the naive loop",
    "bars.svg": "What was reached, as a multiple of each bar",
    "growth.svg": "CPU per token over conversations",
}
"""What bench/plots.py draws beside the page, and what it shows."""

_PART: Final = re.compile(r"<!-- (bars|figures|peers|budget) (\S+) -->\n(.*?)<!-- /\1 -->", re.DOTALL)
_NOTHING: Final = "\nNot measured yet.\n\n"


def bars(report: Report) -> str:
    """Draw what must be reached, what was, and against the naive loop of the same run."""
    shown = (f"![{title}](performance/{name})" for name, title in PLOTS.items())
    lines = [
        "\n\n".join((_run(report), *shown)),
        "",
        "| what | against naive | Prosa | naive | bar | |",
        "|---|---|---|---|---|---|",
    ]
    return "\n".join((*lines, *(_bar(report, verdict) for verdict in judge(report.rows))))


def _run(report: Report) -> str:
    machine = report.machine
    void = (
        f"{len(report.problems)} figures are void: {', '.join(sorted({one.scenario for one in report.problems}))}."
        if report.problems
        else "No token was lost, doubled or reordered in any answer."
    )
    return (
        f"Commit `{report.commit}`, {report.started[:10]}, {report.profile} profile in {report.duration_s / 60:.0f} "
        f"minutes, {machine['processor']}, Python {machine['python']}. {void}"
    )


def _bar(report: Report, verdict: Verdict) -> str:
    title = next((one.title for one in report.scenarios if one.name == verdict.bar.scenario), "")
    what = f"{title}: {verdict.bar.figure.name}" if title else verdict.bar.figure.name
    if verdict.row is None:
        return f"| {what} | | | | {verdict.bar.words()} | not measured |"
    found = {row.system: row for row in report.rows if _key(row) == _key(verdict.row)}
    naive = _value(found[YARDSTICK]) if YARDSTICK in found else ""
    word = "**PASS**" if verdict.word == "PASS" else verdict.word
    return f"| {what} | {_times(verdict.row)} | {_value(verdict.row)} | {naive} | {verdict.bar.words()} | {word} |"


def _key(row: Row) -> tuple[str, str]:
    return row.scenario, row.figure


def tables(report: Report) -> str:
    """Draw every figure of a run: a table a scenario, a column a system."""
    parts = [_table(report, one.name, f"### {one.title}\n\n{one.how}") for one in report.scenarios]
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    return "\n\n".join((*(part for part in parts if part), f"Versions: {versions}."))


def _table(report: Report, scenario: str, heading: str, against: str = YARDSTICK) -> str:
    rows = [row for row in report.rows if row.scenario == scenario]
    systems = [name for name in report.systems if any(row.system == name for row in rows)]
    if not systems:
        return ""
    has_ratio = SYSTEM in systems and against in systems
    head = [report.systems[name] for name in systems] + (["Prosa against naive"] if has_ratio else [])
    lines = [f"| | {' | '.join(head)} |", "|---" * (len(head) + 1) + "|"]
    for figure, name in dict.fromkeys((row.figure, row.name or row.figure) for row in rows):
        found = {row.system: row for row in rows if row.figure == figure}
        cells = [_value(found[system], spread=True) if system in found else "" for system in systems]
        ratio = [_times(found[SYSTEM]) if SYSTEM in found else ""] if has_ratio else []
        lines.append(f"| {name} | {' | '.join(cells + ratio)} |")
    return f"{heading}\n\n" + "\n".join(lines)


def peers(report: Report) -> str:
    """Draw Prosa against others on the same work: a table a scenario, a line a system."""
    parts = [_run(report)]
    for scenario in report.scenarios:
        rows = [row for row in report.rows if row.scenario == scenario.name]
        systems = [name for name in report.systems if name != FLOOR and any(row.system == name for row in rows)]
        if not set(systems) - {SYSTEM, YARDSTICK}:
            continue
        names = dict.fromkeys((row.figure, row.name or row.figure) for row in rows if row.system not in (FLOOR, SYSTEM))
        lines = [f"| | {' | '.join(name for _, name in names)} |", "|---" * (len(names) + 1) + "|"]
        for system in systems:
            found = {row.figure: row for row in rows if row.system == system}
            cells = [_beside(found[figure]) if figure in found else "" for figure, _ in names]
            lines.append(f"| {report.systems[system]} | {' | '.join(cells)} |")
        parts.append(f"### {scenario.title}\n\n" + "\n".join(lines))
    return "\n\n".join(parts)


def _beside(row: Row) -> str:
    return f"{_value(row)} ({_times(row)} naive)" if row.times_better is not None else _value(row)


def budget(found: Budget) -> str:
    """Draw where a token's time goes."""
    lines = [
        f"Commit `{found.commit}`, {found.started[:10]}, {found.conversations} conversations.",
        "",
        "| layer | µs a token | share |",
        "|---|---|---|",
    ]
    for layer, cost_us in found.layers_us.items():
        lines.append(f"| {layer} | {cost_us:.1f} | {cost_us / found.cpu_us_per_token:.0%} |")
    lines.append(f"| **all** | **{found.cpu_us_per_token:.1f}** | |")
    lines += [f"| floor: {name} | {cost_us:.2f} | |" for name, cost_us in found.floors_us.items()]
    return "\n".join(lines)


def _value(row: Row, *, spread: bool = False) -> str:
    unit = "" if row.unit in ("", "1/s", "x") else f" {row.unit.replace('us', 'µs')}"
    apart = f" ({number(row.value.low)} to {number(row.value.high)})" if spread and len(row.value.values) > 1 else ""
    return f"{number(row.value.median)}{unit}{apart}"


def _times(row: Row) -> str:
    return "" if row.times_better is None else f"{number(row.times_better)}x"


def _read_report(path: Path) -> Report:
    return msgspec.json.decode(path.read_bytes(), type=Report)


def _read_budget(path: Path) -> Budget:
    return msgspec.json.decode(path.read_bytes(), type=Budget)


_DRAWERS: Final[Mapping[str, Callable[[Path], str]]] = {
    "bars": lambda path: bars(_read_report(path)),
    "figures": lambda path: tables(_read_report(path)),
    "peers": lambda path: peers(_read_report(path)),
    "budget": lambda path: budget(_read_budget(path)),
}


def drawn(page: str, files: Mapping[str, str] | None = None, results: Path = RESULTS) -> str:
    """Give the page with each part drawn anew, from the file that it names or that `files` names for it.

    Raises FileNotFoundError for a file that is not in `results`.
    """

    def draw(found: re.Match[str]) -> str:
        part = found[1]
        name = (files or {}).get(part, found[2])
        body = _NOTHING if name == "none" else f"\n{_DRAWERS[part](results / name)}\n\n"
        return f"<!-- {part} {name} -->\n{body}<!-- /{part} -->"

    return _PART.sub(draw, page)


def main(arguments: Sequence[str] | None = None) -> None:
    """Rewrite the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.page", description=__doc__)
    parser.add_argument("result", nargs="?", type=Path, help="a result of `make bench`; default: the page's")
    parser.add_argument("--peers", type=Path, help="a result with further systems")
    parser.add_argument("--budget", type=Path, help="a result of `python -m bench.budget`")
    given = parser.parse_args(arguments)
    chosen = {"bars": given.result, "figures": given.result, "peers": given.peers, "budget": given.budget}
    files = {part: path.name for part, path in chosen.items() if path is not None}
    PAGE.write_text(drawn(PAGE.read_text(), files))


if __name__ == "__main__":
    main()
