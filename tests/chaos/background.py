"""Work beside a block, which always comes to its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Final

from loguru import logger

CANCEL_S: Final = 2.0
"""What was cancelled has so long to end before it is cancelled again."""


@asynccontextmanager
async def background(*work: Awaitable[None]) -> AsyncIterator[None]:
    """Do work beside a block; what fails in it fails the run."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_as_coroutine(one)) for one in work]
        yield
        pending = set(tasks)
        while pending:  # a cancellation may be lost in a library that was just connecting
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=CANCEL_S)
            for task in pending:
                logger.warning("chaos.lingers", task=repr(task))


async def _as_coroutine(work: Awaitable[None]) -> None:
    await work
