"""Rules of the log: gapless, before the wire, the same for everybody, and what is shown is its fold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from core.events import Event
from core.view import SessionView, apply
from core.wire.frames import Snapshot
from tests.chaos.checker_devices import Wire
from tests.chaos.checker_history import Frame, History, Rule, Seen, Violation, brief, evidence

_SNAPSHOT_MESSAGES: Final = 50

BeforeEvent = Callable[["Place", SessionView], None]


@dataclass(frozen=True, kw_only=True)
class Place:
    """An event and where it stands."""

    session: str
    epoch: str
    seq: int
    at_ns: int
    event: Frame


@dataclass(kw_only=True)
class Folds:
    """What came of folding the logs."""

    last: dict[str, SessionView] = field(default_factory=dict)
    """Each session's fold at the end of its last epoch."""
    places: list[Place] = field(default_factory=list)
    """Every event of every epoch that was seen, in order."""


def judge_logs(history: History, wire: Wire, before: BeforeEvent, violations: list[Violation]) -> Folds:
    """Judge each epoch of each session; `before` is called with each event and the fold before it."""
    folds = Folds()
    for session in history.sessions:
        epochs = history.epochs(session)
        for number, epoch in enumerate(epochs):
            judge = _Epoch(history, wire, violations, session, epoch, is_first=number == 0, is_last=epoch == epochs[-1])
            view = judge.run(before, folds)
            if view is not None and epoch == epochs[-1]:
                folds.last[session] = view
        if len(epochs) - 1 > len(history.restarts_ns()):
            sentence = f"there were {len(epochs)} epochs and {len(history.restarts_ns())} restarts of Redis"
            violations.append(Violation(rule=Rule.NEEDLESS_EPOCH, session=session, sentence=sentence))
    return folds


class _Epoch:
    """One epoch of one session."""

    def __init__(
        self,
        history: History,
        wire: Wire,
        violations: list[Violation],
        session: str,
        epoch: str,
        *,
        is_first: bool,
        is_last: bool,
    ) -> None:
        self._history, self._violations = history, violations
        self._session, self._epoch = session, epoch
        self._is_first, self._is_last = is_first, is_last
        self._log = history.logs.get((session, epoch), {})
        self._taken = wire.events.get((session, epoch), [])
        self._snapshots = sorted(wire.snapshots.get((session, epoch), []), key=lambda seen: seen.seq)

    def run(self, before: BeforeEvent, folds: Folds) -> SessionView | None:
        self._gapless()
        events = self._agreed()
        base = self._base()
        if base is None:
            return None
        shown = self._shown()
        base_seq, view, waiting = base.seq, base, list(self._snapshots)
        while True:
            while waiting and waiting[0].seq <= view.seq:
                seen = waiting.pop(0)
                if seen.seq == view.seq:
                    self._compare_snapshot(seen, view)
            for device, claimed, _ in shown.get(view.seq, []):
                self._compare(device, claimed, view, Rule.AGREE, may_lack=True)
            event = events.get(view.seq + 1)
            if event is None:
                break
            place = self._place(event, view.seq + 1)
            folds.places.append(place)
            before(place, view)
            _apply(view, event, place.seq)
        self._nothing_beyond(base_seq, view, shown)
        return view

    def _gapless(self) -> None:
        missing = [seq for seq in range(1, max(self._log, default=0)) if seq not in self._log]
        if missing:
            self._broken(Rule.LOG_GAPLESS, f"the log lacks {evidence(missing)} before {max(self._log)}")

    def _agreed(self) -> dict[int, Frame]:
        """The events by seq: as logged, else as sent. In an old epoch Redis may have lost what it had said."""
        events = dict(self._log)
        head = max(self._log, default=0)
        unlogged: dict[int, Seen] = {}
        differing: dict[int, Seen] = {}
        for seen in self._taken:
            known = events.setdefault(seen.seq, seen.frame)
            if known is not seen.frame and known != seen.frame:
                differing.setdefault(seen.seq, seen)
            if seen.seq not in self._log and (self._is_last or seen.seq < head):
                unlogged.setdefault(seen.seq, seen)
        for seen in list(differing.values())[:3]:
            others = brief(events[seen.seq])
            self._broken(Rule.SAME_EVENT, f"{seen.device} got {brief(seen.frame)} where others have {others}")
        if unlogged:
            first = next(iter(unlogged.values()))
            self._broken(
                Rule.LOG_BEFORE_WIRE,
                f"{first.device} got {brief(first.frame)}, which the log does not hold ({len(unlogged)} such events)",
            )
        return events

    def _base(self) -> SessionView | None:
        """Where the fold begins: nothing, in a session's first epoch; later the oldest view that anybody saw.

        That is what the log began with, as Redis had it, or else a snapshot: events before it are not folded.
        """
        if self._is_first:
            return SessionView(epoch=self._epoch)
        views = [_view_of(seen.frame) for seen in self._snapshots[:1]]
        stored = self._history.bases.get((self._session, self._epoch))
        if stored is not None:
            views.append(msgspec.convert(stored.view, SessionView))
        return min(views, key=lambda view: view.seq, default=None)

    def _shown(self) -> dict[int, list[tuple[str, SessionView, int]]]:
        """By seq: the device, what it shows, and when that was written down."""
        shown: dict[int, list[tuple[str, SessionView, int]]] = {}
        for entry in self._history.shown:
            if (entry.session, entry.epoch) == (self._session, self._epoch):
                plain = {"epoch": entry.epoch, "seq": entry.seq, "messages": entry.messages}
                view = msgspec.convert(plain | {"turn": entry.turn, "queue": entry.queue}, SessionView)
                shown.setdefault(entry.seq, []).append((entry.device, view, entry.at_ns))
        return shown

    def _nothing_beyond(
        self, base_seq: int, view: SessionView, shown: dict[int, list[tuple[str, SessionView, int]]]
    ) -> None:
        """A device shows what the log held when that was written down: what is appended later it cannot show."""
        head = max([view.seq, *self._log])
        for seq, devices in shown.items() if self._is_last else ():
            for device, _, at_ns in devices:
                then = max([base_seq, *(place for place in range(1, head + 1) if self._seen_ns(place) <= at_ns)])
                if seq != then:
                    self._broken(Rule.AGREE, f"at the end {device} stood at {seq}; the log's head was {then}")
        for device in {seen.device for seen in self._snapshots if seen.seq > head}:
            self._broken(Rule.FOLD, f"{device} got a snapshot beyond the log's head {head}")

    def _compare_snapshot(self, seen: Seen, view: SessionView) -> None:
        self._compare(seen.device, _view_of(seen.frame), view, Rule.FOLD, may_lack=seen.frame.get("more", False))

    def _compare(self, device: str, claimed: SessionView, view: SessionView, rule: Rule, *, may_lack: bool) -> None:
        difference = _difference(claimed, view, may_lack=may_lack)
        if difference:
            self._broken(rule, f"{device} shows at {view.seq} of epoch {self._epoch}: {difference}")

    def _place(self, event: Frame, seq: int) -> Place:
        return Place(session=self._session, epoch=self._epoch, seq=seq, at_ns=self._seen_ns(seq), event=event)

    def _seen_ns(self, seq: int) -> int:
        return self._history.seen_ns.get((self._session, self._epoch, seq), 0)

    def _broken(self, rule: Rule, sentence: str) -> None:
        self._violations.append(
            Violation(rule=rule, session=self._session, sentence=f"epoch {self._epoch}: {sentence}")
        )


