"""The functions that SQLite may run for a model, by SQLite's own names: what its authorizer is asked about."""

from __future__ import annotations

from typing import Final

SQLITE_FUNCTIONS: Final = frozenset(
    {
        "sum",
        "avg",
        "count",
        "min",
        "max",
        "total",
        "round",
        "abs",
        "ceil",
        "ceiling",
        "floor",
        "sign",
        "sqrt",
        "coalesce",
        "ifnull",
        "nullif",
        "iif",
        "lower",
        "upper",
        "trim",
        "ltrim",
        "rtrim",
        "length",
        "substr",
        "substring",
        "concat",
        "instr",
        "strftime",
        "date",
        "julianday",
        "current_date",
        "row_number",
        "rank",
        "dense_rank",
        "percent_rank",
        "cume_dist",
        "ntile",
        "lag",
        "lead",
        "first_value",
        "last_value",
        "like",
        "glob",
        "median",
        "stddev",
        "variance",
    }
)
"""The same, as SQLite's authorizer names them when it prepares a statement."""
