"""A comparison that is ended in the middle, in whatever way, and taken up again: nothing is lost and nothing doubled."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.mlops.compare_process import begin, compare, ended, results_in, write_questions
from tests.mlops.fake_prosa import Stream, answers, fake_prosa

MODELS = "fake:a,fake:b"
QUESTIONS = 4


class HoldsBack:
    """Answers so many questions and leaves those after them waiting until `go_on`."""

    def __init__(self, answered: int) -> None:
        self.answered = answered
        self.go_on = asyncio.Event()

    async def play(self, body: dict[str, Any], stream: Stream) -> None:
        """Answer, or wait."""
        if stream.number > self.answered:
            await self.go_on.wait()
        await answers(body, stream)


@pytest.mark.parametrize(
    ("how", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130), (signal.SIGTERM, 130)]
)
async def test_a_run_that_was_ended_goes_on_where_it_was(tmp_path: Path, how: signal.Signals, code: int) -> None:
    out = tmp_path / "out"
    hold = HoldsBack(answered=5)
    async with fake_prosa(hold.play) as prosa:
        options = ("--url", prosa.url, "--questions", write_questions(tmp_path, QUESTIONS), "--models", MODELS)
        process = await begin(*options, "--out", out)
        await prosa.until_asked(6)
        process.send_signal(how)
        first = await ended(process)
        before = results_in(out)
        partly = await compare("--report", "--out", out)
        part = (out / "report.md").read_text("utf-8")
        hold.go_on.set()
        second = await compare("--resume", "--out", out)

    after = results_in(out)
    assert (first.code, second.code) == (code, 0), second.said
    assert len(before) == 5
    assert (partly.code, part.count("4 questions, 1 time(s) each: 5 results")) == (0, 1)
    assert after[:5] == before
    counts = Counter((each["model"], each["question_id"]) for each in after)
    assert len(counts) == QUESTIONS * 2
    assert set(counts.values()) == {1}
    assert len({body["user_id"] for body in prosa.bodies}) == len(prosa.bodies) == QUESTIONS * 2 + 1
    assert "| `fake:a` | 100% |" in (out / "report.md").read_text("utf-8")


async def test_a_run_that_is_whole_asks_nothing_more_and_has_its_report_written_anew(tmp_path: Path) -> None:
    out = tmp_path / "out"
    async with fake_prosa() as prosa:
        await compare(
            *("--url", prosa.url, "--questions", write_questions(tmp_path, 2), "--models", MODELS, "--out", out)
        )
        report = (out / "report.md").read_text("utf-8")
        (out / "report.md").unlink()
    again = await compare("--resume", "--out", out)

    assert again.code == 0, again.said
    assert (out / "report.md").read_text("utf-8") == report
    assert len(prosa.bodies) == 4