def judge_shown_epochs(history: History, violations: list[Violation]) -> None:
    """At the end every device stands in the epoch that was then the session's last."""
    for entry in history.shown:
        epochs = history.epochs(entry.session)
        then = [epoch for epoch in epochs if history.epoch_seen_ns[entry.session, epoch] <= entry.at_ns]
        if then and entry.epoch != then[-1]:
            sentence = f"at the end {entry.device} shows epoch {entry.epoch}, and {then[-1]} was the last"
            violations.append(Violation(rule=Rule.AGREE, session=entry.session, sentence=sentence))


def _apply(view: SessionView, event: Frame, seq: int) -> None:
    """As every client does: an event of a type that is not known only counts."""
    try:
        known = msgspec.convert(event, Event)
    except msgspec.ValidationError:
        view.seq = seq
        return
    apply(view, known)


def _view_of(snapshot: Frame) -> SessionView:
    return msgspec.convert({key: value for key, value in snapshot.items() if key != "type"}, Snapshot).view()


def plain(value: object) -> Any:
    """As JSON has it, so that a list and a tuple are the same."""
    return msgspec.json.decode(msgspec.json.encode(value))


def _difference(claimed: SessionView, view: SessionView, *, may_lack: bool) -> str:
    """What differs, in words; empty where nothing does. Old messages may be missing where `may_lack`."""
    mine, theirs = plain(claimed), plain(view)
    mine_shown, folded = _messages(mine), _messages(theirs)
    count = min(len(mine_shown), len(folded))
    lacks = len(folded) - count
    if lacks and not may_lack:
        return f"{lacks} of {count + lacks} messages are missing"
    if lacks and count < _SNAPSHOT_MESSAGES and not _is_large(mine):
        return f"only {count} of {count + lacks} messages"
    for one, other in zip(mine_shown[len(mine_shown) - count :], folded[lacks:], strict=True):
        if one != other:
            return f"the message {_short(one)}, and the log says {_short(other)}"
    for name in ("turn", "queue"):
        if mine.get(name) != theirs.get(name):
            return f"{name} {mine.get(name)}, and the log says {theirs.get(name)}"
    return ""


def _messages(view: Frame) -> list[Frame]:
    """Without feedback, which no event tells."""
    return [{key: message[key] for key in message if key != "feedback"} for message in view.get("messages", [])]


def _is_large(view: Frame) -> bool:
    return len(msgspec.json.encode(view)) > 128 * 1024


def _short(message: Frame) -> str:
    content = str(message.get("content"))
    ends = content if len(content) <= 60 else f"{content[:30]}...{content[-30:]} ({len(content)} characters)"
    return f"{message.get('role')} {message.get('message_id')} {message.get('status')} {ends!r}"
