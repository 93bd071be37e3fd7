"""Small measurements of each kind through real processes: what they find, not how fast."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import msgspec
import pytest

from bench.load import Load, make_conversation
from bench.measures import Place
from bench.probes.appends import AppendRun
from bench.probes.chat import ScriptedChatRun
from bench.probes.fanout import FanOutRun
from bench.probes.idle import IdleRun
from bench.probes.length import LengthRun
from bench.probes.start import start_naive_run, start_prosa_run
from bench.processes import choose_cores
from bench.readers import Reader
from bench.systems import STARTERS


@pytest.fixture
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("probes")
        yield Place(stack, choose_cores(), folder, {starter.name: starter for starter in STARTERS})


def test_appends_are_all_answered_and_all_heard(place: Place):
    sample = AppendRun(rounds=3)(place, "prosa", "appends")

    assert sample.problems == ()
    assert sample.values["appends_per_s"]


@pytest.mark.slow
def test_every_reader_on_both_nodes_gets_every_event_once_and_in_order(place: Place):
    sample = FanOutRun(readers=5, rounds=3, tokens=40, paced_events=2)(place, "prosa", "fanout")

    assert sample.problems == ()
    assert all(sample.values.values())


@pytest.mark.slow
def test_idle_connections_are_counted_by_their_answers(place: Place):
    sample = IdleRun(some=8, most=12, window_s=0.4)(place, "prosa", "idle")

    assert (sample.problems, sample.values["answered"], sample.values["held"]) == ((), 100.0, None)


def test_a_node_with_the_scripted_provider_answers_a_chat_over_and_over(place: Place):
    load = Load(dialect="chat", conversations=2, tokens=3, turns=4)

    sample = ScriptedChatRun(load)(place, "prosa", "chat")

    assert sample.problems == ()
    assert sample.values["turns_per_s"]


@pytest.mark.slow
def test_a_start_ends_when_the_process_says_that_it_is_ready(place: Place):
    naive, prosa = start_naive_run(place, "naive", "naive"), start_prosa_run(place, "prosa", "prosa")

    assert set(naive.values) == {"ready_s"}
    assert set(prosa.values) == {"ready_s", "first_ready_s"}


def test_a_longer_conversation_holds_more_and_writes_as_many_rows_a_turn(place: Place):
    sample = LengthRun(turns=4, lengths=(1, 2, 4))(place, "prosa", "length")

    assert sample.problems == ()
    assert (sample.values["redis_kb_4_turns"] or 0) > (sample.values["redis_kb_1_turns"] or 0)
    assert (sample.values["sql_rows_per_turn"] or 0) >= 2


def test_a_conversation_from_outside_is_found_by_its_name():
    load = Load(dialect="bench.clients.chat:ChatConversation", conversations=1, tokens=1, name="ana")

    assert type(make_conversation(load, 0)).__name__ == "ChatConversation"


def server_frame(*events: dict[str, object]) -> bytes:
    payload = msgspec.json.encode(events)
    head = bytes((0x81, len(payload))) if len(payload) < 126 else b"\x81\x7e" + len(payload).to_bytes(2, "big")
    return head + payload


def event(seq: int) -> dict[str, object]:
    return {"type": "message.delta", "session_id": "ses_1", "seq": seq, "text": "x" * 80}


@pytest.mark.parametrize(
    ("seqs", "problem"),
    [
        pytest.param([5, 6, 7], None, id="whole"),
        pytest.param([5, 7], "a reader got seq 7 after 5", id="one_lost"),
        pytest.param([5, 5, 6], "a reader got seq 5 after 5", id="one_doubled"),
        pytest.param([5, 7, 6], "a reader got seq 7 after 5", id="two_swapped"),
    ],
)
def test_a_readers_log_is_checked_event_by_event(seqs: list[int], problem: str | None):
    reader = Reader(0)
    reader.receive(server_frame({"type": "session.snapshot", "session_id": "ses_1", "seq": 4}))

    reader.receive(server_frame(*(event(seq) for seq in seqs)))

    assert reader.check({}) == problem


async def test_a_mark_is_found_where_it_is_cut_in_two():
    reader = Reader(0)
    marked = reader.expect(b"#123#")

    reader.receive(b"....#12")
    reader.receive(b"3#....")

    assert marked.done()
