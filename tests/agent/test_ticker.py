"""The ticker: what falls due together is called together, by one timer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agent.ticker import PERIOD_S, Ticker


@pytest.fixture
async def timers(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When the timers are due that were made."""
    made: list[float] = []
    loop = asyncio.get_running_loop()
    call_at = loop.call_at

    def noted(when: float, call: Any, *arguments: Any, **options: Any) -> asyncio.TimerHandle:
        made.append(when)
        return call_at(when, call, *arguments, **options)

    monkeypatch.setattr(loop, "call_at", noted)
    return made


async def test_a_thousand_calls_of_one_period_cost_one_timer(timers: list[float]) -> None:
    ticker, called, done = Ticker(), list[int](), asyncio.Event()
    start_s = (asyncio.get_running_loop().time() // PERIOD_S + 2) * PERIOD_S

    for number in range(1_000):
        ticker.at(start_s + PERIOD_S * (number + 0.5) / 1_001, lambda number=number: called.append(number))
    ticker.at(start_s + PERIOD_S, done.set)
    await done.wait()

    assert called == list(range(1_000))
    assert len(timers) == 1


async def test_nothing_is_called_before_its_time() -> None:
    ticker, called = Ticker(), asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()
    due_s = loop.time() + PERIOD_S / 3

    ticker.at(due_s, lambda: called.set_result(loop.time()))

    assert await called >= due_s - 0.001  # what the loop's clock resolves
