"""A run's figures as text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.bars import BARS, Verdict
from bench.measures import Scenario
from bench.report import Row


def table(scenario: Scenario, rows: Sequence[Row], titles: Mapping[str, str]) -> str:
    """Draw a scenario's figures: a line per system and figure, medians with their lowest and highest repeat."""
    lines = [f"\n{scenario.title}"]
    for row in rows:
        value = f"{number(row.value.median)} {row.unit}".rjust(16)
        apart = f"({number(row.value.low)} to {number(row.value.high)})".ljust(22)
        ratio = "" if row.times_better is None else f"{row.times_better:.2f}x naive"
        said = f"{ratio.ljust(14)} {_said(row)}"
        lines.append(f"  {row.name or row.figure:<42}{titles[row.system]:<36}{value}  {apart}{said}".rstrip())
    return "\n".join(lines)


def verdicts(found: Sequence[Verdict]) -> str:
    """Draw the bars and what became of each."""
    lines = ["\nbars"]
    for one in found:
        value = "" if one.row is None else f"{number(one.row.value.median)} {one.row.unit}".rstrip()
        ratio = "" if one.row is None or one.row.times_better is None else f"{one.row.times_better:.2f}x naive"
        what = f"{one.bar.scenario}: {one.bar.figure.name}"
        lines.append(f"  {what:<60}{one.bar.words():<16}{value:>16}  {ratio:<14}{one.word}")
    return "\n".join(lines)


def number(value: float) -> str:
    """Write a value with three digits or so."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


def _said(row: Row) -> str:
    if row.system != "prosa":
        return ""
    bars = [bar for bar in BARS if (bar.scenario, bar.figure.key) == (row.scenario, row.figure)]
    return ", ".join(f"{Verdict(bar=bar, row=row).word} ({bar.words()})" for bar in bars)
