"""The whole way once: a server of the run's own, two fake models behind it, a report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlops.compare.fakes import answer_to, fake_models, fault_of
from mlops.questions import SALES_QUESTIONS, Question, read_questions
from mlops.scoring import judge
from tests.mlops.compare_process import compare, results_in

QUESTIONS = read_questions(SALES_QUESTIONS)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: str(question.id))
def test_what_a_fake_knows_is_right_and_with_other_figures_wrong(question: Question) -> None:
    has_figures = any(isinstance(value, int | float) for row in question.answer or () for value in row)

    assert judge(question, answer_to(question)).right
    assert not has_figures or not judge(question, answer_to(question, factor=1.1)).right


async def test_two_models_are_compared_through_a_server_of_the_runs_own(tmp_path: Path) -> None:
    chosen = [each for each in QUESTIONS if fault_of("careful", each) == "none"][:3]
    asked = tmp_path / "asked.jsonl"
    lines = SALES_QUESTIONS.read_text("utf-8").splitlines()
    asked.write_text(
        "\n".join(line for line in lines if json.loads(line)["id"] in {each.id for each in chosen}), "utf-8"
    )
    out = tmp_path / "out"

    async with fake_models(QUESTIONS) as url:
        run = await compare(
            *("--models", "fake:careful,fake:clueless", "--questions", asked, "--out", out),
            LLM_PROVIDERS=f"fake={url}",
            LLM_MODEL="offline:demo",
        )

    assert run.code == 0, run.said
    assert len(results_in(out)) == 6
    for result in results_in(out):
        assert result["served_by"] == result["model"]
        assert result["ttft_ms"] <= result["latency_ms"]
        assert result["output_tokens"] > 0
    careful, clueless = json.loads((out / "report.json").read_text("utf-8"))["models"]
    assert (careful["share"]["right"], clueless["share"]["right"]) == (1.0, 0.0)
    assert (careful["answered"], clueless["answered"]) == (3, 3)
