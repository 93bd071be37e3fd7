"""The example in docs/ is what its results say."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops.compare.report import write_report
from mlops.compare.results import RESULTS_NAME, read_results
from mlops.questions import SALES_QUESTIONS, digest_of, read_questions

EXAMPLE = Path(__file__).parents[2] / "docs" / "comparison"


@pytest.mark.parametrize("name", ["report.md", "report.json"])
def test_the_example_is_the_report_of_its_results(tmp_path: Path, name: str) -> None:
    results = read_results(EXAMPLE / RESULTS_NAME)
    assert results is not None
    questions = read_questions(EXAMPLE / "questions.jsonl")

    write_report(results, questions, tmp_path)

    assert (tmp_path / name).read_text("utf-8") == (EXAMPLE / name).read_text("utf-8")
    assert digest_of(questions) == results.settings.questions_sha256 == digest_of(read_questions(SALES_QUESTIONS))
