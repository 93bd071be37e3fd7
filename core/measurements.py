"""Facts for metrics. Code emits one of these; `metrics/catalog.py` says what they become."""

from __future__ import annotations

from typing import Protocol

import msgspec

from core.turns import TurnRecord


class TurnEnded(msgspec.Struct, frozen=True, kw_only=True):
    """A turn ended on this node; `queued_ms` is the time from acceptance to its start."""

    record: TurnRecord
    queued_ms: int


class ToolRan(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call ended."""

    name: str
    failed: bool
    duration_ms: int


class ModelAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """A model call ended; `outcome` is a finish reason, or `error`; `code` that error's, where it is known."""

    provider: str
    model: str
    outcome: str
    duration_ms: int
    ttft_ms: int | None
    code: str | None = None


class TurnRejected(msgspec.Struct, frozen=True, kw_only=True):
    """A message was refused; `code` is an error code."""

    code: str


class ConnectionsChanged(msgspec.Struct, frozen=True, kw_only=True):
    """How many connections this node has now, by transport (`websocket`, `sse`)."""

    transport: str
    count: int


class RunningTurnsChanged(msgspec.Struct, frozen=True, kw_only=True):
    """How many turns this node runs now."""

    count: int


class LogAppended(msgspec.Struct, frozen=True, kw_only=True):
    """One batch of appends went to Redis."""

    events: int
    seconds: float


class OutboxRecorded(msgspec.Struct, frozen=True, kw_only=True):
    """The recorder took records to SQL; `waiting` are left."""

    records: int
    waiting: int


class BudgetWarned(msgspec.Struct, frozen=True, kw_only=True):
    """A daily budget reached a threshold, told once over all nodes; `kind` is `tenant` or `user`."""

    kind: str
    percent: int


class BudgetRefused(msgspec.Struct, frozen=True, kw_only=True):
    """A model call, or more of one, was refused by a budget. `only_held`: what other calls hold stood in the way."""

    kind: str
    only_held: bool


class TextEmbedded(msgspec.Struct, frozen=True, kw_only=True):
    """A vector of a text was wanted; `outcome`: `made`, `cached` or `failed`; `tokens`: what the vendor read."""

    model: str
    outcome: str
    tokens: int = 0


Measurement = (
    TurnEnded
    | ToolRan
    | ModelAnswered
    | TurnRejected
    | ConnectionsChanged
    | RunningTurnsChanged
    | LogAppended
    | OutboxRecorded
    | BudgetWarned
    | BudgetRefused
    | TextEmbedded
)


class Measure(Protocol):
    """Takes measurements. Never blocks, never raises."""

    def emit(self, measurement: Measurement) -> None:
        """Count one fact."""
        ...


class Measures:
    """Gives each measurement to several."""

    def __init__(self, *takers: Measure) -> None:
        self._takers = takers

    def emit(self, measurement: Measurement) -> None:
        """Count one fact everywhere."""
        for taker in self._takers:
            taker.emit(measurement)


class NoMeasure:
    """Takes measurements and forgets them; for tests and tools."""

    def emit(self, measurement: Measurement) -> None:
        """Do nothing."""
