"""`TurnWriter` on Redis: a run's writes, numbered, so that one whose reply was lost is made again and counted once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Literal, cast

import msgspec
from loguru import logger

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
from memory.commands import Argument, Call
from memory.connection import JSON, Reply, why_not
from memory.event_log.gate import ATTEMPTS, Gate, has_answered, restarts_again
from memory.queue.codec import CancelledBy
from memory.queue.ends import Ends
from memory.scripts import APPEND, END, PARK, Script

HISTORY_ENTRIES: Final = 200
HISTORY_BYTES: Final = 512 * 1024
"""What a session's history keeps of ended turns at most; the last one is always kept."""
_GONE: Final = "the session is not there any more"


class _Append(Call):
    """An append under way. Its reply is read where it comes in: a coroutine for each would cost more than that."""

    __slots__ = ("_writer", "attempts_left", "batch", "began_s", "beginning_anew", "events", "is_written")

    def __init__(
        self,
        writer: RedisTurnWriter,
        loop: asyncio.AbstractEventLoop,
        prefix: str,
        arguments: Sequence[Argument],
        *,
        size: int,
        batch: int,
        events: int,
        began_s: float,
    ) -> None:
        super().__init__(loop, APPEND, prefix, arguments, retry=True, size=size)
        self._writer = writer
        self.batch = batch
        self.events = events
        self.began_s = began_s
        self.is_written = False
        self.attempts_left = ATTEMPTS - 1
        self.beginning_anew: asyncio.Task[None] | None = None

    def answered(self, reply: Any) -> None:
        """The reply came."""
        if not self.future.done():
            self._writer.take(self, reply)

    def failed(self, error: Exception) -> None:
        """None comes."""
        super().failed(why_not(APPEND, error))

    def answered_with(self, calls: Sequence[Call]) -> None:
        """All appends of one round trip are measured at once."""
        events = sum(call.events for call in calls if isinstance(call, _Append) and call.is_written)
        self._writer.measure(events, self.began_s)


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
        self._loop: asyncio.AbstractEventLoop | None = None  # kept: asking for it costs a system call in Python 3.11
        self._prefix = gate.prefix_of(turn.session)
        run = (turn.session.session_id, turn.input.turn_id, str(turn.fence), turn.nonce, turn.epoch)
        self._run = tuple(part.encode() for part in run)
        self._measure = measure
        self._ends = ends
        self._ended = ended
        self._batch = 0
        self._prompt: tuple[ModelMessage, ...] = ()  # of the last model call that this run journalled

    def append(self, events: Sequence[Event], journal: Sequence[JournalEntry] = ()) -> Awaitable[str | None]:
        """Append events and journal entries, together. Gives who cancelled the turn, or None."""
        bodies = [JSON.encode(event) for event in events]
        entries, prompt = self._apart(journal) if journal else ((), ())
        loop = self._loop = self._loop or asyncio.get_running_loop()
        batch = self._batch + 1
        session_id, turn_id, fence, nonce, epoch = self._run
        append = _Append(
            self,
            loop,
            self._prefix,
            (session_id, turn_id, fence, nonce, batch, epoch, len(bodies), *bodies, len(entries), *entries, *prompt),
            size=sum(map(len, bodies)) + sum(map(len, entries)) + sum(map(len, prompt)),
            batch=batch,
            events=len(bodies),
            began_s=self._clock.monotonic_s(),
        )
        self._gate.send(append)
        return append.future

    def take(self, append: _Append, reply: Reply) -> None:
        """The reply to an append came: say so to whoever waits for it, or begin the log anew and append again."""
        try:
            if not self._has_answered(reply):
                self._begin_anew(append)
                return
            self._check(APPEND, append.batch, reply)
            append.is_written = True
            append.future.set_result(reply[3].decode() or None)
        except Exception as error:  # noqa: BLE001 - it is the link that calls, and it must not fail by one run's reply
            append.future.set_exception(error)

    def measure(self, events: int, began_s: float) -> None:
        """So many events were appended by one call of the script, by whichever runs."""
        self._measure.emit(LogAppended(events=events, seconds=self._clock.monotonic_s() - began_s))

    def _has_answered(self, reply: Reply) -> bool:
        try:
            return has_answered(APPEND, self._turn.session, reply)
        except UserError as error:
            raise StaleRun(_GONE) from error

    def _begin_anew(self, append: _Append) -> None:
        """Raises BackendError where that was tried often enough."""
        if not append.attempts_left:
            raise restarts_again()
        append.attempts_left -= 1
        append.beginning_anew = asyncio.create_task(self._append_again(append), name="append-again")

    async def _append_again(self, append: _Append) -> None:
        try:
            await self._gate.rebase(self._turn.session)
        except Exception as error:  # noqa: BLE001 - a task's outer edge: whoever waits for the append is told
            if not append.future.done():
                append.future.set_exception(error)
        else:
            self._gate.send(append)

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
            raise StaleRun(_GONE) from error
        self._check(script, batch, reply)
        return reply

    def _check(self, script: Script, batch: int, reply: Reply) -> None:
        """Go on with the next batch where this one is written. Raises StaleRun and BackendError."""
        match reply[0]:
            case b"ok":
                self._batch = batch
            case b"cancelled":
                pass
            case b"stale":
                raise StaleRun("another run goes on with this turn")
            case b"rolled_back":
                raise StaleRun("the log was rolled back under this run")
            case b"failed":
                logger.error("redis.refused", script=script.name, error=reply[2].decode())
                raise BackendError("Something went wrong on our side; try again.")
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
