"""Catalogue, page and `/metrics` say the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from core.measurements import (
    BudgetRefused,
    BudgetWarned,
    ConnectionsChanged,
    LogAppended,
    Measurement,
    ModelAnswered,
    OutboxRecorded,
    RunningTurnsChanged,
    TextEmbedded,
    ToolRan,
    TurnEnded,
    TurnRejected,
)
from metrics import catalog
from metrics.prometheus import LABEL_VALUES, Prometheus

GOLDEN = Path(__file__).parent / "golden" / "metrics.txt"
UNITS = {"seconds": "_seconds", "tokens": "_tokens_total", "dollars": "_dollars_total"}


def _emit(prometheus: Prometheus, measurements: Sequence[Measurement]) -> None:
    for measurement in measurements:
        prometheus.emit(measurement)


def _names(prometheus: Prometheus) -> str:
    """Types of our metrics, and their samples with the names of their labels."""
    body, _ = prometheus.render()
    types = re.findall(r"^# TYPE (prosa_.*)$", body.decode(), re.MULTILINE)
    samples = sorted({re.sub(r"=[^,}]*", "", name) for name in _values(prometheus)})
    return "\n".join([*(line for line in types if "_created" not in line), "", *samples]) + "\n"


def _values(prometheus: Prometheus) -> dict[str, float]:
    """Every sample of ours, as `name{labels}`; buckets and times of making left out."""
    body, _ = prometheus.render()
    return {
        f"{sample.name}{{{','.join(f'{name}={value}' for name, value in sorted(sample.labels.items()))}}}": sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
        if family.name.startswith("prosa_") and not sample.name.endswith(("_bucket", "_created"))
    }


@pytest.fixture
def prometheus() -> Prometheus:
    return Prometheus()


@pytest.fixture
def one_of_each(make_turn) -> list[Measurement]:
    return [
        TurnEnded(record=make_turn(outcome="failed", code="tool_loop", attempts=2), queued_ms=30),
        ToolRan(name="sales_query", failed=True, duration_ms=12),
        ModelAnswered(provider="openai", model="gpt-4.1-mini", outcome="stop", duration_ms=700, ttft_ms=250),
        TurnRejected(code="busy"),
        ConnectionsChanged(transport="websocket", count=7),
        RunningTurnsChanged(count=3),
        LogAppended(events=4, seconds=0.002),
        OutboxRecorded(records=5, waiting=6),
        BudgetWarned(kind="tenant", percent=80),
        BudgetRefused(kind="user", only_held=True),
        TextEmbedded(model="openai:text-embedding-3-small", outcome="made", tokens=9),
    ]


def test_the_page_is_up_to_date():
    text = catalog.PAGE.read_text(encoding="utf-8")

    assert catalog.page(text) == text, "run `python -m metrics.catalog`"


def test_a_page_without_marks_is_refused():
    with pytest.raises(ValueError, match="generated"):
        catalog.page("# Metrics\n")


def test_writing_the_page_twice_changes_nothing(tmp_path, monkeypatch):
    original = catalog.PAGE.read_text(encoding="utf-8")
    copy = tmp_path / "metrics.md"
    copy.write_text(original, encoding="utf-8")
    monkeypatch.setattr(catalog, "PAGE", copy)

    catalog.main()

    assert copy.read_text(encoding="utf-8") == original


def test_names_types_and_labels_of_our_metrics_are_those_that_dashboards_know(prometheus, one_of_each):
    _emit(prometheus, one_of_each)

    assert _names(prometheus) == GOLDEN.read_text(encoding="utf-8")
    assert prometheus.render()[1].startswith("text/plain")


def test_each_measurement_feeds_what_the_catalogue_says(prometheus, one_of_each):
    _emit(prometheus, one_of_each)

    model = "model=gpt-4.1-mini"
    values = _values(prometheus)
    assert {
        "prosa_turns_total{channel=web,outcome=failed}": 1,
        "prosa_turn_failures_total{code=tool_loop}": 1,
        "prosa_turn_recoveries_total{}": 1,
        "prosa_turn_queued_seconds_sum{}": 0.03,
        "prosa_turn_first_token_seconds_sum{}": 0.25,
        "prosa_turn_duration_seconds_sum{outcome=failed}": 0.9,
        "prosa_turn_steps_sum{}": 1,
        f"prosa_tokens_total{{kind=input,{model},provider=openai}}": 100,
        f"prosa_tokens_total{{kind=cached,{model},provider=openai}}": 40,
        f"prosa_cost_dollars_total{{{model},provider=openai}}": 0.001234,
        f"prosa_model_calls_total{{{model},outcome=stop,provider=openai}}": 1,
        f"prosa_model_first_token_seconds_count{{{model},provider=openai}}": 1,
        "prosa_tool_calls_total{outcome=failed,tool=sales_query}": 1,
        "prosa_tool_duration_seconds_sum{tool=sales_query}": 0.012,
        "prosa_messages_rejected_total{code=busy}": 1,
        "prosa_connections{transport=websocket}": 7,
        "prosa_turns_running{}": 3,
        "prosa_log_events_total{}": 4,
        "prosa_log_append_seconds_sum{}": 0.002,
        "prosa_outbox_records_total{}": 5,
        "prosa_outbox_waiting{}": 6,
        "prosa_budget_warnings_total{kind=tenant,percent=80}": 1,
        "prosa_budget_refusals_total{kind=user,reason=held}": 1,
    }.items() <= values.items()


def test_counters_add_up_and_gauges_do_not(prometheus):
    prometheus.emit(OutboxRecorded(records=5, waiting=6))
    prometheus.emit(OutboxRecorded(records=2, waiting=0))

    values = _values(prometheus)
    assert (values["prosa_outbox_records_total{}"], values["prosa_outbox_waiting{}"]) == (7, 0)


def test_a_turn_without_a_first_token_is_not_in_its_times(prometheus, make_turn):
    prometheus.emit(TurnEnded(record=make_turn(ttft_ms=None), queued_ms=0))

    assert _values(prometheus)["prosa_turn_first_token_seconds_count{}"] == 0


def test_invented_names_do_not_fill_the_memory(prometheus):
    tools = [ToolRan(name=f"tool_{number}", failed=False, duration_ms=1) for number in range(LABEL_VALUES + 20)]

    _emit(prometheus, tools)

    values = _values(prometheus)
    assert values["prosa_tool_calls_total{outcome=completed,tool=other}"] == 20
    assert len([name for name in values if name.startswith("prosa_tool_calls_total")]) == LABEL_VALUES + 1


def test_a_number_that_cannot_be_counted_raises_nothing(prometheus, make_turn):
    prometheus.emit(TurnEnded(record=make_turn(attempts=-5), queued_ms=0))

    assert _values(prometheus)["prosa_turns_total{channel=web,outcome=completed}"] == 1


def test_two_registries_do_not_share_numbers(prometheus):
    prometheus.emit(RunningTurnsChanged(count=3))

    assert _values(Prometheus())["prosa_turns_running{}"] == 0


@pytest.mark.parametrize("metric", catalog.CATALOG, ids=lambda metric: metric.name)
def test_names_say_their_unit_and_labels_are_of_few_values(metric):
    assert re.fullmatch(r"prosa_[a-z_]+", metric.name)
    assert metric.name.endswith(UNITS.get(metric.unit, ""))
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert bool(metric.buckets) == (metric.kind == "histogram")
    assert not set(metric.labels) & {"user", "user_id", "session_id", "turn_id", "tenant", "trace_id"}


def test_every_measurement_feeds_a_metric():
    fed = {metric.source for metric in catalog.CATALOG}

    assert fed == set(Measurement.__args__)
