"""The server's machine of one connection."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.wire.frames import Heartbeat, MessageSend, SessionOpen
from core.wire.server_side import TRANSITIONS, Action, Close, Handle, Input, Send, ServerSide, State

OPEN = '{"type":"session.open","cid":"o"}'
SAY = '{"type":"message.send","cid":"c","session_id":"s","content":"x"}'


def opened(now_s: float = 0.0) -> ServerSide:
    machine = ServerSide(0.0)
    machine.receive_text(OPEN, now_s)
    machine.opened()
    return machine


def sent(actions: list[Action]) -> list[dict[str, Any]]:
    return [json.loads(action.payload) for action in actions if isinstance(action, Send)]


def closes(actions: list[Action]) -> list[int]:
    return [int(action.code) for action in actions if isinstance(action, Close)]


def error(actions: list[Action]) -> tuple[str, str | None]:
    (frame,) = sent(actions)
    assert frame["type"] == "error"
    assert frame["retryable"] is False
    return frame["code"], frame.get("re")


def test_the_table_knows_every_input_in_every_state_but_closed() -> None:
    assert set(TRANSITIONS) == {(state, kind) for state in (State.WAITING, State.OPEN) for kind in Input}


def test_an_open_is_handed_to_the_server_and_commands_after_it_succeeded() -> None:
    machine = ServerSide(0.0)
    assert machine.receive_text(OPEN, 1.0) == [Handle(SessionOpen(cid="o"))]
    machine.opened()
    assert machine.state is State.OPEN
    assert machine.receive_text(SAY, 1.0) == [Handle(MessageSend(cid="c", session_id="s", content="x"))]
    assert machine.receive_text(OPEN, 1.0) == [Handle(SessionOpen(cid="o"))]


@pytest.mark.parametrize(
    ("text", "re"),
    [(SAY, "c"), ('{"type":"typing","session_id":"s","on":true}', None), ('{"type":"x","cid":"c"}', "c")],
)
def test_nothing_is_taken_before_an_open_succeeded(text: str, re: str | None) -> None:
    assert error(ServerSide(0.0).receive_text(text, 1.0)) == ("unauthorized", re)


def test_a_wrong_open_is_told_what_is_wrong() -> None:
    actions = ServerSide(0.0).receive_text('{"type":"session.open","cid":"o","session_id":"a b"}', 1.0)
    assert error(actions) == ("invalid_request", "o")


def test_an_invalid_command_keeps_the_connection_however_often() -> None:
    machine = opened()
    answers = [error(machine.receive_text('{"type":"message.send","cid":"c"}', 1.0)) for _ in range(9)]
    assert answers == [("invalid_request", "c")] * 9


def test_a_ping_is_answered_with_its_t_also_before_an_open() -> None:
    assert sent(ServerSide(0.0).receive_text('{"type":"ping","t":7}', 1.0)) == [{"type": "pong", "t": 7}]
    assert sent(opened().receive_text('{"type":"ping"}', 1.0)) == [{"type": "pong"}]


def test_a_pong_is_heard_and_not_answered() -> None:
    assert opened().receive_text('{"type":"pong"}', 1.0) == []


def test_the_fifth_frame_that_is_no_frame_closes() -> None:
    machine = opened()
    answers = [error(machine.receive_text("[]", 1.0)) for _ in range(4)]
    assert answers == [("invalid_request", None)] * 4
    assert closes(machine.receive_text("[]", 1.0)) == [4500]
    assert machine.receive_text(SAY, 1.0) == []


def test_binary_closes_with_1003_and_size_with_1009() -> None:
    assert closes(opened().receive_binary(1.0)) == [1003]
    assert closes(opened().receive_text(" " * 65_537, 1.0)) == [1009]


def test_no_open_within_5_s_closes_pings_or_not() -> None:
    machine = ServerSide(10.0)
    machine.receive_text('{"type":"ping"}', 14.0)
    assert machine.deadline_s() == 15.0
    assert machine.tick(14.9) == []
    assert closes(machine.tick(15.0)) == [4502]
    assert (machine.deadline_s(), machine.tick(99.0)) == (None, [])


def test_an_open_that_failed_for_a_passing_reason_may_be_repeated() -> None:
    machine = ServerSide(0.0)
    machine.receive_text(OPEN, 1.0)
    machine.open_failed(4.0, retryable=True)
    assert machine.tick(20.0) == []
    assert machine.receive_text(OPEN, 21.0) == [Handle(SessionOpen(cid="o"))]


def test_an_open_that_was_refused_for_good_does_not_move_the_deadline() -> None:
    machine = ServerSide(0.0)
    machine.receive_text(OPEN, 1.0)
    machine.open_failed(1.5, retryable=False)
    assert closes(machine.tick(5.0)) == [4502]


def test_after_25_s_of_silence_a_ping_and_after_10_more_the_end() -> None:
    machine = opened(now_s=2.0)
    assert machine.deadline_s() == 27.0
    assert machine.tick(26.9) == []
    assert sent(machine.tick(27.0)) == [{"type": "ping"}]
    assert machine.deadline_s() == 37.0
    assert machine.tick(36.9) == []
    assert closes(machine.tick(37.0)) == [4002]


def test_any_frame_counts_as_a_sign_of_life() -> None:
    machine = opened(now_s=0.0)
    machine.tick(25.0)
    machine.receive_text("not json", 30.0)
    assert machine.tick(40.0) == []
    assert machine.deadline_s() == 55.0


def test_the_heartbeat_can_be_another() -> None:
    machine = ServerSide(0.0, Heartbeat(interval_ms=1000, timeout_ms=500))
    assert sent(machine.tick(1.0)) == [{"type": "ping"}]
    assert closes(machine.tick(1.5)) == [4002]


def test_a_connection_that_ended_says_nothing_more_and_does_not_open() -> None:
    machine = ServerSide(0.0)
    machine.closed()
    machine.opened()
    assert machine.state is State.CLOSED
    assert (machine.receive_binary(1.0), machine.tick(99.0), machine.deadline_s()) == ([], [], None)
