"""Judges a chaos run by what it wrote down (`tests/chaos/history.py`): pure, so a history can be judged again.

judge(folder) ─▶ checker_history (sorts) ─▶ checker_devices, checker_log, checker_turns, checker_texts, checker_books,
                 checker_bridges, checker_endings (one family of rules each) ─▶ Verdict
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from tests.chaos.checker_books import judge_books, judge_left_over, judge_run, judge_takeovers
from tests.chaos.checker_bridges import judge_bridges
from tests.chaos.checker_devices import follow
from tests.chaos.checker_endings import judge_erasures, judge_merges
from tests.chaos.checker_figures import Figures, figures
from tests.chaos.checker_history import Rule, Violation, index, read_folder
from tests.chaos.checker_log import judge_logs, judge_shown_epochs
from tests.chaos.checker_texts import judge_canaries, judge_texts
from tests.chaos.checker_turns import Turns, judge_accepted
from tests.chaos.history import Entry

__all__ = ["Rule", "Verdict", "Violation", "judge", "judge_entries"]


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the checker says of a run."""

    violations: tuple[Violation, ...]
    figures: Figures

    def __str__(self) -> str:
        if self.passed:
            return "checker: every rule held"
        broken = ", ".join(f"{rule} ({count})" for rule, count in self.rules.items())
        return f"checker: broken are {broken}"

    @property
    def passed(self) -> bool:
        """Whether every rule held."""
        return not self.violations

    @property
    def rules(self) -> dict[Rule, int]:
        """How often each broken rule was broken."""
        counts: dict[Rule, int] = {}
        for violation in self.violations:
            counts[violation.rule] = counts.get(violation.rule, 0) + 1
        return counts


def judge(folder: Path) -> Verdict:
    """Judge all `*.jsonl` of a folder."""
    return judge_entries(read_folder(folder))


def judge_entries(entries: Iterable[Entry]) -> Verdict:
    """Judge a history, in whatever order its entries come."""
    violations: list[Violation] = []
    history = index(entries, violations)
    wire = follow(history, violations)
    turns = Turns(violations)
    folds = judge_logs(history, wire, turns.before, violations)
    judge_shown_epochs(history, violations)
    judge_accepted(history, folds, turns, violations)
    judge_texts(history, folds, turns, violations)
    judge_canaries(history, violations)
    judge_takeovers(history, folds, turns, violations)
    judge_books(history, folds, turns, violations)
    judge_left_over(history, violations)
    judge_bridges(history, folds, turns, violations)
    judge_erasures(history, violations)
    judge_merges(history, violations)
    judge_run(history, wire, folds, turns, violations)
    return Verdict(violations=tuple(violations), figures=figures(history, wire, folds, turns, violations))
