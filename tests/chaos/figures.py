"""What a run's history says in numbers. The checker judges; this only measures."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.chaos.history import Counts, Entry, Fault, LogEvent, ModelCall, ModelSaid, Plan, Sent, Stopped

_DECODER: Final = msgspec.json.Decoder(Entry)
_ENDS: Final = ("turn.completed", "turn.failed", "turn.cancelled")
_CALM_BEFORE_NS: Final = 3_000_000_000


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Times in milliseconds."""

    count: int
    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """A run in numbers."""

    seed: int
    profile: str
    seconds: float
    turns: int
    outcomes: dict[str, int]
    epochs: int
    recovered: int
    faults: dict[str, int]
    hits: dict[str, int]
    """Faults that hit at least one running turn, by kind."""
    recovery_with_lifeline: Spread
    """From SIGKILL of a worker to the next event of a turn that it ran."""
    recovery_without_lifeline: Spread
    recovery_handed_on: Spread
    """From SIGTERM of a worker to `turn.recovered` of its turns: running ones that did not end in time."""
    called_again: Spread
    """From a call's connection closed by a run that gave its turn back or died, to the next run's call for that step."""
    cancel_calm: Spread
    """From the command's sending to the provider's connection closed, with no fault in the 3 s before."""
    cancel_all: Spread
    deltas_after_cancel: int
    longest_gap: Spread
    """A turn's longest silence between two deltas of one step in the log (profile `rolling`: pace 400 ms)."""
    counts: Counts | None
    stopped: tuple[str, ...]


def read_history(folder: Path) -> list[Entry]:
    """All entries of all files, by time."""
    entries = [
        _DECODER.decode(line)
        for path in sorted(folder.glob("*.jsonl"))
        for line in path.read_bytes().splitlines()
        if line.strip()
    ]
    return sorted(entries, key=lambda entry: entry.at_ns)


def measure(entries: Sequence[Entry]) -> Figures:
    """Count and time a run."""
    plan = next(entry for entry in entries if isinstance(entry, Plan))
    faults = [entry for entry in entries if isinstance(entry, Fault) and not entry.ended]
    log = [entry for entry in entries if isinstance(entry, LogEvent)]
    ends = {entry.event["turn_id"]: entry.event["type"] for entry in log if entry.event["type"] in _ENDS}
    cancels = _cancels(entries)
    return Figures(
        seed=plan.seed,
        profile=plan.profile,
        seconds=round((entries[-1].at_ns - entries[0].at_ns) / 1e9, 1),
        turns=len({entry.event["turn_id"] for entry in log if entry.event["type"] == "turn.queued"}),
        outcomes=dict(Counter(ends.values())),
        epochs=len({(entry.session, entry.epoch) for entry in log}),
        recovered=sum(entry.event["type"] == "turn.recovered" for entry in log),
        faults=dict(sorted(Counter(fault.name for fault in faults).items())),
        hits=dict(sorted(Counter(fault.name for fault in faults if fault.hit_turns).items())),
        recovery_with_lifeline=_spread(_recoveries(faults, log, "kill_worker")),
        recovery_without_lifeline=_spread(_recoveries(faults, log, "kill_worker_and_lifeline")),
        recovery_handed_on=_spread(_recoveries(faults, log, "drain")),
        called_again=_spread(_called_again(entries)),
        cancel_calm=_spread(
            took for at_ns, took in cancels if not any(0 <= at_ns - f.at_ns < _CALM_BEFORE_NS for f in faults)
        ),
        cancel_all=_spread(took for _, took in cancels),
        deltas_after_cancel=_deltas_after_cancel(log),
        longest_gap=_spread(_gaps(log)),
        counts=next((entry for entry in entries if isinstance(entry, Counts)), None),
        stopped=tuple(entry.reason for entry in entries if isinstance(entry, Stopped)),
    )


def _recoveries(faults: Sequence[Fault], log: Sequence[LogEvent], kind: str) -> Iterable[float]:
    """From a fault of a worker to the first event by which another run took over a turn that it hit, in ms."""
    taken_over: dict[str, list[int]] = defaultdict(list)
    for entry in log:
        if entry.event["type"] == "turn.recovered":
            taken_over[entry.event["turn_id"]].append(entry.at_ns)
    for fault in faults:
        if fault.name == kind and fault.target.startswith("worker"):
            for turn_id in fault.turns:
                later = [at_ns for at_ns in taken_over[turn_id] if at_ns > fault.at_ns]
                if later:
                    yield (later[0] - fault.at_ns) / 1e6


