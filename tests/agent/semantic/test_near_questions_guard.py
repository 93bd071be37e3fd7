"""Near questions that must not be given one another's answer, and questions in other words that may be.

The pairs are of this project, written for the demo's users (fixtures/near_questions.jsonl). They are not in the guard: it
knows words, never questions.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import msgspec
import pytest

from agent.semantic.guard import LONGEST_QUESTION, agree, meaning
from agent.semantic.words import LANGUAGES


class Pair(msgspec.Struct, frozen=True):
    may_hit: bool
    language: str
    kind: str
    one: str
    other: str


_LINES: Final = (Path(__file__).parents[1] / "fixtures" / "near_questions.jsonl").read_bytes().splitlines()
PAIRS: Final = [msgspec.json.decode(line, type=Pair) for line in _LINES]
MUST_NOT: Final = [pair for pair in PAIRS if not pair.may_hit]
MAY: Final = [pair for pair in PAIRS if pair.may_hit]


@pytest.mark.parametrize("pair", MUST_NOT, ids=lambda pair: f"{pair.language}-{pair.kind}-{pair.other[:40]}")
def test_what_decides_an_answer_differs_and_the_guard_sees_it(pair: Pair) -> None:
    assert not agree(pair.one, pair.other)
    assert not agree(pair.other, pair.one)


@pytest.mark.parametrize("language", ["pt", "en", "es"])
def test_most_questions_in_other_words_pass(language: str) -> None:
    asked = [pair for pair in MAY if pair.language == language]
    passed = [pair for pair in asked if agree(pair.one, pair.other)]
    assert len(passed) >= 0.7 * len(asked)


def test_the_readme_says_how_large_the_set_is_and_how_many_pass() -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    passed = sum(agree(pair.one, pair.other) for pair in MAY)
    assert f"Of {len(MUST_NOT)} [near questions]" in readme
    assert f"of {len(MAY)} paraphrases the guard lets {passed} pass" in readme


def test_the_set_is_large_in_each_language() -> None:
    counts = Counter(pair.language for pair in MUST_NOT)
    assert len(MUST_NOT) >= 120
    assert len(MAY) >= 60
    assert min(counts[language] for language in ("pt", "en", "es")) >= 30


@pytest.mark.parametrize("pair", PAIRS[::7], ids=lambda pair: pair.one[:40])
def test_a_question_agrees_with_itself(pair: Pair) -> None:
    assert agree(pair.one, pair.one)


WORDS: Final = {
    "pt": "não nem sem só mais menos 7 dezembro hoje Ana meu R$ exceto",  # `no` is `in the` there
    "en": "no not never without only more less 7 december today Ana my $ except",
    "es": "no ni sin solo más menos 7 diciembre hoy Ana mi € salvo",
}


@pytest.mark.parametrize(("language", "word"), [(each, word) for each in WORDS for word in WORDS[each].split()])
def test_a_word_more_wherever_it_is_put_makes_another_question(language: str, word: str) -> None:
    asked = sorted({text for pair in PAIRS if pair.language == language for text in (pair.one, pair.other)})
    changed = [(text, *_cut(text, place)) for text in asked for place in range(len(text.split()) + 1)]
    assert [text for text, begin, end in changed if agree(text, f"{begin} {word} {end}")] == []


def _cut(text: str, place: int) -> tuple[str, str]:
    words = text.split()
    return " ".join(words[:place]), " ".join(words[place:])


@pytest.mark.parametrize("question", ["", "?", "Vendas", "vendas " * LONGEST_QUESTION])
def test_of_too_little_and_too_much_nothing_is_said(question: str) -> None:
    assert not agree(question, question)


@pytest.mark.parametrize("number", range(len(LANGUAGES)), ids=["pt", "en", "es"])
def test_what_carries_nothing_never_is_what_decides(number: int) -> None:
    language = LANGUAGES[number]
    decides = language.binding | language.measures | language.anchors
    single = {phrase[0] for phrase in (*language.openings, *language.greetings, *language.anywhere) if len(phrase) == 1}
    assert not decides & (single | language.articles | language.was)


def test_the_language_is_a_part_of_the_meaning() -> None:
    assert meaning("Acme total 2017") != meaning("the Acme total 2017")
