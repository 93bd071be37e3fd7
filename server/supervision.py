"""Background loops that do not die silently: a failure is logged and the loop begins anew after a pause."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from loguru import logger

from core.errors import BackendError

PAUSE_S: Final = 0.5
PAUSE_MOST_S: Final = 5.0
CANCEL_AGAIN_S: Final = 1.0


async def attempt(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do something once that the rest can do without: a failure is logged."""
    try:
        await work()
    except Exception:  # noqa: BLE001 - the outer edge of a task
        logger.exception("task.failed", task=name)


async def supervise(name: str, loop: Callable[[], Awaitable[None]], until: Callable[[], bool] = lambda: False) -> None:
    """Run `loop` again and again, until cancelled, or until it has returned and `until()` says that it may.

    After a failure there is a pause, which grows from 0.5 to 5 s, with jitter.
    """
    pause_s = PAUSE_S
    while not until():
        started_s = asyncio.get_running_loop().time()
        try:
            await loop()
        except BackendError as error:
            logger.warning("task.failed", task=name, reason=error.message)
        except Exception:  # noqa: BLE001 - the outer edge of a task
            if _is_cancelled():
                return
            logger.exception("task.failed", task=name)
        if until() or _is_cancelled():
            return
        if asyncio.get_running_loop().time() - started_s > PAUSE_MOST_S:
            pause_s = PAUSE_S
        await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))
        pause_s = min(pause_s * 2, PAUSE_MOST_S)


async def end_tasks(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: what they were waiting for may lose a cancellation on its way up."""
    left = set(tasks)
    while left := {task for task in left if not task.done()}:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=CANCEL_AGAIN_S)


def _is_cancelled() -> bool:
    """Whether this task was cancelled, also where the CancelledError became another one on its way."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
