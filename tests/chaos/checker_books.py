"""Rules of what is left at the end: SQL, Redis' keys; and whether the run did enough to say anything."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Final

from core.messages import content_text
from tests.chaos.checker_devices import Wire
from tests.chaos.checker_history import ENDS, History, Rule, Violation, evidence
from tests.chaos.checker_log import Folds
from tests.chaos.checker_turns import Turns
from tests.chaos.profiles import PROFILES

OWNED_KEYS: Final = re.compile(
    r"prosa:(partitions|instance)|prosa:\{p\d+\}:(tenants|leases|outbox|parked|merges|erasures|flv|(r|b|er|ux|rv|dw|dl|fl):.*)"
)
"""Keys without a TTL that somebody empties: lists of what is to be done; the flags; the two marks of the database."""

HARMLESS: Final = ("client_", "bridge_", "provider_", "tool_", "same_cid_")
"""Beginnings of the names of faults that take no run from its executor."""
_CAUSE_NS: Final = 30_000_000_000
_NEEDLESS_MOST: Final = 2
"""On a machine that stalls for seconds a lease may run out in a healthy process."""

LEAST_TURNS: Final = 5
LEAST_EVENTS: Final = 200


def judge_books(history: History, folds: Folds, turns: Turns, violations: list[Violation]) -> None:
    """Each turn that ended has one row in SQL, which says what was shown."""
    rows: dict[str, int] = Counter()
    for row in history.turn_rows:
        rows[row.turn_id] += row.rows
    shown = {
        message.message_id: content_text(message.content) for view in folds.last.values() for message in view.messages
    }
    outcomes = {turn_id: {ENDS[end.event["type"]] for end in ends} for turn_id, ends in turns.ends.items()}
    for turn_id, ends in turns.ends.items():
        if rows[turn_id] != 1:
            sentence = f"{turn_id} has {rows[turn_id]} rows"
            violations.append(Violation(rule=Rule.BOOKS, session=ends[0].session, sentence=sentence))
    for row in history.turn_rows:
        known = outcomes.get(row.turn_id)
        if known is None:
            if len(history.epochs(row.session)) == 1:
                sentence = f"{row.turn_id} is on the books and has no end"
                violations.append(Violation(rule=Rule.BOOKS, session=row.session, sentence=sentence))
            continue
        if row.outcome not in known:
            sentence = f"{row.turn_id} is {row.outcome} on the books and {evidence(sorted(known))} in the log"
            violations.append(Violation(rule=Rule.BOOKS, session=row.session, sentence=sentence))
        if len(turns.ends[row.turn_id]) > 1:
            continue  # Redis lost its first end: SQL may have the one, the log has the other
        for message in row.messages:
            text = shown.get(message["message_id"])
            if text is not None and _plain_text(message["content"]) != text:
                sentence = f"{message['message_id']} is another text on the books than in the log"
                violations.append(Violation(rule=Rule.BOOKS, session=row.session, sentence=sentence))


def _plain_text(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list | tuple) else []
    return "\n".join(part["text"] for part in parts if part.get("text") is not None)


def judge_left_over(history: History, violations: list[Violation]) -> None:
    """Nothing waits, nothing is leased, no key stays for ever."""
    for counts in history.counts[-1:]:
        left = {name: getattr(counts, name) for name in ("outbox", "leases", "ready") if getattr(counts, name)}
        if left:
            violations.append(Violation(rule=Rule.LEFT_OVER, session="", sentence=f"at the end there are {left}"))
        for_ever = [key for key in counts.keys_without_ttl if not OWNED_KEYS.fullmatch(key)]
        if for_ever:
            violations.append(Violation(rule=Rule.TTL, session="", sentence=f"no TTL: {evidence(for_ever)}"))


def judge_takeovers(history: History, folds: Folds, turns: Turns, violations: list[Violation]) -> None:
    """A run is taken over only where something happened to it."""
    causes = [fault.at_ns for fault in history.faults if not fault.name.startswith(HARMLESS)]
    needless = defaultdict(list)
    for place in folds.places:
        if place.event["type"] != "turn.recovered":
            continue
        began_ns = min([mark.at_ns for mark in turns.marks[place.event["turn_id"]]] + [place.at_ns])
        if not any(began_ns - _CAUSE_NS <= at_ns <= place.at_ns for at_ns in causes):
            needless[place.session].append(place.event["turn_id"])
    if sum(map(len, needless.values())) > _NEEDLESS_MOST:
        for session, turn_ids in needless.items():
            sentence = f"{evidence(turn_ids)} taken over, and nothing had happened to the run"
            violations.append(Violation(rule=Rule.NEEDLESS_TAKEOVER, session=session, sentence=sentence))


def judge_run(history: History, wire: Wire, folds: Folds, turns: Turns, violations: list[Violation]) -> None:
    """The run ended as planned, and did enough that its silence means something."""
    violations += [Violation(rule=Rule.STOPPED, session="", sentence=stopped.reason) for stopped in history.stopped]
    violations += [
        Violation(rule=Rule.ACTIVITY, session="", sentence=f"too little activity: {sentence}")
        for sentence in _too_little(history, wire, folds, turns)
    ]


def _too_little(history: History, wire: Wire, folds: Folds, turns: Turns) -> Iterator[str]:
    faults = [fault for fault in history.faults if not fault.ended]
    if not history.plans:
        yield "there is no plan"
    if not history.counts:
        yield "nothing was counted at the end"
    if not history.shown:
        yield "no device says what it shows"
    if len(turns.ends) < LEAST_TURNS:
        yield f"{len(turns.ends)} turns ended"
    if len(folds.places) < LEAST_EVENTS:
        yield f"{len(folds.places)} events"
    if any(plan.channels for plan in history.plans) and not history.bridged:
        yield "no bridge did anything"
    if not history.calls:
        yield "the model was never called"
    if not faults and not all(_is_calm(plan.profile) for plan in history.plans):
        yield "no faults"
    elif faults and not any(fault.hit_turns for fault in history.faults):
        yield "no fault hit a running turn"
    if any(fault.name.startswith(("client_", "kill_node")) for fault in faults) and not wire.reconnects:
        yield "nobody reconnected"


def _is_calm(name: str) -> bool:
    return name in PROFILES and PROFILES[name].every_s is None
