"""What the command refuses, in which words and with which exit code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlops.__main__ import main
from mlops.compare.progress import Progress
from mlops.compare.results import Failure, Result
from tests.mlops.compare_process import compare, results_in, write_questions
from tests.mlops.fake_prosa import Stream, answers, fake_prosa

NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        pytest.param([], "Name the models", id="no_models"),
        pytest.param(["--models", "a:1,a:1"], "name each model once", id="the_same_model_twice"),
        pytest.param(["--report"], "holds no results", id="a_report_of_nothing"),
        pytest.param(["--models", " , "], "name each model once", id="no_model_in_the_list"),
        pytest.param(["--models", "a:1", "--repeats", "0"], "--repeats: at least 1", id="no_repeats"),
        pytest.param(["--models", "a:1", "--concurrency", "0"], "--concurrency: at least 1", id="nobody_asks"),
        pytest.param(["--models", "a:1", "--timeout", "0"], "--timeout: at least", id="no_time"),
        pytest.param(["--models", "a:1", "--questions", "/nowhere.jsonl"], "cannot be read", id="no_questions"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    code = main(["compare", *options, "--url", NOWHERE, "--out", str(tmp_path / "out")])

    assert code == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_without_a_prosa_at_the_address_there_is_nothing_to_measure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["compare", "--models", "a:1", "--url", NOWHERE, "--out", str(tmp_path / "out")])

    assert code == 1
    assert "No Prosa can take a turn at 'http://127.0.0.1:9'" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["nope"], 2), (["--help"], 0)])
def test_the_commands_are_listed(arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == code

    said = capsys.readouterr()
    assert "compare" in said.out + said.err


async def test_results_are_not_mixed_with_those_of_another_comparison(tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = write_questions(tmp_path, 1)
    async with fake_prosa() as prosa:
        options = ("--url", prosa.url, "--questions", asked, "--models", "a:1", "--out", out)
        assert (await compare(*options)).code == 0
        without_resume = await compare(*options)
        other_model = await compare("--resume", "--out", out, "--models", "b:2", "--repeats", 3)
        other_questions = await compare("--resume", "--out", out, "--questions", write_questions(tmp_path, 2))

    assert without_resume.code == other_model.code == other_questions.code == 2
    assert "add --resume to go on" in without_resume.said
    assert "models was ('a:1',), now ('b:2',); repeats was 1, now 3" in other_model.said
    assert "questions_sha256 was" in other_questions.said
    assert len(results_in(out)) == len(prosa.bodies) == 1


async def test_where_nothing_is_answered_the_exit_code_says_so_and_the_report_why(tmp_path: Path) -> None:
    async def refuses(body: dict[str, Any], stream: Stream) -> None:
        await stream.refuse(422, '{"error": {"code": "invalid_request", "message": "No such model."}}')

    out = tmp_path / "out"
    async with fake_prosa(refuses) as prosa:
        run = await compare(
            *("--url", prosa.url, "--questions", write_questions(tmp_path, 2), "--models", "x:1", "--out", out)
        )

    assert run.code == 1
    assert "http 422 invalid_request: No such model." in run.said
    assert "| `x:1` | http 422 invalid_request | 2 | No such model. |" in (out / "report.md").read_text("utf-8")


async def test_a_model_that_fails_does_not_spoil_the_others_and_the_key_is_not_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def one_fails(body: dict[str, Any], stream: Stream) -> None:
        if body["model"] == "fake:bad":
            await stream.refuse(502, "")
        else:
            await answers(body, stream)

    monkeypatch.setenv("PROSA_API_KEY", "a-secret-key-of-a-tenant")
    out = tmp_path / "out"
    async with fake_prosa(one_fails) as prosa:
        run = await compare(
            *("--url", prosa.url, "--questions", write_questions(tmp_path, 2)),
            *("--models", "fake:bad,fake:good", "--out", out, "--concurrency", 3),
        )

    assert run.code == 0, run.said
    assert {head["Authorization"] for head in prosa.heads} == {"Bearer a-secret-key-of-a-tenant"}
    written = b"".join(path.read_bytes() for path in out.iterdir())
    assert b"a-secret-key" not in written
    assert run.said == ""  # no terminal: no progress


class Terminal:
    """A terminal that keeps what was written."""

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        """It is one."""
        return True

    def write(self, text: str) -> int:
        """Keep."""
        self.text += text
        return len(text)

    def flush(self) -> None:
        """Nothing to do."""


def test_progress_says_the_rate_the_failures_and_what_is_left() -> None:
    terminal: Any = Terminal()
    now_s = iter([0.0, 2.0, 4.0])
    progress = Progress(terminal, total=12, already=2, monotonic_s=lambda: next(now_s))
    answered = Result(model="a:1", question_id="Q1", repeat=1, started_at_ms=0, latency_ms=1)
    failed = Result(
        model="a:1", question_id="Q2", repeat=1, started_at_ms=0, latency_ms=1, failure=Failure(kind="timeout")
    )

    progress.add(answered)
    progress.add(failed)
    progress.end()

    assert terminal.text.endswith("4/12 asked, 30 a minute, 1 failed, about 0:16 left\n")
