"""A recorded run, sorted and indexed for the rules: what every device was sent, every log, every call of the model.

Nothing is judged here. Times are `at_ns` of the history; an event's time is when anybody first saw it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.chaos.history import (
    BridgeFrame,
    Connected,
    Counts,
    Entry,
    Erased,
    Fault,
    LogBase,
    LogEvent,
    Merged,
    ModelCall,
    ModelSaid,
    Plan,
    Received,
    Remains,
    Sent,
    Shown,
    Stopped,
    ToolRow,
    TurnRow,
)

Frame = dict[str, Any]
EpochKey = tuple[str, str]
"""Session, epoch."""

ENDS: Final = {"turn.completed": "completed", "turn.failed": "failed", "turn.cancelled": "cancelled"}
SIGNALS: Final = {"session.opened", "session.snapshot", "session.live", "session.erased", "ok"}
"""Frames with a `seq` or near it that are no events."""
RESTARTS: Final = {"kill_redis", "cut_aof"}
"""Faults after which Redis is another process, which may have lost the last of what it had said."""
_RESTART_NS: Final = 5_000_000_000
"""How long a restart takes whose end was not written down."""


class Rule(StrEnum):
    """What a run can break. The value is the name in reports."""

    STOPPED = "the run came to its end"
    ACTIVITY = "enough happened"
    LOG_GAPLESS = "the log is gapless"
    LOG_BEFORE_WIRE = "log before wire"
    SAME_EVENT = "one event a seq"
    LOST = "no event is lost on the wire"
    DOUBLED = "no event is doubled on the wire"
    SILENT_RESUME = "no silent resume"
    OLD_EPOCH = "an epoch that was left never comes back"
    ROLLED_BACK = "nothing goes back within an epoch"
    NEEDLESS_EPOCH = "no new epoch without a restart of Redis"
    LIVE = "live means caught up"
    FOLD = "a snapshot is the fold of the log"
    AGREE = "all devices show the log's end"
    ACCEPTED = "accepted is kept"
    ONE_MESSAGE = "one message a cid"
    UNANSWERED = "each command is answered"
    ONE_END = "each turn has one end"
    ONE_AT_A_TIME = "one turn at a time"
    ORDER = "in order of acceptance"
    SILENCE = "silence after the end"
    OFFSET = "deltas follow one another"
    HASH = "message.completed is true"
    MESSAGE_CLOSED = "a message is closed before its turn"
    TEXT = "what is shown is what the model said"
    REPEATED_STEP = "finished steps are not repeated"
    ONCE = "once means once"
    PROVIDER_CLOSED = "cancelled means the provider's call is closed"
    STOP = "stop stops"
    NEEDLESS_TAKEOVER = "a healthy run is left alone"
    FOREIGN = "nobody sees another's session"
    BOOKS = "each turn is on the books once"
    LEFT_OVER = "nothing is left over"
    TTL = "each key has a TTL or an owner"
    DELIVERED = "each answer of a channel is handed on by a bridge"
    LEASED = "a delivery is one bridge's at a time"
    DELIVERY = "what is delivered is an answer"
    REPORTED = "a delivery's reports are in the log, and none goes back"
    ERASED = "what is erased is gone"
    MERGED = "a merged session has ended"


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """A broken rule, and what shows it."""

    rule: Rule
    session: str
    sentence: str

    def __str__(self) -> str:
        return f"[{self.rule}] {self.session}: {self.sentence}"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Something that a device was sent and took, at its place in the log."""

    device: str
    at_ns: int
    seq: int
    frame: Frame


@dataclass(kw_only=True)
class History:
    """See the module."""

    entries: list[Entry] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    connections: list[Connected] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    calls: dict[int, ModelCall] = field(default_factory=dict)
    said: dict[int, ModelSaid] = field(default_factory=dict)
    tool_rows: list[ToolRow] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    turn_rows: list[TurnRow] = field(default_factory=list)
    counts: list[Counts] = field(default_factory=list)
    stopped: list[Stopped] = field(default_factory=list)
    bridged: list[BridgeFrame] = field(default_factory=list)
    erased: list[Erased] = field(default_factory=list)
    remains: list[Remains] = field(default_factory=list)
    merged: list[Merged] = field(default_factory=list)
    forgotten: list[Entry] = field(default_factory=list)
    """All else of sessions that were erased: it is in none of the other lists."""
    logs: dict[EpochKey, dict[int, Frame]] = field(default_factory=lambda: defaultdict(dict))
    """Events by seq, as they were read from Redis."""
    bases: dict[EpochKey, LogBase] = field(default_factory=dict)
    """What logs begin with, as it was read from Redis."""
    epoch_seen_ns: dict[EpochKey, int] = field(default_factory=dict)
    seen_ns: dict[tuple[str, str, int], int] = field(default_factory=dict)
    """When (session, epoch, seq) was first seen, by a device or in Redis."""
    canaries: dict[str, str] = field(default_factory=dict)

    def epochs(self, session: str) -> list[str]:
        """A session's epochs, in the order in which they were first seen."""
        found = [(seen, epoch) for (name, epoch), seen in self.epoch_seen_ns.items() if name == session]
        return [epoch for _, epoch in sorted(found)]

    @property
    def sessions(self) -> list[str]:
        """All sessions of which anything was seen."""
        return sorted({name for name, _ in self.epoch_seen_ns} | set(self.canaries))

    def restarts_ns(self) -> list[tuple[int, int]]:
        """From when to when Redis was killed and started anew; it dies some time after the first."""
        spans: list[tuple[int, int]] = []
        restarts = [fault for fault in self.faults if fault.name in RESTARTS]
        for index, fault in enumerate(restarts):
            if not fault.ended:
                over = (after.at_ns for after in restarts[index:] if after.ended)
                spans.append((fault.at_ns, next(over, fault.at_ns + _RESTART_NS)))
        return spans

    def restarted_between(self, first_ns: int, last_ns: int) -> bool:
        """Whether Redis may have lost something that it had said, at some time between these."""
        return any(first_ns <= end_ns and begin_ns <= last_ns for begin_ns, end_ns in self.restarts_ns())

    def note(self, session: str, epoch: str, seq: int, at_ns: int) -> None:
        """An event, or the epoch itself (`seq` 0), was seen."""
        key = (session, epoch)
        self.epoch_seen_ns[key] = min(self.epoch_seen_ns.get(key, at_ns), at_ns)
        if seq:
            place = (session, epoch, seq)
            self.seen_ns[place] = min(self.seen_ns.get(place, at_ns), at_ns)


