"""The names that the data knows (agents, products ...), and how what people write is matched with them. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final

import msgspec

from core.errors import ToolError
from tools.builtin.sales.catalog import STAGES, TIME_DIMENSIONS, Dimension
from tools.builtin.sales.cleaning import CORRECTIONS, folded
from tools.builtin.sales.words import WORDS

_NEAR: Final = 0.6
"""The least likeness (difflib's ratio) of a name that is offered as `nearest`."""


class Coverage(msgspec.Struct, frozen=True, kw_only=True):
    """The first and last dates in the data; None where there is none."""

    first_engage: date | None = None
    last_engage: date | None = None
    first_close: date | None = None
    last_close: date | None = None


class Names:
    """Every known name by dimension, and the words that stand for one (`tecnologia`, `Brasil`, `ganhos`)."""

    def __init__(self, values: Mapping[Dimension, Iterable[str]], coverage: Coverage) -> None:
        self.coverage = coverage
        self.values: dict[Dimension, tuple[str, ...]] = {
            "stage": STAGES,
            **{dimension: tuple(sorted(set(known))) for dimension, known in values.items()},
        }
        self.keys: dict[Dimension, dict[str, str]] = {
            dimension: {folded(value): value for value in known} for dimension, known in self.values.items()
        }
        self.aliases = {dimension: self._aliases(dimension) for dimension in self.keys}

    def resolve(self, dimension: Dimension, texts: Sequence[str | None]) -> list[str | None]:
        """The known names that the texts mean. Raises ToolError that names the nearest known values."""
        if dimension in TIME_DIMENSIONS:
            return [text if text is None else text.strip().upper() for text in texts]
        return [None if text is None else self._resolve(dimension, text) for text in texts]

    def _resolve(self, dimension: Dimension, text: str) -> str:
        key = folded(text)
        known = self.keys[dimension]
        if key in known:
            return known[key]
        if key in self.aliases[dimension]:
            return self.aliases[dimension][key]
        raise ToolError(self._unknown(dimension, text), code="invalid_request")

    def _unknown(self, dimension: Dimension, text: str) -> str:
        known = self.keys[dimension]
        near = [known[key] for key in difflib.get_close_matches(folded(text), list(known), 3, _NEAR)]
        elsewhere = [other for other, keys in self.keys.items() if other != dimension and folded(text) in keys]
        message = f"No {dimension} is named {text[:60]!r}."
        if near:
            message += f" Nearest: {', '.join(near)}."
        elif len(known) <= 20:
            message += f" Known: {', '.join(self.values[dimension])}."
        if elsewhere:
            message += f" It is a known {elsewhere[0]}."
        return message if near or elsewhere or len(known) <= 20 else message + " Use sales_find to look a name up."

    def _aliases(self, dimension: Dimension) -> dict[str, str]:
        """Words that mean a known name: other languages, and the source's own misspellings."""
        known = self.keys[dimension]
        column = "office_location" if dimension == "country" else dimension
        pairs = [*WORDS.get(dimension, {}).items(), *CORRECTIONS.get(column, {}).items()]
        return {folded(word): known[folded(name)] for word, name in pairs if folded(name) in known}
