"""Rules of what leaves by other channels: each answer is given to a bridge, to one at a time, and its reports are kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from tests.chaos.checker_history import Frame, History, Rule, Violation
from tests.chaos.checker_log import Folds
from tests.chaos.checker_turns import Turns
from tests.chaos.history import LEASES_RUN_OUT, LogEvent

LEASE_NS: Final = 60_000_000_000
TAKEN_BACK_NS: Final = 10_000_000_000
"""What was said so long before Redis was killed, or longer, is not taken back."""
_RANKS: Final = {"sent": 1, "failed": 2, "delivered": 3, "read": 4}


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A delivery that came to a bridge."""

    bridge: str
    asked_ns: int
    """When the bridge sent the `delivery.take` that is answered: the lease begins later."""
    at_ns: int
    frame: Frame


@dataclass(kw_only=True)
class Bridging:
    """What the bridges saw."""

    ready: list[Ready] = field(default_factory=list)
    reports: list[tuple[int, Frame]] = field(default_factory=list)
    """Those that were answered `ok`, and when."""
    handed_on: set[str] = field(default_factory=set)
    """Deliveries of which a bridge sent a report, answered or not."""


def follow_bridges(history: History) -> Bridging:
    """Tell deliveries and reports from the bridges' frames."""
    bridging = Bridging()
    asked: dict[tuple[str, int], int] = {}
    sent: dict[str, Frame] = {}
    for entry in history.bridged:
        match entry.by, entry.frame["type"]:
            case "bridge", kind:
                sent[entry.frame["cid"]] = entry.frame
                if kind == "delivery.take":
                    asked[entry.bridge, entry.connection] = entry.at_ns
                elif kind == "delivery.report":
                    bridging.handed_on.add(entry.frame["delivery_id"])
            case "server", "delivery.ready":
                asked_ns = asked[entry.bridge, entry.connection]
                bridging.ready.append(
                    Ready(bridge=entry.bridge, asked_ns=asked_ns, at_ns=entry.at_ns, frame=entry.frame)
                )
            case "server", "ok" if sent[entry.frame["re"]]["type"] == "delivery.report":
                bridging.reports.append((entry.at_ns, sent[entry.frame["re"]]))
            case _:
                pass
    return bridging


def judge_bridges(history: History, folds: Folds, turns: Turns, violations: list[Violation]) -> None:
    """Judge all that this module names."""
    bridging = follow_bridges(history)
    violations += _not_given(history, bridging, folds, turns)
    violations += _given_twice(history, bridging)
    violations += _no_answers(history, bridging, turns)
    violations += [*_gone_back(folds), *_not_reported(history, bridging, folds)]


def _not_given(history: History, bridging: Bridging, folds: Folds, turns: Turns) -> Iterator[Violation]:
    """Each completed answer with a text was given until a bridge handed it on, but for an end that Redis took back."""
    channels = {session: channel for plan in history.plans for session, channel in plan.channels.items()}
    given = {r.frame["message_id"] for r in bridging.ready if r.frame["delivery_id"] in bridging.handed_on}
    for turn_id, ends in turns.ends.items():
        end = ends[-1]
        message_id = str(end.event.get("message_id"))
        if end.session not in channels or end.event["type"] != "turn.completed" or not any(turns.texts[message_id]):
            continue
        is_last = end.epoch == history.epochs(end.session)[-1]
        if message_id not in given and (is_last or not _taken_back(history, end.at_ns)):
            sentence = (
                f"{message_id}, which answers {turn_id}, was never handed on by a bridge of {channels[end.session]}"
            )
            yield Violation(rule=Rule.DELIVERED, session=end.session, sentence=sentence)


def _given_twice(history: History, bridging: Bridging) -> Iterator[Violation]:
    """A delivery is given again only when its lease is over or forgotten, and never once it was reported."""
    reported: dict[str, int] = {}
    for at_ns, report in bridging.reports:
        reported.setdefault(report["delivery_id"], at_ns)
    run_out = [fault.at_ns for fault in history.faults if fault.name == LEASES_RUN_OUT]
    before: dict[str, Ready] = {}
    for ready in bridging.ready:
        delivery_id = ready.frame["delivery_id"]
        first = before.get(delivery_id)
        before[delivery_id] = ready
        if first is None or history.restarted_between(first.asked_ns - TAKEN_BACK_NS, ready.at_ns):
            continue
        over = ready.at_ns - first.asked_ns >= LEASE_NS or any(first.at_ns <= at <= ready.at_ns for at in run_out)
        whose = f"{delivery_id} was given to {ready.bridge}"
        if reported.get(delivery_id, ready.asked_ns) < ready.asked_ns:
            yield Violation(rule=Rule.LEASED, session="", sentence=f"{whose} after it had been reported")
        elif not over:
            late_ms = (ready.at_ns - first.at_ns) / 1e6
            sentence = f"{whose} {late_ms:.0f} ms after {first.bridge} had got it"
            yield Violation(rule=Rule.LEASED, session="", sentence=sentence)


