"""All questions that are left, some at a time, each result on disk before the next is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from mlops.compare.order import Ask
from mlops.compare.results import Result
from mlops.questions import Question


class Asks(Protocol):
    """Who asks; a failure is a result."""

    async def ask(self, ask: Ask, question: Question) -> Result:
        """Ask one question of one model."""
        ...


class Keeps(Protocol):
    """Who writes results down."""

    async def add(self, line: Result) -> None:
        """Have it on the disk."""
        ...


async def run(
    asks: Sequence[Ask],
    questions: Mapping[str, Question],
    asker: Asks,
    writer: Keeps,
    *,
    concurrency: int,
    on_result: Callable[[Result], None],
) -> None:
    """Ask in this order, `concurrency` at a time. Cancelled, it drops what is under way: that is asked anew later."""
    left = iter(asks)
    async with asyncio.TaskGroup() as tasks:
        for number in range(min(concurrency, len(asks))):
            tasks.create_task(_ask_on(left, questions, asker, writer, on_result), name=f"asks {number}")


async def _ask_on(
    left: Iterator[Ask],
    questions: Mapping[str, Question],
    asker: Asks,
    writer: Keeps,
    on_result: Callable[[Result], None],
) -> None:
    for ask in left:
        result = await asker.ask(ask, questions[ask.question_id])
        await _keep(result, writer)
        on_result(result)


async def _keep(result: Result, writer: Keeps) -> None:
    """Write it down even where the run is broken off meanwhile: it was paid for."""
    writing = asyncio.ensure_future(writer.add(result))
    try:
        await asyncio.shield(writing)
    except asyncio.CancelledError:
        await writing
        raise
