"""Rows, refusals and plain expectations: what counts as right, and what is said where it is not."""

from __future__ import annotations

from typing import Any

import pytest

from mlops.questions import Question
from mlops.scoring import judge


def question(text: str = "How much?", **fields: Any) -> Question:
    return Question(id="Q1", question=text, **fields)


STAGES = question(answer=(("Won", 4238), ("Lost", 2473)))
TOP = question(answer=(("Darcel Schlecht", 1153214.0), ("Vicki Laflamme", 478396.0)), ordered=True)
TICKET = question(answer=((2360.91,),), tolerance_rel=0.001)
MARGIN = question("What is our margin on GTK 500?", kind="not_available")
MONTHS = question(answer=(("2017-03", 1134672.0),))


@pytest.mark.parametrize(
    ("asked", "reply", "why_not"),
    [
        pytest.param(STAGES, "Won: 4,238. Lost: 2,473.", "", id="every_value_is_there"),
        pytest.param(STAGES, "| LOST | 2.473 |\n| won | 4.238 |", "", id="another_order_and_case_and_locale"),
        pytest.param(STAGES, "Won: 4,238.", "lacks Lost and 1 more", id="a_row_is_missing"),
        pytest.param(STAGES, "Wonderful: 4238, Lost: 2473", "lacks Won", id="text_only_within_a_word"),
        pytest.param(TICKET, "2.362,00", "", id="within_the_tolerance"),
        pytest.param(TICKET, "2.364,00", "lacks 2360.91", id="beyond_the_tolerance"),
        pytest.param(TICKET, "about 2.36 thousand", "", id="a_scale_in_words"),
        pytest.param(TOP, "1. Darcel Schlecht 1.153.214\n2. Vicki Laflamme 478.396", "", id="in_order"),
        pytest.param(
            TOP, "Vicki Laflamme 478396, Darcel Schlecht 1153214", "Vicki Laflamme is out of order", id="out_of_order"
        ),
        pytest.param(
            TOP,
            "Darcel Schlecht leads, before Vicki Laflamme: 1153214 and 478396 (Darcel Schlecht sells alone).",
            "",
            id="a_name_that_is_said_twice",
        ),
        pytest.param(MONTHS, "março de 2017: 1.134.672", "", id="a_month_in_words"),
        pytest.param(MONTHS, "03/2017: 1.134.672", "", id="a_month_in_digits"),
        pytest.param(MONTHS, "maio de 2017: 1.134.672", "lacks 2017-03", id="another_month"),
        pytest.param(question(answer=((None, 7),)), "7", "", id="an_empty_value_is_not_looked_for"),
        pytest.param(question(answer=((0,),)), "0", "", id="nought"),
        pytest.param(question(answer=((20.52,),)), "a fall of -20,52 %", "", id="whatever_sign"),
        pytest.param(MARGIN, "I cannot tell: there are no costs of GTK 500.", "", id="refused_in_english"),
        pytest.param(MARGIN, "Não tenho o custo do GTK 500.", "", id="refused_in_portuguese"),
        pytest.param(MARGIN, "No hay datos de costes.", "", id="refused_in_spanish"),
        pytest.param(MARGIN, "I cannot tell exactly, about 35 %.", "gives the number 35", id="refused_with_a_number"),
        pytest.param(MARGIN, "It is high.", "does not say that the data cannot tell", id="not_refused"),
        pytest.param(question(expected="Paris"), "It is PARIS.", "", id="contained"),
        pytest.param(question(expected="Paris"), "London", "lacks Paris", id="not_contained"),
        pytest.param(question(expected=("Rome", "Paris")), "Paris", "lacks Rome", id="one_of_a_list_missing"),
        pytest.param(question(expected=12.5), "12,5", "", id="a_number"),
        pytest.param(question(expected=12.5), "13", "lacks 12.5", id="another_number"),
        pytest.param(question(kind="exact", expected="Yes"), " **yes.**", "", id="the_same_but_for_dress"),
        pytest.param(question(kind="exact", expected="Yes"), "Yes, it is", "is not that text", id="more_than_exact"),
    ],
)
def test_a_reply_is_judged(asked: Question, reply: str, why_not: str) -> None:
    assert judge(asked, reply) == (why_not == "", why_not)


def test_without_ground_truth_nobody_is_right_or_wrong() -> None:
    assert judge(question(), "anything").right is None
