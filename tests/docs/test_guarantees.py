"""Each line of the guarantees names the tests that show it, and those tests are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guarantees.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith(("| promise", "| what"))]
SHOWN_BY = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:60])
def test_each_line_names_the_tests_that_show_it(row: str) -> None:
    assert SHOWN_BY.findall(row)


@pytest.mark.parametrize("named", sorted(set(SHOWN_BY.findall(PAGE))), ids="::".join)
def test_each_test_that_is_named_exists(named: tuple[str, str]) -> None:
    path, name = named
    tree = ast.parse((ROOT / path).read_text())
    defined = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    }
    assigned = {target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets if isinstance(target, ast.Name)}
    assert name in defined | assigned
