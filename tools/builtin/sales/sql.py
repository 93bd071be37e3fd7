"""What `sales_sql` may read, and what the model is told about the tables."""

from __future__ import annotations

from typing import Final

from tools.builtin.sales.tables import DATA_TABLES
from tools.builtin.sales.texts import Language
from tools.builtin.sql import SqlPolicy

_HINTS: Final = {
    "sqlite": "SQLite dialect: dates are text; strftime('%Y-%m', close_date), julianday(close_date).",
    "postgres": "PostgreSQL dialect: to_char(close_date, 'YYYY-MM'), close_date - engage_date gives days.",
}

_FACTS: Final = (
    "deal_stage is Won, Lost, Engaging or Prospecting; open deals have no close_date and no close_value, Prospecting "
    "has no engage_date. Revenue is SUM(close_value) of Won. Lost deals have close_value 0. account is NULL where it "
    "is not filled in (use LEFT JOIN). accounts.revenue is the customer's own revenue in millions, not sales made to "
    "it. Some agents have no deals. Columns named *_raw keep the source's misspellings; do not use them."
)

_SUMMARIES: Final[dict[Language, str]] = {
    "pt": "Consulta SQL aos dados de vendas: {rows} linha(s).",
    "en": "SQL query of the sales data: {rows} row(s).",
    "es": "Consulta SQL de los datos de ventas: {rows} fila(s).",
}


def sales_policy(dialect_name: str) -> SqlPolicy:
    """The tables of the sales data, in the dialect of an SQLAlchemy engine."""
    return SqlPolicy(
        dialect="postgres" if dialect_name == "postgresql" else "sqlite",
        tables={table.name: tuple(column.name for column in table.columns) for table in DATA_TABLES},
    )


def sql_description(policy: SqlPolicy) -> str:
    """The tool's description for the model: the schema, the dialect and the traps."""
    return (
        "Read the sales tables by one SELECT, for what sales_query cannot say. At most 200 rows.\n\n"
        f"Tables: {policy.schema()}.\n{_HINTS[policy.dialect]}\n{_FACTS}"
    )


def sql_summary(language: Language) -> str:
    """One sentence for people, with `{rows}` to be filled in."""
    return _SUMMARIES[language]
