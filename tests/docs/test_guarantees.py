"""Each line of the guarantees names the tests that show it, those tests are there, and the lists are those of the code."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.chaos.checker_history import Rule
from tests.chaos.mutants_table import MUTANTS
from tests.chaos.profiles import ALL_FAULTS, PROFILES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guarantees.md").read_text()
PROMISES = re.sub(r"<!-- figures -->.*<!-- /figures -->", "", PAGE, flags=re.DOTALL)
"""Without the measured figures: these have commands, not tests."""
ROWS = [
    line for line in PROMISES.splitlines() if line.startswith("| ") and not line.startswith(("| promise", "| what"))
]
SHOWN_BY = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
PROSE = " ".join(PAGE.split())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:60])
def test_each_line_names_the_tests_that_show_it(row: str) -> None:
    assert SHOWN_BY.findall(row)


@pytest.mark.parametrize("named", sorted(set(SHOWN_BY.findall(PAGE))), ids="::".join)
def test_each_test_that_is_named_exists(named: tuple[str, str]) -> None:
    path, name = named
    tree = ast.parse((ROOT / path).read_text())
    defined = {
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    assigned = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    assert name in defined | assigned


def test_the_place_for_the_figures_is_there_once() -> None:
    assert (PAGE.count("<!-- figures -->"), PAGE.count("<!-- /figures -->")) == (1, 1)


@pytest.mark.parametrize("rule", Rule)
def test_each_rule_of_the_checker_is_named(rule: Rule) -> None:
    assert rule.value in PROSE.partition("**Rules of the checker:**")[2]


@pytest.mark.parametrize("name", [*ALL_FAULTS, *PROFILES])
def test_each_fault_and_profile_of_the_chaos_run_is_named(name: str) -> None:
    assert f"`{name}`" in PROSE


def test_the_seeded_bugs_are_those_of_the_code() -> None:
    told = PROSE.partition("**Seeded bugs:**")[2].partition("### Figures")[0]

    assert re.findall(r"`([\w-]+)`", told) == [mutant.name for mutant in MUTANTS]
