"""Measurements as Prometheus metrics (`core.measurements.Measure`), as the catalogue says, on a registry of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Final, assert_never

from loguru import logger
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from core.measurements import Measurement
from metrics.catalog import CATALOG, Metric, Sample

LABEL_VALUES: Final = 100
"""Different values of one label that a metric keeps; later ones count as `other`. Callers may name models, and
models may invent tools: neither may fill the memory."""


class Prometheus:
    """Counts. Made once a process; `render` is what `/metrics` answers."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)  # process_*: CPU, memory, open files
        self._meters: dict[type, list[_Meter]] = defaultdict(list)
        for metric in CATALOG:
            self._meters[metric.source].append(_Meter(metric, self._registry))

    def emit(self, measurement: Measurement) -> None:
        """Count one fact. Never blocks, never raises."""
        for meter in self._meters[type(measurement)]:
            try:
                for sample in meter.metric.read(measurement):
                    meter.take(sample)
            except Exception:  # noqa: BLE001 - a number that cannot be counted must not end a turn
                logger.exception("metric.failed", metric=meter.metric.name)

    def render(self) -> tuple[bytes, str]:
        """All metrics in Prometheus' text format, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST


class _Meter:
    """One metric of the catalogue, as the client library has it."""

    def __init__(self, metric: Metric, registry: CollectorRegistry) -> None:
        self.metric = metric
        self._known: list[set[str]] = [set() for _ in metric.labels]
        self._meter: Counter | Gauge | Histogram
        match metric.kind:
            case "counter":
                self._meter = Counter(metric.name, metric.help, metric.labels, registry=registry)
            case "gauge":
                self._meter = Gauge(metric.name, metric.help, metric.labels, registry=registry)
            case "histogram":
                self._meter = Histogram(
                    metric.name, metric.help, metric.labels, registry=registry, buckets=metric.buckets
                )

        self._counts: dict[tuple[str, ...], Callable[[float], None]] = {}
        """How the samples of these labels are counted: finding that out costs more than counting."""

    def take(self, sample: Sample) -> None:
        labels, number = sample
        count = self._counts.get(labels)
        if count is None:
            values = tuple(self._bounded(value, known) for value, known in zip(labels, self._known, strict=True))
            count = _counting(self._meter.labels(*values) if values else self._meter)
            if values == labels:  # what became `other` is not remembered: there is no end of it
                self._counts[labels] = count
        count(number)

    def _bounded(self, value: str, known: set[str]) -> str:
        if value not in known:
            if len(known) >= LABEL_VALUES:
                return "other"
            known.add(value)
        return value


def _counting(meter: Counter | Gauge | Histogram) -> Callable[[float], None]:
    match meter:
        case Counter():
            return meter.inc
        case Gauge():
            return meter.set
        case Histogram():
            return meter.observe
        case _:
            assert_never(meter)
