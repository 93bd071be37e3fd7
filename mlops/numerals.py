"""Numbers in a text, as Portuguese, English and Spanish write them. Pure.

What a sign means is not always in the text: `1.234` is a thousand or one and a bit. Every reading is given, so that
whoever looks for a figure finds it; a figure that is not there is seldom read by chance.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_SPACES: Final = "\u00a0\u2009\u202f"
"""No-break, thin and narrow no-break space: what some languages put between thousands."""
_NUMBER: Final = re.compile(rf"(?<![\w.,])\d{{1,3}}(?:[{_SPACES}]\d{{3}})+(?:[.,]\d+)?|(?<!\w)\d[\d.,]*\d|(?<!\w)\d")
_POINT_DECIMAL: Final = re.compile(r"(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d+)?")
_COMMA_DECIMAL: Final = re.compile(r"(?:\d+|\d{1,3}(?:\.\d{3})+)(?:,\d+)?")
_SCALE: Final = re.compile(
    r"[\s*_]*(?:(?P<billion>billions?|bilh(?:ão|ões)|bi\b)"
    r"|(?P<million>millions?|milh(?:ão|ões)|mill(?:ón|ones)|mi\b|mm?\b)"
    r"|(?P<thousand>thousand|mil\b|k\b))",
    re.IGNORECASE,
)
_TIMES: Final = {"billion": 1e9, "million": 1e6, "thousand": 1e3}
_LIST_MARK: Final = re.compile(r"^[ \t]*\d{1,2}[.)](?=[ \t]+\S)", re.MULTILINE)


class Told(NamedTuple):
    """One reading of a number in a text: its value, never negative, and where it begins."""

    value: float
    at: int


def numbers_in(text: str) -> list[Told]:
    """Read every number of a text in each way in which it can be read, in the text's order.

    `1.234,56` and `1,234.56` are both 1234.56; `10,01 milhões` is 10.01 and 10010000. The marks of a numbered list
    and digits within a word (`Q4`) are no numbers. Signs are left out: a fall "of 5 %" and "-5 %" say the same.
    """
    if len(_LIST_MARK.findall(text)) > 1:
        text = _LIST_MARK.sub(lambda mark: " " * len(mark.group()), text)
    return [Told(value, found.start()) for found in _NUMBER.finditer(text) for value in _readings(text, found)]


def _readings(text: str, found: re.Match[str]) -> list[float]:
    digits = re.sub(f"[{_SPACES}]", "", found.group())
    plain = set()
    if _POINT_DECIMAL.fullmatch(digits):
        plain.add(float(digits.replace(",", "")))
    if _COMMA_DECIMAL.fullmatch(digits):
        plain.add(float(digits.replace(".", "").replace(",", ".")))
    scale = _SCALE.match(text, found.end())
    times = _TIMES[scale.lastgroup] if scale is not None and scale.lastgroup is not None else None
    scaled = set() if times is None else {value * times for value in plain}
    return sorted(plain | scaled)
