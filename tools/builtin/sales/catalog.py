"""Metrics and dimensions as data: what each is called, in what unit, from which rows, by which date.

The expressions stand on `DEALS`: every opportunity with its product, customer and agent. The joins are outer
joins, because 1,425 opportunities have no customer yet and must not be lost.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
from sqlalchemy import ColumnElement, FromClause, case, distinct, func

from tools.builtin.sales.tables import (
    accounts,
    days_between,
    month_of,
    products,
    quarter_of,
    sales_pipeline,
    sales_teams,
    year_of,
)

Metric = Literal[
    "revenue",
    "won_deals",
    "lost_deals",
    "closed_deals",
    "open_deals",
    "opportunities",
    "win_rate",
    "average_ticket",
    "days_to_close",
    "open_pipeline_value",
    "list_price",
    "accounts",
    "agents",
    "products",
]
Dimension = Literal[
    "agent",
    "manager",
    "regional_office",
    "product",
    "series",
    "sector",
    "account",
    "country",
    "stage",
    "month",
    "quarter",
    "year",
]
Unit = Literal["usd", "count", "percent", "days"]
DealDate = Literal["close", "engage"]
"""Which of an opportunity's two dates places it in time."""

STAGES: Final = ("Prospecting", "Engaging", "Won", "Lost")
CLOSED_STAGES: Final = frozenset({"Won", "Lost"})
TIME_DIMENSIONS: Final[tuple[Dimension, ...]] = ("month", "quarter", "year")

DEALS: Final[FromClause] = (
    sales_pipeline.outerjoin(products, products.c.product == sales_pipeline.c.product)
    .outerjoin(accounts, accounts.c.account == sales_pipeline.c.account)
    .outerjoin(sales_teams, sales_teams.c.sales_agent == sales_pipeline.c.sales_agent)
)

DATE_COLUMNS: Final[dict[DealDate, ColumnElement[Any]]] = {
    "close": sales_pipeline.c.close_date,
    "engage": sales_pipeline.c.engage_date,
}

_TIME_LABELS: Final = {"month": month_of, "quarter": quarter_of, "year": year_of}


class MetricDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """A number that can be asked for."""

    name: Metric
    unit: Unit
    titles: dict[str, str]
    """What people call it, by language."""
    description: str
    expression: ColumnElement[Any]
    """The aggregate over `DEALS`."""
    date: DealDate | None = None
    """The date that places it in time; None: the one that fits the stages asked for."""
    zero: bool = True
    """Nothing found is 0; otherwise it is unknown (the average of nothing)."""
    home: Home | None = None
    """Where the things themselves are listed, for numbers of agents, customers and products."""
    deals_only_by_home: bool = False
    """It has no meaning over opportunities: it cannot be split by what its home does not have."""


class Home(msgspec.Struct, frozen=True, kw_only=True):
    """A table that lists things, with or without opportunities."""

    table: FromClause
    expression: ColumnElement[Any]
    columns: dict[Dimension, ColumnElement[Any]]


_AGENT_COLUMNS: Final[dict[Dimension, ColumnElement[Any]]] = {
    "agent": sales_teams.c.sales_agent,
    "manager": sales_teams.c.manager,
    "regional_office": sales_teams.c.regional_office,
}
_PRODUCT_COLUMNS: Final[dict[Dimension, ColumnElement[Any]]] = {
    "product": products.c.product,
    "series": products.c.series,
}
_ACCOUNT_COLUMNS: Final[dict[Dimension, ColumnElement[Any]]] = {
    "account": accounts.c.account,
    "sector": accounts.c.sector,
    "country": accounts.c.office_location,
}
HOMES: Final[tuple[tuple[FromClause, dict[Dimension, ColumnElement[Any]]], ...]] = (
    (sales_teams, _AGENT_COLUMNS),
    (products, _PRODUCT_COLUMNS),
    (accounts, _ACCOUNT_COLUMNS),
)
"""The tables that list the members of dimensions."""

DIMENSION_COLUMNS: Final[dict[Dimension, ColumnElement[Any]]] = {
    **_AGENT_COLUMNS,
    **_PRODUCT_COLUMNS,
    **_ACCOUNT_COLUMNS,
    # The opportunity's own columns: they are filled in also where the listing table has no such row.
    "agent": sales_pipeline.c.sales_agent,
    "product": sales_pipeline.c.product,
    "account": sales_pipeline.c.account,
    "stage": sales_pipeline.c.deal_stage,
}

DIMENSION_TITLES: Final[dict[Dimension, dict[str, str]]] = {
    "agent": {"pt": "vendedor", "en": "agent", "es": "vendedor"},
    "manager": {"pt": "gerente", "en": "manager", "es": "gerente"},
    "regional_office": {"pt": "escritório regional", "en": "regional office", "es": "oficina regional"},
    "product": {"pt": "produto", "en": "product", "es": "producto"},
    "series": {"pt": "série", "en": "series", "es": "serie"},
    "sector": {"pt": "setor", "en": "sector", "es": "sector"},
    "account": {"pt": "cliente", "en": "customer", "es": "cliente"},
    "country": {"pt": "país", "en": "country", "es": "país"},
    "stage": {"pt": "etapa", "en": "stage", "es": "etapa"},
    "month": {"pt": "mês", "en": "month", "es": "mes"},
    "quarter": {"pt": "trimestre", "en": "quarter", "es": "trimestre"},
    "year": {"pt": "ano", "en": "year", "es": "año"},
}


