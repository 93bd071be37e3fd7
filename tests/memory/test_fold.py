"""Reading a view back from stored bytes."""

from __future__ import annotations

import msgspec
import pytest

from core.messages import Message
from core.view import SessionView, TurnView
from memory.event_log.fold import STORED_MESSAGES, fold, fold_what_is_there, storable


def created(seq: int, content: str = "oi") -> bytes:
    event = {
        "seq": seq, "type": "message.created", "session_id": "s", "ts": 1, "message_id": f"m{seq}", "turn_id": "t",
        "role": "user", "content": content, "channel": "web",
    }  # fmt: skip
    return msgspec.json.encode([event])


def unknown(seq: int) -> bytes:
    return msgspec.json.encode([{"seq": seq, "type": "poll.opened", "session_id": "s", "options": [1, 2]}])


def test_a_log_without_a_stored_view_is_folded_from_nothing() -> None:
    view = fold("e", b"", [created(1), created(2)])

    assert (view.epoch, view.seq, len(view.messages)) == ("e", 2, 2)


def test_what_the_stored_view_covers_is_not_applied_again() -> None:
    stored = msgspec.json.encode(fold("e", b"", [created(1), created(2)]))

    view = fold("e", stored, [created(2), created(3)])

    assert [message.message_id for message in view.messages] == ["m1", "m2", "m3"]


def test_events_of_a_newer_version_are_passed_over() -> None:
    view = fold("e", b"", [created(1), unknown(2), created(3)])

    assert view.seq == 3
    assert [message.message_id for message in view.messages] == ["m1", "m3"]


@pytest.mark.parametrize("after", [created(3), unknown(3)], ids=["known", "unknown"])
def test_a_gap_is_an_error(after: bytes) -> None:
    with pytest.raises(ValueError, match="gap"):
        fold("e", b"", [created(1), after])


def test_for_a_log_that_begins_anew_a_gap_ends_the_fold() -> None:
    view = fold_what_is_there("e", b"", [created(1), created(3)])

    assert [message.message_id for message in view.messages] == ["m1"]


def message(number: int, turn_id: str = "old") -> Message:
    return Message(
        message_id=f"m{number}", turn_id=turn_id, role="user", content="x", channel="web", ts=1, status="complete"
    )


def test_a_stored_view_holds_the_newest_messages_and_says_that_there_are_more() -> None:
    view = SessionView(epoch="e", seq=1, messages=[message(number) for number in range(STORED_MESSAGES + 5)])

    kept = storable(view)

    assert [it.message_id for it in kept.messages] == [f"m{number}" for number in range(5, STORED_MESSAGES + 5)]
    assert kept.more


def test_the_running_turns_messages_are_all_stored() -> None:
    running = TurnView(turn_id="now", state="running", attempt=1, message_id=None, tools=[], approvals=[])
    messages = [message(number, "now") for number in range(STORED_MESSAGES + 5)]

    assert len(storable(SessionView(epoch="e", messages=messages, turn=running)).messages) == STORED_MESSAGES + 5
