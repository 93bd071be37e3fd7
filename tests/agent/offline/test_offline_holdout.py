"""Conversations that were written before the grammar was read, with the answers that SQL gives over the raw files.

Each reply is right, or refuses honestly: a wrong number and a part of a question left out in silence both fail.
"""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.agent.offline.holdout import HOLDOUT, answer_by_sql, faults_in, raw_sales
from tests.agent.offline.talk import Talk

REFUSED_THOUGH_ANSWERABLE: Final = frozenset(
    {
        (
            "olha só, eu tô aqui numa reunião com o meu diretor e ele quer saber quanto que a gente vendeu pra área de "
            "software no terceiro trimestre desse ano, consegue ver isso pra mim?"
        ),
        "how many customers do we have in healthcare? i mean medical",
        "what share of revenue comes from the GTX series?",
        "e as duas juntas em maio?",
        "best and worst rep",
        "e os outros?",
        "quando foi a última compra da Isdom?",
        "best rep in each region",
        "top 3 produtos por região",
        "¿quién vendió más en cada trimestre?",
    }
)
"""The data could answer these; the demo says that it cannot, and gives no number."""


@pytest.mark.parametrize("case", HOLDOUT, ids=[f"{case['id']}-{case['lang']}" for case in HOLDOUT])
async def test_a_held_out_conversation_gets_what_sql_gives_or_an_honest_refusal(
    talk: Talk, case: dict[str, Any]
) -> None:
    faults = await faults_in(talk, case["turns"], REFUSED_THOUGH_ANSWERABLE)

    assert faults == []


def test_the_held_out_answers_are_what_sql_gives_over_the_raw_files() -> None:
    connection = raw_sales()
    turns = [turn for case in HOLDOUT for turn in case["turns"]]

    stale = [turn["question"] for turn in turns if answer_by_sql(connection, turn) != turn["answer"]]

    connection.close()
    assert stale == []


def test_what_is_refused_though_answerable_is_asked_in_the_held_out_conversations() -> None:
    answerable = {turn["question"] for case in HOLDOUT for turn in case["turns"] if turn["answer"] is not None}

    assert answerable >= REFUSED_THOUGH_ANSWERABLE