def is_event(frame: Frame) -> bool:
    """Whether a frame is an event of the log."""
    return isinstance(frame.get("seq"), int) and frame.get("type") not in SIGNALS


def read_folder(folder: Path) -> list[Entry]:
    """All entries of a run's files. A last line that its writer could not finish is left out."""
    decoder = msgspec.json.Decoder(Entry)
    entries: list[Entry] = []
    for file in sorted(folder.glob("*.jsonl")):
        *lines, _ = file.read_bytes().split(b"\n")
        entries += [decoder.decode(line) for line in lines if line]
    return entries


def index(entries: Iterable[Entry], violations: list[Violation]) -> History:  # noqa: C901 - one case a kind
    """Sort a run into its kinds. Two logged events at one place are a violation at once."""
    ordered = sorted(entries, key=lambda entry: entry.at_ns)
    gone = {entry.session for entry in ordered if isinstance(entry, Erased)}
    history = History(entries=[entry for entry in ordered if not _is_of(entry, gone)])
    history.forgotten = [entry for entry in ordered if _is_of(entry, gone)]
    for entry in history.entries:
        match entry:
            case Plan():
                history.plans.append(entry)
                history.canaries.update(entry.sessions)
            case Sent():
                history.sent.append(entry)
            case Received():
                history.received.append(entry)
            case Connected():
                history.connections.append(entry)
            case Shown():
                history.shown.append(entry)
            case ModelCall():
                history.calls[entry.call] = entry
            case ModelSaid():
                history.said[entry.call] = entry
            case ToolRow():
                history.tool_rows.append(entry)
            case Fault():
                history.faults.append(entry)
            case LogEvent():
                _log(history, entry, violations)
            case LogBase():
                history.note(entry.session, entry.epoch, 0, entry.at_ns)
                history.bases.setdefault((entry.session, entry.epoch), entry)
            case TurnRow():
                history.turn_rows.append(entry)
            case Counts():
                history.counts.append(entry)
            case Stopped():
                history.stopped.append(entry)
            case BridgeFrame():
                history.bridged.append(entry)
            case Erased():
                history.erased.append(entry)
            case Remains():
                history.remains.append(entry)
            case Merged():
                history.merged.append(entry)
    return history


def _is_of(entry: Entry, gone: set[str]) -> bool:
    """Whether an entry tells what an erased session was, not that it was erased."""
    return not isinstance(entry, Erased | Remains) and getattr(entry, "session", None) in gone


def _log(history: History, entry: LogEvent, violations: list[Violation]) -> None:
    seq = entry.event["seq"]
    log = history.logs[entry.session, entry.epoch]
    history.note(entry.session, entry.epoch, seq, entry.at_ns)
    if log.setdefault(seq, entry.event) != entry.event:
        violations.append(
            Violation(
                rule=Rule.SAME_EVENT,
                session=entry.session,
                sentence=f"the log of epoch {entry.epoch} held two events at {seq}: {brief(log[seq])}, {brief(entry.event)}",
            )
        )


def brief(frame: Frame) -> str:
    """A frame in few words, for a sentence."""
    named: Frame = {key: frame[key] for key in ("seq", "off", "turn_id", "message_id", "re", "code") if key in frame}
    text = frame.get("text")
    if isinstance(text, str):
        named["text"] = text if len(text) <= 40 else f"{text[:40]}..."
    return f"{frame.get('type')} {named}"


def evidence(values: Sequence[object], most: int = 5) -> str:
    """The first few of many."""
    shown = ", ".join(str(value) for value in values[:most])
    return shown if len(values) <= most else f"{shown} and {len(values) - most} more"
