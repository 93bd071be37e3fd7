"""One reader's place in one log: order, gaps, slowness and new epochs."""

from __future__ import annotations

from typing import cast

import pytest

from core.errors import BackendError
from core.ports import EventLog, SessionStore
from server.cursor import CATCH_UP_BYTES, LIVE_TAIL_BYTES, Cursor, Tail
from tests.server.fake_log import SESSION, FakeLog, seqs


class Reader:
    """A cursor over a fake log, and how often it was woken."""

    def __init__(self, log: FakeLog, tail: Tail | None = None) -> None:
        self.wakes = 0
        self.tail = tail or Tail()
        self.cursor = Cursor(SESSION, cast(EventLog, log), cast(SessionStore, log), self._wake, tail=self.tail)

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
    missed = await reader.cursor.read_on()
    assert opening.recovered
    assert seqs(list(missed.payloads)) == [3, 4]
    assert missed.live_seq == 4


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
    left = reader.tail.left
    given: list[int] = []
    rounds = 0
    while reader.cursor.has_work:
        view, payloads = await reader.cursor.next_payloads()
        assert view is None
        assert sum(map(len, payloads)) <= CATCH_UP_BYTES + 20_200
        given += seqs(payloads)
        rounds += 1
    log.append("last")
    given += seqs((await reader.cursor.next_payloads())[1])
    assert left == LIVE_TAIL_BYTES
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


async def test_no_event_of_a_new_epoch_is_given_while_its_snapshot_is_being_read(log: FakeLog, reader: Reader) -> None:
    given: list[bytes] = []

    def append_and_look() -> None:
        log.append("a")
        given.extend(reader.cursor.live())

    await reader.cursor.open()
    log.begin_anew("epoch_2")
    log.meanwhile = append_and_look
    view, _ = await reader.cursor.next_payloads()
    assert given == []
    assert view is not None
    assert (view.epoch, view.seq) == ("epoch_2", 0)
    assert seqs(reader.cursor.live()) == [1]


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


async def test_cursors_that_share_a_tail_share_its_room(log: FakeLog) -> None:
    tail = Tail(50_000)
    readers = [Reader(log, tail) for _ in range(2)]
    await readers[0].cursor.open()
    await readers[1].cursor.open()
    for _ in range(10):
        log.append("x" * 10_000)
    assert 0 <= tail.left <= 50_000
    assert [reader.cursor.must_read for reader in readers] == [True, True]
    given = [await all_given(reader) for reader in readers]
    assert given == [list(range(1, 11))] * 2
    assert tail.left == 50_000


async def test_a_closed_reader_gives_its_room_back(log: FakeLog, reader: Reader) -> None:
    await reader.cursor.open()
    log.append("a")
    taken = LIVE_TAIL_BYTES - reader.tail.left
    reader.cursor.close()
    assert (taken > 0, reader.tail.left) == (True, LIVE_TAIL_BYTES)


async def test_a_reader_far_behind_is_brought_to_the_head_in_pieces_and_then_told_that_it_is_live(
    log: FakeLog, reader: Reader
) -> None:
    for _ in range(20):
        log.append("x" * 20_000)
    opening = await reader.cursor.open((log.epoch, 1))
    log.append("while it catches up")
    nothing_yet = reader.cursor.live()
    pieces = []
    while reader.cursor.must_read:
        pieces.append(await reader.cursor.read_on())
    assert (opening.recovered, opening.live_seq, nothing_yet) == (True, None, [])
    assert max(sum(map(len, piece.payloads)) for piece in pieces) <= CATCH_UP_BYTES + 20_200
    assert [piece.live_seq for piece in pieces if piece.live_seq is not None] == [21]
    assert seqs([payload for piece in pieces for payload in piece.payloads]) == list(range(2, 22))


async def test_a_resume_with_nothing_missed_is_live_at_once(log: FakeLog, reader: Reader) -> None:
    log.append("a")
    await reader.cursor.open((log.epoch, 1))
    piece = await reader.cursor.read_on()
    log.append("b")
    assert (list(piece.payloads), piece.live_seq) == ([], 1)
    assert seqs(reader.cursor.live()) == [2]


async def test_a_log_that_is_cut_under_a_resume_is_a_snapshot(log: FakeLog, reader: Reader) -> None:
    for _ in range(20):
        log.append("x" * 20_000)
    await reader.cursor.open((log.epoch, 1))
    first = await reader.cursor.read_on()
    log.trim(20)
    second = await reader.cursor.read_on()
    assert seqs(list(first.payloads))[0] == 2
    assert second.snapshot is not None
    assert (second.live_seq, reader.cursor.must_read) == (20, False)


async def test_what_is_appended_while_the_log_is_read_does_not_look_like_a_log_that_was_cut(
    log: FakeLog, reader: Reader
) -> None:
    """A fast answer to a reader just behind: each read was older than the publication that came during it, and the
    reader got a snapshot instead of its events."""
    await reader.cursor.open()
    log.append("a", publish=False)
    log.append("b")
    reader.cursor.live()
    log.meanwhile = lambda: log.append("c")
    first = await reader.cursor.read_on()
    second = await reader.cursor.read_on()
    assert (first.snapshot, second.snapshot, reader.cursor.must_read) == (None, None, False)
    assert seqs([*first.payloads, *second.payloads]) == [1, 2, 3]


async def all_given(reader: Reader) -> list[int]:
    """Everything that a reader is given until it has nothing to do."""
    given: list[int] = []
    while reader.cursor.has_work:
        given += seqs((await reader.cursor.next_payloads())[1])
    return given
