"""One reader's place in one log: order, gaps, slowness and new epochs."""

from __future__ import annotations

from typing import cast

import pytest

from core.errors import BackendError
from core.ports import EventLog, SessionStore
from server.cursor import LIVE_TAIL_BYTES, Cursor
from tests.server.fake_log import SESSION, FakeLog, seqs


class Reader:
    """A cursor over a fake log, and how often it was woken."""

    def __init__(self, log: FakeLog) -> None:
        self.wakes = 0
        self.cursor = Cursor(SESSION, cast(EventLog, log), cast(SessionStore, log), self._wake)

    def _wake(self) -> None:
        self.wakes += 1


@pytest.fixture
def log() -> FakeLog:
    """An empty log."""
    return FakeLog()


@pytest.fixture
def reader(log: FakeLog) -> Reader:
    """A reader of it."""
    return Reader(log)


async def test_a_reader_without_position_gets_a_snapshot_and_then_what_is_appended(
    log: FakeLog, reader: Reader
) -> None:
    log.append("a", "b")
    opening = await reader.cursor.open()
    log.append("c")
    view, payloads = await reader.cursor.next_payloads()
    assert opening.snapshot is not None
    assert (opening.snapshot.seq, opening.live_seq, opening.recovered) == (2, 2, False)
    assert view is None
    assert seqs(payloads) == [3]
    assert not reader.cursor.has_work


async def test_a_reader_that_wants_no_snapshot_begins_at_the_head(log: FakeLog, reader: Reader) -> None:
    log.append("a", "b")
    opening = await reader.cursor.open(with_snapshot=False)
    assert (opening.snapshot, opening.live_seq) == (None, 2)


async def test_resume_inside_a_payload_gives_only_what_is_after_the_position(log: FakeLog, reader: Reader) -> None:
    log.append("a", "b", "c")
    log.append("d")
    opening = await reader.cursor.open((log.epoch, 2))
    assert opening.recovered
    assert seqs(opening.events) == [3, 4]
    assert opening.live_seq == 4


@pytest.mark.parametrize(
    ("epoch", "seq", "reason"),
    [
        pytest.param("epoch_0", 2, "epoch", id="another_epoch"),
        pytest.param("epoch_1", 9, "ahead", id="ahead_of_the_head"),
        pytest.param("epoch_1", 0, "trimmed", id="before_what_is_left"),
    ],
)
async def test_a_position_that_cannot_be_honoured_gets_a_snapshot_with_the_reason(
    log: FakeLog, reader: Reader, epoch: str, seq: int, reason: str
) -> None:
    log.append("a", "b", "c")
    log.trim(3)
    opening = await reader.cursor.open((epoch, seq))
    assert (opening.recovered, opening.reason) == (False, reason)
    assert opening.snapshot is not None


async def test_a_lost_publication_is_read_from_the_log_when_the_next_one_comes(log: FakeLog, reader: Reader) -> None:
    await reader.cursor.open()
    log.append("a")
    log.append("b", publish=False)
    log.append("c")
    _, first = await reader.cursor.next_payloads()
    assert reader.cursor.has_work
    _, second = await reader.cursor.next_payloads()
    assert seqs(first) + seqs(second) == [1, 2, 3]
    assert not reader.cursor.has_work


async def test_a_repeated_publication_is_given_once(log: FakeLog, reader: Reader) -> None:
    await reader.cursor.open()
    log.append("a")
    reader.cursor.on_events(log.epoch, *log.chunks[0])
    assert seqs((await reader.cursor.next_payloads())[1]) == [1]


async def test_a_reader_that_does_not_read_is_fed_from_the_log_at_its_own_pace(log: FakeLog, reader: Reader) -> None:
    await reader.cursor.open()
    for _ in range(20):
        log.append("x" * 20_000)
    kept = reader.cursor._pending_bytes
    given: list[int] = []
    rounds = 0
    while reader.cursor.has_work:
        view, payloads = await reader.cursor.next_payloads()
        assert view is None
        assert sum(map(len, payloads)) <= LIVE_TAIL_BYTES
        given += seqs(payloads)
        rounds += 1
    log.append("last")
    given += seqs((await reader.cursor.next_payloads())[1])
    assert kept <= LIVE_TAIL_BYTES
    assert given == list(range(1, 22))
    assert rounds > 1


async def test_a_slow_reader_whose_place_was_trimmed_gets_a_snapshot(log: FakeLog, reader: Reader) -> None:
    await reader.cursor.open()
    for _ in range(20):
        log.append("x" * 20_000)
    log.trim(15)
    view, payloads = await reader.cursor.next_payloads()
    log.append("after")
    assert view is not None
    assert (view.seq, payloads) == (20, [])
    assert seqs((await reader.cursor.next_payloads())[1]) == [21]


async def test_a_new_epoch_is_a_snapshot_and_then_its_events(log: FakeLog, reader: Reader) -> None:
    log.append("a")
    await reader.cursor.open()
    log.append("b")
    log.begin_anew("epoch_2")
    view, payloads = await reader.cursor.next_payloads()
    log.append("c")
    assert view is not None
    assert (view.epoch, view.seq, payloads) == ("epoch_2", 0, [])
    assert seqs((await reader.cursor.next_payloads())[1]) == [1]


async def test_while_redis_is_away_nothing_is_lost(log: FakeLog, reader: Reader) -> None:
    await reader.cursor.open()
    log.append("a", publish=False)
    log.append("b")
    await reader.cursor.next_payloads()
    log.away = True
    with pytest.raises(BackendError):
        await reader.cursor.next_payloads()
    log.away = False
    assert seqs((await reader.cursor.next_payloads())[1]) == [1, 2]


async def test_a_closed_reader_is_told_nothing_more(log: FakeLog, reader: Reader) -> None:
    await reader.cursor.open()
    reader.cursor.close()
    wakes = reader.wakes
    log.append("a")
    assert reader.wakes == wakes
    assert log.readers == []


async def test_an_open_that_ends_after_the_close_leaves_no_reader_behind(log: FakeLog, reader: Reader) -> None:
    reader.cursor.close()
    with pytest.raises(BackendError):
        await reader.cursor.open()
    assert log.readers == []


async def test_a_new_epoch_that_could_not_be_read_while_redis_was_away_comes_afterwards(
    log: FakeLog, reader: Reader
) -> None:
    await reader.cursor.open()
    log.begin_anew("epoch_2")
    log.away = True
    with pytest.raises(BackendError):
        await reader.cursor.next_payloads()
    assert reader.cursor.has_work
    log.away = False
    view, _ = await reader.cursor.next_payloads()
    log.append("a")
    assert view is not None
    assert view.epoch == "epoch_2"
    assert seqs((await reader.cursor.next_payloads())[1]) == [1]


async def test_a_session_that_was_erased_while_its_reader_was_not_attached_is_found_out(
    log: FakeLog, reader: Reader
) -> None:
    await reader.cursor.open()
    log.begin_anew("epoch_2")
    log.erased = True
    assert await reader.cursor.next_payloads() == (None, [])
    assert reader.cursor.erased
