"""The demo data's 24 questions, asked in words and scored by the data's own rule.

`questions_public.jsonl` lies beside the sales tool's tests; its README says where it comes from. The rule: each
value of the answer is in the reply, with 1.234,56 and 1,234.56 both read; what the data cannot answer is
refused without a number.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.agent.offline.talk import Talk

QUESTIONS = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "tools/data/questions_public.jsonl").read_text("utf-8").splitlines()
]
ANSWERABLE = [question for question in QUESTIONS if question["kind"] == "rows"]
REFUSED = [question for question in QUESTIONS if question["kind"] == "not_available"]


def numbers_in(text: str) -> list[float]:
    """Read every number of a text, as Portuguese and as English write it."""
    found = re.findall(r"\d[\d.,]*\d|\d", text)
    both = [(each.replace(".", "").replace(",", "."), each.replace(",", "")) for each in found]
    return [float(each) for pair in both for each in pair if re.fullmatch(r"\d+(\.\d+)?", each)]


def holds(reply: str, value: Any, tolerance: float) -> bool:
    if isinstance(value, str):
        return value.casefold() in reply.casefold()
    return any(abs(number - abs(value)) <= tolerance * abs(value) for number in numbers_in(reply))


def places(reply: str, answer: list[list[Any]]) -> list[int]:
    return [reply.casefold().index(str(row[0]).casefold()) for row in answer]


@pytest.mark.parametrize("question", ANSWERABLE, ids=[question["id"] for question in ANSWERABLE])
async def test_a_public_question_gets_every_value_of_its_answer(talk: Talk, question: dict[str, Any]) -> None:
    reply = await talk.say(question["question"])

    values = [value for row in question["answer"] for value in row]
    assert [value for value in values if not holds(reply.text, value, question["tolerance_rel"])] == []


@pytest.mark.parametrize(
    "question", [each for each in ANSWERABLE if each["ordered"]], ids=lambda question: str(question["id"])
)
async def test_rows_that_have_an_order_are_told_in_it(talk: Talk, question: dict[str, Any]) -> None:
    reply = await talk.say(question["question"])

    assert places(reply.text, question["answer"]) == sorted(places(reply.text, question["answer"]))


@pytest.mark.parametrize("question", REFUSED, ids=[question["id"] for question in REFUSED])
async def test_what_the_data_cannot_answer_is_refused_without_a_number(talk: Talk, question: dict[str, Any]) -> None:
    reply = await talk.say(question["question"])

    assert "cannot" in reply.text
    assert numbers_in(reply.text) == []


async def test_all_24_questions_are_here() -> None:
    assert len(QUESTIONS) == 24
