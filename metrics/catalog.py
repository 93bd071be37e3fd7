"""Every metric as data: its name, kind, unit, labels, help, buckets, and what of which measurement feeds it.

A new metric is one entry here. `python -m metrics.catalog` writes the table of `docs/metrics.md`.
Labels are few-valued on purpose: never a user, a session, a turn or a tenant; those are in the logs and the books.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import msgspec

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

Kind = Literal["counter", "gauge", "histogram"]
Sample = tuple[tuple[str, ...], float]
"""The labels' values, in the order of the metric's labels, and the number."""

TURN_S: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120)
FIRST_TOKEN_S: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
TOOL_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20)
APPEND_S: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)
STEPS: Final = (1, 2, 3, 4, 6, 8, 12)


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """A metric. `read` gives what to add, set or observe for one measurement of type `source`."""

    name: str
    kind: Kind
    unit: str
    help: str
    source: type[msgspec.Struct]
    read: Callable[[Any], Iterable[Sample]]
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


Measured = TypeVar("Measured", bound=Measurement)


def _metric(
    kind: Kind,
    source: type[Measured],
    name: str,
    unit: str,
    text: str,
    value: Callable[[Measured], float | None],
    labels: Mapping[str, Callable[[Measured], str]] | None = None,
    buckets: tuple[float, ...] = (),
) -> Metric:
    """A metric with one number a measurement; where `value` gives None there is nothing to count."""
    labels = labels or {}

    def read(measurement: Measured) -> list[Sample]:
        number = value(measurement)
        return [] if number is None else [(tuple(label(measurement) for label in labels.values()), number)]

    return Metric(
        name=name, kind=kind, unit=unit, help=text, source=source, read=read, labels=tuple(labels), buckets=buckets
    )


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _tokens(ended: TurnEnded) -> Iterable[Sample]:
    for step in ended.record.steps:
        usage = step.usage
        counts = {"input": usage.input, "output": usage.output, "cached": usage.cached, "reasoning": usage.reasoning}
        for kind, count in counts.items():
            yield (step.provider, step.model, kind), count


def _cost(ended: TurnEnded) -> Iterable[Sample]:
    for step in ended.record.steps:
        yield (step.provider, step.model), step.cost_microusd / 1_000_000


CATALOG: Final[tuple[Metric, ...]] = (
    _metric(
        "counter",
        TurnEnded,
        "prosa_turns_total",
        "turns",
        "Turns that ended, by outcome (completed, failed, cancelled) and the channel of the user's message.",
        lambda ended: 1,
        {"outcome": lambda ended: ended.record.outcome, "channel": lambda ended: ended.record.channel},
    ),
    _metric(
        "counter",
        TurnEnded,
        "prosa_turn_failures_total",
        "turns",
        "Turns that failed, by error code.",
        lambda ended: 1 if ended.record.outcome == "failed" else None,
        {"code": lambda ended: ended.record.code or "internal"},
    ),
    _metric(
        "counter",
        TurnEnded,
        "prosa_turn_recoveries_total",
        "runs",
        "Runs beyond the first that turns needed, because an executor died or was cut off.",
        lambda ended: ended.record.attempts - 1,
    ),
    _metric(
        "histogram",
        TurnEnded,
        "prosa_turn_queued_seconds",
        "seconds",
        "Time from a turn's acceptance to its start.",
        lambda ended: _seconds(ended.queued_ms),
        buckets=FIRST_TOKEN_S,
    ),
    _metric(
        "histogram",
        TurnEnded,
        "prosa_turn_first_token_seconds",
        "seconds",
        "Time to a turn's first token, as the user waits for it.",
        lambda ended: _seconds(ended.record.ttft_ms),
        buckets=FIRST_TOKEN_S,
    ),
    _metric(
        "histogram",
        TurnEnded,
        "prosa_turn_duration_seconds",
        "seconds",
        "Duration of turns, by outcome.",
        lambda ended: _seconds(ended.record.duration_ms),
        {"outcome": lambda ended: ended.record.outcome},
        buckets=TURN_S,
    ),
    _metric(
        "histogram",
        TurnEnded,
        "prosa_turn_steps",
        "steps",
        "Model calls of a turn.",
        lambda ended: len(ended.record.steps),
        buckets=STEPS,
    ),
    Metric(
        name="prosa_tokens_total",
        kind="counter",
        unit="tokens",
        help="Tokens of ended turns by kind: input (which includes cached), output (which includes reasoning).",
        labels=("provider", "model", "kind"),
        source=TurnEnded,
        read=_tokens,
    ),
    Metric(
        name="prosa_cost_dollars_total",
        kind="counter",
        unit="dollars",
        help="Money that ended turns cost, in US dollars.",
        labels=("provider", "model"),
        source=TurnEnded,
        read=_cost,
    ),
    _metric(
        "counter",
        ModelAnswered,
        "prosa_model_calls_total",
        "calls",
        "Model calls, by finish reason or `error`.",
        lambda answer: 1,
        {
            "provider": lambda answer: answer.provider,
            "model": lambda answer: answer.model,
            "outcome": lambda answer: answer.outcome,
        },
    ),
    _metric(
        "histogram",
        ModelAnswered,
        "prosa_model_first_token_seconds",
        "seconds",
        "Time from a model call to its first token: the provider's share of the wait.",
        lambda answer: _seconds(answer.ttft_ms),
        {"provider": lambda answer: answer.provider, "model": lambda answer: answer.model},
        buckets=FIRST_TOKEN_S,
    ),
    _metric(
        "histogram",
        ModelAnswered,
        "prosa_model_duration_seconds",
        "seconds",
        "Duration of model calls, to their last event.",
        lambda answer: _seconds(answer.duration_ms),
        {"provider": lambda answer: answer.provider, "model": lambda answer: answer.model},
        buckets=TURN_S,
    ),
    _metric(
        "counter",
        ToolRan,
        "prosa_tool_calls_total",
        "calls",
        "Tool calls, by outcome (completed, failed).",
        lambda ran: 1,
        {"tool": lambda ran: ran.name, "outcome": lambda ran: "failed" if ran.failed else "completed"},
    ),
    _metric(
        "histogram",
        ToolRan,
        "prosa_tool_duration_seconds",
        "seconds",
        "Duration of tool calls.",
        lambda ran: _seconds(ran.duration_ms),
        {"tool": lambda ran: ran.name},
        buckets=TOOL_S,
    ),
    _metric(
        "counter",
        TurnRejected,
        "prosa_messages_rejected_total",
        "messages",
        "Messages that were refused, by error code.",
        lambda rejected: 1,
        {"code": lambda rejected: rejected.code},
    ),
    _metric(
        "gauge",
        ConnectionsChanged,
        "prosa_connections",
        "connections",
        "Connections that this node has now, by transport.",
        lambda changed: changed.count,
        {"transport": lambda changed: changed.transport},
    ),
    _metric(
        "gauge",
        RunningTurnsChanged,
        "prosa_turns_running",
        "turns",
        "Turns that this node runs now.",
        lambda changed: changed.count,
    ),
    _metric(
        "counter",
        LogAppended,
        "prosa_log_events_total",
        "events",
        "Events that this node appended to sessions' logs.",
        lambda appended: appended.events,
    ),
    _metric(
        "histogram",
        LogAppended,
        "prosa_log_append_seconds",
        "seconds",
        "Round trip of one batch of appends to Redis.",
        lambda appended: appended.seconds,
        buckets=APPEND_S,
    ),
    _metric(
        "counter",
        OutboxRecorded,
        "prosa_outbox_records_total",
        "records",
        "Records that this node took from the outbox to SQL.",
        lambda recorded: recorded.records,
    ),
    _metric(
        "gauge",
        OutboxRecorded,
        "prosa_outbox_waiting",
        "records",
        "Records that waited for SQL after the last batch of this node.",
        lambda recorded: recorded.waiting,
    ),
    _metric(
        "counter",
        TextEmbedded,
        "prosa_embeddings_total",
        "texts",
        "Vectors of questions that were wanted, by model and outcome: made, cached or failed.",
        lambda embedded: 1,
        {"model": lambda embedded: embedded.model, "outcome": lambda embedded: embedded.outcome},
    ),
    _metric(
        "counter",
        TextEmbedded,
        "prosa_embedding_tokens_total",
        "tokens",
        "Tokens that vendors read to make vectors of questions, by model; they are in no turn's cost.",
        lambda embedded: embedded.tokens or None,
        {"model": lambda embedded: embedded.model},
    ),
    _metric(
        "counter",
        BudgetWarned,
        "prosa_budget_warnings_total",
        "warnings",
        "Daily budgets that reached a threshold, told once over all nodes; 100: all is spent, or calls are refused.",
        lambda warned: 1,
        {"kind": lambda warned: warned.kind, "percent": lambda warned: str(warned.percent)},
    ),
    _metric(
        "counter",
        BudgetRefused,
        "prosa_budget_refusals_total",
        "refusals",
        "Refusals of model calls, or of more of one, by whose budget; `held`: only by calls under way.",
        lambda refused: 1,
        {"kind": lambda refused: refused.kind, "reason": lambda refused: "held" if refused.only_held else "spent"},
    ),
)

PAGE: Final = Path(__file__).parent.parent / "docs" / "metrics.md"
_BEGIN: Final = "<!-- generated by `python -m metrics.catalog`: begin -->\n"
_END: Final = "<!-- generated: end -->\n"


def table() -> str:
    """The catalogue as a Markdown table."""
    lines = ["| name | kind | unit | labels | fed by | what it says |", "|---|---|---|---|---|---|"]
    for metric in CATALOG:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "-"
        cells = (f"`{metric.name}`", metric.kind, metric.unit, labels, f"`{metric.source.__name__}`", metric.help)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """Put the table where it belongs in a page. Raises ValueError where the page has no marks for it."""
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError(f"the page has no line {_BEGIN.strip()!r} followed by {_END.strip()!r}")
    return f"{before}{_BEGIN}{table()}{_END}{after}"


def main() -> None:
    """Write the table into docs/metrics.md."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
