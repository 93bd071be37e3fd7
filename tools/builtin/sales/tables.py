"""The tables of the sales data, cleaned, and the few functions that SQLite and Postgres write differently.

Columns named `*_raw` keep the text as the source spelled it, where cleaning may have changed it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Date, Float, Integer, MetaData, String, Table
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

metadata = MetaData()

accounts = Table(
    "accounts",
    metadata,
    Column("account", String, primary_key=True),
    Column("sector", String),
    Column("year_established", Integer),
    Column("revenue", Float, comment="the customer's own revenue in millions of dollars, not sales made to it"),
    Column("employees", Integer),
    Column("office_location", String),
    Column("subsidiary_of", String),
    Column("sector_raw", String),
    Column("office_location_raw", String),
)

products = Table(
    "products",
    metadata,
    Column("product", String, primary_key=True),
    Column("series", String),
    Column("sales_price", Float, comment="the list price in dollars"),
)

sales_teams = Table(
    "sales_teams",
    metadata,
    Column("sales_agent", String, primary_key=True),
    Column("manager", String),
    Column("regional_office", String),
)

sales_pipeline = Table(
    "sales_pipeline",
    metadata,
    Column("opportunity_id", String, primary_key=True),
    Column("sales_agent", String, index=True),
    Column("product", String, index=True),
    Column("account", String, index=True, comment="null where not filled in"),
    Column("deal_stage", String, comment="Prospecting, Engaging, Won or Lost"),
    Column("engage_date", Date, comment="null while Prospecting"),
    Column("close_date", Date, comment="null while open"),
    Column("close_value", Float, comment="dollars; 0 where Lost, null while open"),
    Column("product_raw", String),
)

dataset = Table(
    "sales_dataset",
    metadata,
    Column("digest", String, primary_key=True, comment="sha256 over the files that are loaded"),
    Column("opportunities", Integer, nullable=False),
)
"""One row: which files the other tables were loaded from."""

DATA_TABLES = (accounts, products, sales_teams, sales_pipeline)


class month_of(FunctionElement[str]):  # noqa: N801 - reads as the SQL function that it is
    """`2017-03` of a date."""

    type = String()
    inherit_cache = True


class quarter_of(FunctionElement[str]):  # noqa: N801
    """`2017-Q1` of a date."""

    type = String()
    inherit_cache = True


class year_of(FunctionElement[str]):  # noqa: N801
    """`2017` of a date, as text."""

    type = String()
    inherit_cache = True


class days_between(FunctionElement[float]):  # noqa: N801
    """Days from the first date to the second."""

    type = Float()
    inherit_cache = True


@compiles(month_of, "sqlite")
def _month_sqlite(element: month_of, compiler: SQLCompiler, **options: Any) -> str:
    return f"strftime('%Y-%m', {compiler.process(element.clauses, **options)})"


@compiles(month_of, "postgresql")
def _month_postgresql(element: month_of, compiler: SQLCompiler, **options: Any) -> str:
    return f"to_char({compiler.process(element.clauses, **options)}, 'YYYY-MM')"


@compiles(quarter_of, "sqlite")
def _quarter_sqlite(element: quarter_of, compiler: SQLCompiler, **options: Any) -> str:
    date = compiler.process(element.clauses, **options)
    return f"(strftime('%Y', {date}) || '-Q' || ((CAST(strftime('%m', {date}) AS INTEGER) + 2) / 3))"


@compiles(quarter_of, "postgresql")
def _quarter_postgresql(element: quarter_of, compiler: SQLCompiler, **options: Any) -> str:
    return f"""to_char({compiler.process(element.clauses, **options)}, 'YYYY-"Q"Q')"""


@compiles(year_of, "sqlite")
def _year_sqlite(element: year_of, compiler: SQLCompiler, **options: Any) -> str:
    return f"strftime('%Y', {compiler.process(element.clauses, **options)})"


@compiles(year_of, "postgresql")
def _year_postgresql(element: year_of, compiler: SQLCompiler, **options: Any) -> str:
    return f"to_char({compiler.process(element.clauses, **options)}, 'YYYY')"


@compiles(days_between, "sqlite")
def _days_sqlite(element: days_between, compiler: SQLCompiler, **options: Any) -> str:
    first, second = (compiler.process(clause, **options) for clause in element.clauses)
    return f"(julianday({second}) - julianday({first}))"


@compiles(days_between, "postgresql")
def _days_postgresql(element: days_between, compiler: SQLCompiler, **options: Any) -> str:
    first, second = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({second} - {first})"