def _cancels(entries: Sequence[Entry]) -> list[tuple[int, float]]:
    """When each cancel of a running turn was sent, and how long until its provider's connection was closed, in ms."""
    cid_of_turn: dict[str, set[str]] = defaultdict(set)
    cid_of_message: dict[str, str] = {}
    asked: dict[str, int] = {}
    calls: dict[int, ModelCall] = {}
    found: list[tuple[int, float]] = []
    for entry in entries:
        match entry:
            case LogEvent(event=event) if event["type"] == "message.created":
                cid_of_message[event["message_id"]] = event.get("re", "")
            case LogEvent(event=event) if event["type"] == "turn.queued":
                cid_of_turn[event["turn_id"]] |= {cid_of_message.get(one, "") for one in event["message_ids"]}
            case Sent(frame=frame) if frame["type"] == "turn.cancel":
                for cid in cid_of_turn[frame["turn_id"]]:
                    asked.setdefault(cid, entry.at_ns)
            case ModelCall():
                calls[entry.call] = entry
            case ModelSaid(closed_by="client"):
                call = calls[entry.call]
                for named in [one for one in asked if one and f" {one} " in call.question]:
                    asked_ns = asked.pop(named)
                    if call.at_ns < asked_ns:
                        found.append((asked_ns, (entry.at_ns - asked_ns) / 1e6))
            case _:
                pass
    return found


def _called_again(entries: Sequence[Entry]) -> list[float]:
    calls: dict[int, ModelCall] = {}
    cut: dict[tuple[str, int], int] = {}
    found: list[float] = []
    for entry in entries:
        match entry:
            case ModelCall():
                calls[entry.call] = entry
                closed_ns = cut.pop((entry.question, entry.step), None)
                if closed_ns is not None:
                    found.append((entry.at_ns - closed_ns) / 1e6)
            case ModelSaid(closed_by="client") if calls[entry.call].fault is None:
                cut[(calls[entry.call].question, calls[entry.call].step)] = entry.at_ns
            case _:
                pass
    return found


def _deltas_after_cancel(log: Sequence[LogEvent]) -> int:
    message_of_turn: dict[str, str] = {}
    over: set[tuple[str, str]] = set()
    late = 0
    for entry in log:
        event = entry.event
        match event["type"]:
            case "message.started":
                message_of_turn[event["turn_id"]] = event["message_id"]
            case "turn.cancelled":
                over.add((entry.epoch, message_of_turn.get(event["turn_id"], "")))
            case "message.delta":
                late += (entry.epoch, event["message_id"]) in over
            case _:
                pass
    return late


def _gaps(log: Sequence[LogEvent]) -> list[float]:
    """Of each assistant message the longest time between two deltas, where nothing but a recovery came between."""
    last: dict[str, int] = {}
    longest: dict[str, float] = {}
    for entry in log:
        if entry.event["type"] == "message.delta":
            message_id = entry.event["message_id"]
            if message_id in last:
                gap_ms = (entry.at_ns - last[message_id]) / 1e6
                longest[message_id] = max(longest.get(message_id, 0.0), gap_ms)
            last[message_id] = entry.at_ns
    return list(longest.values())


def _spread(values_ms: Iterable[float]) -> Spread:
    values = sorted(values_ms)

    def at(share: float) -> float | None:
        return round(values[max(0, math.ceil(len(values) * share) - 1)], 1) if values else None

    return Spread(count=len(values), p50_ms=at(0.5), p99_ms=at(0.99), max_ms=at(1.0))


def table(figures: Figures) -> str:
    """The figures as lines of text."""
    total, hit = sum(figures.faults.values()), sum(figures.hits.values())
    lines = [
        f"profile {figures.profile}, seed {figures.seed}, {figures.seconds} s",
        f"turns {figures.turns} ({_named(figures.outcomes)}), recovered {figures.recovered}, epochs {figures.epochs}",
        f"faults {total} of {len(figures.faults)} kinds, {hit} hit a running turn",
        *(
            f"  {name:<26} {number:>4} {figures.hits.get(name, 0):>4} hit a running turn"
            for name, number in figures.faults.items()
        ),
        f"kill -9 of a worker to turn.recovered: {_times(figures.recovery_with_lifeline)}",
        f"  the same without a lifeline:         {_times(figures.recovery_without_lifeline)}",
        f"  after SIGTERM:                       {_times(figures.recovery_handed_on)}",
        f"a call cut off until it is made again: {_times(figures.called_again)}",
        f"cancel to provider closed, calm:       {_times(figures.cancel_calm)}",
        f"  under faults:                        {_times(figures.cancel_all)}",
        f"deltas after turn.cancelled: {figures.deltas_after_cancel}",
        f"longest gap between deltas of a turn:  {_times(figures.longest_gap)}",
        f"left at the end: {_counts(figures.counts)}",
        *(f"STOPPED: {reason}" for reason in figures.stopped),
    ]
    return "\n".join(lines)


def _times(spread: Spread) -> str:
    if not spread.count:
        return "none"
    return f"n={spread.count} p50 {spread.p50_ms} ms, p99 {spread.p99_ms} ms, most {spread.max_ms} ms"


def _named(numbers: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(numbers.items()))


def _counts(counts: Counts | None) -> Any:
    if counts is None:
        return "not counted"
    return (
        f"keys {counts.keys} ({len(counts.keys_without_ttl)} without TTL), outbox {counts.outbox}, "
        f"leases {counts.leases}, ready {counts.ready}"
    )
