"""Takes records from the outbox to the books: in batches, in order, as often as it must, acknowledged after the commit.

    outbox ──pending──▶ Recorder ──record──▶ books
       ▲                   │  └─ what SQL refuses ──▶ <data_dir>/refused-records.jsonl
       └───acknowledge─────┘

A crash between commit and acknowledgement repeats a batch, which changes nothing. Where SQL (or Redis) is away the
recorder tries again for ever, at most every 30 s; records wait in the outbox meanwhile and chat goes on.

A record that SQL refuses for what it holds (`BackendError`, not `retryable`) must not hold up the rest: the batch is
written one by one, the refused ones are appended to a file for somebody to look at, and only then acknowledged. A
record that cannot even be decoded never gets here: the outbox, which decodes, answers for those.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import stamina
from loguru import logger

from core.errors import BackendError
from core.measurements import Measure, OutboxRecorded
from core.ports import Books, Outbox
from core.turns import Record

BATCH: Final = 200
"""Records in one transaction at most."""
IDLE_S: Final = 5.0
"""How long to wait for news of the outbox before looking anyway."""
GATHER_S: Final = 1.0
"""How long records gather once there is news: statements are paid for by the transaction, more than by the record."""
WAIT_INITIAL_S: Final = 0.2
WAIT_MAX_S: Final = 30.0
"""Between two tries while something is away; doubled each time, with jitter."""
REFUSED_FILE: Final = "refused-records.jsonl"

KeepRefused = Callable[[Record], None]
"""Keeps a record that the books refuse. Called in a thread; may block."""


class RefusedRecords:
    """A file of records that SQL refused, one JSON object a line. It holds what users said: it is as private as SQL."""

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir / REFUSED_FILE

    def __call__(self, record: Record) -> None:
        """Append a record; the file is its owner's alone. Raises OSError."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.touch(mode=0o600)
        with self._file.open("ab") as file:
            file.write(msgspec.json.encode(record) + b"\n")


class Recorder:
    """The loop that fills the books. Several nodes may each run one; they share the work or repeat it harmlessly."""

    def __init__(self, outbox: Outbox, books: Books, measure: Measure, keep_refused: KeepRefused) -> None:
        self._outbox = outbox
        self._books = books
        self._measure = measure
        self._keep_refused = keep_refused

    async def run(self) -> None:
        """Record until cancelled. Nothing else ends it: each failure is logged and tried again."""
        while True:
            async for attempt in stamina.retry_context(
                on=_is_worth_another_try, attempts=None, timeout=None, wait_initial=WAIT_INITIAL_S, wait_max=WAIT_MAX_S
            ):
                with attempt:
                    await self.drain()
            await self._wait()

    async def drain(self) -> int:
        """Record all that is pending now; gives how many records. Raises BackendError where SQL or Redis is away."""
        recorded = 0
        while pending := await self._outbox.pending(BATCH):
            await self._write([record for _, record in pending])
            waiting = await self._outbox.acknowledge([token for token, _ in pending])
            self._measure.emit(OutboxRecorded(records=len(pending), waiting=waiting))
            recorded += len(pending)
        return recorded

    async def _wait(self) -> None:
        try:
            await self._outbox.wait(IDLE_S)
            await asyncio.sleep(GATHER_S)
        except BackendError as error:
            logger.warning("outbox.away", error=error.message)
            await asyncio.sleep(WAIT_INITIAL_S)  # then `drain` finds out and backs off

    async def _write(self, records: Sequence[Record]) -> None:
        try:
            await self._books.record(records)
        except BackendError as error:
            if error.retryable:
                raise
            await self._write_one_by_one(records)

    async def _write_one_by_one(self, records: Sequence[Record]) -> None:
        for record in records:
            try:
                await self._books.record([record])
            except BackendError as error:
                if error.retryable:
                    raise
                await self._refuse(record, error)

    async def _refuse(self, record: Record, error: BackendError) -> None:
        await asyncio.to_thread(self._keep_refused, record)
        logger.error(
            "outbox.refused",
            tenant=record.tenant,
            session_id=getattr(record, "session_id", None),
            turn_id=getattr(record, "turn_id", None),
            error=str(error.__cause__ or error),
        )


def _is_worth_another_try(error: Exception) -> bool:
    """Every error is: the loop outlives what it meets. What was not foreseen keeps its trace in the log.

    But for one that a cancellation became on its way through the database's libraries: that is the end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling() > 0:
        return False
    if isinstance(error, BackendError):
        logger.warning("outbox.waiting", error=error.message)
    else:
        logger.opt(exception=error).error("outbox.failed")
    return True
