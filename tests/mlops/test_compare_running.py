"""Asking on: some at a time, in order, and what is broken off in the middle of being written."""

from __future__ import annotations

import asyncio

import pytest

from mlops.compare.order import Ask
from mlops.compare.results import Result
from mlops.compare.running import run
from mlops.questions import Question

QUESTIONS = {f"Q{at}": Question(id=f"Q{at}", question="?") for at in range(1, 6)}
ASKS = [Ask("a:1", question_id, 1) for question_id in QUESTIONS]


class Answers:
    """Answers at once; keeps how many were under way together."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.under_way = 0
        self.most = 0

    async def ask(self, ask: Ask, question: Question) -> Result:
        """Answer."""
        self.asked.append(question.id)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        return Result(model=ask.model, question_id=ask.question_id, repeat=1, started_at_ms=0, latency_ms=1)


class Disk:
    """Writes when it is let."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.begun = asyncio.Event()
        self.let = asyncio.Event()

    async def add(self, line: Result) -> None:
        """Write."""
        self.begun.set()
        await self.let.wait()
        self.written.append(line.question_id)


@pytest.mark.parametrize("concurrency", [1, 3, 99])
async def test_all_are_asked_once_in_order_and_so_many_at_a_time(concurrency: int) -> None:
    asker, disk = Answers(), Disk()
    disk.let.set()
    told: list[Result] = []

    await run(ASKS, QUESTIONS, asker, disk, concurrency=concurrency, on_result=told.append)

    assert asker.asked == list(QUESTIONS)
    assert sorted(disk.written) == sorted(each.question_id for each in told) == list(QUESTIONS)
    assert asker.most == min(concurrency, len(ASKS))


async def test_a_result_that_is_being_written_when_the_run_is_broken_off_is_written() -> None:
    disk = Disk()
    running = asyncio.create_task(run(ASKS, QUESTIONS, Answers(), disk, concurrency=1, on_result=lambda _: None))
    await disk.begun.wait()

    running.cancel()
    for _ in range(20):
        await asyncio.sleep(0)
    waited = not running.done()
    disk.let.set()
    with pytest.raises(asyncio.CancelledError):
        await running

    assert waited
    assert disk.written == ["Q1"]
