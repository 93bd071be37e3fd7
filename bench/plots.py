"""Draw a run: `python -m bench.plots RESULT.json FOLDER` writes `naive.svg`, `bars.svg` and `growth.svg` there.

Greys and colours are chosen to be read on white and on black; text stays text, so that the files are small.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import msgspec
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.bars import SYSTEM, Verdict, judge
from bench.page import PLOTS
from bench.report import YARDSTICK, Report

_INK: Final = "#7d8590"
_OURS: Final = "#2f81f7"
_BELOW: Final = "#d4820f"
_THEIRS: Final = "#8b949e"
_SIZES: Final = (10, 40, 100, 300)
_STYLE: Final[dict[Any, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "prosa",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw(report: Report, folder: Path) -> list[Path]:
    """Write the plots; gives the files. The same report gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with mpl.rc_context(_STYLE):
        for name, drawing in zip(PLOTS, (_against_naive, _against_bars, _growth), strict=True):
            figure = drawing(report)
            path = folder / name
            figure.savefig(path, format="svg", transparent=True, metadata={"Date": None})
            written.append(path)
    return written


def _against_naive(report: Report) -> Figure:
    """Draw how many times better than the naive loop, with the bar where there is one."""
    found = [one for one in judge(report.rows) if one.row is not None and one.row.times_better is not None]
    figure, axes = _canvas(len(found))
    for place, one in enumerate(reversed(found)):
        assert one.row is not None
        assert one.row.times_better is not None
        below = one.bar.kind == "times" and one.word != "PASS"
        axes.barh(place, one.row.times_better, color=_BELOW if below else _OURS, height=0.6)
        axes.annotate(
            f"{one.row.times_better:.1f}x", (one.row.times_better, place), (4, -3), textcoords="offset points"
        )
        if one.bar.kind == "times":
            axes.plot([one.bar.limit] * 2, [place - 0.42, place + 0.42], color=_INK, linewidth=2)
    axes.axvline(1, color=_THEIRS, linewidth=1, linestyle=":")
    axes.set_xscale("log")
    axes.set_yticks(range(len(found)), [_label(one) for one in reversed(found)])
    axes.set_xlabel("times better than the naive loop (dotted: as good; line: the bar)")
    return figure


def _against_bars(report: Report) -> Figure:
    """Draw each figure as a multiple of its bar, so that the line at 1 is reached where it is good enough."""
    found = [(one, reach) for one in judge(report.rows) if (reach := reach_of(one)) is not None]
    figure, axes = _canvas(len(found))
    for place, (one, reach) in enumerate(reversed(found)):
        axes.barh(place, reach, color=_OURS if one.word == "PASS" else _BELOW, height=0.6)
        axes.annotate(f"{reach:.2f}", (reach, place), (4, -3), textcoords="offset points")
    axes.axvline(1, color=_INK, linewidth=2)
    axes.set_xscale("log")
    axes.set_yticks(range(len(found)), [_label(one) for one, _ in reversed(found)])
    axes.set_xlabel("reached, as a multiple of the bar (line)")
    return figure


def reach_of(verdict: Verdict) -> float | None:
    """Give how far a figure is as a multiple of its bar, 1 and more being enough; None for what has to be flat."""
    row, bar = verdict.row, verdict.bar
    if row is None or bar.kind == "flat" or not row.value.median:
        return None
    match bar.kind:
        case "times":
            return None if row.times_better is None else row.times_better / bar.limit
        case "most":
            return bar.limit / row.value.median
        case "least":
            return row.value.median / bar.limit


def _growth(report: Report) -> Figure:
    """Draw CPU per token over conversations."""
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axes = figure.add_subplot()
    for system, color in ((YARDSTICK, _THEIRS), (SYSTEM, _OURS)):
        costs = {
            row.scenario: row.value.median
            for row in report.rows
            if (row.system, row.figure) == (system, "cpu_us_per_token")
        }
        points = [(size, costs[f"paced-{size}"]) for size in _SIZES if f"paced-{size}" in costs]
        if points:
            sizes, values = zip(*points, strict=True)
            axes.plot(sizes, values, color=color, marker="o", label=report.systems[system])
    axes.set_xscale("log")
    axes.set_xticks(_SIZES, [str(size) for size in _SIZES])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel("conversations at 50 tokens a second")
    axes.set_ylabel("server CPU per token, µs")
    axes.legend(frameon=False, labelcolor=_INK)
    return figure


def _canvas(lines: int) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8, 0.8 + 0.32 * max(lines, 1)), layout="constrained")
    return figure, figure.add_subplot()


def _label(verdict: Verdict) -> str:
    return f"{verdict.bar.scenario}: {verdict.bar.figure.name}"


def main() -> None:
    """Draw the plots of a result file."""
    parser = argparse.ArgumentParser(prog="python -m bench.plots", description=__doc__)
    parser.add_argument("result", type=Path)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    for path in draw(msgspec.json.decode(given.result.read_bytes(), type=Report), given.folder):
        print(path)


if __name__ == "__main__":
    main()
