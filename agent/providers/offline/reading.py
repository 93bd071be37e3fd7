"""One message read: its language, its clauses as fragments, what is social, out of reach or not known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, cast

import msgspec

from agent.providers.offline.clause import WHO
from agent.providers.offline.grammar import fragment_of
from agent.providers.offline.lexicon import Meaning, Span, corrected, language_votes, spans_of
from agent.providers.offline.normalise import Token, tokenise
from agent.providers.offline.question import (
    LANGUAGES,
    ROSTER,
    Fragment,
    Language,
    Metric,
    Series,
    Social,
    Topic,
)
from agent.providers.offline.times import read_times

_SURE: Final = 0.9
"""A name found with this score goes before a mistyped word of the lexicon; 1 is the same letters."""
_LIKELY: Final = 0.75
_HABIT: Final = 0.3
"""The vote of what was spoken before; one word of a single language outweighs it."""
_HEADS: Final = ("count", "how_much", "which")
_SOCIAL_ORDER: Final[tuple[Social, ...]] = (
    "capabilities",
    "identity",
    "no",
    "yes",
    "greeting",
    "thanks",
    "goodbye",
)
_FEW_WORDS: Final = 2
"""So many words that are not known do not make a greeting a question."""


class NameMatch(msgspec.Struct, frozen=True, kw_only=True):
    """A name of the data that `sales_find` saw in a text."""

    dimension: str
    value: str
    score: float
    matched_text: str


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A message, as far as it was understood."""

    language: Language
    fragments: tuple[Fragment, ...] = ()
    topic: Topic | None = None
    social: Social | None = None
    market: Series | None = None
    unknown: tuple[str, ...] = ()
    """Words that mean nothing to the grammar and name nothing in the data."""

    @property
    def is_blank(self) -> bool:
        """Whether it holds no part of a sales question."""
        return all(fragment.is_blank for fragment in self.fragments)


def detect_language(texts: Sequence[str], locale: str | None) -> Language:
    """Give the language of the latest text; where it tells none, that of the text before, the locale's, Portuguese."""
    preferred = (each for each in LANGUAGES if (locale or "").lower().startswith(each))
    language: Language = next(preferred, "pt")
    for text in texts:
        votes = language_votes(tokenise(text))
        votes["es"] += any(sign in text for sign in "ñ¿¡")
        votes["pt"] += any(sign in text.lower() for sign in "ãõç")
        votes[language] += _HABIT
        language = max(LANGUAGES, key=lambda each: votes[each])
    return language


def read(text: str, language: Language, matches: Sequence[NameMatch] = (), *, found: bool = True) -> Reading:
    """Read a message. Without `found` (the names were not looked up yet), nothing is taken for a slip of the pen."""
    spans = read_times(_spans(tokenise(text), language, matches, found))
    clauses = tuple(_clauses(spans))
    fragments = tuple(fragment_of(clause) for clause in clauses)
    blank = all(fragment.is_blank for fragment in fragments)
    unknown = tuple(span.text for span in spans if not span.meanings and len(span.text) > 1)
    social = _social(spans) if blank and len(unknown) <= _FEW_WORDS else None
    market = _first(spans, "market")
    return Reading(
        language=language,
        fragments=_joined(fragments),
        topic=cast("Topic | None", _first(spans, "topic")),
        social=social,
        market=cast("Series | None", market),
        unknown=unknown,
    )


def _spans(
    tokens: tuple[Token, ...], language: Language, matches: Sequence[NameMatch], found: bool
) -> tuple[Span, ...]:
    """Settle names and slips in the order of how sure they are: exact names, slips, near names."""
    sure = [match for match in matches if match.score >= _SURE or _is_part(match)]
    likely = [match for match in matches if match.score >= _LIKELY and match not in sure]
    names = _placed(tokens, sure, language, ())
    if found:
        unknown = _unknown_tokens(spans_of(tokens, language, names))
        tokens = tuple(
            corrected(token, language) if at in unknown and not _looks_like_name(tokens, at) else token
            for at, token in enumerate(tokens)
        )
        names = _placed(tokens, likely, language, names)
    return spans_of(tokens, language, names)


def _is_part(match: NameMatch) -> bool:
    """Whether the words that matched are words of the name as it is spelled, such as a first name."""
    words = {token.folded for token in tokenise(match.matched_text)}
    return bool(words) and words <= {token.folded for token in tokenise(match.value)}


def _looks_like_name(tokens: Sequence[Token], at: int) -> bool:
    """Whether a word has a capital inside a sentence that is not all capitals: "Recife" is no mistyped "recipe"."""
    return at > 0 and tokens[at].surface[0].isupper() and not all(token.surface.isupper() for token in tokens)


def _unknown_tokens(spans: Sequence[Span]) -> frozenset[int]:
    return frozenset(at for span in spans if not span.meanings for at in range(span.first, span.last))


def _placed(
    tokens: Sequence[Token], matches: Sequence[NameMatch], language: Language, names: Sequence[Span]
) -> tuple[Span, ...]:
    """Give the names' places in the text, the surest and longest first; a name explains what the lexicon cannot."""
    placed = list(names)
    unknown = _unknown_tokens(spans_of(tokens, language, names))
    for match in sorted(matches, key=lambda each: (-each.score, -len(each.matched_text))):
        words = tokenise(match.matched_text)
        for first in range(len(tokens) - len(words) + 1):
            last = first + len(words)
            free = not any(span.first < last and first < span.last for span in placed)
            same = all(
                one.surface.casefold() == two.surface.casefold()
                for one, two in zip(tokens[first:], words, strict=False)
            )
            if words and free and same and any(at in unknown for at in range(first, last)):
                placed.append(_name_span(match, tokens, first, _grown(match, tokens, last, unknown)))
    return tuple(placed)


