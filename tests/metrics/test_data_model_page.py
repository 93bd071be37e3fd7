"""docs/data-model.md names every table and every column, in the block of its table."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from metrics.sql.schema import metadata

PAGE = (Path(__file__).parents[2] / "docs" / "data-model.md").read_text(encoding="utf-8")
BLOCKS = {
    name: [line.split()[1] for line in body.strip().splitlines()]
    for name, body in re.findall(r"^  (\w+) \{\n(.*?)^  \}", PAGE, re.MULTILINE | re.DOTALL)
}


def test_the_page_draws_exactly_the_tables_that_there_are():
    assert set(BLOCKS) == set(metadata.tables)


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)
def test_a_tables_columns_are_all_drawn_and_no_others(table):
    drawn = BLOCKS[table.name]

    assert sorted(drawn) == sorted(table.columns.keys())


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=lambda table: table.name)
def test_each_foreign_key_is_a_line_of_the_diagram(table):
    parents = {key.column.table.name for key in table.foreign_keys}
    lines = set(re.findall(r"^  (\w+) \S+--\S+ (\w+) :", PAGE, re.MULTILINE))

    assert {(parent, table.name) for parent in parents} - lines <= {("tenants", "feedback")}
