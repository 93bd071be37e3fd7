"""The demonstration of docs/comparison.md, on one question."""

from __future__ import annotations

from pathlib import Path

from mlops.compare import demo
from mlops.compare.fakes import FAKES
from mlops.questions import SALES_QUESTIONS
from tests.mlops.compare_process import results_in


def test_the_demonstration_serves_its_models_and_leaves_a_report(tmp_path: Path) -> None:
    asked, out = tmp_path / "asked.jsonl", tmp_path / "out"
    asked.write_text(SALES_QUESTIONS.read_text("utf-8").splitlines()[1], "utf-8")

    code = demo.main(["--no-local-model", "--questions", str(asked), "--out", str(out)])

    answered = {result["model"] for result in results_in(out) if result["failure"] is None}
    assert code == 0
    assert answered == {"offline:demo", *(f"fake:{name}" for name in FAKES)}
    assert "Right by tag" in (out / "report.md").read_text("utf-8")
