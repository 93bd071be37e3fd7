"""Whether two questions that are near in meaning ask for the same: all that decides an answer must be the same words.

Embeddings call "vendas de novembro" and "vendas de dezembro" nearly equal. So the guard does not look for what differs;
it allows a few differences, and refuses every other one:

- case, marks at the begin and end, greetings, politeness, what asks (`can you tell me`, `me mostre`);
- articles, where they are no pronouns and before no name;
- `what was the` before what is asked for, where a time is named;
- `in` and `of` before a time; the time at the begin instead of the end, where no clause may own it;
- how some words are spelled: without accents, months abbreviated, numbers up to twelve in letters.

Everything else (numbers, amounts, units, names, codes, months, periods, negations, directions, measures, question
words, who does what to whom) is a word that stays, and all that stays must be equal, in the same order. Questions whose
language is not plain, or not one, may differ in marks only. What the words are is in `words.py`. Pure: no I/O.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from agent.semantic.words import LANGUAGES, Language, Phrase

FORM: Final = 1
"""Counted up where meanings are made otherwise: what was kept before is then found no more."""
LONGEST_QUESTION: Final = 400
"""In characters. What is longer holds more than a question, and is answered anew."""
_TOKEN: Final = re.compile(r"\"[^\"]*\"|“[^”]*”|«[^»]*»|[.,]\d+|\w+(?:[.,:/'\-]\w+)*|\S")
_OPENING_MARKS: Final = "¿¡"
_ENDS: Final = frozenset(".!?…;:")
_YEAR: Final = re.compile(r"(?:19|20)\d\d|q[1-4]")
_CONTRACTED: Final = {"won't": ("will", "not"), "can't": ("can", "not"), "cannot": ("can", "not")}
_ASKING_IS: Final = frozenset({"what's", "who's", "where's", "when's", "how's", "that's", "it's", "there's"})
_PARTICIPLE: Final = re.compile(r".*(?:ed|[ai]d[oa]s?)|made|sold|bought|won|lost")
"""What may begin a clause that the time after it belongs to: `the product launched in March`."""
_LONGEST_MOVED_PAST: Final = 6
"""Words past which the time may stand at the other end: in a longer question it may belong to a part."""
_IN: Final = "in"
_FEWEST: Final = 2
"""Words that must be left: what is asked in one word alone is too little to compare."""


class Meaning(NamedTuple):
    """What is left of a question: the time where it stands free, and the words that decide."""

    language: int | None
    time: tuple[str, ...]
    words: tuple[str, ...]


def agree(one: str, other: str) -> bool:
    """Whether an answer to one question is an answer to the other. About 0.1 ms; False when in doubt."""
    first = meaning(one)
    return first is not None and first == meaning(other)


def meaning(question: str) -> Meaning | None:
    """What decides the answer; None where the question is too long or too short to say."""
    if len(question) > LONGEST_QUESTION:
        return None
    text = unicodedata.normalize("NFC", question).replace("’", "'")
    shown = [token for part in _TOKEN.findall(text) for token in _parts(part) if token not in _OPENING_MARKS]
    while shown and shown[-1] in _ENDS:
        shown.pop()
    number = _language_of([token.casefold() for token in shown])
    if number is None:
        plain = tuple(token.casefold() for token in shown)
        return Meaning(None, (), plain) if len(plain) >= _FEWEST else None
    language = LANGUAGES[number]
    words = _without_manners(_lowered(shown, language), language)
    words = _without_question(_without_commas(words, language), language)
    time, rest = _split_time(_without_articles(words, language), language)
    return Meaning(number, time, rest) if len(time) + len(rest) >= _FEWEST else None


def _parts(token: str) -> Iterable[str]:
    """A token, or the words that English draws together."""
    low = token.casefold()
    if low in _CONTRACTED:
        return _CONTRACTED[low]
    if low.endswith("n't"):
        return token[:-3], "not"
    if low in _ASKING_IS:
        return token[:-2], "is"
    if low.endswith(("'s", "'d")) and not token.startswith('"'):
        return token[:-2], low[-2:]
    return (token,)


def _language_of(words: Sequence[str]) -> int | None:
    """The one language of which there are most marks; None: it is not plain."""
    counts = [sum(word in language.marks for word in words) for language in LANGUAGES]
    most = max(counts)
    return counts.index(most) if most and counts.count(most) == 1 else None


def _lowered(shown: Sequence[str], language: Language) -> list[str]:
    """The words in lower case and one spelling. A common word that is written like a name is one: `*the`."""
    shouted = not any(token.islower() for token in shown)
    words = []
    for place, token in enumerate(shown):
        low = token.casefold()
        begins = place == 0 or shown[place - 1] in _ENDS or shown[place - 1] == ","
        after = shown[place + 1] if place + 1 < len(shown) else ""
        leads = (
            begins and after[:1].isupper() and _spelled(after, language) not in language.anchors
        )  # such as `Please Ltd`
        named = token[:1].isupper() and (leads or not begins) and not shouted
        owned = low in language.articles and not shouted and after[:1].isupper()
        owned = owned and _spelled(after, language) not in language.anchors
        spelled = _spelled(token, language)
        if owned or (named and spelled not in language.anchors):
            words.append(f"*{low}" if _is_common(low, language) else low)
        else:
            words.append(spelled)
    return words


def _spelled(token: str, language: Language) -> str:
    return language.spellings.get(token.casefold(), token.casefold())


def _is_common(word: str, language: Language) -> bool:
    phrases = (*language.openings, *language.greetings, *language.thanks, *language.anywhere)
    manners = (word in phrase for phrase in phrases)
    known = (language.articles, language.inside, language.of, language.what, language.was, language.modifiers)
    return word in language.spellings or any(word in words for words in known) or any(manners)


def _without_manners(words: list[str], language: Language) -> list[str]:
    """Without greetings, politeness and what asks, and the marks beside them."""
    for phrase in language.anywhere:
        while (place := _find(words, phrase)) >= 0:
            after = words[place + len(phrase) :]
            before = words[:place]
            if after and _is_mark(after[0]):
                after.pop(0)
            elif before[-1:] == [","]:
                before.pop()
            words = before + after
    while (left := _stripped(words, language)) != words:
        words = left
    return words


def _stripped(words: list[str], language: Language) -> list[str]:
    """Without one thing more at the begin or the end."""
    if words and _is_mark(words[0]):
        return words[1:]
    if words and _is_mark(words[-1]):
        return words[:-1]
    for phrase in language.openings:
        if tuple(words[: len(phrase)]) == phrase and len(words) > len(phrase):
            return words[len(phrase) :]
    for phrase in language.greetings:
        size = len(phrase)
        if tuple(words[:size]) == phrase and len(words) > size and (_is_mark(words[size]) or _is_mark(phrase[-1])):
            return words[size:]
    for phrase in language.thanks:
        size = len(phrase)
        if tuple(words[-size:]) == phrase and len(words) > size and _is_mark(words[-size - 1]):
            return words[:-size]
    return words


def _is_mark(word: str) -> bool:
    return word == "," or word in _ENDS


def _find(words: Sequence[str], phrase: Phrase) -> int:
    places = range(len(words) - len(phrase) + 1)
    return next((place for place in places if tuple(words[place : place + len(phrase)]) == phrase), -1)


def _without_question(words: list[str], language: Language) -> list[str]:
    """Without `what was` at the begin or after the time there, where the question names one; its article goes too."""
    times = _times(words, language)
    at = next((place for place, is_time in enumerate(times) if not is_time), len(words))
    if not any(times) or len(words) < at + 3 or words[at] not in language.what:
        return words
    if words[at + 1] in language.was:
        return words[:at] + words[at + (3 if words[at + 2] in language.articles else 2) :]
    return words[:at] + words[at + 2 :] if language.bare_what and words[at + 1] in language.articles else words


def _without_articles(words: Sequence[str], language: Language) -> list[str]:
    left: list[str] = []
    for place, word in enumerate(words):
        after = words[place + 1] if place + 1 < len(words) else ""
        begins = place == 0 and after in language.measures
        droppable = language.free_articles or begins or (place > 0 and words[place - 1] in language.before_articles)
        if word not in language.articles or not droppable or after in language.deciding:
            left.append(word)
    return left


def _without_commas(words: list[str], language: Language) -> list[str]:
    """Without the commas that set a time apart; those of a list stay."""
    times = _times(words, language)
    return [
        word
        for place, word in enumerate(words)
        if word != "," or (times[max(place - 1, 0) : place] + times[place + 1 : place + 2]).count(True) != 1
    ]


def _split_time(words: list[str], language: Language) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The time at the begin or the end, and the rest; no time where it stands elsewhere, or may belong to a clause."""
    times = _times(words, language)
    begin = next((place for place, is_time in enumerate(times) if not is_time), len(words))
    end = next((place for place in range(len(words), 0, -1) if not times[place - 1]), 0)
    if begin == len(words) or bool(begin) == (end < len(words)) or not language.binding.isdisjoint(words):
        return (), tuple(words)
    time, rest = (words[:begin], words[begin:]) if begin else (words[end:], words[:end])
    if len(time) == 1 and begin and time[0][:1].isdecimal():  # `2000 orders` may be as many
        return (), tuple(words)
    inside = begin > 0 and time[0] in language.inside
    loose = language.inside if language.free_articles else language.inside | language.articles
    while len(time) > 1 and time[0] in loose and time[1] not in language.deciding:
        time = time[1:]
    if time[-1] == "'s":
        time = time[:-1]
    if len(rest) > 1 and rest[-1] in language.of and rest[-2] in language.measures and not time[0].isdecimal():
        rest = rest[:-1]
    elif len(rest) > 1 and not begin and rest[-1] in language.inside:
        rest, inside = rest[:-1], True
    if inside and rest[-1] not in language.measures:  # `forecasts in May` are not May's
        time = [_IN, *time]
    if not rest or len(rest) > _LONGEST_MOVED_PAST or _PARTICIPLE.fullmatch(rest[-1]):
        return (), tuple(words)
    return tuple(time), tuple(rest)


def _is_time(word: str, language: Language) -> bool:
    return word in language.anchors or _YEAR.fullmatch(word) is not None


def _times(words: Sequence[str], language: Language) -> list[bool]:
    """Which words are of time: its own, and beside them `last`, `5`, a first `in`, and `of` between two of them."""
    times = [_is_time(word, language) for word in words]
    beside = language.modifiers - language.of
    for place in (*range(len(words)), *reversed(range(len(words)))):
        neighbours = times[max(place - 1, 0) : place + 2]
        joins = place > 0 and words[place] in language.of and neighbours.count(True) == 2
        counts = words[place].isdecimal() and times[place + 1 : place + 2] == [True]
        leads = place == 0 and words[0] in language.inside | language.articles and neighbours[1:] == [True]
        if joins or counts or leads or (words[place] in beside and any(neighbours)):
            times[place] = True
    return times
