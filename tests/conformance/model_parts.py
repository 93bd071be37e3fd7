"""What the model knows: sessions, turns, approvals and deliveries as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from core.turns import JournalEntry
from core.view import SessionView

Event = dict[str, Any]
"""What an event must say at least; the log may say more (times, usage)."""
ENDS = ("turn.completed", "turn.failed", "turn.cancelled")


class Refused(Exception):
    """The rules do not allow it. `why` is an error's code, or `stale` or `erased`."""

    def __init__(self, why: str, *, duplicate: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.duplicate = duplicate

    def __str__(self) -> str:
        return f"{self.why} again" if self.duplicate else self.why


@dataclass
class Turn:
    """A turn, wherever it is."""

    turn_id: str
    session_id: str
    tenant: str
    channel: str
    message_ids: list[str]
    first_seq: int
    first_life: int
    """Where its first event is: in that life of the log."""
    retry_of: str | None = None
    state: str = "queued"
    attempt: int = 0
    """Runs that count: neither a released one does, nor one that an answer made go on."""
    runs: int = 0
    node: str = ""
    """Where its last run is."""
    resumed: bool = False
    """Its next run goes on after an answer: nothing is said, nothing counted."""
    cancelled_by: str = ""
    journal: list[JournalEntry] = field(default_factory=list)
    parked_by: tuple[str, int] | None = None
    ended_by: tuple[str, int] | None = None
    """Nonce and batch of the write that did so last."""
    approval_id: str = ""
    """What it is parked for."""
    ending: tuple[list[Event], bool] = ([], False)
    """How a parked turn ends if it is cancelled: what is said before, whether it leaves history."""

    @property
    def ended(self) -> bool:
        return self.state in ("completed", "failed", "cancelled")


@dataclass
class Approval:
    """Somebody's yes that a turn waits for, or waited."""

    approval_id: str
    turn_id: str
    approver: str
    step: int
    call_id: str
    state: str = "pending"
    over: int = 0
    """When its time was over; 0: it is not."""


@dataclass
class Delivery:
    """An answer that is to leave by a channel of somebody else's."""

    delivery_id: str
    session_id: str
    tenant: str
    channel: str
    message_id: str
    place: str = "waiting"
    """Or `leased`, or `run out` (a lease that is over), or `reported`."""
    attempt: int = 0
    status: str = ""


@dataclass
class Session:
    """A session, with its log in this life of Redis."""

    session_id: str
    tenant: str
    user_id: str
    partition: int
    life: int
    epoch: str | None = None
    """None: new, and not seen yet."""
    log: list[Event] = field(default_factory=list)
    inbox: list[str] = field(default_factory=list)
    current: str = ""
    latest: str = ""
    fence: int = 0
    nonce: str = ""
    """The run that may write; '' where there is none."""
    batch: int = 0
    history: list[str] = field(default_factory=list)
    """Turns whose words the next model call is told."""
    merged_in: dict[str, list[str]] = field(default_factory=dict)
    """Sessions that go on here, and the turns of their history."""
    moved: str = ""
    floor: int = 0
    """Up to where the log was cut; an observation."""
    replies: dict[tuple[str, str], tuple[str, dict[str, Any] | str]] = field(default_factory=dict)
    """By principal and cid: digest, and the reply or a refusal's code."""
    erased: bool = False
    shown: SessionView = field(default_factory=lambda: SessionView(epoch=""))
    """The fold of the real events that were seen in the log; an observation, not a rule."""
    payloads: dict[str, str] = field(default_factory=dict)
    """The real entries of the log that were seen, by id; the same."""

    def say(self, kind: str, **fields: Any) -> None:
        """Append an event."""
        self.log.append({"type": kind, **fields})
