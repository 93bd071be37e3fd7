"""The recorder loses nothing, repeats harmlessly, and is held up by nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest
import stamina
from loguru import logger

from core.errors import BackendError
from core.measurements import Measurement, OutboxRecorded
from core.turns import Record, TurnRecord
from metrics.recorder import BATCH, Recorder, RefusedRecords
from metrics.sql import open_books


class ListOutbox:
    """An outbox in a list. `emptied` is set whenever nothing is left; `wait` returns when `news` is set."""

    def __init__(self, records: Sequence[Record] = (), *, failing_waits: int = 0) -> None:
        self.entries: list[tuple[str, Record]] = []
        self.failing_waits = failing_waits
        self.emptied = asyncio.Event()
        self.news = asyncio.Event()
        self.put(records)

    def put(self, records: Sequence[Record]) -> None:
        self.entries += [(uuid4().hex, record) for record in records]
        self.emptied.clear()
        self.news.set()

    async def pending(self, limit: int) -> Sequence[tuple[str, Record]]:
        return self.entries[:limit]

    async def acknowledge(self, tokens: Sequence[str]) -> int:
        self.entries = [entry for entry in self.entries if entry[0] not in tokens]
        if not self.entries:
            self.emptied.set()
        return len(self.entries)

    async def wait(self, timeout_s: float) -> None:
        if self.failing_waits:
            self.failing_waits -= 1
            raise BackendError("Redis is away")
        await self.news.wait()
        self.news.clear()


class MemoryBooks:
    """Books in a dictionary that fail as they are told, or refuse some turns for good. Only `record` is there."""

    def __init__(self, *, refused: Sequence[str] = (), failures: Sequence[Exception | None] = ()) -> None:
        self.recorded: dict[str, Record] = {}
        self._refused = set(refused)
        self._failures = list(failures)

    async def record(self, records: Sequence[Record]) -> None:
        failure = self._failures.pop(0) if self._failures else None
        if failure is not None:
            raise failure
        turns = {record.turn_id: record for record in records if isinstance(record, TurnRecord)}
        if self._refused & turns.keys():
            raise BackendError("SQL refused the data", retryable=False)
        self.recorded.update(turns)


class ListMeasure:
    """Measurements in a list."""

    def __init__(self) -> None:
        self.taken: list[Measurement] = []

    def emit(self, measurement: Measurement) -> None:
        self.taken.append(measurement)


@asynccontextmanager
async def _running(recorder: Recorder) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(recorder.run(), name="recorder")
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def measure() -> ListMeasure:
    return ListMeasure()


@pytest.fixture
def refused(tmp_path: Path) -> RefusedRecords:
    return RefusedRecords(tmp_path / "data")


@pytest.fixture
def events() -> list[str]:
    """Names of the events that are logged from now on."""
    names: list[str] = []
    logger.add(lambda message: names.append(message.record["message"]), format="{message}")
    return names


@pytest.fixture
def _no_waiting() -> Iterator[None]:
    """Tries follow one another without a pause."""
    with stamina.set_testing(True, attempts=10):
        yield


async def test_all_that_is_pending_goes_to_the_books_in_batches(make_turn, measure, refused):
    turns = [make_turn() for _ in range(BATCH + 50)]
    outbox, books = ListOutbox(turns), MemoryBooks()

    recorded = await Recorder(outbox, books, measure, refused).drain()

    assert recorded == BATCH + 50
    assert list(books.recorded.values()) == turns
    assert measure.taken == [OutboxRecorded(records=BATCH, waiting=50), OutboxRecorded(records=50, waiting=0)]


async def test_nothing_is_acknowledged_before_it_is_recorded(make_turn, measure, refused):
    outbox = ListOutbox([make_turn()])

    with pytest.raises(BackendError):
        await Recorder(outbox, MemoryBooks(failures=[BackendError("away")]), measure, refused).drain()

    assert len(outbox.entries) == 1
    assert measure.taken == []


async def test_a_refused_record_holds_nothing_up_and_is_kept_aside(make_turn, measure, refused, tmp_path, events):
    turns = [make_turn(turn_id=name) for name in ("turn_good", "turn_bad", "turn_fine")]
    outbox, books = ListOutbox(turns), MemoryBooks(refused=["turn_bad"])

    await Recorder(outbox, books, measure, refused).drain()

    kept = (tmp_path / "data" / "refused-records.jsonl").read_bytes().splitlines()
    assert list(books.recorded) == ["turn_good", "turn_fine"]
    assert [msgspec.json.decode(line, type=TurnRecord) for line in kept] == [turns[1]]
    assert outbox.entries == []
    assert events == ["outbox.refused"]


async def test_sql_that_goes_away_in_the_middle_of_sorting_out_leaves_all_in_the_outbox(make_turn, measure, refused):
    outbox = ListOutbox([make_turn(), make_turn()])
    refusal, away = BackendError("refused", retryable=False), BackendError("away")

    with pytest.raises(BackendError, match="away"):
        await Recorder(outbox, MemoryBooks(failures=[refusal, away]), measure, refused).drain()

    assert len(outbox.entries) == 2


@pytest.mark.usefixtures("_no_waiting")
async def test_the_loop_goes_on_when_sql_is_back(make_turn, measure, refused, events):
    outbox = ListOutbox([make_turn()])
    books = MemoryBooks(failures=[BackendError("away"), BackendError("away")])

    async with _running(Recorder(outbox, books, measure, refused)):
        await asyncio.wait_for(outbox.emptied.wait(), 10)

    assert len(books.recorded) == 1
    assert events == ["outbox.waiting", "outbox.waiting"]


@pytest.mark.usefixtures("_no_waiting")
async def test_the_loop_outlives_a_defect(make_turn, measure, refused, events):
    outbox = ListOutbox([make_turn()])

    async with _running(Recorder(outbox, MemoryBooks(failures=[ZeroDivisionError("a bug")]), measure, refused)):
        await asyncio.wait_for(outbox.emptied.wait(), 10)

    assert events == ["outbox.failed"]


async def test_the_loop_records_what_comes_later_and_outlives_a_lost_redis(make_turn, measure, refused, events):
    outbox, books = ListOutbox(failing_waits=1), MemoryBooks()

    async with _running(Recorder(outbox, books, measure, refused)):
        outbox.put([make_turn()])
        await asyncio.wait_for(outbox.emptied.wait(), 10)
        outbox.put([make_turn()])
        await asyncio.wait_for(outbox.emptied.wait(), 10)

    assert len(books.recorded) == 2
    assert set(events) <= {"outbox.away"}


async def test_cancelling_ends_the_loop(measure, refused):
    async with _running(Recorder(ListOutbox(), MemoryBooks(), measure, refused)) as task:
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    assert task.cancelled()


async def test_records_wait_while_a_real_postgres_is_down_and_arrive_when_it_is_back(
    make_turn, measure, refused, tmp_path, postgres_process
):
    waiting = asyncio.Event()
    logger.add(lambda _: waiting.set(), filter=lambda line: line["message"] == "outbox.waiting", format="{message}")
    outbox = ListOutbox([make_turn()])
    async with open_books(postgres_process.start(), tmp_path) as books:
        async with _running(Recorder(outbox, books, measure, refused)):
            await asyncio.wait_for(outbox.emptied.wait(), 20)
            await asyncio.to_thread(postgres_process.stop)
            outbox.put([make_turn()])
            await asyncio.wait_for(waiting.wait(), 20)
            down = await books.ready()
            await asyncio.to_thread(postgres_process.start)
            await asyncio.wait_for(outbox.emptied.wait(), 40)

        assert not down
        assert (await books.stats("acme")).turns == 2


class BrokenOff(MemoryBooks):
    """Its driver says that it was interrupted, not that it was cancelled."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()

    async def record(self, records: Sequence[Record]) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise RuntimeError("interrupted") from None


async def test_a_cancellation_that_the_database_made_into_another_error_ends_the_loop(make_turn, measure, refused):
    books = BrokenOff()
    task = asyncio.create_task(Recorder(ListOutbox([make_turn()]), books, measure, refused).run())
    await books.begun.wait()
    task.cancel()
    await asyncio.wait([task])

    assert isinstance(task.exception(), RuntimeError)
