"""One session as a client follows it: a cursor in its log, and the view that the events up to it make.

CLOSED ──open──▶ OPENING ──session.opened──▶ CATCHING_UP ──session.live──▶ LIVE
                    ▲  └── not recovered ──▶ EXPECTING_SNAPSHOT ──▶ ┘        │
                    └───────────────── gap: open again with resume ─────────┘
"""

from __future__ import annotations

import hashlib
from enum import StrEnum, auto

import msgspec

from core.events import Event, MessageCompleted
from core.view import SessionView, apply
from core.wire.frames import Resume, SessionOpen, SessionOpened, Snapshot


class Phase(StrEnum):
    """Where a session is on the present connection."""

    CLOSED = auto()
    OPENING = auto()
    EXPECTING_SNAPSHOT = auto()
    CATCHING_UP = auto()
    LIVE = auto()


class Step(StrEnum):
    """What became of an event."""

    APPLIED = auto()
    DROPPED = auto()
    """It was there before, or belongs to what a snapshot will replace."""
    GAP = auto()
    """Events are missing before it: open again with `resume`."""


class Cursor:
    """A session's position, and its view (None before the first opening)."""

    def __init__(self, opening: SessionOpen) -> None:
        self.opening = opening
        """What is asked for at each opening, but for `cid`, `resume` and credentials."""
        self.phase = Phase.CLOSED
        self.view: SessionView | None = None
        self.session_id: str | None = None
        self.open_cid: str | None = None
        self.retry_at_s: float | None = None
        """When a refused opening is to be repeated."""

    @property
    def is_open(self) -> bool:
        """Whether commands of this session may be sent now."""
        return self.phase in {Phase.CATCHING_UP, Phase.LIVE}

    def open(self, cid: str, ticket: str | None) -> SessionOpen:
        """The frame that opens the session anew, from where the cursor is."""
        resume = None if self.view is None else Resume(epoch=self.view.epoch, seq=self.view.seq)
        self.phase, self.open_cid, self.retry_at_s = Phase.OPENING, cid, None
        return msgspec.structs.replace(self.opening, cid=cid, resume=resume, ticket=ticket or self.opening.ticket)

    def opened(self, frame: SessionOpened) -> None:
        """The server has opened it; where nothing is recovered a snapshot follows, unless none was asked for."""
        self.session_id, self.open_cid = frame.session_id, None
        if frame.recovered:
            self.phase = Phase.CATCHING_UP
        elif self.view is None and not self.opening.snapshot:
            self.view = SessionView(epoch=frame.epoch, seq=frame.head)
            self.phase = Phase.CATCHING_UP
        else:
            self.phase = Phase.EXPECTING_SNAPSHOT

    def replace(self, snapshot: Snapshot) -> bool:
        """Take a snapshot instead of all that was held; whether it is of another epoch than that."""
        changed = self.view is not None and self.view.epoch != snapshot.epoch
        self.view = snapshot.view()
        if self.phase is Phase.EXPECTING_SNAPSHOT:
            self.phase = Phase.CATCHING_UP
        return changed

    def live(self) -> None:
        """All up to the head has come."""
        if self.phase is Phase.CATCHING_UP:
            self.phase = Phase.LIVE

    def take(self, seq: int, event: Event | None) -> Step:
        """Apply the event `seq` if it is the next one; None: of a type that is not known, only its place counts."""
        if self.view is None or self.phase in {Phase.CLOSED, Phase.EXPECTING_SNAPSHOT} or seq <= self.view.seq:
            return Step.DROPPED
        if seq > self.view.seq + 1:
            return Step.GAP if self.is_open else Step.DROPPED
        if event is None:
            self.view.seq = seq
        else:
            apply(self.view, event)
        return Step.APPLIED

    def matches(self, completed: MessageCompleted) -> bool:
        """Whether the text held is the one that `message.completed` hashes; True where the message is not held."""
        message = self.view.message(completed.message_id) if self.view is not None else None
        if message is None or not isinstance(message.content, str):
            return True
        digest = hashlib.sha256(message.content.encode()).hexdigest()
        return len(message.content) == completed.length and digest == completed.sha256
