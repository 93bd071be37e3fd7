"""What the sales tools say to people, in Portuguese, English and Spanish: summaries and notes. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, Final, Literal

from tools.builtin.sales.answer import Number
from tools.builtin.sales.catalog import DIMENSION_TITLES, METRICS, Dimension, Unit

Language = Literal["pt", "en", "es"]

_AND: Final[dict[Language, str]] = {"pt": " e ", "en": " and ", "es": " y "}
_BY: Final[dict[Language, str]] = {"pt": " por ", "en": " by ", "es": " por "}
_IN: Final[dict[Language, str]] = {"pt": " em ", "en": " in ", "es": " en "}
_VERSUS: Final[dict[Language, str]] = {"pt": " contra ", "en": " versus ", "es": " contra "}

_NOTES: Final[dict[str, dict[Language, str]]] = {
    "by_close": {
        "pt": "Data usada em {metrics}: fechamento.",
        "en": "Date used for {metrics}: close date.",
        "es": "Fecha usada en {metrics}: cierre.",
    },
    "by_engage": {
        "pt": "Data usada em {metrics}: início da negociação (Prospecting não tem essa data).",
        "en": "Date used for {metrics}: engage date (Prospecting deals have none).",
        "es": "Fecha usada en {metrics}: inicio de la negociación (Prospecting no tiene esa fecha).",
    },
    "with_deals": {
        "pt": "{metrics}: contam só os que têm oportunidades que atendem ao pedido.",
        "en": "{metrics}: only those with opportunities that fit the question are counted.",
        "es": "{metrics}: se cuentan solo los que tienen oportunidades que cumplen lo pedido.",
    },
    "undated": {
        "pt": "{metrics}: não depende de período.",
        "en": "{metrics}: does not depend on the period.",
        "es": "{metrics}: no depende del período.",
    },
    "filter_ignored": {
        "pt": "{metrics}: os filtros {filters} não se aplicam.",
        "en": "{metrics}: the filters {filters} do not apply.",
        "es": "{metrics}: los filtros {filters} no se aplican.",
    },
    "average_list_price": {
        "pt": "Preço de tabela é a média entre os produtos.",
        "en": "List price is the average over the products.",
        "es": "El precio de lista es el promedio de los productos.",
    },
    "blank": {
        "pt": "Valor vazio (null) = campo não preenchido; em cliente, setor e país são oportunidades sem cliente.",
        "en": "An empty value (null) = not filled in; for account, sector and country: deals without a customer.",
        "es": "Un valor vacío (null) = campo sin completar; en cliente, sector y país: oportunidades sin cliente.",
    },
    "nothing": {
        "pt": "Nada encontrado para este pedido.",
        "en": "Nothing was found for this question.",
        "es": "No se encontró nada para este pedido.",
    },
    "outside": {
        "pt": "Os dados de {what} vão de {first} a {last}; o período pedido passa disso.",
        "en": "The data's {what} dates run from {first} to {last}; the period goes beyond them.",
        "es": "Los datos de {what} van de {first} a {last}; el período pedido los excede.",
    },
    "win_rate_by_month": {
        "pt": "A taxa de ganho varia dentro do trimestre (o último mês fica em 78-83 %, os outros em 49-57 %): "
        "comparar um mês com o anterior engana.",
        "en": "The win rate swings inside each quarter (its last month is 78-83 %, the others 49-57 %): "
        "comparing one month with the month before misleads.",
        "es": "La tasa de éxito varía dentro del trimestre (el último mes está en 78-83 %, los otros en 49-57 %): "
        "comparar un mes con el anterior engaña.",
    },
    "relative_change": {
        "pt": "change_pct é a variação relativa, não em pontos percentuais.",
        "en": "change_pct is the relative change, not percentage points.",
        "es": "change_pct es la variación relativa, no en puntos porcentuales.",
    },
    "shortened": {
        "pt": "Só as primeiras linhas cabem aqui.",
        "en": "Only the first rows fit here.",
        "es": "Aquí solo caben las primeras filas.",
    },
}

_DATES: Final[dict[str, dict[Language, str]]] = {
    "close": {"pt": "fechamento", "en": "close", "es": "cierre"},
    "engage": {"pt": "início da negociação", "en": "engage", "es": "inicio de la negociación"},
}

_COUNTED: Final[dict[str, dict[Language, tuple[str, str]]]] = {
    "rows": {"pt": ("linha", "linhas"), "en": ("row", "rows"), "es": ("fila", "filas")},
    "names": {
        "pt": ("nome encontrado", "nomes encontrados"),
        "en": ("name found", "names found"),
        "es": ("nombre encontrado", "nombres encontrados"),
    },
}


def language_of(locale: str | None) -> Language:
    """The language of a BCP 47 tag, `pt` where it is another or none."""
    match (locale or "pt").split("-")[0].split("_")[0].lower():
        case "en":
            return "en"
        case "es":
            return "es"
        case _:
            return "pt"


def note(name: str, language: Language, **values: str) -> str:
    """A note for a result."""
    return _NOTES[name][language].format(**values)


def date_word(date: str, language: Language) -> str:
    """What the close or engage date is called."""
    return _DATES[date][language]


def counted(what: str, number: int, language: Language) -> str:
    """`1 linha`, `6 linhas`."""
    singular, plural = _COUNTED[what][language]
    return f"{number} {singular if number == 1 else plural}"


def titles(metrics: Sequence[str], language: Language) -> str:
    """`Receita e ticket médio`: the metrics' titles as the beginning of a sentence."""
    words = [METRICS[name].titles[language] for name in metrics]
    words = words[:1] + [word[:1].lower() + word[1:] for word in words[1:]]
    return _listed(words, language)


