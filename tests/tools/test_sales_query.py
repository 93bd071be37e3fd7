"""What `sales_query` promises beyond single numbers: combining, comparing, ordering, filtering, empty members, notes."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from core.clock import FakeClock
from core.errors import SettingsError, ToolError
from tools import Registry
from tools.builtin.sales import SalesTools, create_sales_engine

OPEN = {"dimension": "stage", "values": ["Engaging", "Prospecting"]}


def by_name(content: dict[str, Any], dimension: str) -> dict[str | None, dict[str, Any]]:
    return {row[dimension]: row for row in content["rows"]}


# ---------------------------------------------------------------- combining


async def test_a_ratio_is_computed_in_each_cell_and_not_averaged(ask: Any) -> None:
    content = await ask(metrics=["win_rate", "won_deals", "closed_deals"], by=["manager", "quarter"])

    shares = [round(100 * row["won_deals"] / row["closed_deals"], 2) for row in content["rows"]]
    assert [row["win_rate"] for row in content["rows"]] == pytest.approx(shares, abs=0.006)
    assert len(content["rows"]) == 24


async def test_metrics_with_different_dates_share_a_row_and_the_notes_say_which_date(ask: Any) -> None:
    content = await ask(metrics=["revenue", "opportunities"], by=["product"], period="2017-Q4")

    alone = await ask(metrics=["opportunities"], by=["product"], period="2017-Q4")
    together = {row["product"]: row["opportunities"] for row in content["rows"]}
    assert together == {row["product"]: row["opportunities"] for row in alone["rows"]}
    assert any("revenue" in note and "fechamento" in note for note in content["notes"])
    assert any("opportunities" in note and "início" in note for note in content["notes"])


async def test_open_pipeline_by_product_adds_up_to_the_whole(ask: Any) -> None:
    content = await ask(metrics=["open_pipeline_value", "open_deals"], by=["product"])

    assert sum(row["open_pipeline_value"] for row in content["rows"]) == 4_966_215
    assert sum(row["open_deals"] for row in content["rows"]) == 2_089


async def test_deals_without_a_customer_are_a_row_of_their_own(ask: Any) -> None:
    content = await ask(metrics=["open_deals"], by=["account"], limit=500)

    assert by_name(content, "account")[None]["open_deals"] == 1_425
    assert sum(row["open_deals"] for row in content["rows"]) == 2_089
    assert any("não preenchido" in note for note in content["notes"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param({"metrics": ["agents"]}, {"agents": 35}, id="all_agents_also_without_deals"),
        pytest.param({"metrics": ["accounts"]}, {"accounts": 85}, id="all_customers"),
        pytest.param({"metrics": ["products"]}, {"products": 7}, id="all_products"),
        pytest.param(
            {"metrics": ["agents"], "filters": [{"dimension": "stage", "values": ["ganhos"]}]},
            {"agents": 30},
            id="agents_with_won_deals",
        ),
        pytest.param(
            {"metrics": ["accounts"], "filters": [{"dimension": "sector", "values": ["technolgy"]}]},
            {"accounts": 12},
            id="customers_of_a_misspelled_sector",
        ),
        pytest.param(
            {"metrics": ["accounts"], "filters": [{"dimension": "country", "values": ["Filipinas"]}]},
            {"accounts": 1},
            id="customers_of_a_misspelled_country",
        ),
        pytest.param(
            {"metrics": ["agents", "accounts", "products"]},
            {"agents": 35, "accounts": 85, "products": 7},
            id="numbers_from_three_tables",
        ),
    ],
)
async def test_things_are_counted(ask: Any, arguments: dict[str, Any], expected: dict[str, int]) -> None:
    content = await ask(**arguments)

    assert content["rows"] == [expected]


async def test_customers_of_closed_stages_in_a_period_are_placed_by_the_close_date(ask: Any) -> None:
    content = await ask(metrics=["accounts"], filters=[{"dimension": "stage", "values": ["Won"]}], period="2017-03")

    assert any("accounts" in note and "fechamento" in note for note in content["notes"])
    assert 0 < content["rows"][0]["accounts"] <= 85


async def test_list_price_ignores_the_period_and_filters_that_cannot_touch_it(ask: Any) -> None:
    content = await ask(
        metrics=["list_price", "won_deals"],
        by=["product"],
        period="2017-12",
        filters=[{"dimension": "agent", "values": ["Moses Frase"]}, {"dimension": "series", "values": ["MG"]}],
    )

    prices = {row["product"]: row["list_price"] for row in content["rows"]}
    assert prices == {"MG Special": 55.0, "MG Advanced": 3393.0}
    assert any("agent" in note for note in content["notes"])


async def test_list_price_over_several_products_says_that_it_is_an_average(ask: Any) -> None:
    content = await ask(metrics=["list_price"])

    assert content["rows"] == [{"list_price": 6023.57}]
    assert any("média" in note for note in content["notes"])


async def test_list_price_cannot_be_split_by_agent(ask: Any) -> None:
    with pytest.raises(ToolError, match="list_price cannot be split by agent; allowed in by: product, series"):
        await ask(metrics=["list_price"], by=["agent"])


# ---------------------------------------------------------------- comparing


async def test_previous_compares_with_the_calendar_month_before(ask: Any) -> None:
    content = await ask(metrics=["revenue"], period="this_month", compare_to="previous")

    assert content["rows"] == [{"revenue": 1_131_573.0, "revenue_before": 938_943.0, "revenue_change_pct": 20.52}]
    assert content["compare_to"] == {"from": "2017-11-01", "to": "2017-11-30", "label": "2017-11"}


async def test_growth_by_manager_can_order_the_rows(ask: Any) -> None:
    content = await ask(
        metrics=["revenue"],
        by=["manager"],
        period="2017-Q4",
        compare_to="2017-Q3",
        order_by="revenue_change_pct",
        descending=False,
    )

    changes = [row["revenue_change_pct"] for row in content["rows"]]
    assert changes == sorted(changes)
    assert len(changes) == 6


async def test_a_change_from_nothing_is_unknown_and_the_gap_in_the_data_is_noted(ask: Any) -> None:
    content = await ask(metrics=["revenue"], period="2017-Q1", compare_to="2016-Q4")

    assert content["rows"] == [{"revenue": 1_134_672.0, "revenue_before": 0, "revenue_change_pct": None}]
    assert any("2017-03-01" in note for note in content["notes"])


async def test_comparing_win_rates_of_months_warns_of_the_swing_inside_a_quarter(ask: Any) -> None:
    content = await ask(metrics=["win_rate"], period="2017-10", compare_to="previous")

    assert any("trimestre" in note for note in content["notes"])
    assert any("pontos percentuais" in note for note in content["notes"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param({"compare_to": "previous"}, "needs a period", id="nothing_to_compare"),
        pytest.param(
            {"compare_to": "previous", "period": "2017", "by": ["month"]}, "cannot go with by month", id="by_time"
        ),
        pytest.param({"compare_to": "yesteryear", "period": "2017"}, "is not a period", id="unknown_compare_to"),
        pytest.param({"compare_to": "previous", "period": "0001"}, "no period before", id="before_all_time"),
        pytest.param({"period": "2017-13"}, "period: '2017-13' is not a period", id="unknown_period"),
        pytest.param({"order_by": "margin"}, "allowed here: revenue", id="unknown_order"),
        pytest.param({"empty": "only"}, "name the dimension in by", id="empty_of_nothing"),
        pytest.param(
            {"filters": [{"dimension": "product", "values": ["GTX Prro"]}]}, "Nearest: GTX Pro", id="misspelled"
        ),
        pytest.param({"filters": [{"dimension": "agent", "values": ["Brazil"]}]}, "known country", id="elsewhere"),
        pytest.param({"filters": [{"dimension": "stage", "values": ["zzz"]}]}, "Known: Prospecting", id="short_list"),
        pytest.param({"filters": [{"dimension": "account", "values": ["zzzz"]}]}, "Use sales_find", id="long_list"),
        pytest.param(
            {"by": ["agent", "account", "product"], "empty": "show"}, "split by less", id="too_many_combinations"
        ),
    ],
)
async def test_what_cannot_be_answered_says_what_to_change(ask: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ToolError, match=message) as caught:
        await ask(**{"metrics": ["revenue"], **arguments})

    assert caught.value.code == "invalid_request"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"limit": 0}, "limit is 0; 0 is less than the minimum of 1 or expected null"),
        ({"limit": "ten"}, 'limit is "ten"; expected integer or expected null'),
        ({"metrics": []}, "metrics: .*less than 1 item"),
        ({"by": ["seller"]}, r'by\[0\] is "seller"; allowed: "account", "agent"'),
        ({"filters": [{"dimension": "agent"}]}, r"filters\[0\].values is required"),
    ],
)
async def test_arguments_outside_the_schema_are_refused_with_what_is_allowed(
    ask: Any, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ToolError, match=message):
        await ask(**{"metrics": ["revenue"], **arguments})


# ---------------------------------------------------------------- filters


async def test_excluding_a_customer_keeps_deals_without_one(ask: Any) -> None:
    whole = await ask(metrics=["opportunities"])
    one = await ask(metrics=["opportunities"], filters=[{"dimension": "account", "values": ["Kan-code"]}])

    rest = await ask(
        metrics=["opportunities"], filters=[{"dimension": "account", "values": ["kan code"], "exclude": True}]
    )

    counts = [content["rows"][0]["opportunities"] for content in (whole, one, rest)]
    assert counts[2] == counts[0] - counts[1]


async def test_excluding_null_keeps_deals_with_a_customer(ask: Any) -> None:
    content = await ask(
        metrics=["open_deals"], filters=[OPEN, {"dimension": "account", "values": [None], "exclude": True}]
    )

    assert content["rows"] == [{"open_deals": 2_089 - 1_425}]


async def test_a_name_and_null_together_match_either(ask: Any) -> None:
    content = await ask(metrics=["open_deals"], filters=[{"dimension": "sector", "values": ["varejo", None]}])

    alone = await ask(metrics=["open_deals"], filters=[{"dimension": "sector", "values": ["retail"]}])
    assert content["rows"][0]["open_deals"] == alone["rows"][0]["open_deals"] + 1_425


async def test_months_can_be_filtered(ask: Any) -> None:
    content = await ask(metrics=["revenue"], filters=[{"dimension": "quarter", "values": ["2017-q3"]}], by=["month"])

    assert [row["month"] for row in content["rows"]] == ["2017-07", "2017-08", "2017-09"]


async def test_filters_come_back_as_the_names_that_were_meant(ask: Any) -> None:
    content = await ask(metrics=["revenue"], filters=[{"dimension": "product", "values": ["gtxpro", "GTX-Pro"]}])

    assert content["filters"] == [{"dimension": "product", "values": ["GTX Pro"], "exclude": False}]


# ---------------------------------------------------------------- order, limit, empty


async def test_rows_over_the_limit_are_cut_and_it_is_said(ask: Any) -> None:
    content = await ask(metrics=["revenue"], by=["account"])

    assert len(content["rows"]) == 50
    assert content["truncated"] is True


async def test_a_wide_answer_stays_whole_json_under_the_output_cap(ask: Any) -> None:
    content = await ask(
        metrics=["revenue", "win_rate", "won_deals", "lost_deals", "average_ticket"],
        by=["agent", "month"],
        limit=500,
    )

    assert content["truncated"] is True
    assert content["notes"][-1] == "Só as primeiras linhas cabem aqui."
    assert len(msgspec.json.encode(content)) < 16_000


async def test_rows_split_by_time_are_chronological_unless_said_otherwise(ask: Any) -> None:
    chronological = await ask(metrics=["revenue"], by=["quarter"])
    best_first = await ask(metrics=["revenue"], by=["quarter"], order_by="revenue")

    assert [row["quarter"] for row in chronological["rows"]] == ["2017-Q1", "2017-Q2", "2017-Q3", "2017-Q4"]
    assert [row["revenue"] for row in best_first["rows"]] == sorted(
        (row["revenue"] for row in chronological["rows"]), reverse=True
    )


async def test_unknown_numbers_stand_last_in_either_direction(ask: Any) -> None:
    up = await ask(metrics=["win_rate"], by=["agent"], empty="show", descending=False)
    down = await ask(metrics=["win_rate"], by=["agent"], empty="show")

    assert [row["win_rate"] for row in up["rows"][-5:]] == [None] * 5
    assert [row["win_rate"] for row in down["rows"][-5:]] == [None] * 5


async def test_a_dimension_can_order_the_rows_backwards(ask: Any) -> None:
    content = await ask(metrics=["revenue"], by=["regional_office"], order_by="regional_office")

    assert [row["regional_office"] for row in content["rows"]] == ["West", "East", "Central"]


async def test_empty_members_are_hidden_by_default_and_shown_when_asked(ask: Any) -> None:
    hidden = await ask(metrics=["revenue"], by=["manager", "agent"])
    shown = await ask(metrics=["revenue"], by=["manager", "agent"], empty="show")

    assert len(hidden["rows"]) == 30
    assert len(shown["rows"]) == 35
    assert {"manager": "Melvin Marxen", "agent": "Mei-Mei Johns", "revenue": 0} in shown["rows"]


async def test_only_empty_members_of_one_office_are_listed(ask: Any) -> None:
    content = await ask(
        metrics=["opportunities"],
        by=["agent"],
        filters=[{"dimension": "regional_office", "values": ["leste"]}],
        empty="only",
    )

    assert [row["agent"] for row in content["rows"]] == ["Elizabeth Anderson", "Natalya Ivanova"]
    assert content["notes"] == []


async def test_months_without_sales_are_shown_for_the_period(ask: Any) -> None:
    content = await ask(metrics=["revenue"], by=["month"], period="2017-Q1", empty="show")

    assert content["rows"] == [
        {"month": "2017-01", "revenue": 0},
        {"month": "2017-02", "revenue": 0},
        {"month": "2017-03", "revenue": 1_134_672.0},
    ]


async def test_months_without_a_period_are_those_of_the_data(ask: Any) -> None:
    closes = await ask(metrics=["won_deals"], by=["year", "month"], empty="show")
    engages = await ask(metrics=["opportunities"], by=["year", "month"], empty="show")

    assert closes["rows"][0] == {"year": "2017", "month": "2017-03", "won_deals": 531}
    assert len(closes["rows"]) == 10
    assert engages["rows"][0]["month"] == "2016-10"


async def test_stages_that_are_filtered_out_are_not_shown_as_empty(ask: Any) -> None:
    content = await ask(metrics=["opportunities"], by=["stage"], filters=[OPEN], period="2016-10", empty="show")

    assert {row["stage"] for row in content["rows"]} == {"Engaging", "Prospecting"}


async def test_nothing_found_is_said(ask: Any) -> None:
    content = await ask(metrics=["revenue"], period="2019")

    assert content["rows"] == [{"revenue": 0}]
    assert "Nada encontrado para este pedido." in content["notes"]


# ---------------------------------------------------------------- languages, today


@pytest.mark.parametrize(
    ("locale", "summary"),
    [
        ("pt-BR", "Receita e taxa de ganho em 2017-Q4: US$ 2.802.496,00 e 60,25 %."),
        ("en-US", "Revenue and win rate in 2017-Q4: US$ 2,802,496.00 and 60.25 %."),
        ("es", "Ingresos y tasa de éxito en 2017-Q4: US$ 2.802.496,00 y 60,25 %."),
        (None, "Receita e taxa de ganho em 2017-Q4: US$ 2.802.496,00 e 60,25 %."),
    ],
)
async def test_the_summary_is_a_sentence_in_the_users_language(
    run_tool: Any, context_in: Any, locale: str | None, summary: str
) -> None:
    arguments = {"metrics": ["revenue", "win_rate"], "period": "this_quarter"}

    outcome = await run_tool("sales_query", arguments, context_in(locale))

    assert outcome.summary == summary


async def test_the_summary_of_rows_counts_them(run_tool: Any, context_in: Any) -> None:
    arguments = {"metrics": ["revenue"], "by": ["manager"], "period": "2017", "compare_to": "previous"}

    outcome = await run_tool("sales_query", arguments, context_in("en"))

    assert outcome.summary == "Revenue by manager in 2017 versus 2016: 6 rows."


async def test_an_unknown_number_is_a_dash_in_the_summary(run_tool: Any) -> None:
    outcome = await run_tool("sales_query", {"metrics": ["win_rate"], "period": "2019"})

    assert outcome.summary == "Taxa de ganho em 2019: —."


async def test_without_a_reference_date_today_is_the_clocks_day(engine: AsyncEngine, context: Any) -> None:
    clock = FakeClock(now_ms=1_511_956_800_000)  # 2017-11-29
    registry = Registry(SalesTools(engine, reference_date=None, clock=clock).tools())

    outcome = await registry.call("sales_query", {"metrics": ["revenue"], "period": "this_month"}, context)

    assert msgspec.json.decode(outcome.content)["rows"] == [{"revenue": 938_943.0}]
    assert msgspec.json.decode(outcome.content)["reference_date"] == "2017-11-29"


async def test_a_database_that_is_away_is_a_tool_error_without_its_address(context: Any) -> None:
    engine = create_sales_engine("postgresql://nobody:secret@127.0.0.1:1/none")
    sales = SalesTools(engine, reference_date=date(2017, 12, 31))
    registry = Registry(sales.tools())

    with pytest.raises(ToolError, match="does not answer now") as caught:
        await registry.call("sales_query", {"metrics": ["revenue"]}, context)

    assert "secret" not in caught.value.message
    assert caught.value.retryable


@pytest.mark.parametrize("url", ["mysql://host/name", "sqlite://", "sqlite:///:memory:", "no url"])
def test_a_database_url_that_cannot_serve_is_refused_at_start(url: str) -> None:
    with pytest.raises(SettingsError, match="SALES_DATABASE_URL"):
        create_sales_engine(url)
