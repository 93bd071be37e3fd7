"""Background work ends when it is told to, whatever its libraries make of a cancellation."""

from __future__ import annotations

import asyncio

import pytest

from core.errors import BackendError
from server.supervision import end_tasks, supervise


@pytest.mark.parametrize("error", [RuntimeError("wrapped"), BackendError("The database failed; try again.")])
async def test_a_loop_whose_cancellation_became_another_error_ends(error: Exception) -> None:
    begun = asyncio.Event()

    async def loop() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise error from None

    task = asyncio.create_task(supervise("loop", loop))
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])

    assert task.done()


async def test_a_task_that_loses_its_first_cancellation_is_cancelled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.supervision.CANCEL_AGAIN_S", 0.001)
    begun = asyncio.Event()

    async def deaf_once() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    task = asyncio.create_task(deaf_once())
    await begun.wait()
    await end_tasks([task])

    assert task.cancelled()
