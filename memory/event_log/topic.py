"""A session's readers on this node, and where they are: the rule of gaps, without any I/O.

A message continues the position, is older than it (dropped), or shows a gap; a gap, a first position and
another epoch need a read, which the owner does (`Topic.needs_read`) while messages gather.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from loguru import logger

from core.ports import LogReader
from core.turns import SessionRef

_GATHERED: Final = 512
"""How many messages are kept during a read; with more, the read begins again."""

Run = tuple[str, int, int, bytes]
"""Epoch, first seq, last seq, payload."""


class Topic:
    """See the module. `needs_read` is set where only Redis knows how to go on."""

    __slots__ = (
        "_ask_read",
        "_gathered",
        "busy",
        "epoch",
        "erased",
        "idle_since_s",
        "known",
        "readers",
        "reading",
        "seq",
        "session",
    )

    def __init__(self, session: SessionRef, ask_read: Callable[[Topic], None]) -> None:
        self.session = session
        self.readers: dict[int, LogReader] = {}
        self.epoch = ""
        self.seq = 0
        self.known = False
        """Whether the position is one that Redis has told."""
        self.reading = False
        self.erased = False
        self.busy = True
        """Whether a turn may be running: such heads are re-read more often."""
        self.idle_since_s = 0.0
        self._ask_read = ask_read
        self._gathered: list[Run] = []

    def hear(self, message: bytes) -> None:
        """A message of the session's channel came."""
        if message.startswith(b"E "):  # nearly all of them
            end = message.index(b"\n")
            _, epoch, first, last = message[:end].split(b" ")
            self.busy = True
            self.follow((epoch.decode(), int(first), int(last), message[end + 1 :]))
            return
        kind, _, rest = message.partition(b" ")
        match kind:
            case b"N":
                self.begin_anew(rest.decode())
            case b"X":
                self.erase()
            case b"T":
                on, _, by = rest.partition(b" ")
                self._each(lambda reader: reader.on_typing(by.decode(), on == b"1"))
            case _:
                pass  # a newer node says something that this one does not know

    def follow(self, run: Run) -> None:
        """Give a run to the readers where it continues their position; else have the log read."""
        epoch, first, last, _ = run
        if not self.known or self.reading:
            self._gathered.append(run)
            if len(self._gathered) > _GATHERED:
                del self._gathered[0]
            return
        if epoch != self.epoch:
            self._ask_read(self)
        elif last <= self.seq:
            return
        elif first == self.seq + 1:
            self.seq = last
            self._give(run)
        else:
            self._gathered.append(run)
            self._ask_read(self)

    def catch_up(self, runs: list[Run]) -> None:
        """Runs that were read from the log, while `reading`; those that the position covers are dropped."""
        for run in runs:
            epoch, first, last, _ = run
            if last > self.seq and first <= self.seq + 1 and epoch == self.epoch:
                self.seq = last
                self._give(run)

    def settle(self) -> None:
        """A read is over: what gathered meanwhile follows, and may show the next gap."""
        self.reading = False
        gathered, self._gathered = self._gathered, []
        for run in gathered:
            if run[0] == self.epoch:
                self.follow(run)

    def place(self, epoch: str, seq: int) -> None:
        """Redis says where the log stands; readers of another epoch are told."""
        if self.known and epoch != self.epoch:
            self.begin_anew(epoch)
        self.epoch, self.seq, self.known = epoch, seq, True

    def begin_anew(self, epoch: str) -> None:
        """The log has another epoch: readers are told once and let go; they attach again."""
        if self.known and epoch == self.epoch:
            return
        self.restart(epoch)

    def restart(self, epoch: str) -> None:
        """Let all readers go with a new start, whatever the epoch."""
        self.epoch, self.seq = epoch, 0
        self._each(lambda reader: reader.on_epoch(epoch), last=True)

    def erase(self) -> None:
        """The session was erased: readers are told once and let go."""
        self.erased = True
        self._each(lambda reader: reader.on_erased(), last=True)

    def _give(self, run: Run) -> None:
        for key, reader in tuple(self.readers.items()):
            try:
                reader.on_events(*run)
            except Exception:  # noqa: BLE001 - as in `_each`, which this is without its calls
                self._let_go(key)

    def _each(self, tell: Callable[[LogReader], None], *, last: bool = False) -> None:
        """Tell every reader; one that fails is let go, so that it cannot harm the others. `last`: let all go."""
        readers = tuple(self.readers.items())
        if last:
            self.readers = {}
        for key, reader in readers:
            try:
                tell(reader)
            except Exception:  # noqa: BLE001 - a reader is foreign code; the node's hub must outlive it
                self._let_go(key)

    def _let_go(self, key: int) -> None:
        """To be called in an `except`."""
        logger.exception("log.reader_failed", session_id=self.session.session_id)
        self.readers.pop(key, None)
