"""The word tables made searchable: phrases to meanings, longest first, the user's language before the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Final, Literal

import msgspec

from agent.providers.offline.normalise import Token, stem_of, tokenise, within_one_slip
from agent.providers.offline.question import LANGUAGES, Language, Period
from agent.providers.offline.words import Words, phrases
from agent.providers.offline.words_en import ENGLISH
from agent.providers.offline.words_es import SPANISH
from agent.providers.offline.words_pt import PORTUGUESE

WORDS: Final[dict[Language, Words]] = {"pt": PORTUGUESE, "en": ENGLISH, "es": SPANISH}

Kind = Literal[
    "topic",
    "metric",
    "dimension",
    "operator",
    "period",
    "unit",
    "month",
    "number",
    "ordinal",
    "name",
    "social",
    "market",
    "filler",
    "sign",
]

_LONGEST: Final = 8
"""Words of the longest phrase that is looked up."""
_SHORTEST_SLIP: Final = 6
"""Letters of the longer of two words; shorter ones are never read as a mistyped other one."""
_SMALL_WORDS: Final = frozenset("aeoyi")
_SIGNS: Final = {"%": ("operator", "share"), "&": ("operator", "and"), "+": ("operator", "and")}


_TIME_WORDS: Final = frozenset({"from", "to", "since", "until", "this", "last", "previous", "same", "between"})


class Meaning(msgspec.Struct, frozen=True):
    """One thing that a phrase may say."""

    kind: Kind
    value: str


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens `first` to `last` (exclusive) and what they may mean; no meaning: not known."""

    first: int
    last: int
    meanings: tuple[Meaning, ...]
    plural: bool = False
    text: str = ""
    period: Period | None = None
    """Set by `times.read_times`."""

    def value(self, kind: Kind) -> str | None:
        """Give the value of the first meaning of that kind, or None."""
        return next((meaning.value for meaning in self.meanings if meaning.kind == kind), None)

    def says(self, *operators: str) -> bool:
        """Whether one of its meanings is one of these operators."""
        return any(meaning.kind == "operator" and meaning.value in operators for meaning in self.meanings)

    @property
    def is_filler(self) -> bool:
        """Whether it says nothing but filler words and signs, now that times are read."""
        kinds = {meaning.kind for meaning in self.meanings}
        if kinds and kinds <= {"filler", "sign"}:
            return True
        said = {meaning.value for meaning in self.meanings if meaning.kind == "operator"}
        return kinds == {"filler", "operator"} and said <= _TIME_WORDS


class Table(msgspec.Struct, frozen=True):
    """One language's phrases, by their words as written and by their stems."""

    exact: dict[tuple[str, ...], tuple[Meaning, ...]]
    stems: dict[tuple[str, ...], tuple[Meaning, ...]]
    vocabulary: frozenset[str]


def spans_of(tokens: Sequence[Token], language: Language, names: Iterable[Span] = ()) -> tuple[Span, ...]:
    """Cut tokens into the longest known phrases; `names` are spans that are settled already."""
    order = (language, *(other for other in LANGUAGES if other != language))
    settled = {name.first: name for name in names}
    found: list[Span] = []
    position = 0
    while position < len(tokens):
        span = settled.get(position)
        if span is None:
            end = min((first for first in settled if first > position), default=len(tokens))
            span = _longest(tokens, position, end, order)
        found.append(span)
        position = span.last
    return tuple(found)


def language_votes(tokens: Iterable[Token]) -> dict[Language, float]:
    """Count for each language how much of the text is its own; a word of several counts less for each."""
    votes: dict[Language, float] = dict.fromkeys(LANGUAGES, 0.0)
    for token in tokens:
        if not token.is_word or (len(token.folded) == 1 and token.folded not in _SMALL_WORDS):
            continue
        speakers = [language for language in LANGUAGES if token.folded in table_of(language).vocabulary]
        for language in speakers:
            votes[language] += 1.0 if len(speakers) == 1 else 0.25
    return votes


