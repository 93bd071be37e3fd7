"""How a run that outlasts a drain goes on elsewhere without losing anything: after a model call that asked for tools.

That call is in the journal and no tool has begun, so the next run repeats nothing and pays for nothing twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal

from core.errors import BackendError
from core.events import Event
from core.ports import TurnWriter
from core.turns import ApprovalAsked, HistoryEntry, JournalEntry, ModelCalled, ParkedEnding, TurnRecord


class HandedOn(BackendError):
    """This run ends here, between two steps: the node goes away, and another one goes on with the turn."""


class HandingOnWriter:
    """A `TurnWriter` that ends its run at a step's end once `is_due`; `handed_on` says that it did."""

    def __init__(self, writer: TurnWriter, is_due: Callable[[], bool]) -> None:
        self._writer = writer
        self._is_due = is_due
        self.handed_on = False

    def append(self, events: Sequence[Event], journal: Sequence[JournalEntry] = ()) -> Awaitable[str | None]:
        """As `TurnWriter.append`; raises HandedOn after a write that ended a step.

        Where a tool was begun by the same write it is too late: the next run would not know that it never ran.
        """
        writing = self._writer.append(events, journal)
        return self._written(writing, journal) if journal else writing

    async def _written(self, writing: Awaitable[str | None], journal: Sequence[JournalEntry]) -> str | None:
        cancelled_by = await writing
        last = journal[-1]
        ends_a_step = isinstance(last, ModelCalled) and bool(last.calls)
        if cancelled_by is None and ends_a_step and self._is_due():
            self.handed_on = True
            raise HandedOn("The answer goes on at another node.")
        return cancelled_by

    async def park(
        self, events: Sequence[Event], journal: ApprovalAsked, ending: ParkedEnding
    ) -> Literal["user", "interrupt", "operator", "erasure"] | None:
        """As `TurnWriter.park`."""
        return await self._writer.park(events, journal, ending)

    async def end(
        self,
        events: Sequence[Event],
        history: HistoryEntry | None,
        record: TurnRecord,
        journal: Sequence[JournalEntry] = (),
    ) -> None:
        """As `TurnWriter.end`."""
        await self._writer.end(events, history, record, journal)