def query_summary(
    metrics: Sequence[str],
    by: Sequence[Dimension],
    rows: Sequence[dict[str, Any]],
    period: str | None,
    compare_to: str | None,
    language: Language,
) -> str:
    """One sentence: `Receita por gerente em 2017-Q3: 6 linhas.`, or the number itself where there is but one."""
    subject = titles(metrics, language)
    if by:
        subject += _BY[language] + _listed([DIMENSION_TITLES[dimension][language] for dimension in by], language)
    if period is not None:
        subject += _IN[language] + period
    if compare_to is not None:
        subject += _VERSUS[language] + compare_to
    if len(rows) == 1 and not by:
        shown = [format_number(rows[0][name], METRICS[name].unit, language) for name in metrics]
        return f"{subject}: {_listed(shown, language)}."
    return f"{subject}: {counted('rows', len(rows), language)}."


_FOLLOW_UP: Final[dict[Language, str]] = {
    "pt": "Follow-up criado para {account}, até {day}.",
    "en": "Follow-up created for {account}, due {day}.",
    "es": "Seguimiento creado para {account}, hasta el {day}.",
}


def follow_up_summary(account: str, due: date, language: Language) -> str:
    """One sentence: `Follow-up criado para Cancity, até 15/01/2018`."""
    day = due.isoformat() if language == "en" else f"{due:%d/%m/%Y}"
    return _FOLLOW_UP[language].format(account=account, day=day)


def format_number(value: Number, unit: Unit, language: Language) -> str:
    """A number as the language writes it: `US$ 1.234,56`, `63.15 %`."""
    if value is None:
        return "—"
    plain = f"{value:,.0f}" if unit == "count" else f"{value:,.2f}"
    if language != "en":
        plain = plain.translate(str.maketrans(",.", ".,"))
    match unit:
        case "usd":
            return f"US$ {plain}"
        case "percent":
            return f"{plain} %"
        case "days" | "count":
            return plain


def _listed(words: Sequence[str], language: Language) -> str:
    if len(words) < 2:
        return "".join(words)
    return ", ".join(words[:-1]) + _AND[language] + words[-1]
