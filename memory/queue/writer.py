"""`TurnWriter` on Redis: a run's writes, numbered, so that one whose reply was lost is made again and counted once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal, cast

import msgspec

from core.clock import Clock
from core.errors import BackendError, StaleRun, UserError
from core.events import Event
from core.measurements import LogAppended, Measure
from core.messages import ModelMessage
from core.ports import TurnStatus
from core.turns import (
    ApprovalAsked,
    HistoryEntry,
    JournalEntry,
    ModelCalled,
    ParkedEnding,
    SessionRef,
    TakenTurn,
    TurnRecord,
)
from memory.connection import JSON, Reply
from memory.event_log.gate import Gate
from memory.link import Argument
from memory.queue.codec import CancelledBy
from memory.queue.ends import Ends
from memory.scripts import APPEND, END, PARK, Script

HISTORY_ENTRIES: Final = 200
HISTORY_BYTES: Final = 512 * 1024
"""What a session's history keeps of ended turns at most; the last one is always kept."""


class RedisTurnWriter:
    """See `core.ports.TurnWriter`. After an error of a write other than StaleRun, the same call may be made again."""

    def __init__(
        self,
        gate: Gate,
        turn: TakenTurn,
        *,
        clock: Clock,
        measure: Measure,
        ends: Ends,
        ended: Callable[[SessionRef], None],
    ) -> None:
        self._clock = clock
        self._gate = gate
        self._turn = turn
        self._measure = measure
        self._ends = ends
        self._ended = ended
        self._batch = 0
        self._prompt: tuple[ModelMessage, ...] = ()  # of the last model call that this run journalled

    def append(self, events: Sequence[Event], journal: Sequence[JournalEntry] = ()) -> Awaitable[str | None]:
        """Append events and journal entries, together. Gives who cancelled the turn, or None."""
        bodies = [JSON.encode(event) for event in events]
        entries, prompt = self._apart(journal) if journal else ((), ())
        return self._appended(self._write(APPEND, len(bodies), *bodies, len(entries), *entries, *prompt), len(bodies))

    async def _appended(self, writing: Awaitable[Reply], events: int) -> str | None:
        began_s = self._clock.monotonic_s()
        reply = await writing
        self._measure.emit(LogAppended(events=events, seconds=self._clock.monotonic_s() - began_s))
        return reply[3].decode() or None

    async def park(
        self, events: Sequence[Event], journal: ApprovalAsked, ending: ParkedEnding
    ) -> Literal["user", "interrupt", "operator", "erasure"] | None:
        """Append the events and let go of the turn; gives who cancelled it meanwhile: then nothing was written."""
        reply = await self._write(
            PARK,
            journal.approval_id,
            journal.approver,
            journal.expires_ms,
            journal.step,
            journal.call_id,
            journal.name,
            JSON.encode(journal),
            JSON.encode(ending),
            *(JSON.encode(event) for event in events),
        )
        return cast(CancelledBy, reply[3].decode()) if reply[0] == b"cancelled" else None

    async def end(
        self,
        events: Sequence[Event],
        history: HistoryEntry | None,
        record: TurnRecord,
        journal: Sequence[JournalEntry] = (),
    ) -> None:
        """The last append; with it the turn is off the queue."""
        entry = b"" if history is None else JSON.encode(history)
        bodies = [JSON.encode(event) for event in events]
        entries, prompt = self._apart(journal)
        kept = (entry, JSON.encode(record), HISTORY_ENTRIES, HISTORY_BYTES)
        end = self._ends.begin(record.turn_id) if self._knows_all else None
        status = None
        try:
            await self._write(END, record.outcome, *kept, len(bodies), *bodies, len(entries), *entries, *prompt)
            status = self._status(record)
        finally:
            if end is not None:
                end.set_result(status)
        self._ended(self._turn.session)

    @property
    def _knows_all(self) -> bool:
        """Whether no run before this one has written anything that belongs to the turn's status."""
        return self._turn.runs == 1 and not self._turn.journal

    def _status(self, record: TurnRecord) -> TurnStatus:
        return TurnStatus(
            session=self._turn.session,
            turn_id=record.turn_id,
            state=record.outcome,
            record=record,
            prompt=self._prompt,
        )

    def _write(self, script: Script, *arguments: Argument) -> Awaitable[Reply]:
        """Number a write and send it; awaiting it gives its reply."""
        turn, batch = self._turn, self._batch + 1
        run = (turn.input.turn_id, turn.fence, turn.nonce, batch, turn.epoch)
        return self._checked(script, batch, self._gate.write(script, turn.session, *run, *arguments))

    async def _checked(self, script: Script, batch: int, writing: Awaitable[Reply]) -> Reply:
        try:
            reply = await writing
        except UserError as error:
            raise StaleRun("the session is not there any more") from error
        match reply[0]:
            case b"ok":
                self._batch = batch
                return reply
            case b"cancelled":
                return reply
            case b"stale":
                raise StaleRun("another run goes on with this turn")
            case b"rolled_back":
                raise StaleRun("the log was rolled back under this run")
            case status:
                raise BackendError(f"{script.name!r} answers {status!r}")

    def _apart(self, journal: Sequence[JournalEntry]) -> tuple[list[bytes], list[bytes]]:
        """Entries as they are kept, and (none or one) the messages of the last model call, kept beside them."""
        entries: list[bytes] = []
        prompt: list[bytes] = []
        for entry in journal:
            if isinstance(entry, ModelCalled) and entry.prompt:
                self._prompt = entry.prompt
                prompt = [JSON.encode(entry.prompt)]
                entry = msgspec.structs.replace(entry, prompt=())
            entries.append(JSON.encode(entry))
        return entries, prompt
