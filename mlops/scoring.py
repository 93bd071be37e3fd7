"""Whether a reply is right: each value that is known to be right is looked for in its text. Pure.

The rule of the sales questions (data/README.md) for chat text. A rule of thumb that can be repeated, not a reader:
a reply that says all and everything passes, and a short figure such as `1` may be there by chance. It is the same for
every model, so it compares them better than it grades one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple, assert_never

from mlops.numerals import numbers_in
from mlops.questions import Question, Value

_MONTHS: Final = tuple(
    tuple(names.split())
    for names in (
        "jan january janeiro enero ene",
        "feb february fevereiro febrero fev",
        "mar march março marzo",
        "apr april abril abr",
        "may maio mayo mai",
        "jun june junho junio",
        "jul july julho julio",
        "aug august agosto ago",
        "sep sept september setembro septiembre set",
        "oct october outubro octubre out",
        "nov november novembro noviembre",
        "dec december dezembro diciembre dez dic",
    )
)
_YEAR_AND_MONTH: Final = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_REFUSAL: Final = re.compile(
    r"\b(?:can ?not|can['’]t|unable|(?:do|does|is|are)(?: not|n['’]t)|no (?:data|information|such|way)|not available"
    r"|unavailable|missing"
    r"|não (?:é|há|tenho|temos|consigo|consta|existe\w*|está|estão|posso|possu\w+|disp\w+|foi)"
    r"|sem (?:dados|informaç\w+)"
    r"|indisponíve\w+"
    r"|no (?:es|hay|tengo|tenemos|puedo|consta|existe\w*|está|están|dispon\w+|se puede)|sin (?:datos|información))\b",
    re.IGNORECASE,
)


class Verdict(NamedTuple):
    """`right` is None where nobody knows what would be; `why_not` is a short phrase where it is wrong."""

    right: bool | None
    why_not: str = ""


def judge(question: Question, reply: str) -> Verdict:
    """Judge a reply by what is known of its question."""
    match question.judged_as:
        case "rows":
            return _judge_rows(question, reply)
        case "not_available":
            return _judge_refusal(question, reply)
        case "exact":
            same = _plain(reply) == _plain(str(question.expected))
            return Verdict(same, "" if same else "is not that text")
        case "contains":
            expected = question.expected
            return _lacking(question, reply, expected if isinstance(expected, tuple) else (str(expected),))
        case "number":
            assert isinstance(question.expected, int | float)
            return _lacking(question, reply, (question.expected,))
        case "none":
            return Verdict(None)
        case never:
            assert_never(never)


def places(reply: str, value: Value, tolerance_rel: float) -> list[int]:
    """Give where a value stands in a reply, in order.

    A number within the tolerance, whatever its sign; text as whole words, without case; a month such as `2017-03` also
    as `03/2017` or `março de 2017`.
    """
    if not isinstance(value, str):
        wanted = abs(value)
        return [told.at for told in numbers_in(reply) if abs(told.value - wanted) <= tolerance_rel * wanted]
    return [found.start() for found in _text(value).finditer(reply)]


def refuses(reply: str) -> bool:
    """Whether a reply says, in one of the three languages, that something is not there or cannot be done."""
    return _REFUSAL.search(reply) is not None


def _judge_rows(question: Question, reply: str) -> Verdict:
    rows = question.answer or ()
    found = _lacking(question, reply, [value for row in rows for value in row if value is not None])
    if not found.right or not question.ordered:
        return found
    at = -1
    for first in [next(value for value in row if value is not None) for row in rows if set(row) != {None}]:
        later = [place for place in places(reply, first, question.tolerance_rel) if place > at]
        if not later:
            return Verdict(False, f"{_shown(first)} is out of order")
        at = later[0]
    return found


def _judge_refusal(question: Question, reply: str) -> Verdict:
    if not refuses(reply):
        return Verdict(False, "does not say that the data cannot tell")
    asked = {told.value for told in numbers_in(question.question)}
    made_up = [told.value for told in numbers_in(reply) if told.value not in asked]
    return Verdict(not made_up, f"gives the number {made_up[0]:g}" if made_up else "")


def _lacking(question: Question, reply: str, values: Iterable[Value]) -> Verdict:
    missing = [value for value in values if not places(reply, value, question.tolerance_rel)]
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    return Verdict(not missing, f"lacks {_shown(missing[0])}{more}" if missing else "")


def _shown(value: Value) -> str:
    return value if isinstance(value, str) else f"{value:.12g}"


def _text(value: str) -> re.Pattern[str]:
    words = r"\s+".join(re.escape(word) for word in value.split())
    forms = [words]
    if (month := _YEAR_AND_MONTH.fullmatch(value)) is not None:
        year, number = month.groups()
        names = "|".join(_MONTHS[int(number) - 1])
        forms += [f"{number}/{year}", rf"(?:{names})\.?(?:\s+(?:de|of)|,|/|-)?\s*{year}"]
    return re.compile(rf"(?<!\w)(?:{'|'.join(forms)})(?!\w)", re.IGNORECASE)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .!?*_`\"'")