def _no_answers(history: History, bridging: Bridging, turns: Turns) -> Iterator[Violation]:
    """What is given is the text of a turn that was completed, and of no session that was erased before."""
    completed = _completed(history, turns)
    erased = {entry.session_id: entry for entry in history.erased}
    for ready in bridging.ready:
        message_id, gone = ready.frame["message_id"], erased.get(ready.frame["session_id"])
        session = completed.get(message_id)
        if gone is not None:
            if gone.at_ns < ready.asked_ns and not _taken_back(history, gone.at_ns):
                sentence = f"{message_id} was given to {ready.bridge} after its session's end"
                yield Violation(rule=Rule.ERASED, session=gone.session, sentence=sentence)
        elif session is None:
            if not _taken_back(history, ready.at_ns):
                sentence = f"{message_id} was given to {ready.bridge}, and no turn was completed with it"
                yield Violation(rule=Rule.DELIVERY, session="", sentence=sentence)
        elif (texts := turns.texts.get(message_id)) and ready.frame["content"] not in texts:
            sentence = f"{message_id} was given to {ready.bridge} with another text than the log has"
            yield Violation(rule=Rule.DELIVERY, session=session, sentence=sentence)


def _completed(history: History, turns: Turns) -> dict[str, str]:
    """The session of each answer that a turn was completed with, by its id.

    Also from the logs as they are: an event that lies before all views of its epoch is in no fold.
    """
    logged = [(session, event) for (session, _), log in history.logs.items() for event in log.values()]
    folded = [(end.session, end.event) for ends in turns.ends.values() for end in ends]
    return {event["message_id"]: session for session, event in logged + folded if event["type"] == "turn.completed"}


def _gone_back(folds: Folds) -> Iterator[Violation]:
    """Within an epoch the status of a delivery only grows."""
    ranks: dict[tuple[str, str], int] = {}
    for place in folds.places:
        if place.event["type"] == "delivery.updated":
            key, rank = (place.epoch, place.event["message_id"]), _RANKS[place.event["status"]]
            if rank <= ranks.get(key, 0):
                sentence = f"{place.event['message_id']} became {place.event['status']} at {place.seq} of {place.epoch}"
                yield Violation(
                    rule=Rule.REPORTED, session=place.session, sentence=f"{sentence}, and was so or further"
                )
            ranks[key] = rank


def _not_reported(history: History, bridging: Bridging, folds: Folds) -> Iterator[Violation]:
    """What a bridge reported, and was told `ok`, is in the log: that, or something further."""
    ranks: dict[str, int] = defaultdict(int)
    ended = {entry.session for entry in history.merged}
    logged = [entry.event for entry in history.entries if isinstance(entry, LogEvent)]  # also before a first snapshot
    for event in logged:
        if event["type"] == "delivery.updated":
            ranks[event["message_id"]] = max(ranks[event["message_id"]], _RANKS[event["status"]])
    messages = {ready.frame["delivery_id"]: ready.frame["message_id"] for ready in bridging.ready}
    sessions = {m.message_id: session for session, view in folds.last.items() for m in view.messages}
    for at_ns, report in bridging.reports:
        message_id = messages[report["delivery_id"]]
        session = sessions.get(message_id)
        if session is None or session in ended or _taken_back(history, at_ns):
            continue
        if ranks[message_id] < _RANKS[report["status"]]:
            sentence = f"{message_id} was reported as {report['status']}, and the log does not say so"
            yield Violation(rule=Rule.REPORTED, session=session, sentence=sentence)


def _taken_back(history: History, at_ns: int) -> bool:
    """Whether Redis may have forgotten what it said then."""
    return history.restarted_between(at_ns, at_ns + TAKEN_BACK_NS)
