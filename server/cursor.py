"""A reader's place in one session's log: what was handed on, what waits, and how it catches up.

Used by every transport. It never buffers without bound: when the `Tail` is full, what waits is dropped and
the reader is fed from the log, piece by piece, at the pace at which it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from core.errors import BackendError, SessionErased
from core.ports import EventLog, LogSlice, SessionHead, SessionStore
from core.turns import SessionRef
from core.view import SessionView, trimmed

LIVE_TAIL_BYTES: Final = 96 * 1024
"""What may wait in memory for one connection, before it is fed from the log: its part of the 256 KiB that a peer
may leave unread (protocol.md, Heartbeat, slow clients; `server/outbound.py` has the other parts)."""
CATCH_UP_BYTES: Final = 32 * 1024
"""How much of the log is read at a time for a reader that is behind."""

MissReason = Literal["epoch", "trimmed", "ahead"]
_Raws = msgspec.json.Decoder(list[msgspec.Raw])


class Tail:
    """Room for what waits, shared by all cursors of a connection."""

    def __init__(self, limit_bytes: int = LIVE_TAIL_BYTES) -> None:
        self._left = limit_bytes

    def take(self, size: int) -> bool:
        """Take room, or say that there is none."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give(self, size: int) -> None:
        """Give room back."""
        self._left += size

    @property
    def left(self) -> int:
        """Room that is left, in bytes."""
        return self._left


@dataclass(frozen=True, kw_only=True)
class Opening:
    """How a reader began: where the log stood, and what brings it there."""

    head: SessionHead
    recovered: bool
    reason: MissReason | None
    snapshot: SessionView | None
    live_seq: int | None
    """All up to it is in the snapshot; None: `read_on` gives what was missed, and says when the reader is live."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A piece of what a reader is to be given, in this order."""

    snapshot: SessionView | None = None
    """Replaces all: the log began anew, or was cut under a slow reader."""
    payloads: Sequence[bytes] = ()
    """JSON arrays of events."""
    live_seq: int | None = None
    """All up to it was given now: the reader that was being brought to the head is there."""