def corrected(token: Token, language: Language) -> Token:
    """Give the token as the word of the language that is one slip away; the token itself where there is none."""
    if not token.is_word or len(token.folded) < _SHORTEST_SLIP - 1:
        return token
    near = sorted(
        word
        for word in _neighbours(language, token.folded[0])
        if max(len(word), len(token.folded)) >= _SHORTEST_SLIP and within_one_slip(word, token.folded)
    )
    if not near:
        return token
    stem, plural = stem_of(near[0])
    return msgspec.structs.replace(token, folded=near[0], stem=stem, plural=plural)


@cache
def table_of(language: Language) -> Table:
    """Build a language's table; made once."""
    exact: dict[tuple[str, ...], tuple[Meaning, ...]] = {}
    stems: dict[tuple[str, ...], tuple[Meaning, ...]] = {}
    for phrase, meaning in _entries(WORDS[language]):
        words = tokenise(phrase.removeprefix("="))
        key = tuple(word.folded for word in words)
        exact[key] = (*exact.get(key, ()), meaning)
        if not phrase.startswith("="):
            key = tuple(word.stem for word in words)
            stems[key] = (*stems.get(key, ()), meaning)
    vocabulary = frozenset(word for key in exact for word in key)
    return Table(exact, stems, vocabulary)


def _longest(tokens: Sequence[Token], position: int, end: int, order: Sequence[Language]) -> Span:
    token = tokens[position]
    if not token.is_word and token.folded in _SIGNS:
        kind, value = _SIGNS[token.folded]
        return _span(tokens, position, position + 1, (Meaning(kind, value),))  # type: ignore[arg-type]
    for language in order:
        table = table_of(language)
        for last in range(min(end, position + _LONGEST), position, -1):
            words = tokens[position:last]
            meanings = _meanings(table, words)
            if meanings:
                head = last - 1 if language == "en" else position
                return _span(tokens, position, last, meanings, plural=tokens[head].plural)
    return _span(tokens, position, position + 1, _plain(token))


def _meanings(table: Table, words: Sequence[Token]) -> tuple[Meaning, ...]:
    """Give what words mean as written, then by their stems; what is filler as written is nothing else."""
    exact = table.exact.get(tuple(word.folded for word in words), ())
    if exact and all(meaning.kind == "filler" for meaning in exact):
        return exact
    return tuple(dict.fromkeys((*exact, *table.stems.get(tuple(word.stem for word in words), ()))))


def _plain(token: Token) -> tuple[Meaning, ...]:
    if token.is_number:
        return (Meaning("number", token.folded),)
    return () if token.is_word else (Meaning("sign", token.folded),)


def _span(
    tokens: Sequence[Token], first: int, last: int, meanings: tuple[Meaning, ...], *, plural: bool = False
) -> Span:
    return Span(
        first=first,
        last=last,
        meanings=meanings,
        plural=plural,
        text=" ".join(token.surface for token in tokens[first:last]),
    )


@cache
def _neighbours(language: Language, initial: str) -> tuple[str, ...]:
    return tuple(
        word
        for word in sorted(table_of(language).vocabulary)
        if word.startswith(initial) and len(word) >= _SHORTEST_SLIP - 1
    )


def _entries(words: Words) -> Iterator[tuple[str, Meaning]]:
    """Give every phrase with its meaning; what comes first is preferred where a phrase has several."""
    groups: tuple[tuple[Kind, Iterable[tuple[object, str]]], ...] = (
        ("topic", words.topics.items()),
        ("metric", words.metrics.items()),
        ("dimension", words.dimensions.items()),
        ("operator", words.operators.items()),
        ("period", words.periods.items()),
        ("unit", words.units.items()),
        ("month", enumerate(words.months, start=1)),
        ("number", words.numbers.items()),
        ("ordinal", words.ordinals.items()),
        ("name", words.values.items()),
        ("social", words.social.items()),
        ("market", words.markets.items()),
        ("filler", [("", words.filler)]),
    )
    for kind, table in groups:
        for value, listed in table:
            for phrase in phrases(listed):
                yield phrase, Meaning(kind, str(value))
