"""A report from results that are written here: the whole page and all figures are golden files.

`UPDATE_GOLDEN=1 pytest tests/mlops/test_compare_report.py` writes them anew, to be read as a diff.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from mlops.compare.page import PLOTS
from mlops.compare.report import write_report
from mlops.compare.results import Environment, Failure, Result, Results, Run, RunSettings
from mlops.questions import Question

GOLDEN = Path(__file__).parent / "golden"
MODELS = ("good:large", "fair:small", "poor:tiny")
QUESTIONS = (
    Question(id="Q1", question="Qual foi a receita?", lang="pt", tags=("sum",), answer=((1234.5,),)),
    Question(id="Q2", question="How many were won?", lang="en", tags=("sum", "group"), expected=12),
    Question(id="Q3", question="Who | where?", lang="en", tags=("top",), answer=(("Ana",), ("Bia",)), ordered=True),
    Question(id="Q4", question="What is the margin?", lang="en", kind="not_available"),
    Question(id="Q5", question="Say something.", lang="pt"),
)
RIGHT = {"Q1": "R$ 1.234,50", "Q2": "12", "Q3": "Ana, Bia", "Q4": "I cannot tell.", "Q5": "Oi."}
WRONG = {"Q1": "R$ 1.000,00", "Q2": "13", "Q3": "Bia, Ana", "Q4": "35 %", "Q5": "Oi."}
BEGAN_MS = 1_790_000_000_000


def text_of(model: str, question_id: str, repeat: int) -> str:
    """`good` is always right, `fair` in its first round, `poor` on Q4 alone."""
    right = model == "good:large" or (model == "fair:small" and repeat == 1) or question_id == "Q4"
    return (RIGHT if right else WRONG)[question_id]


def result(place: int, model: str, question_id: str, repeat: int) -> Result:
    price = 0.002 if model == "good:large" else 0.0
    whole = Result(
        model=model,
        question_id=question_id,
        repeat=repeat,
        started_at_ms=BEGAN_MS + place * 1000,
        latency_ms=100.0 + place * 37 % 900,
        ttft_ms=20.0 + place * 7 % 50,
        text=text_of(model, question_id, repeat),
        input_tokens=700,
        output_tokens=9,
        cost_usd=price,
        served_by="good:large" if (model, question_id) == ("fair:small", "Q5") else model,
        from_cache=(model, question_id, repeat) == ("good:large", "Q5", 2),
    )
    if (model, question_id) != ("poor:tiny", "Q2"):
        return whole
    failure = Failure(kind="http", code="429 busy", message="Too many.") if repeat == 1 else Failure(kind="timeout")
    return Result(
        model=model, question_id=question_id, repeat=repeat, started_at_ms=0 + BEGAN_MS, latency_ms=5.0, failure=failure
    )


def results() -> Results:
    settings = RunSettings(
        models=MODELS,
        questions_sha256="ab" * 32,
        repeats=2,
        seed=3,
        concurrency=1,
        timeout_s=60,
        agent="sales",
        url=None,
    )
    machine = Environment(
        prosa="0123456789ab", python="3.11.7", system="Linux x86_64", cpus=2, packages={"aiohttp": "3"}
    )
    asks = [(model, each.id, repeat) for repeat in (1, 2) for each in QUESTIONS for model in MODELS]
    return Results(
        runs=tuple(Run(at_ms=BEGAN_MS + part * 60_000, settings=settings, environment=machine) for part in (0, 1)),
        results=tuple(result(place, *ask) for place, ask in enumerate(asks)),
        whole_bytes=0,
    )


@pytest.mark.parametrize("name", ["report.md", "report.json"])
def test_the_same_results_give_the_same_report(tmp_path: Path, name: str) -> None:
    assert write_report(results(), QUESTIONS, tmp_path) == []
    written = (tmp_path / name).read_text("utf-8")
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        (GOLDEN / name).write_text(written, "utf-8")

    assert written == (GOLDEN / name).read_text("utf-8")


def test_the_plots_name_each_model_and_are_the_same_each_time(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    for folder in (first, second):
        folder.mkdir()
        write_report(results(), QUESTIONS, folder)

    for name in PLOTS:
        drawn = (first / name).read_text("utf-8")
        assert set(re.findall(r"(?:good|fair|poor):\w+", drawn)) == set(MODELS)
        assert drawn == (second / name).read_text("utf-8")


def test_without_matplotlib_there_is_a_report_and_a_word_on_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    (warning,) = write_report(results(), QUESTIONS, tmp_path)

    assert "pip install --requirement mlops/requirements.in" in warning
    assert ".svg" not in (tmp_path / "report.md").read_text("utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.json", "report.md"]


def test_a_part_of_a_run_has_a_report_too(tmp_path: Path) -> None:
    whole = results()
    part = Results(runs=whole.runs[:1], results=whole.results[:1], whole_bytes=0)

    assert write_report(part, QUESTIONS, tmp_path) == []

    page = (tmp_path / "report.md").read_text("utf-8")
    assert "| `good:large` | 100% | 21% to 100% (n = 1) | 1 of 1 |" in page
    assert "| `poor:tiny` | – | – | 0 of 0 | – | – | – | – |" in page
