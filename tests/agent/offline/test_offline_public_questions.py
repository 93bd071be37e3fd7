"""The demo data's 24 questions, asked in words and scored by the data's own rule (`mlops/scoring.py`): each value of the
answer is in the reply, with 1.234,56 and 1,234.56 both read; what the data cannot answer is refused without a number.
"""

from __future__ import annotations

import pytest

from mlops.questions import SALES_QUESTIONS, Question, read_questions
from mlops.scoring import judge
from tests.agent.offline.talk import Talk

QUESTIONS = read_questions(SALES_QUESTIONS)


@pytest.mark.parametrize("question", QUESTIONS, ids=[question.id for question in QUESTIONS])
async def test_a_public_question_is_answered_right(talk: Talk, question: Question) -> None:
    reply = await talk.say(question.question)

    assert judge(question, reply.text) == (True, "")


async def test_what_the_data_cannot_answer_is_refused_without_any_number(talk: Talk) -> None:
    replies = [await talk.say(each.question) for each in QUESTIONS if each.judged_as == "not_available"]

    assert [sign for reply in replies for sign in reply.text if sign.isdigit()] == []


async def test_all_24_questions_are_here() -> None:
    assert len(QUESTIONS) == 24
