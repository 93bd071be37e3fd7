"""A reader's place in one session's log: what was handed on, what waits, and how it catches up.

Used by every transport. It never buffers without bound: past `LIVE_TAIL_BYTES` the live tail is
dropped and the reader is fed from the log at the pace at which it reads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from core.errors import BackendError, SessionErased
from core.ports import EventLog, SessionHead, SessionStore
from core.turns import SessionRef
from core.view import SessionView, trimmed

LIVE_TAIL_BYTES: Final = 256 * 1024
"""What one reader may leave unread before it is fed from the log (protocol.md, Heartbeat, slow clients)."""
CATCH_UP_BYTES: Final = 64 * 1024
"""How much of the log is read at a time for a reader that is behind."""

MissReason = Literal["epoch", "trimmed", "ahead"]
_Raws = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, kw_only=True)
class Opening:
    """How a reader began: where the log stood, and what brings it there."""

    head: SessionHead
    recovered: bool
    reason: MissReason | None
    snapshot: SessionView | None
    events: tuple[bytes, ...]
    """Payloads (JSON arrays of events) to hand on, in order, after the snapshot."""
    live_seq: int


class Cursor:
    """A `LogReader` that keeps order for one reader. Not thread-safe; lives on one event loop."""

    def __init__(
        self,
        session: SessionRef,
        log: EventLog,
        store: SessionStore,
        wake: Callable[[], None],
        on_typing: Callable[[SessionRef, str, bool], None] | None = None,
    ) -> None:
        self.session = session
        self.erased = False
        self._log = log
        self._store = store
        self._wake = wake
        self._on_typing = on_typing
        self._epoch = ""
        self._position = 0
        self._pending: deque[tuple[str, int, int, bytes]] = deque()
        self._pending_bytes = 0
        self._behind = False
        self._seen = 0  # the last seq that was told of while behind
        self._new_epoch = False
        self._attached = False
        self._closed = False

    @property
    def position(self) -> int:
        """The last seq that was handed on."""
        return self._position

    @property
    def has_work(self) -> bool:
        """Whether `next_payloads` would give something or must be asked."""
        return bool(self._pending) or self._behind or self._new_epoch or self.erased

    async def open(self, resume: tuple[str, int] | None = None, *, with_snapshot: bool = True) -> Opening:
        """Attach, and say what brings the reader to the log's head: the missed events, or a snapshot."""
        await self._attach()
        head = self._head
        reason: MissReason | None = None
        if resume is not None:
            epoch, seq = resume
            missed, reason = await self._missed(epoch, seq)
            if missed is not None:
                return Opening(
                    head=head, recovered=True, reason=None, snapshot=None, events=missed, live_seq=self._position
                )
        if not with_snapshot and resume is None:
            self._position = head.seq
            return Opening(head=head, recovered=False, reason=None, snapshot=None, events=(), live_seq=head.seq)
        view = await self._snapshot()
        return Opening(head=head, recovered=False, reason=reason, snapshot=view, events=(), live_seq=view.seq)

    async def next_payloads(self) -> tuple[SessionView | None, list[bytes]]:
        """A snapshot where the log began anew or was cut under a slow reader, and the payloads that are next.

        Raises BackendError while Redis is away (ask again: nothing is lost), UserError where it has lost the session.
        """
        try:
            if self._new_epoch:
                return await self._restart(), []
            if self._behind:
                return await self._catch_up()
        except SessionErased:  # nobody else tells a reader that was between two attachments
            self.erased = True
            return None, []
        return None, self._live()

    def _live(self) -> list[bytes]:
        payloads: list[bytes] = []
        while self._pending:
            epoch, first, last, payload = self._pending.popleft()
            self._pending_bytes -= len(payload)
            if epoch != self._epoch or last <= self._position:
                continue
            if first > self._position + 1:
                self._fall_behind()
                self._seen = max(self._seen, last)
                break
            payloads.append(_after(first, payload, self._position))
            self._position = last
        return payloads

    def close(self) -> None:
        """Stop reading, for good."""
        self._closed = True
        self._detach()

    # LogReader

    def on_events(self, epoch: str, first_seq: int, last_seq: int, payload: bytes) -> None:
        """Take a run of events that was appended."""
        if not self._behind and self._pending_bytes + len(payload) > LIVE_TAIL_BYTES:
            self._fall_behind()
        if self._behind:
            self._seen = max(self._seen, last_seq)
        else:
            self._pending.append((epoch, first_seq, last_seq, payload))
            self._pending_bytes += len(payload)
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
        self._pending.clear()
        self._pending_bytes = 0
        self._behind = self._new_epoch = False
        self._seen = 0
        self._head = await self._log.attach(self.session, self)
        self._attached = True
        if self._closed:
            self._detach()
            raise BackendError("The reader was closed.")
        self._epoch = self._head.epoch
        self._position = self._head.seq

    async def _missed(self, epoch: str, seq: int) -> tuple[tuple[bytes, ...] | None, MissReason | None]:
        """Everything after `seq` up to the head at least, or why it cannot be had."""
        if epoch != self._head.epoch:
            return None, "epoch"
        if seq > self._head.seq and await self._log.read(self.session, epoch, seq) is None:
            return None, "ahead"  # else this node has not heard yet what the reader was told by another
        payloads: list[bytes] = []
        position = seq
        while position < self._head.seq:
            part = await self._log.read(self.session, epoch, position)
            if part is None or not part.chunks:
                return None, "trimmed"
            for first, last, payload in part.chunks:
                if last <= position:
                    continue
                if first > position + 1:
                    return None, "trimmed"
                payloads.append(_after(first, payload, position))
                position = last
        self._position = position
        return tuple(payloads), None

    async def _snapshot(self) -> SessionView:
        view = await self._store.view(self.session)
        if view.epoch != self._epoch:
            await self._attach()
            view = await self._store.view(self.session)
            if view.epoch != self._epoch:
                raise BackendError("The session's log is being rebuilt; try again in a moment.")
        self._position = view.seq
        return trimmed(view)

    async def _restart(self) -> SessionView:
        try:
            await self._attach()
            return await self._snapshot()
        except BaseException:
            self._new_epoch = True  # no snapshot was given yet: the next call begins again
            raise

    async def _catch_up(self) -> tuple[SessionView | None, list[bytes]]:
        part = await self._log.read(self.session, self._epoch, self._position, CATCH_UP_BYTES)
        if part is None or part.head < self._seen or (not part.chunks and part.head > self._position):
            return await self._restart(), []
        payloads = []
        for first, last, payload in part.chunks:
            if last <= self._position:
                continue
            if first > self._position + 1:
                return await self._restart(), []
            payloads.append(_after(first, payload, self._position))
            self._position = last
        if part.complete and self._position >= self._seen:
            self._behind = False  # from here `on_events` gathers again
        return None, payloads

    def _fall_behind(self) -> None:
        self._seen = self._pending[-1][2] if self._pending else self._position
        self._pending.clear()
        self._pending_bytes = 0
        self._behind = True


def _after(first: int, payload: bytes, position: int) -> bytes:
    """The payload without the events up to `position`."""
    if first > position:
        return payload
    kept = _Raws.decode(payload)[position - first + 1 :]
    return b"[" + b",".join(bytes(raw) for raw in kept) + b"]"
