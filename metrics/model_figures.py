"""How models do on this node (`core.ports.ModelStatuses`): counted from measurements, in memory, since the start.

How the breakers stand is asked of whoever has them.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from core.clock import Clock
from core.measurements import Measurement, ModelAnswered
from core.ports import BreakerState, ModelStatus

MODELS_MOST: Final = 100
"""Callers may name models: of more than so many, the one that was called longest ago is forgotten."""
LATEST: Final = 500
"""Calls over which the times are told."""


@dataclass(kw_only=True)
class _Figures:
    calls: int = 0
    errors: int = 0
    last_error: str | None = None
    last_error_ms: int | None = None
    last_call_ms: int = 0
    ttft_ms: deque[int] = field(default_factory=lambda: deque(maxlen=LATEST))


class ModelFigures:
    """See the module. Takes measurements as `core.measurements.Measure`; `breaker` knows each `provider:model`."""

    def __init__(self, clock: Clock, breaker: Callable[[str], BreakerState]) -> None:
        self._clock = clock
        self._breaker = breaker
        self._models: OrderedDict[str, _Figures] = OrderedDict()

    def emit(self, measurement: Measurement) -> None:
        """Count a model call; nothing else concerns it."""
        if not isinstance(measurement, ModelAnswered):
            return
        figures = self._figures(f"{measurement.provider}:{measurement.model}")
        figures.calls += 1
        figures.last_call_ms = self._clock.now_ms()
        if measurement.ttft_ms is not None:
            figures.ttft_ms.append(measurement.ttft_ms)
        if measurement.outcome == "error":
            figures.errors += 1
            figures.last_error = measurement.code or "unknown"
            figures.last_error_ms = figures.last_call_ms

    def statuses(self) -> Sequence[ModelStatus]:
        """One of each model that was called, by name."""
        return [_status(model, self._breaker(model), self._models[model]) for model in sorted(self._models)]

    def _figures(self, model: str) -> _Figures:
        figures = self._models.setdefault(model, _Figures())
        self._models.move_to_end(model)
        if len(self._models) > MODELS_MOST:
            self._models.popitem(last=False)
        return figures


def _status(model: str, breaker: BreakerState, figures: _Figures) -> ModelStatus:
    ranked = sorted(figures.ttft_ms)
    return ModelStatus(
        model=model,
        breaker=breaker,
        calls=figures.calls,
        errors=figures.errors,
        last_error=figures.last_error,
        last_error_ms=figures.last_error_ms,
        last_call_ms=figures.last_call_ms,
        ttft_ms_p50=_percentile(ranked, 50),
        ttft_ms_p95=_percentile(ranked, 95),
    )


def _percentile(ranked: Sequence[int], percent: int) -> float | None:
    """By nearest rank, as the books do it: a value that was measured."""
    return float(ranked[(len(ranked) * percent + 99) // 100 - 1]) if ranked else None
