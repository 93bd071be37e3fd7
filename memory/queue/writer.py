"""`TurnWriter` on Redis: a run's writes, numbered, so that one whose reply was lost is made again and counted once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from core.clock import Clock
from core.errors import BackendError, StaleRun, UserError
from core.events import Event
from core.measurements import LogAppended, Measure
from core.turns import HistoryEntry, JournalEntry, SessionRef, TakenTurn, TurnRecord
from memory.connection import JSON, Reply
from memory.event_log.gate import Gate
from memory.link import Argument
from memory.scripts import APPEND, END, Script

HISTORY_ENTRIES: Final = 200
HISTORY_BYTES: Final = 512 * 1024
"""What a session's history keeps of ended turns at most; the last one is always kept."""


class RedisTurnWriter:
    """See `core.ports.TurnWriter`. After an error of a write other than StaleRun, the same call may be made again."""

    def __init__(
        self, gate: Gate, turn: TakenTurn, *, clock: Clock, measure: Measure, ended: Callable[[SessionRef], None]
    ) -> None:
        self._clock = clock
        self._gate = gate
        self._turn = turn
        self._measure = measure
        self._ended = ended
        self._batch = 0

    async def append(self, events: Sequence[Event], journal: Sequence[JournalEntry] = ()) -> str | None:
        """Append events and journal entries, together. Gives who cancelled the turn, or None."""
        bodies = [JSON.encode(event) for event in events]
        entries = [JSON.encode(entry) for entry in journal]
        began_s = self._clock.monotonic_s()
        reply = await self._write(APPEND, len(bodies), *bodies, len(entries), *entries)
        self._measure.emit(LogAppended(events=len(bodies), seconds=self._clock.monotonic_s() - began_s))
        return reply[3].decode() or None

    async def end(self, events: Sequence[Event], history: HistoryEntry | None, record: TurnRecord) -> None:
        """The last append; with it the turn is off the queue."""
        entry = b"" if history is None else JSON.encode(history)
        bodies = [JSON.encode(event) for event in events]
        await self._write(END, record.outcome, entry, JSON.encode(record), HISTORY_ENTRIES, HISTORY_BYTES, *bodies)
        self._ended(self._turn.session)

    async def _write(self, script: Script, *arguments: Argument) -> Reply:
        turn = self._turn
        batch = self._batch + 1
        try:
            reply = await self._gate.write(
                script,
                turn.session,
                turn.input.turn_id,
                turn.fence,
                turn.nonce,
                batch,
                turn.epoch,
                *arguments,
            )
        except UserError as error:
            raise StaleRun("the session is not there any more") from error
        match reply[0]:
            case b"ok":
                self._batch = batch
                return reply
            case b"stale":
                raise StaleRun("another run goes on with this turn")
            case b"rolled_back":
                raise StaleRun("the log was rolled back under this run")
            case status:
                raise BackendError(f"{script.name!r} answers {status!r}")
