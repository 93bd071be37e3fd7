"""Rules of the wire: what each connection was sent, one frame after another.

Stricter than a client need be: a client would drop what is doubled and read what is missing, so a server that relies
on that would pass unseen.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from tests.chaos.checker_history import EpochKey, Frame, History, Rule, Seen, Violation, brief, is_event
from tests.chaos.history import Connected, Received, Sent


@dataclass(kw_only=True)
class Wire:
    """What the devices took: events at their places, and snapshots."""

    events: dict[EpochKey, list[Seen]] = field(default_factory=lambda: defaultdict(list))
    snapshots: dict[EpochKey, list[Seen]] = field(default_factory=lambda: defaultdict(list))
    reconnects: int = 0
    resumed: int = 0


@dataclass(kw_only=True)
class _Device:
    """A device's place, over all of its connections."""

    name: str
    session: str
    epoch: str | None = None
    seq: int = 0
    left: set[str] = field(default_factory=set)
    connections: int = 0
    session_id: str | None = None


@dataclass(kw_only=True)
class _Connection:
    """Where a connection is. `expected` is the seq that has to come next; None: not known."""

    resume: Frame | None = None
    opened: Frame | None = None
    expected: int | None = None
    wants_snapshot: bool = True
    broken: bool = False
    """A violation was told: what follows from it is not told again, until the next opening or snapshot."""


def follow(history: History, violations: list[Violation]) -> Wire:
    """Go through all connections; gives what the devices took."""
    wire = Wire()
    follower = _Follower(history, wire, violations)
    for entry in history.entries:
        match entry:
            case Sent() if entry.frame.get("type") == "session.open":
                follower.opening(entry)
            case Received():
                follower.take(entry)
            case Connected() if entry.up:
                follower.connected(entry)
    return wire


class _Follower:
    def __init__(self, history: History, wire: Wire, violations: list[Violation]) -> None:
        self._history, self._wire, self._violations = history, wire, violations
        self._devices: dict[str, _Device] = {}
        self._connections: dict[tuple[str, int], _Connection] = defaultdict(_Connection)

    def connected(self, entry: Connected) -> None:
        device = self._device(entry)
        device.connections += 1
        if device.connections > 1:
            self._wire.reconnects += 1

    def opening(self, entry: Sent) -> None:
        self._connections[entry.device, entry.connection].resume = entry.frame.get("resume")

    def take(self, entry: Received) -> None:
        device, frame = self._device(entry), entry.frame
        connection = self._connections[entry.device, entry.connection]
        self._whose(device, entry)
        match frame.get("type"):
            case "session.opened":
                self._opened(device, connection, frame)
            case "session.snapshot":
                self._snapshot(device, connection, entry)
            case "session.live":
                self._live(device, connection, frame)
            case _ if is_event(frame):
                self._event(device, connection, entry)
            case _:
                pass

    def _device(self, entry: Connected | Received) -> _Device:
        return self._devices.setdefault(entry.device, _Device(name=entry.device, session=entry.session))

    def _whose(self, device: _Device, entry: Received) -> None:
        session_id = entry.frame.get("session_id")
        if session_id is None or entry.frame.get("type") == "error":  # `moved` names where the session goes on
            return
        if device.session_id is None or entry.frame.get("type") == "session.opened":
            device.session_id = session_id  # a merged session's name stands for another one afterwards
        elif session_id != device.session_id:
            self._broken(
                Rule.FOREIGN, device, f"was sent {brief(entry.frame)} of {session_id}, not {device.session_id}"
            )

    def _opened(self, device: _Device, connection: _Connection, frame: Frame) -> None:
        connection.opened, connection.broken = frame, False
        connection.wants_snapshot = not frame["recovered"]
        connection.expected = None
        if not frame["recovered"]:
            return
        self._wire.resumed += 1
        resume = connection.resume
        if resume is None:
            self._broken(Rule.SILENT_RESUME, device, "was recovered without asking for it")
        elif resume["epoch"] != frame["epoch"]:
            asked = resume["epoch"]
            self._broken(Rule.SILENT_RESUME, device, f"asked for epoch {asked} and was recovered in {frame['epoch']}")
        else:
            connection.expected = resume["seq"] + 1

    def _snapshot(self, device: _Device, connection: _Connection, entry: Received) -> None:
        frame = entry.frame
        epoch, seq = frame["epoch"], frame["seq"]
        self._history.note(device.session, epoch, 0, entry.at_ns)
        if epoch in device.left:
            self._broken(Rule.OLD_EPOCH, device, f"was given a snapshot of epoch {epoch}, which it had left")
        if device.epoch == epoch and seq < device.seq:
            self._broken(Rule.ROLLED_BACK, device, f"was at {device.seq} of epoch {epoch} and got a snapshot at {seq}")
        if device.epoch not in (None, epoch):
            device.left.add(str(device.epoch))
        device.epoch, device.seq = epoch, seq
        connection.expected, connection.wants_snapshot, connection.broken = seq + 1, False, False
        self._wire.snapshots[device.session, epoch].append(
            Seen(device=device.name, at_ns=entry.at_ns, seq=seq, frame=frame)
        )

    def _live(self, device: _Device, connection: _Connection, frame: Frame) -> None:
        if connection.expected is not None and frame["seq"] >= connection.expected:
            self._broken(
                Rule.LIVE, device, f"was told to be live at {frame['seq']} and was at {connection.expected - 1}"
            )

    def _event(self, device: _Device, connection: _Connection, entry: Received) -> None:
        frame = entry.frame
        seq = frame["seq"]
        if connection.expected is None or device.epoch is None:
            if connection.opened is not None and not connection.broken:
                self._broken(Rule.SILENT_RESUME, device, f"got {brief(frame)} before its snapshot")
                connection.broken = True
            return
        if seq != connection.expected:
            if not connection.broken:
                rule = Rule.LOST if seq > connection.expected else Rule.DOUBLED
                self._broken(
                    rule,
                    device,
                    f"on connection {entry.connection} to node {entry.node} came {brief(frame)} where {connection.expected} of epoch {device.epoch} was next",
                )
            connection.broken = True
        connection.expected = seq + 1
        if seq == device.seq + 1:
            device.seq = seq
        self._history.note(device.session, device.epoch, seq, entry.at_ns)
        self._wire.events[device.session, device.epoch].append(
            Seen(device=device.name, at_ns=entry.at_ns, seq=seq, frame=frame)
        )

    def _broken(self, rule: Rule, device: _Device, what: str) -> None:
        self._violations.append(Violation(rule=rule, session=device.session, sentence=f"{device.name} {what}"))
