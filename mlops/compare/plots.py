"""Figures to SVG: quality against cost, and how many answers are there by when.

matplotlib is imported when something is drawn, so that comparing needs nothing heavy. Colours are chosen to be read on
white and on black; text stays text. The same figures give the same bytes with the same matplotlib.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mlops.compare.page import PLOTS
from mlops.compare.results import Result
from mlops.compare.summary import Summary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK: Final = "#7d8590"
_COLOURS: Final = ("#2f81f7", "#d4820f", "#3fa34d", "#a371f7", "#e5534b", "#1b9aaa", "#b5651d", "#8b949e")
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


class PlotsNeedMatplotlib(Exception):
    """matplotlib is not installed; the message says what to do."""


def draw(summary: Summary, results: Sequence[Result], folder: Path) -> list[Path]:
    """Write the plots; gives the files. Raises PlotsNeedMatplotlib."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise PlotsNeedMatplotlib(
            "there are no plots, for matplotlib is not installed: pip install --requirement mlops/requirements.in, "
            "then the same command with --resume"
        ) from error
    drawings: tuple[Callable[[Axes], None], ...] = (
        lambda axes: _quality(axes, summary),
        lambda axes: _latency(axes, summary, results),
    )
    written = []
    with mpl.rc_context(_STYLE):
        for name, drawing in zip(PLOTS, drawings, strict=True):
            figure = Figure(figsize=(7, 3.6), layout="constrained")
            drawing(figure.add_subplot())
            figure.savefig(folder / name, format="svg", transparent=True, metadata={"Date": None})
            written.append(folder / name)
    return written


def _quality(axes: Axes, summary: Summary) -> None:
    """Draw the share of right answers, with its interval, over what an answer costs."""
    for place, each in enumerate(summary.models):
        if each.share is None or each.cost_usd_per_answer is None:
            continue
        thousand = each.cost_usd_per_answer * 1000
        right, low, high = (100 * share for share in (each.share.right, each.share.low, each.share.high))
        colour = _COLOURS[place % len(_COLOURS)]
        axes.plot([thousand] * 2, [low, high], color=colour, linewidth=1.5, alpha=0.7)
        axes.plot([thousand], [right], color=colour, marker="o", linestyle="none", label=each.model)
    axes.set_ylim(-3, 103)
    axes.margins(x=0.1)
    axes.set_xlabel("US$ for a thousand answers (0: free, or no price known)")
    axes.set_ylabel("right, % (line: 95 % interval)")
    _legend(axes)


def _latency(axes: Axes, summary: Summary, results: Sequence[Result]) -> None:
    """Draw the share of what was asked that is answered after so long; what failed never is."""
    for place, each in enumerate(summary.models):
        mine = [result for result in results if result.model == each.model]
        times = sorted(result.latency_ms / 1000 for result in mine if result.failure is None)
        if times:
            shares = [100 * (count + 1) / len(mine) for count in range(len(times))]
            axes.step(times, shares, where="post", color=_COLOURS[place % len(_COLOURS)], label=each.model)
    axes.set_xscale("log")
    axes.set_ylim(0, 103)
    axes.set_xlabel("seconds to the whole answer")
    axes.set_ylabel("answered, % of asked")
    _legend(axes)


def _legend(axes: Axes) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, labelcolor=_INK, loc="center left", bbox_to_anchor=(1.0, 0.5))
