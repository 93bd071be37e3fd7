from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tools.builtin.sales.names import Coverage, Names


async def found(run_tool: Any, text: str) -> list[tuple[str, str]]:
    outcome = await run_tool("sales_find", {"text": text})
    return [(match["dimension"], match["value"]) for match in msgspec.json.decode(outcome.content)["matches"]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("Darcel Schlecht", [("agent", "Darcel Schlecht")], id="whole_name"),
        pytest.param("quanto o DARCEL vendeu?", [("agent", "Darcel Schlecht")], id="first_name"),
        pytest.param("vendas da Laflamme", [("agent", "Vicki Laflamme")], id="last_name"),
        pytest.param("darcel schleht", [("agent", "Darcel Schlecht")], id="small_typo"),
        pytest.param("receita de gtxpro", [("product", "GTX Pro")], id="without_the_space"),
        pytest.param("GTX Plus Pro ou MG Special?", [("product", "GTX Plus Pro"), ("product", "MG Special")], id="two"),
        pytest.param("vendas para a kan code", [("account", "Kan-code")], id="customer_with_a_hyphen"),
        pytest.param("negócios da Acme", [("account", "Acme Corporation")], id="first_word_of_a_customer"),
        pytest.param("setor de tecnología", [("sector", "technology")], id="spanish_sector"),
        pytest.param("no varejo do Brasil", [("sector", "retail"), ("country", "Brazil")], id="portuguese_words"),
        pytest.param("clientes en Alemania", [("country", "Germany")], id="spanish_country"),
        pytest.param("negócios perdidos", [("stage", "Lost")], id="stage"),
        pytest.param("quanto vendemos este mês", [], id="este_is_no_office_here"),
        pytest.param("qual foi a receita total?", [], id="no_name_at_all"),
        pytest.param("???", [], id="no_word_at_all"),
        pytest.param("Melvin Marxen", [("manager", "Melvin Marxen")], id="manager"),
    ],
)
async def test_known_names_are_found_in_a_text(run_tool: Any, text: str, expected: list[tuple[str, str]]) -> None:
    assert sorted(await found(run_tool, text)) == sorted(expected)


async def test_the_score_tells_how_sure_a_match_is(run_tool: Any) -> None:
    outcome = await run_tool("sales_find", {"text": "GTX Basic para Darcel no Brasil"})

    scores = {match["value"]: match["score"] for match in msgspec.json.decode(outcome.content)["matches"]}
    assert scores == {"GTX Basic": 1.0, "Brazil": 0.98, "Darcel Schlecht": 0.85}
    assert outcome.summary == "3 nomes encontrados."


async def test_where_in_the_text_a_name_was_is_said(run_tool: Any) -> None:
    outcome = await run_tool("sales_find", {"text": "vendas de gtx-pro hoje"})

    assert msgspec.json.decode(outcome.content)["matches"][0]["matched_text"] == "gtx-pro"


def test_words_for_names_that_the_data_lacks_mean_nothing() -> None:
    names = Names({"country": ["Brazil"]}, Coverage())

    assert set(names.aliases["country"].values()) == {"Brazil"}
