"""The lexicon and the sales tool name the same things, in three languages."""

from __future__ import annotations

from typing import Any

import pytest

from agent.providers.offline.figures import SPEECHES
from agent.providers.offline.lexicon import WORDS, corrected, language_votes, spans_of
from agent.providers.offline.normalise import stem_of, tokenise, within_one_slip
from agent.providers.offline.question import DIMENSIONS, LANGUAGES, METRICS, Language
from agent.providers.offline.reading import detect_language
from agent.providers.offline.words import OPERATORS, phrases
from tools import Registry


def resolved(schema: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    return schema["$defs"][part["$ref"].rsplit("/", 1)[1]] if "$ref" in part else part


def enumerated(tools: Registry, parameter: str) -> set[str]:
    schema = next(spec.parameters for spec in tools.specs() if spec.name == "sales_query")
    return set(resolved(schema, resolved(schema, schema["properties"][parameter])["items"])["enum"])


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_metric_of_the_tool_has_words_and_the_other_way_round(
    sales_tools: Registry, language: Language
) -> None:
    offered = enumerated(sales_tools, "metrics")

    assert set(WORDS[language].metrics) == offered == set(METRICS) == set(SPEECHES[language].metrics)
    assert [metric for metric, listed in WORDS[language].metrics.items() if not list(phrases(listed))] == []


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_dimension_of_the_tool_has_words_and_the_other_way_round(
    sales_tools: Registry, language: Language
) -> None:
    offered = enumerated(sales_tools, "by")

    assert set(WORDS[language].dimensions) == offered == set(DIMENSIONS) == set(SPEECHES[language].dimensions)
    assert [name for name, listed in WORDS[language].dimensions.items() if not list(phrases(listed))] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_operator_and_topic(language: Language) -> None:
    assert set(WORDS[language].operators) == OPERATORS
    assert set(WORDS[language].topics) | {"market"} == set(SPEECHES[language].topics)
    assert set(WORDS[language].social) == set(SPEECHES[language].social)


@pytest.mark.parametrize("language", LANGUAGES)
def test_refusals_and_greetings_hold_no_number(language: Language) -> None:
    speech = SPEECHES[language]
    said = [*speech.topics.values(), *speech.social.values(), *speech.unclear.values(), speech.instead, speech.ask]

    assert [text for text in said if any(sign.isdigit() for sign in text)] == []


@pytest.mark.parametrize(
    ("word", "stem"),
    [
        ("vendedoras", "vendedor"),
        ("regioes", "regiao"),
        ("ganhas", "ganho"),
        ("opportunities", "opportunity"),
        ("mais", "mais"),
        ("mes", "mes"),
        ("paises", "paise"),
    ],
)
def test_plural_and_gender_are_folded_away(word: str, stem: str) -> None:
    assert stem_of(word)[0] == stem_of(stem)[0]


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("vednas", "vendas", True),
        ("faturamneto", "faturamento", True),
        ("receta", "receita", True),
        ("receitta", "receita", True),
        ("receida", "receita", True),
        ("receita", "receita", True),
        ("custo", "contato", False),
        ("abc", "xyz", False),
    ],
)
def test_one_slip_of_the_pen_is_forgiven(one: str, other: str, near: bool) -> None:
    assert within_one_slip(one, other) is near


def test_short_words_and_numbers_are_never_corrected() -> None:
    curto, number = tokenise("curto 2017")

    assert corrected(curto, "pt") == curto
    assert corrected(number, "pt") == number


def test_the_longest_phrase_wins_over_its_parts() -> None:
    spans = spans_of(tokenise("taxa de conversão"), "pt")

    assert [span.value("metric") for span in spans] == ["win_rate"]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Quanto vendemos?", "pt"),
        ("How much did we sell?", "en"),
        ("¿Cuánto vendimos?", "es"),
        ("vendas de outubro", "pt"),
        ("sales by region", "en"),
        ("ventas por región", "es"),
    ],
)
def test_the_language_is_that_of_the_words(text: str, language: Language) -> None:
    assert detect_language([text], None) == language


@pytest.mark.parametrize(
    ("locale", "language"), [("es-MX", "es"), ("en", "en"), ("pt-BR", "pt"), ("fr", "pt"), (None, "pt")]
)
def test_the_locale_decides_where_words_do_not(locale: str | None, language: Language) -> None:
    assert detect_language(["Q3 2017"], locale) == language


def test_numbers_and_signs_have_no_language() -> None:
    assert set(language_votes(tokenise("3 x 5!")).values()) == {0.0}
