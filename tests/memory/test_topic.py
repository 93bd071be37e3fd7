"""The rule of gaps, without Redis: whatever pub/sub loses, repeats or reorders, a reader gets the log."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.turns import SessionRef
from memory.event_log.topic import Run, Topic

SESSION = SessionRef(session_id="ses_1", tenant="default", user_id="ana")


class Reader:
    def __init__(self) -> None:
        self.runs: list[tuple[int, int]] = []
        self.epochs: list[str] = []
        self.erased = 0
        self.typing: list[tuple[str, bool]] = []

    def on_events(self, epoch: str, first_seq: int, last_seq: int, payload: bytes) -> None:
        self.runs.append((first_seq, last_seq))

    def on_epoch(self, epoch: str) -> None:
        self.epochs.append(epoch)

    def on_erased(self) -> None:
        self.erased += 1

    def on_typing(self, by: str, on: bool) -> None:
        self.typing.append((by, on))


def followed(seq: int = 0, epoch: str = "e1") -> tuple[Topic, Reader, list[Topic]]:
    """A topic at a position, its reader, and the reads that it asked for."""
    asked: list[Topic] = []

    def ask(topic: Topic) -> None:
        topic.reading = True
        asked.append(topic)

    topic, reader = Topic(SESSION, ask), Reader()
    topic.place(epoch, seq)
    topic.readers[1] = reader
    return topic, reader, asked


def message(first: int, last: int, epoch: str = "e1") -> bytes:
    return f"E {epoch} {first} {last}\n[]".encode()


def run(first: int, last: int, epoch: str = "e1") -> Run:
    return epoch, first, last, b"[]"


@pytest.mark.parametrize(
    ("first", "last", "given_runs", "reads"),
    [
        pytest.param(6, 7, [(6, 7)], 0, id="what_follows_is_given"),
        pytest.param(4, 5, [], 0, id="what_is_older_is_dropped"),
        pytest.param(7, 9, [], 1, id="a_gap_is_a_read"),
        pytest.param(5, 6, [], 1, id="a_run_across_the_position_is_a_read"),
    ],
)
def test_a_message_against_position_5(first: int, last: int, given_runs: list[tuple[int, int]], reads: int) -> None:
    topic, reader, asked = followed(seq=5)

    topic.hear(message(first, last))

    assert reader.runs == given_runs
    assert len(asked) == reads


def test_what_comes_during_a_read_follows_after_it() -> None:
    topic, reader, asked = followed(seq=0)
    topic.hear(message(3, 3))
    topic.hear(message(4, 4))

    topic.catch_up([run(1, 2), run(3, 3)])
    topic.settle()

    assert len(asked) == 1
    assert reader.runs == [(1, 2), (3, 3), (4, 4)]


def test_a_gap_in_what_came_during_a_read_is_the_next_read() -> None:
    topic, reader, asked = followed(seq=0)
    topic.hear(message(2, 2))
    topic.hear(message(4, 4))

    topic.catch_up([run(1, 1)])
    topic.settle()

    assert reader.runs == [(1, 1), (2, 2)]
    assert len(asked) == 2


def test_messages_before_the_first_position_wait_for_it() -> None:
    topic, reader = Topic(SESSION, lambda _: None), Reader()
    topic.hear(message(3, 3))
    topic.hear(message(4, 4))

    topic.place("e1", 3)
    topic.readers[1] = reader
    topic.settle()

    assert reader.runs == [(4, 4)]
    assert topic.seq == 4


def test_a_new_epoch_is_told_once_and_its_reader_let_go() -> None:
    topic, reader, _ = followed(seq=5)

    topic.hear(b"N e2")
    topic.hear(b"N e2")
    topic.hear(message(1, 1, "e2"))

    assert reader.epochs == ["e2"]
    assert reader.runs == []
    assert (topic.epoch, topic.seq) == ("e2", 1)


def test_an_event_of_an_unheard_epoch_is_a_read() -> None:
    topic, reader, asked = followed(seq=5)

    topic.hear(message(1, 1, "e2"))

    assert asked == [topic]
    assert reader.runs == []


def test_an_erasure_is_told_once() -> None:
    topic, reader, _ = followed()

    topic.hear(b"X")
    topic.hear(b"X")

    assert reader.erased == 1
    assert topic.readers == {}


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        pytest.param(b"T 1 Ana Maria", [("Ana Maria", True)], id="begins"),
        pytest.param(b"T 0 ana", [("ana", False)], id="stops"),
        pytest.param(b"? something of a newer node", [], id="unknown_kinds_are_ignored"),
    ],
)
def test_signals(text: bytes, heard: list[tuple[str, bool]]) -> None:
    topic, reader, _ = followed()

    topic.hear(text)

    assert reader.typing == heard


@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=12),
    noise=st.lists(st.tuples(st.integers(0, 11), st.sampled_from(["lose", "repeat"])), max_size=12),
)
def test_losses_and_repetitions_never_show(sizes: list[int], noise: list[tuple[int, str]]) -> None:
    ends = [sum(sizes[: index + 1]) for index in range(len(sizes))]
    log = [run(end - size + 1, end) for size, end in zip(sizes, ends, strict=True)]
    lost = {index for index, what in noise if what == "lose"}
    repeated = {index for index, what in noise if what == "repeat"}
    delivered = [
        it for index, it in enumerate(log) for _ in range(index not in lost) for _ in range(1 + (index in repeated))
    ]
    topic, reader, _ = followed()

    def heal(published: int) -> None:
        topic.catch_up(log[:published])
        topic.settle()

    deliver_all(topic, delivered, log, heal)

    assert reader.runs == [(first, last) for _, first, last, _ in log]


def deliver_all(topic: Topic, delivered: list[Run], log: list[Run], heal: Callable[[int], None]) -> None:
    """Deliver messages, healing whenever the topic asks, and at last as the comparison of heads does."""
    for epoch, first, last, _ in delivered:
        topic.hear(message(first, last, epoch))
        if topic.reading:
            heal(log.index(run(first, last)) + 1)
    if topic.seq < log[-1][2]:
        topic.reading = True
        heal(len(log))
