"""How models do, counted from measurements."""

from __future__ import annotations

from typing import Any

from core.clock import FakeClock
from core.measurements import ModelAnswered, ToolRan
from core.ports import BreakerState, ModelStatus
from metrics.model_figures import LATEST, MODELS_MOST, ModelFigures


def answered(model: str = "gpt", outcome: str = "stop", ttft_ms: int | None = 10, **more: Any) -> ModelAnswered:
    return ModelAnswered(provider="openai", model=model, outcome=outcome, duration_ms=20, ttft_ms=ttft_ms, **more)


def closed(model: str) -> BreakerState:
    return "open" if model == "openai:another" else "closed"


def test_calls_errors_and_times_are_told_by_model(clock: FakeClock) -> None:
    figures = ModelFigures(clock, closed)
    for ttft_ms in range(1, 21):
        figures.emit(answered(ttft_ms=ttft_ms))
    clock.advance(1)
    figures.emit(answered(outcome="error", ttft_ms=None, code="rate_limited"))
    clock.advance(1)
    figures.emit(answered(outcome="cancelled", ttft_ms=None))
    figures.emit(answered("another", "error", None))
    figures.emit(ToolRan(name="x", failed=True, duration_ms=1))

    another, gpt = figures.statuses()

    now_ms = clock.now_ms()
    assert gpt == ModelStatus(
        model="openai:gpt",
        breaker="closed",
        calls=22,
        errors=1,
        last_error="rate_limited",
        last_error_ms=now_ms - 1000,
        last_call_ms=now_ms,
        ttft_ms_p50=10,
        ttft_ms_p95=19,
    )
    assert (another.breaker, another.last_error, another.ttft_ms_p50) == ("open", "unknown", None)


def test_times_are_of_the_latest_calls(clock: FakeClock) -> None:
    figures = ModelFigures(clock, closed)
    for ttft_ms in (*[1000] * LATEST, *[5] * LATEST):
        figures.emit(answered(ttft_ms=ttft_ms))

    assert (figures.statuses()[0].calls, figures.statuses()[0].ttft_ms_p95) == (2 * LATEST, 5)


def test_of_too_many_models_the_one_that_was_called_longest_ago_is_forgotten(clock: FakeClock) -> None:
    figures = ModelFigures(clock, closed)
    for number in range(MODELS_MOST):
        figures.emit(answered(f"m{number:03}"))
    figures.emit(answered("m000"))

    figures.emit(answered("new"))

    models = [status.model for status in figures.statuses()]
    assert len(models) == MODELS_MOST
    assert "openai:m000" in models
    assert "openai:m001" not in models
