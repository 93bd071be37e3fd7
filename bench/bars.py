"""The bars: what each figure of Prosa must reach, and whether a run's figures do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from bench import catalogue as figures
from bench.measures import Figure
from bench.report import Row

SYSTEM: Final = "prosa"
FLAT: Final = 0.15
"""How far a cost may move from 10 to 300 conversations and the like, either way."""


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """`times`: so many times better than the naive loop of the same run; `most`, `least`: in the figure's unit."""

    scenario: str
    figure: Figure
    kind: Literal["times", "most", "least", "flat"]
    limit: float

    def words(self) -> str:
        """Say it in a few words."""
        match self.kind:
            case "times":
                return f"{self.limit:g}x naive"
            case "most":
                return f"<= {self.limit:g} {self.figure.unit}".rstrip()
            case "least":
                return f">= {self.limit:,.0f}"
            case "flat":
                return f"1 ± {self.limit:g}"

    def reached(self, row: Row) -> bool | None:
        """Whether a figure reaches it; None where there is nothing to compare it with."""
        match self.kind:
            case "times":
                return None if row.times_better is None else row.times_better >= self.limit
            case "most":
                return row.value.median <= self.limit
            case "least":
                return row.value.median >= self.limit
            case "flat":
                return abs(row.value.median - 1) <= self.limit


def _bar(scenario: str, figure: Figure, kind: Literal["times", "most", "least", "flat"], limit: float) -> Bar:
    return Bar(scenario=scenario, figure=figure, kind=kind, limit=limit)


BARS: Final = (
    _bar("throughput", figures.TOKENS_PER_S, "times", 30),
    _bar("growth", figures.AGAINST_KEPT, "times", 5),
    _bar("paced-300", figures.TOKEN_P99, "most", 20),
    _bar("first-token-20", figures.ADDED_P50, "most", 1),
    _bar("first-token-20", figures.ADDED_P99, "most", 3),
    _bar("first-token-100", figures.ADDED_P50, "most", 2),
    _bar("tool-step", figures.STEP_NET_P50, "most", 2),
    _bar("idle", figures.RSS_PER_CONNECTION, "most", 28),
    _bar("idle", figures.HELD, "least", 10_000),
    _bar("redis", figures.APPENDS_PER_S, "least", 80_000),
    _bar("fan-out-100", figures.DELIVERED, "least", 500_000),
    _bar("fan-out-1000", figures.DELIVERED, "least", 500_000),
    _bar("chat", figures.TURNS_PER_S, "times", 3),
    _bar("start", figures.READY_S, "most", 1),
    _bar("growth", figures.GROWTH, "flat", FLAT),
    _bar("idle", figures.GROWTH_IDLE, "flat", FLAT),
    _bar("length", figures.GROWTH_LENGTH, "flat", FLAT),
)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """A bar, what was measured, and whether it was reached; `row` None: it was not measured."""

    bar: Bar
    row: Row | None

    @property
    def word(self) -> str:
        """PASS, below the bar, or not measured."""
        reached = None if self.row is None else self.bar.reached(self.row)
        return "not measured" if reached is None else "PASS" if reached else "below the bar"


def judge(rows: Sequence[Row]) -> list[Verdict]:
    """Hold the figures of a run against every bar."""
    return [Verdict(bar=bar, row=find(rows, bar.scenario, bar.figure.key)) for bar in BARS]


def find(rows: Sequence[Row], scenario: str, figure: str, system: str = SYSTEM) -> Row | None:
    """Give a row by what it is about."""
    wanted = (scenario, system, figure)
    return next((row for row in rows if (row.scenario, row.system, row.figure) == wanted), None)