class Cursor:
    """A `LogReader` that keeps order for one reader. Not thread-safe; lives on one event loop."""

    __slots__ = (
        "_attached",
        "_behind",
        "_closed",
        "_epoch",
        "_head",
        "_live_due",
        "_log",
        "_new_epoch",
        "_on_typing",
        "_owed",
        "_pending",
        "_position",
        "_restarting",
        "_seen",
        "_store",
        "_tail",
        "_wake",
        "erased",
        "session",
    )

    def __init__(
        self,
        session: SessionRef,
        log: EventLog,
        store: SessionStore,
        wake: Callable[[], None],
        on_typing: Callable[[SessionRef, str, bool], None] | None = None,
        tail: Tail | None = None,
    ) -> None:
        self.session = session
        self.erased = False
        self._log = log
        self._store = store
        self._wake = wake
        self._on_typing = on_typing
        self._tail = tail or Tail()
        self._epoch = ""
        self._position = 0
        self._pending: list[tuple[str, int, int, bytes]] = []
        self._owed: list[bytes] = []  # read already, to be handed on before all that waits
        self._live_due = False
        self._behind = False
        self._seen = 0  # the last seq that was told of while behind
        self._new_epoch = False
        self._restarting = False  # attached anew, but the snapshot is still being read
        self._attached = False
        self._closed = False

    @property
    def position(self) -> int:
        """The last seq that was handed on, or is owed."""
        return self._position

    @property
    def must_read(self) -> bool:
        """Whether `read_on` has to be asked before `live` gives anything."""
        return self._behind or self._new_epoch or self._restarting or self._live_due or bool(self._owed)

    @property
    def has_work(self) -> bool:
        """Whether there is something to hand on, or to find out."""
        return bool(self._pending) or self.must_read or self.erased

    async def open(self, resume: tuple[str, int] | None = None, *, with_snapshot: bool = True) -> Opening:
        """Attach, and say what brings the reader to the log's head: the missed events, or a snapshot."""
        await self._attach()
        head = self._head
        reason: MissReason | None = None
        if resume is not None:
            reason = await self._resume(*resume)
            if reason is None:
                return Opening(head=head, recovered=True, reason=None, snapshot=None, live_seq=None)
        if not with_snapshot and resume is None:
            self._position = head.seq
            return Opening(head=head, recovered=False, reason=None, snapshot=None, live_seq=head.seq)
        view = await self._snapshot()
        return Opening(head=head, recovered=False, reason=reason, snapshot=view, live_seq=view.seq)

    async def next_batch(self) -> Batch:
        """What is next, for a reader that takes one piece after the other: as `read_on`, else as `live`."""
        return await self.read_on() if self.must_read else Batch(payloads=self.live())

    async def next_payloads(self) -> tuple[SessionView | None, list[bytes]]:
        """The same, for a reader that does not care when it is live."""
        batch = await self.next_batch()
        return batch.snapshot, list(batch.payloads)

    async def read_on(self) -> Batch:
        """The next piece of what the reader is behind by.

        Raises BackendError while Redis is away (ask again: nothing is lost), UserError where it has lost the session.
        """
        try:
            if self._new_epoch:
                return await self._restart()
            if self._owed:
                owed, self._owed = self._owed, []
                return Batch(payloads=owed, live_seq=self._arrival())
            if self._behind:
                return await self._catch_up()
        except SessionErased:  # nobody else tells a reader that was between two attachments
            self.erased = True
            self._new_epoch = self._behind = self._live_due = False
        return Batch(live_seq=self._arrival())

    def live(self, limit_bytes: int | None = None) -> list[bytes]:
        """What waits in memory, about so much at most; nothing while the reader must read."""
        payloads: list[bytes] = []
        if not self._pending or self.must_read:
            return payloads
        size = taken = 0
        is_gap = False
        for epoch, first, last, payload in self._pending:
            if limit_bytes is not None and size >= limit_bytes:
                break
            taken += 1
            self._tail.give(len(payload))
            if epoch != self._epoch or last <= self._position:
                continue
            if first > self._position + 1:
                is_gap = True
                break
            payloads.append(_after(first, payload, self._position))
            size += len(payload)
            self._position = last
        if is_gap:
            seen = self._pending[taken - 1][2]
            del self._pending[:taken]
            self._fall_behind()
            self._seen = max(self._seen, seen)
        else:
            del self._pending[:taken]
        return payloads

    def close(self) -> None:
        """Stop reading, for good."""
        self._closed = True
        self._detach()
        self._drop_pending()

    # LogReader

    def on_events(self, epoch: str, first_seq: int, last_seq: int, payload: bytes) -> None:
        """Take a run of events that was appended."""
        if not self._behind and not self._tail.take(len(payload)):
            self._fall_behind()
        if self._behind:
            self._seen = max(self._seen, last_seq)
        else:
            self._pending.append((epoch, first_seq, last_seq, payload))
        self._wake()

    def on_epoch(self, epoch: str) -> None:
        """The log began anew."""
        self._new_epoch = True
        self._wake()

    def on_erased(self) -> None:
        """The session is gone."""
        self.erased = True
        self._wake()

    def on_typing(self, by: str, on: bool) -> None:
        """Somebody types."""
        if self._on_typing is not None:
            self._on_typing(self.session, by, on)

    # inside

    def _detach(self) -> None:
        if self._attached:
            self._log.detach(self.session, self)
            self._attached = False

    async def _attach(self) -> None:
        self._detach()
        self._drop_pending()
        self._owed = []
        self._behind = self._new_epoch = self._live_due = False
        self._seen = 0
        self._head = await self._log.attach(self.session, self)
        self._attached = True
        if self._closed:
            self._detach()
            raise BackendError("The session was closed while it was being opened; open it again.")
        self._epoch = self._head.epoch
        self._position = self._head.seq

    async def _resume(self, epoch: str, seq: int) -> MissReason | None:
        """Begin after `seq`, with a first piece of what came since; or say why that cannot be."""
        if epoch != self._head.epoch:
            return "epoch"
        part = await self._log.read(self.session, epoch, seq, CATCH_UP_BYTES)
        if part is None:  # else, where it is ahead of us: this node has not heard yet what another told the reader
            return "ahead" if seq > self._head.seq else "trimmed"
        self._position = seq
        owed = self._follow(part)
        if owed is None:
            return "trimmed"
        self._owed, self._live_due = owed, True
        if not part.complete:
            self._fall_behind()
            self._seen = max(self._seen, part.head)
        return None

    async def _snapshot(self) -> SessionView:
        view = await self._store.view(self.session)
        if view.epoch != self._epoch:
            await self._attach()
            view = await self._store.view(self.session)
            if view.epoch != self._epoch:
                raise BackendError("The session's log is being rebuilt; try again in a moment.")
        self._position = view.seq
        return trimmed(view)

    async def _restart(self) -> Batch:
        self._restarting = True
        try:
            await self._attach()
            view = await self._snapshot()
        except BaseException:
            self._new_epoch = True  # no snapshot was given yet: the next call begins again
            raise
        finally:
            self._restarting = False
        return Batch(snapshot=view, live_seq=view.seq)

    async def _catch_up(self) -> Batch:
        seen = self._seen  # what is told of while the log is read may be newer than what is read
        part = await self._log.read(self.session, self._epoch, self._position, CATCH_UP_BYTES)
        if part is None or part.head < seen:
            return await self._restart()
        payloads = self._follow(part)
        if payloads is None:
            return await self._restart()
        if part.complete and self._position >= self._seen:
            self._behind = False  # from here `on_events` gathers again
        return Batch(payloads=payloads, live_seq=self._arrival())

    def _follow(self, part: LogSlice) -> list[bytes] | None:
        """The payloads of a slice after the position, which moves on; None where they do not follow on it."""
        if not part.chunks and part.head > self._position:
            return None
        payloads: list[bytes] = []
        for first, last, payload in part.chunks:
            if last <= self._position:
                continue
            if first > self._position + 1:
                return None
            payloads.append(_after(first, payload, self._position))
            self._position = last
        return payloads

    def _arrival(self) -> int | None:
        """The position, once, when a reader that was being brought to the head is there."""
        if not self._live_due or self._behind:
            return None
        self._live_due = False
        return self._position

    def _fall_behind(self) -> None:
        self._seen = self._pending[-1][2] if self._pending else self._position
        self._drop_pending()
        self._behind = True

    def _drop_pending(self) -> None:
        for _, _, _, payload in self._pending:
            self._tail.give(len(payload))
        self._pending.clear()


def _after(first: int, payload: bytes, position: int) -> bytes:
    """The payload without the events up to `position`."""
    if first > position:
        return payload
    kept = _Raws.decode(payload)[position - first + 1 :]
    return b"[" + b",".join(bytes(raw) for raw in kept) + b"]"
