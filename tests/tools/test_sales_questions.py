"""The public questions about the sales data, each answered by one call of a tool, on SQLite and on Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import msgspec
import pytest

from mlops.questions import SALES_QUESTIONS
from tools.builtin.sales.catalog import Metric

QUESTIONS = {
    question["id"]: question
    for line in SALES_QUESTIONS.read_text("utf-8").splitlines()
    for question in [msgspec.json.decode(line)]
}

# The call that a model should make: the tool's arguments, and which fields of its rows answer the question.
CALLS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "P01": ({"metrics": ["revenue"], "period": "2017"}, ["revenue"]),
    "P02": ({"metrics": ["opportunities"], "by": ["stage"]}, ["stage", "opportunities"]),
    "P03": ({"metrics": ["revenue"], "period": "last_month"}, ["revenue"]),
    "P04": ({"metrics": ["revenue"], "by": ["agent"], "limit": 5}, ["agent", "revenue"]),
    "P05": ({"metrics": ["revenue"], "by": ["product"], "limit": 1}, ["product", "revenue"]),
    "P06": ({"metrics": ["win_rate"]}, ["win_rate"]),
    "P07": ({"metrics": ["average_ticket"]}, ["average_ticket"]),
    "P08": ({"metrics": ["revenue"], "by": ["regional_office"]}, ["regional_office", "revenue"]),
    "P09": (
        {"metrics": ["open_deals"], "filters": [{"dimension": "account", "values": [None]}]},
        ["open_deals"],
    ),
    "P10": (
        {
            "metrics": ["list_price", "average_ticket"],
            "filters": [{"dimension": "product", "values": ["GTX Pro"]}],
        },
        ["list_price", "average_ticket"],
    ),
    "P11": ({"metrics": ["revenue"], "by": ["month"], "period": "2017"}, ["month", "revenue"]),
    "P12": ({"metrics": ["revenue"], "by": ["sector"], "limit": 1}, ["sector", "revenue"]),
    "P13": (
        {"metrics": ["revenue"], "filters": [{"dimension": "sector", "values": ["tecnologia"]}]},
        ["revenue"],
    ),
    "P14": ({"metrics": ["revenue"], "by": ["manager"], "limit": 1}, ["manager", "revenue"]),
    "P15": ({"metrics": ["revenue"], "by": ["account"], "limit": 3}, ["account", "revenue"]),
    "P16": (
        {
            "metrics": ["won_deals", "revenue"],
            "filters": [{"dimension": "agent", "values": ["darcel schlecht"]}],
        },
        ["won_deals", "revenue"],
    ),
    "P17": ({"metrics": ["revenue"], "period": "last_quarter"}, ["revenue"]),
    "P18": ({"metrics": ["days_to_close"]}, ["days_to_close"]),
    "P19": ({"metrics": ["won_deals"], "by": ["product"]}, ["product", "won_deals"]),
    "P20": ({"metrics": ["opportunities"], "by": ["agent"], "empty": "only"}, ["agent"]),
    "P21": ({"metrics": ["open_pipeline_value"]}, ["open_pipeline_value"]),
    "P23": ({"metrics": ["accounts"], "filters": [{"dimension": "country", "values": ["Brasil"]}]}, ["accounts"]),
    "P24": (
        {"metrics": ["revenue"], "period": "2017-12", "compare_to": "2017-11"},
        ["revenue_change_pct"],
    ),
}

SQL = {
    "P02": "SELECT deal_stage, COUNT(*) AS n FROM sales_pipeline GROUP BY deal_stage ORDER BY n DESC",
    "P04": "SELECT sales_agent, SUM(close_value) AS revenue FROM sales_pipeline WHERE deal_stage = 'Won' "
    "GROUP BY sales_agent ORDER BY revenue DESC LIMIT 5",
    "P06": "SELECT 100.0 * COUNT(*) FILTER (WHERE deal_stage = 'Won') / COUNT(*) FROM sales_pipeline "
    "WHERE deal_stage IN ('Won', 'Lost')",
    "P12": "WITH won AS (SELECT a.sector, p.close_value FROM sales_pipeline AS p JOIN accounts AS a "
    "ON a.account = p.account WHERE p.deal_stage = 'Won') "
    "SELECT sector, SUM(close_value) AS revenue FROM won GROUP BY sector ORDER BY revenue DESC LIMIT 1",
    "P20": "SELECT sales_agent FROM sales_teams WHERE sales_agent NOT IN (SELECT sales_agent FROM sales_pipeline) "
    "ORDER BY 1",
    "P21": "SELECT SUM(pr.sales_price) FROM sales_pipeline AS p JOIN products AS pr ON pr.product = p.product "
    "WHERE p.close_date IS NULL",
}


def assert_rows_answer(question: dict[str, Any], rows: Sequence[Sequence[Any]]) -> None:
    """The data set's own rule: numbers within the tolerance, text without case, order only where it counts."""
    expected = question["answer"]
    assert len(rows) == len(expected)
    if not question["ordered"]:
        rows, expected = sorted(rows, key=_in_words), sorted(expected, key=_in_words)
    given = [value.casefold() if isinstance(value, str) else value for row in rows for value in row]
    wanted = [value.casefold() if isinstance(value, str) else value for row in expected for value in row]
    tolerance = question["tolerance_rel"]
    assert given == [
        value if isinstance(value, str) else pytest.approx(value, rel=tolerance, abs=1e-9) for value in wanted
    ]


def _in_words(row: Sequence[Any]) -> str:
    return str(row[0]).casefold()


@pytest.mark.parametrize("question_id", CALLS)
async def test_sales_query_answers_the_public_question(question_id: str, ask: Any) -> None:
    arguments, fields = CALLS[question_id]

    content = await ask(**arguments)

    assert_rows_answer(QUESTIONS[question_id], [[row[field] for field in fields] for row in content["rows"]])


@pytest.mark.parametrize("question_id", SQL)
async def test_sales_sql_answers_the_public_question(question_id: str, run_tool: Any) -> None:
    outcome = await run_tool("sales_sql", {"sql": SQL[question_id]})

    assert_rows_answer(QUESTIONS[question_id], msgspec.json.decode(outcome.content)["rows"])


def test_no_metric_pretends_to_know_what_the_data_does_not() -> None:
    assert QUESTIONS["P22"]["kind"] == "not_available"
    assert not {"margin", "profit", "cost", "target", "forecast"} & set(get_args(Metric))


def test_every_public_question_has_its_call() -> None:
    assert set(QUESTIONS) == {*CALLS, "P22"}
