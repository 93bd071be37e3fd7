"""Known names that occur in a text, exactly or nearly: `quanto a Darcel vendeu de gtxpro?` names two. Pure.

Every run of one to five words is compared with every name: as it is (score 1), as a word that stands for one
(`Brasil`, 0.98), with small typos (their likeness), or as the one name that begins or ends with it (0.85).
Longer matches win over shorter ones inside them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from tools.builtin.sales.catalog import Dimension
from tools.builtin.sales.cleaning import folded
from tools.builtin.sales.names import Names
from tools.builtin.sales.words import TOO_COMMON

_WORD: Final = re.compile(r"[\w&.-]*\w")
_LONGEST_RUN: Final = 5
"""Words: `Genco Pura Olive Oil Company` has as many."""
_ALIAS_SCORE: Final = 0.98
_PART_SCORE: Final = 0.85
_LEAST_LIKENESS: Final = 0.84
"""difflib's ratio: one wrong letter in a name of six or seven."""
_SHORTEST_GUESS: Final = 5
"""Letters: shorter runs are matched exactly only."""
_SHORTEST_PART: Final = 4
_LENGTH_SLACK: Final = 2
_MOST_WORDS: Final = 120
_PEOPLE: Final[frozenset[Dimension]] = frozenset({"agent", "manager"})


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """A known name in a text. `score` is 1 for the name as it is spelled."""

    dimension: Dimension
    value: str
    score: float
    matched_text: str


class _Run(msgspec.Struct, frozen=True, kw_only=True):
    """Consecutive words of the text."""

    first: int
    last: int
    text: str
    key: str


def find_names(text: str, names: Names, most: int = 20) -> list[Match]:
    """The names in a text, best first, at most `most`; only its first 120 words are read."""
    candidates = [(run, match) for run in _runs(text) for match in _matches(run, names)]
    candidates.sort(key=lambda item: (-item[1].score, item[0].first - item[0].last, item[0].first))
    chosen: dict[tuple[Dimension, str], tuple[_Run, Match]] = {}
    for run, match in candidates:
        if (match.dimension, match.value) not in chosen and not _hidden(run, match, chosen):
            chosen[match.dimension, match.value] = (run, match)
    return [match for _, match in chosen.values()][:most]


def _runs(text: str) -> Iterator[_Run]:
    words = [(word.start(), word.end()) for word in _WORD.finditer(text)][:_MOST_WORDS]
    for first in range(len(words)):
        for last in range(first, min(first + _LONGEST_RUN, len(words))):
            span = text[words[first][0] : words[last][1]]
            key = folded(span)
            if key:
                yield _Run(first=first, last=last, text=span, key=key)


def _matches(run: _Run, names: Names) -> Iterator[Match]:
    for dimension, known in names.keys.items():
        value, score = _best(run, dimension, known, names.aliases[dimension])
        if value is not None:
            yield Match(dimension=dimension, value=value, score=round(score, 2), matched_text=run.text)


def _best(run: _Run, dimension: Dimension, known: dict[str, str], aliases: dict[str, str]) -> tuple[str | None, float]:
    if run.key in known:
        return known[run.key], 1.0
    if run.key in aliases and run.text.casefold() not in TOO_COMMON:
        return aliases[run.key], _ALIAS_SCORE
    if run.first == run.last and len(run.key) >= _SHORTEST_PART:
        owners = [value for value in known.values() if _is_part(run.key, value, dimension)]
        if len(owners) == 1:
            return owners[0], _PART_SCORE
    return _nearly(run, known, aliases)


def _is_part(key: str, value: str, dimension: Dimension) -> bool:
    """Whether a word is somebody's first or last name, or the first word of a customer's name."""
    if dimension not in _PEOPLE and dimension != "account":
        return False
    words = value.split()
    if len(words) < 2:
        return False
    return key == folded(words[0]) or (dimension in _PEOPLE and key == folded(words[-1]))


def _nearly(run: _Run, known: dict[str, str], aliases: dict[str, str]) -> tuple[str | None, float]:
    if len(run.key) < _SHORTEST_GUESS:
        return None, 0.0
    best: tuple[str | None, float] = (None, 0.0)
    matcher = difflib.SequenceMatcher(b=run.key, autojunk=False)
    for keys in (known, aliases):
        for key, value in keys.items():
            score = _likeness(matcher, key, len(run.key))
            if score >= _LEAST_LIKENESS and score > best[1]:
                best = value, min(score, _ALIAS_SCORE)
    return best


def _likeness(matcher: difflib.SequenceMatcher[str], key: str, length: int) -> float:
    if len(key) < _SHORTEST_GUESS or abs(len(key) - length) > _LENGTH_SLACK:
        return 0.0
    matcher.set_seq1(key)
    if matcher.real_quick_ratio() < _LEAST_LIKENESS or matcher.quick_ratio() < _LEAST_LIKENESS:
        return 0.0
    return matcher.ratio()


def _hidden(run: _Run, match: Match, chosen: dict[Any, tuple[_Run, Match]]) -> bool:
    """Whether a chosen match reads these words better: a longer run over them, or the same dimension."""
    for other, better in chosen.values():
        overlaps = run.first <= other.last and other.first <= run.last
        inside = other.first <= run.first and run.last <= other.last
        longer = other.last - other.first > run.last - run.first
        if overlaps and (match.dimension == better.dimension or (inside and longer) or match.score < better.score):
            return True
    return False
