"""A run in counts, as the checker sees it. Times are in `figures.py`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tests.chaos.checker_devices import Wire
from tests.chaos.checker_history import History, Rule, Violation
from tests.chaos.checker_log import Folds
from tests.chaos.checker_turns import Turns

Figures = dict[str, int]


def figures(history: History, wire: Wire, folds: Folds, turns: Turns, violations: Sequence[Violation]) -> Figures:
    """How much was judged, and what of it was lost, doubled or reordered."""
    faults = [fault for fault in history.faults if not fault.ended]
    rules = Counter(violation.rule for violation in violations)
    recovered = {place.event["turn_id"] for place in folds.places if place.event["type"] == "turn.recovered"}
    return {
        "sessions": len(history.sessions),
        "turns": len(turns.ends),
        "turns taken over": len(recovered),
        "events in logs": len(folds.places),
        "events on the wire": sum(map(len, wire.events.values())),
        "snapshots": sum(map(len, wire.snapshots.values())),
        "reconnects": wire.reconnects,
        "resumed": wire.resumed,
        "model calls": len(history.calls),
        "deliveries": sum(entry.frame["type"] == "delivery.ready" for entry in history.bridged),
        "sessions erased": len(history.erased),
        "sessions merged": len(history.merged),
        "faults": len(faults),
        "kinds of faults": len({fault.name for fault in faults}),
        "faults that hit a running turn": sum(1 for fault in faults if fault.hit_turns),
        "lost": rules[Rule.LOST] + rules[Rule.LOG_GAPLESS] + rules[Rule.ACCEPTED],
        "doubled": rules[Rule.DOUBLED] + rules[Rule.ONE_MESSAGE] + rules[Rule.ONCE],
        "reordered": rules[Rule.ORDER] + rules[Rule.OFFSET] + rules[Rule.SAME_EVENT],
        "events after a turn's end": rules[Rule.SILENCE],
    }
