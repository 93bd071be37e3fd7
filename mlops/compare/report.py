"""Results to the files of a report: `report.md`, `report.json`, and the plots where matplotlib is there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from mlops.compare.page import PLOTS, page_of
from mlops.compare.plots import PlotsNeedMatplotlib, draw
from mlops.compare.results import Results
from mlops.compare.summary import summarise
from mlops.questions import Question


def write_report(results: Results, questions: Sequence[Question], folder: Path) -> list[str]:
    """Write the files anew; gives warnings, a sentence each. The same results give the same files."""
    summary = summarise(results, questions)
    encoded = msgspec.json.format(msgspec.json.encode(summary), indent=1)
    (folder / "report.json").write_bytes(encoded + b"\n")
    warnings = []
    try:
        draw(summary, results.results, folder)
    except PlotsNeedMatplotlib as error:
        warnings.append(str(error))
        for name in PLOTS:  # of an earlier report, of fewer results
            (folder / name).unlink(missing_ok=True)
    (folder / "report.md").write_text(page_of(summary, with_plots=not warnings), "utf-8")
    return warnings
