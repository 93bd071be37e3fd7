"""Text to tokens: case, accents, plural and gender folded away, typing mistakes measured. Knows no meaning."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

import msgspec

_TOKEN: Final = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+(?:['’](?!s\b)[^\W\d_]+)*|['’]s\b|[^\w\s]")
_INVARIANT: Final = frozenset(
    {"mais", "menos", "tres", "seis", "antes", "apenas", "depois", "less", "does", "versus", "pais"}
)
"""Words that only look like plurals."""
_IS: Final = "eh"
"""Portuguese "é" (is) must not become "e" (and)."""
_PLURALS: Final = (
    ("oes", "ao"),
    ("aes", "ao"),
    ("ais", "al"),
    ("eis", "el"),
    ("ies", "y"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("xes", "x"),
    ("sses", "ss"),
    ("res", "r"),
    ("zes", "z"),
    ("ces", "z"),
    ("ones", "on"),
    ("ades", "ad"),
    ("ns", "m"),
    ("s", ""),
)
"""Endings of plurals in the three languages, the first that fits; text and lexicon are folded alike."""


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A word, a number or a sign. `folded` has no case and accents; `stem` no plural and gender either."""

    surface: str
    folded: str
    stem: str
    plural: bool
    start: int
    end: int

    @property
    def is_word(self) -> bool:
        """Whether it is made of letters."""
        return self.folded[:1].isalpha()

    @property
    def is_number(self) -> bool:
        """Whether it is made of digits."""
        return self.folded[:1].isdigit()


def fold(text: str) -> str:
    """Give the text in lower case without accents."""
    decomposed = unicodedata.normalize("NFD", text.casefold().replace("’", "'"))
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))


@lru_cache(maxsize=8192)
def stem_of(word: str) -> tuple[str, bool]:
    """Give a folded word without plural and gender, and whether it was a plural."""
    singular, plural = _singular(word)
    if len(singular) > 3 and singular[-1] in "ao":
        singular = singular[:-1]
        if singular.endswith("or") and len(singular) > 5:
            return singular, plural
        return singular + "o", plural
    return singular, plural


def tokenise(text: str) -> tuple[Token, ...]:
    """Cut a text into tokens; a possessive `'s` is dropped."""
    found = []
    for match in _TOKEN.finditer(text):
        folded = _IS if match.group() in {"é", "É"} else fold(match.group()).replace("'", "")
        if match.group()[0] in "'’" or not folded:
            continue
        stem, plural = stem_of(folded)
        found.append(
            Token(surface=match.group(), folded=folded, stem=stem, plural=plural, start=match.start(), end=match.end())
        )
    return tuple(found)


def within_one_slip(one: str, other: str) -> bool:
    """Whether one letter was left out, added, changed, or two neighbours were swapped."""
    if one == other:
        return True
    shorter, longer = sorted((one, other), key=len)
    if len(longer) - len(shorter) > 1:
        return False
    start = 0
    while start < len(shorter) and shorter[start] == longer[start]:
        start += 1
    if len(shorter) < len(longer):
        return shorter[start:] == longer[start + 1 :]
    swapped = shorter[start : start + 2] == longer[start : start + 2][::-1]
    return shorter[start + 1 :] == longer[start + 1 :] or (swapped and shorter[start + 2 :] == longer[start + 2 :])


def _singular(word: str) -> tuple[str, bool]:
    if len(word) <= 3 or word in _INVARIANT or word.endswith(("ss", "us")):
        return word, False
    for ending, singular in _PLURALS:
        if word.endswith(ending):
            return word[: len(word) - len(ending)] + singular, True
    return word, False