def dimension_expression(dimension: Dimension, date: DealDate) -> ColumnElement[Any]:
    """The SQL of a dimension over `DEALS`; months, quarters and years are those of `date`."""
    label = _TIME_LABELS.get(dimension)
    return DIMENSION_COLUMNS[dimension] if label is None else label(DATE_COLUMNS[date])


_stage = sales_pipeline.c.deal_stage
_won = _stage == "Won"
_closed = _stage.in_(("Won", "Lost"))
_open = _stage.in_(("Engaging", "Prospecting"))


def _count_where(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.sum(case((condition, 1), else_=0))


_DEFINITIONS: Final = (
    MetricDefinition(
        name="revenue",
        unit="usd",
        titles={"pt": "Receita", "en": "Revenue", "es": "Ingresos"},
        description="sum of close_value of won deals (never count x list price)",
        expression=func.sum(case((_won, sales_pipeline.c.close_value), else_=0.0)),
        date="close",
    ),
    MetricDefinition(
        name="won_deals",
        unit="count",
        titles={"pt": "Negócios ganhos", "en": "Won deals", "es": "Negocios ganados"},
        description="deals in stage Won",
        expression=_count_where(_won),
        date="close",
    ),
    MetricDefinition(
        name="lost_deals",
        unit="count",
        titles={"pt": "Negócios perdidos", "en": "Lost deals", "es": "Negocios perdidos"},
        description="deals in stage Lost",
        expression=_count_where(_stage == "Lost"),
        date="close",
    ),
    MetricDefinition(
        name="closed_deals",
        unit="count",
        titles={"pt": "Negócios fechados", "en": "Closed deals", "es": "Negocios cerrados"},
        description="won and lost deals",
        expression=_count_where(_closed),
        date="close",
    ),
    MetricDefinition(
        name="open_deals",
        unit="count",
        titles={"pt": "Negócios abertos", "en": "Open deals", "es": "Negocios abiertos"},
        description="deals in stage Engaging or Prospecting",
        expression=_count_where(_open),
        date="engage",
    ),
    MetricDefinition(
        name="opportunities",
        unit="count",
        titles={"pt": "Oportunidades", "en": "Opportunities", "es": "Oportunidades"},
        description="all deals, in any stage",
        expression=func.count(sales_pipeline.c.opportunity_id),
        date="engage",
    ),
    MetricDefinition(
        name="win_rate",
        unit="percent",
        titles={"pt": "Taxa de ganho", "en": "Win rate", "es": "Tasa de éxito"},
        description="100 x won / (won + lost)",
        expression=100.0 * _count_where(_won) / func.nullif(_count_where(_closed), 0),
        date="close",
        zero=False,
    ),
    MetricDefinition(
        name="average_ticket",
        unit="usd",
        titles={"pt": "Ticket médio", "en": "Average ticket", "es": "Ticket promedio"},
        description="average close_value of won deals only; the average price a product was won at",
        expression=func.avg(case((_won, sales_pipeline.c.close_value))),
        date="close",
        zero=False,
    ),
    MetricDefinition(
        name="days_to_close",
        unit="days",
        titles={"pt": "Dias até fechar", "en": "Days to close", "es": "Días hasta cerrar"},
        description="average days from engagement to close of won deals",
        expression=func.avg(case((_won, days_between(sales_pipeline.c.engage_date, sales_pipeline.c.close_date)))),
        date="close",
        zero=False,
    ),
    MetricDefinition(
        name="open_pipeline_value",
        unit="usd",
        titles={"pt": "Pipeline aberto", "en": "Open pipeline", "es": "Pipeline abierto"},
        description="open deals at the list price of their product",
        expression=func.sum(case((_open, products.c.sales_price), else_=0.0)),
        date="engage",
    ),
    MetricDefinition(
        name="list_price",
        unit="usd",
        titles={"pt": "Preço de tabela", "en": "List price", "es": "Precio de lista"},
        description="list price of a product (the average where there are several); only by product or series",
        expression=func.avg(products.c.sales_price),
        zero=False,
        home=Home(table=products, expression=func.avg(products.c.sales_price), columns=_PRODUCT_COLUMNS),
        deals_only_by_home=True,
    ),
    MetricDefinition(
        name="accounts",
        unit="count",
        titles={"pt": "Clientes", "en": "Customers", "es": "Clientes"},
        description="customers; with a period or split by what customers do not have: those with such opportunities",
        expression=func.count(distinct(sales_pipeline.c.account)),
        home=Home(table=accounts, expression=func.count(accounts.c.account), columns=_ACCOUNT_COLUMNS),
    ),
    MetricDefinition(
        name="agents",
        unit="count",
        titles={"pt": "Vendedores", "en": "Agents", "es": "Vendedores"},
        description="sales agents, also without deals; with a period or another split: those with such opportunities",
        expression=func.count(distinct(sales_pipeline.c.sales_agent)),
        home=Home(table=sales_teams, expression=func.count(sales_teams.c.sales_agent), columns=_AGENT_COLUMNS),
    ),
    MetricDefinition(
        name="products",
        unit="count",
        titles={"pt": "Produtos", "en": "Products", "es": "Productos"},
        description="products; with a period or another split: those with such opportunities",
        expression=func.count(distinct(sales_pipeline.c.product)),
        home=Home(table=products, expression=func.count(products.c.product), columns=_PRODUCT_COLUMNS),
    ),
)

METRICS: Final[dict[str, MetricDefinition]] = {definition.name: definition for definition in _DEFINITIONS}


def described() -> str:
    """The metrics in a line each, for the model."""
    return "\n".join(f"- {item.name} ({item.unit}): {item.description}" for item in _DEFINITIONS)