def _grown(match: NameMatch, tokens: Sequence[Token], last: int, unknown: frozenset[int]) -> int:
    """Give the end of a name with the further words of it that were said: "Genco Pura" of a longer name."""
    words = {token.folded for token in tokenise(match.value)}
    while last in unknown and tokens[last].folded in words:
        last += 1
    return last


def _name_span(match: NameMatch, tokens: Sequence[Token], first: int, last: int) -> Span:
    return Span(
        first=first,
        last=last,
        meanings=(Meaning("name", f"{match.dimension}:{match.value}"),),
        text=" ".join(token.surface for token in tokens[first:last]),
    )


def _first(spans: Sequence[Span], kind: str) -> str | None:
    return next((meaning.value for span in spans for meaning in span.meanings if meaning.kind == kind), None)


def _social(spans: Sequence[Span]) -> Social | None:
    said = {meaning.value for span in spans for meaning in span.meanings if meaning.kind == "social"}
    return next((social for social in _SOCIAL_ORDER if social in said), None)


def _clauses(spans: Sequence[Span]) -> Iterator[Sequence[Span]]:
    """Cut where a second question begins: "... e quantos ...", "...? Which ..."."""
    start = 0
    for position, span in enumerate(spans):
        ends = span.says("and") or span.text in {"?", ";", ".", "!"}
        if (
            ends
            and position > start
            and _begins_question(spans[position + 1 :])
            and _has_content(spans[start:position])
        ):
            yield spans[start:position]
            start = position
    yield spans[start:]


def _begins_question(spans: Sequence[Span]) -> bool:
    said = next((span for span in spans if not span.is_filler), None)
    return said is not None and (said.says(*_HEADS) or said.text.lower() in WHO)


def _has_content(spans: Sequence[Span]) -> bool:
    return not fragment_of(spans).is_blank


def _joined(fragments: Sequence[Fragment]) -> tuple[Fragment, ...]:
    """Join clauses that ask for more figures of the same thing; keep those that ask for something else."""
    kept: list[Fragment] = []
    for fragment in fragments:
        if kept and fragment.joined:
            kept[-1] = _narrowed(kept[-1], fragment) if _is_open(kept[-1]) else _timed(kept[-1], fragment)
            fragment = _of_what_is_open(fragment) if "open_deals" in kept[-1].metrics else fragment
        if kept and (_adds_figures(fragment) or _narrow_alike(kept[-1], fragment)):
            fragment = _of_what_is_open(fragment) if "open_deals" in kept[-1].metrics else fragment
            kept[-1] = msgspec.structs.replace(
                kept[-1],
                metrics=cast("tuple[Metric, ...]", tuple(dict.fromkeys((*kept[-1].metrics, *fragment.metrics)))),
                assumptions=(*kept[-1].assumptions, *fragment.assumptions),
                loose=(*kept[-1].loose, *fragment.loose),
            )
        elif not kept or not fragment.is_blank:
            kept.append(fragment)
    return tuple(kept)


def _of_what_is_open(fragment: Fragment) -> Fragment:
    """Read "how many are open, and how much are they worth": what is open has no revenue yet."""
    if fragment.metrics != ("revenue",):
        return fragment
    return msgspec.structs.replace(fragment, metrics=("open_pipeline_value",), assumptions=())


def _is_open(fragment: Fragment) -> bool:
    """Whether a clause says only what to measure, so that "... in July" at the end of the sentence is its time too."""
    narrow = fragment.by or fragment.filters or fragment.periods or fragment.ranking or fragment.rank or fragment.shape
    return not ROSTER.issuperset(fragment.metrics) and not narrow and not fragment.whole


def _timed(fragment: Fragment, later: Fragment) -> Fragment:
    """Give a clause without a time that of the clause that is joined to it: "who sold most, and who least, in Q2"."""
    if fragment.periods or fragment.whole or (fragment.metrics and ROSTER.issuperset(fragment.metrics)):
        return fragment
    return msgspec.structs.replace(fragment, periods=later.periods)


def _narrowed(fragment: Fragment, later: Fragment) -> Fragment:
    """Give a clause the times of the clause that is joined to it, and its names where that only adds figures."""
    adds = bool(later.metrics) and not later.ranking and later.rank is None and later.shape is None
    return msgspec.structs.replace(
        fragment,
        periods=later.periods,
        by=later.by if adds else (),
        filters=tuple(each for each in later.filters if adds and each.dimension != "stage"),
    )


def _narrow_alike(one: Fragment, other: Fragment) -> bool:
    """Whether two clauses measure the same rows of the same time."""
    simple = not any(each.ranking or each.rank or each.shape or each.compare or each.growth for each in (one, other))
    same = one.by == other.by and one.filters == other.filters and one.periods == other.periods
    return simple and same and bool(one.metrics) and bool(other.metrics)


def _adds_figures(fragment: Fragment) -> bool:
    return bool(fragment.metrics) and not (fragment.by or fragment.filters or fragment.periods or fragment.ranking)
