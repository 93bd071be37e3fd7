"""The client's machine."""

from __future__ import annotations

import hashlib
import json
from itertools import count
from typing import Any

import pytest

from core.wire import client_actions as do
from core.wire.client_cursor import Phase
from core.wire.client_side import ClientSide
from core.wire.frames import DeliveryTake, HistoryGet, MessageSend, SessionOpen, TurnCancel

S = "ses_1"
OK = {"message_id": "m", "turn_id": "t", "seq": 1, "position": 0}


def message(cid: str = "c1") -> MessageSend:
    return MessageSend(cid=cid, session_id="", content="oi")


class Peer:
    """A client and the server's side of a conversation, written by hand."""

    def __init__(self, **opening: Any) -> None:
        numbers = count(1)
        self.client = ClientSide(new_cid=lambda: f"o{next(numbers)}", chance=lambda: 0.5)
        self.client.open("k", SessionOpen(cid="", **opening), 0.0)

    def connect(self, now_s: float = 0.0, ticket: str | None = None) -> list[dict[str, Any]]:
        return frames(self.client.connected(now_s, ticket))

    def say(self, *sent: dict[str, Any], now_s: float = 0.0) -> list[do.Action]:
        return self.client.receive_text(json.dumps(sent), now_s)

    def opened(self, re: str = "o1", *, epoch: str = "e1", head: int = 0, **fields: Any) -> dict[str, Any]:
        return {
            "type": "session.opened", "re": re, "session_id": S, "user_id": "u", "epoch": epoch, "head": head,
            "recovered": False, "heartbeat": {"interval_ms": 25000, "timeout_ms": 10000},
            "limits": {"message_chars": 16000, "frame_bytes": 65536, "queue": 8},
        } | fields  # fmt: skip


def snapshot(epoch: str = "e1", seq: int = 0, cids: tuple[str, ...] = ()) -> dict[str, Any]:
    messages = [
        {"message_id": f"m{cid}", "turn_id": "t", "role": "user", "content": "oi", "channel": "web", "ts": 1,
         "status": "complete", "re": cid}
        for cid in cids
    ]  # fmt: skip
    return {
        "type": "session.snapshot", "session_id": S, "epoch": epoch, "seq": seq, "messages": messages, "more": False,
        "queue": [],
    }  # fmt: skip


def created(seq: int, **fields: Any) -> dict[str, Any]:
    return {
        "type": "message.created", "session_id": S, "seq": seq, "ts": 1, "message_id": f"m{seq}", "role": "user",
        "content": "oi", "channel": "web",
    } | fields  # fmt: skip


LIVE = {"type": "session.live", "session_id": S, "seq": 0}


def frames(actions: list[do.Action]) -> list[dict[str, Any]]:
    return [json.loads(action.payload) for action in actions if isinstance(action, do.Send)]


def kinds(actions: list[do.Action]) -> list[str]:
    return [type(action).__name__ for action in actions]


@pytest.fixture
def peer() -> Peer:
    """A client whose session `k` is open and live."""
    peer = Peer()
    peer.connect()
    peer.say(peer.opened(), snapshot(), LIVE)
    return peer


def test_a_session_is_opened_shown_and_live() -> None:
    peer = Peer(session_id="support")
    assert peer.connect(ticket="tk") == [{"type": "session.open", "cid": "o1", "ticket": "tk", "session_id": "support"}]
    assert peer.client.view("k") is None
    assert kinds(peer.say(peer.opened(), snapshot(seq=3), LIVE)) == ["Opened", "Replaced", "Live"]
    assert (peer.client.session_id("k"), peer.client.phase("k"), peer.client.view("k").seq) == (S, Phase.LIVE, 3)


def test_a_second_session_is_opened_on_the_same_connection(peer: Peer) -> None:
    assert frames(peer.client.open("k2", SessionOpen(cid="", session_id="two"), 0.0))[0]["session_id"] == "two"


def test_after_a_reconnect_it_asks_for_what_it_missed(peer: Peer) -> None:
    peer.say(created(1))
    assert peer.client.disconnected(1006, 1.0) == do.Reconnect(delay_s=0.25)
    assert peer.client.phase("k") is Phase.CLOSED
    assert peer.connect() == [{"type": "session.open", "cid": "o2", "resume": {"epoch": "e1", "seq": 1}}]
    actions = peer.say(peer.opened("o2", recovered=True, head=2), created(2), LIVE)
    assert kinds(actions) == ["Opened", "Applied", "Live"]


def test_a_service_may_begin_at_the_head_without_a_snapshot() -> None:
    peer = Peer(snapshot=False)
    peer.connect()
    assert kinds(peer.say(peer.opened(head=7), created(8))) == ["Opened", "Applied"]


def test_an_event_that_is_there_is_dropped(peer: Peer) -> None:
    assert kinds(peer.say(created(1), created(1))) == ["Applied"]


def test_a_gap_opens_anew_once_and_drops_what_is_ahead(peer: Peer) -> None:
    assert frames(peer.say(created(2), created(3))) == [
        {"type": "session.open", "cid": "o2", "resume": {"epoch": "e1", "seq": 0}}
    ]


def test_events_before_the_snapshot_that_is_due_are_dropped(peer: Peer) -> None:
    peer.client.disconnected(1006, 0.0)
    peer.connect()
    assert kinds(peer.say(peer.opened("o2", reason="epoch", epoch="e2"), created(1))) == ["Opened"]


def test_an_event_of_a_later_server_only_takes_its_place(peer: Peer) -> None:
    assert peer.say({"type": "later.event", "session_id": S, "seq": 1, "ts": 1}) == []
    assert kinds(peer.say(created(2))) == ["Applied"]


def test_what_is_not_of_a_followed_session_is_ignored(peer: Peer) -> None:
    strangers = [created(1, session_id="x"), LIVE | {"session_id": "x"}, peer.opened("other"), {"type": "later"}]
    assert peer.say(*strangers, {"type": "ok", "re": "other"}, {"type": "pong"}) == []
    assert peer.say({name: value for name, value in created(1).items() if name != "seq"}) == []


@pytest.mark.parametrize(("text", "mismatch"), [("oié", []), ("oi", ["Mismatch"])])
def test_a_completed_text_is_held_against_its_hash(peer: Peer, text: str, mismatch: list[str]) -> None:
    digest = hashlib.sha256("oié".encode()).hexdigest()
    actions = peer.say(
        {"type": "message.started", "session_id": S, "seq": 1, "ts": 1, "turn_id": "t", "message_id": "a",
         "role": "assistant", "channel": "web"},
        {"type": "message.delta", "session_id": S, "seq": 2, "message_id": "a", "off": 0, "text": text},
        {"type": "message.completed", "session_id": S, "seq": 3, "ts": 1, "message_id": "a", "length": 3,
         "sha256": digest, "finish_reason": "stop"},
        {"type": "message.completed", "session_id": S, "seq": 4, "ts": 1, "message_id": "gone", "length": 3,
         "sha256": digest, "finish_reason": "stop"},
    )  # fmt: skip
    assert kinds(actions) == ["Applied", "Applied", "Applied", *mismatch, "Applied"]


def test_a_command_waits_for_its_session_and_carries_its_id() -> None:
    peer = Peer()
    assert peer.client.send("k", message(), 0.0) == []
    peer.connect()
    sent = frames(peer.say(peer.opened(), snapshot(), LIVE))
    assert sent == [{"type": "message.send", "cid": "c1", "session_id": S, "content": "oi"}]


def test_a_command_is_sent_once_a_connection_until_it_is_answered(peer: Peer) -> None:
    assert len(frames(peer.client.send("k", message(), 0.0))) == 1
    assert frames(peer.say(LIVE)) == []
    peer.client.disconnected(1006, 0.0)
    peer.connect()
    assert [frame["cid"] for frame in frames(peer.say(peer.opened("o2", recovered=True), LIVE))] == ["c1"]
    (done,) = peer.say({"type": "ok", "re": "c1", "duplicate": True} | OK)
    assert done == do.Done(cid="c1", result=OK, duplicate=True)
    assert peer.say({"type": "ok", "re": "c1"} | OK) == []


def test_an_answered_message_is_not_sent_again_by_a_reconnect(peer: Peer) -> None:
    peer.client.send("k", message(), 0.0)
    peer.say({"type": "ok", "re": "c1"} | OK)
    peer.client.disconnected(1006, 0.0)
    peer.connect()
    assert frames(peer.say(peer.opened("o2", recovered=True), LIVE)) == []


def test_a_command_of_no_session_needs_any_open_one(peer: Peer) -> None:
    sent = frames(peer.client.send(None, DeliveryTake(cid="d", channel="whatsapp", limit=1), 0.0))
    assert sent == [{"type": "delivery.take", "cid": "d", "channel": "whatsapp", "limit": 1}]


def test_a_refused_command_is_told_and_forgotten(peer: Peer) -> None:
    peer.client.send("k", message(), 0.0)
    busy = {"type": "error", "re": "c1", "code": "busy", "message": "m", "retryable": True}
    assert kinds(peer.say(busy)) == ["Refused"]
    assert peer.say(busy) == []


def test_a_message_that_a_new_epoch_does_not_know_is_sent_again_within_60_s(peer: Peer) -> None:
    peer.client.send("k", message("c1"), 0.0)
    peer.client.send("k", message("c2"), 0.0)
    peer.client.send("k", TurnCancel(cid="c3", session_id="", turn_id="t"), 0.0)
    peer.say({"type": "ok", "re": "c1"} | OK, {"type": "ok", "re": "c2"} | OK)
    assert [frame["cid"] for frame in frames(peer.say(snapshot("e2", cids=("c1",)), now_s=60.0))] == ["c2"]
    assert kinds(peer.say({"type": "ok", "re": "c2"} | OK, now_s=60.0)) == ["Done"]


def test_an_answer_that_crossed_the_loss_is_not_believed_on_the_next_connection(peer: Peer) -> None:
    """The answer to the first sending came after the snapshot that had lost the message, and was taken for that to the
    second. The connection broke before the second arrived, and the message was gone."""
    peer.client.send("k", message("c1"), 0.0)
    assert [frame["cid"] for frame in frames(peer.say(snapshot("e2")))] == ["c1"]
    peer.say({"type": "ok", "re": "c1"} | OK)
    peer.client.disconnected(1006, 0.0)
    opening = peer.connect()[0]["cid"]
    again = frames(peer.say(peer.opened(opening, epoch="e2", recovered=True), LIVE))
    assert [frame["cid"] for frame in again] == ["c1"]


def test_what_a_snapshot_shows_is_not_sent_on_the_next_connection(peer: Peer) -> None:
    peer.client.send("k", message("c1"), 0.0)
    peer.say(snapshot("e2"))
    peer.say({"type": "ok", "re": "c1"} | OK, snapshot("e2", cids=("c1",)))
    peer.client.disconnected(1006, 0.0)
    opening = peer.connect()[0]["cid"]
    assert frames(peer.say(peer.opened(opening, epoch="e2", recovered=True), LIVE)) == []


def test_a_message_older_than_60_s_or_a_snapshot_of_the_same_epoch_sends_nothing_again(peer: Peer) -> None:
    peer.client.send("k", message(), 0.0)
    peer.say({"type": "ok", "re": "c1"} | OK)
    assert frames(peer.say(snapshot())) == []
    assert frames(peer.say(snapshot("e2"), now_s=60.1)) == []


def test_what_a_merged_session_has_is_not_sent_to_the_one_in_which_it_goes_on(peer: Peer) -> None:
    peer.client.send("k", message("c1"), 0.0)
    peer.client.send("k", message("c2"), 0.0)
    merged = {"type": "session.merged", "session_id": S, "seq": 1, "ts": 1, "into": "ses_2"}
    peer.say({"type": "ok", "re": "c1"} | OK, merged)
    assert frames(peer.say(snapshot("e2"))) == [{"type": "message.send", "cid": "c2", "session_id": S, "content": "oi"}]


def test_an_answer_of_history_and_other_signals_are_told(peer: Peer) -> None:
    peer.client.send("k", HistoryGet(cid="h", session_id=""), 0.0)
    told = peer.say(
        {"type": "history", "re": "h", "messages": [], "more": False},
        {"type": "typing", "session_id": S, "by": "agent", "on": True},
        {"type": "error", "code": "invalid_request", "message": "m", "retryable": False},
    )
    assert kinds(told) == ["Told", "Told", "Told"]


def test_an_erased_session_is_gone_with_what_was_not_answered(peer: Peer) -> None:
    peer.client.send("k", message(), 0.0)
    (erased,) = peer.say({"type": "session.erased", "session_id": S})
    assert [command.cid for command in erased.unanswered] == ["c1"]
    assert peer.client.disconnected(4504, 0.0) == do.GiveUp(code=4504)


def test_a_service_leaves_a_session(peer: Peer) -> None:
    assert frames(peer.client.leave("k")) == [{"type": "session.close", "cid": "o2", "session_id": S}]
    assert Peer().client.leave("k") == []


def test_an_open_refused_for_a_passing_reason_is_repeated_on_the_same_connection() -> None:
    peer = Peer()
    peer.connect()
    refused = {"type": "error", "re": "o1", "code": "internal", "message": "m", "retryable": True}
    assert kinds(peer.say(refused | {"retry_after_ms": 2000}, now_s=1.0)) == ["OpenRefused"]
    assert peer.client.deadline_s() == 3.0
    assert peer.client.tick(2.9) == []
    assert frames(peer.client.tick(3.0)) == [{"type": "session.open", "cid": "o2"}]
    peer.say(refused | {"re": "o2"}, now_s=4.0)
    assert peer.client.deadline_s() == 4.25


def test_an_open_refused_for_good_is_not_repeated() -> None:
    peer = Peer()
    peer.connect()
    peer.say({"type": "error", "re": "o1", "code": "unauthorized", "message": "m", "retryable": False})
    assert frames(peer.client.tick(20.0)) == []


def test_silence_asks_after_25_s_and_drops_after_35(peer: Peer) -> None:
    assert peer.client.deadline_s() == 25.0
    assert frames(peer.client.tick(25.0)) == [{"type": "ping"}]
    assert peer.client.deadline_s() == 35.0
    assert peer.client.tick(34.0) == []
    assert kinds(peer.client.tick(35.0)) == ["Drop"]
    assert (peer.client.tick(36.0), peer.client.deadline_s()) == ([], None)


def test_a_ping_is_answered(peer: Peer) -> None:
    assert frames(peer.say({"type": "ping", "t": 1})) == [{"type": "pong", "t": 1}]


def test_after_sleep_a_frame_must_come_within_3_s(peer: Peer) -> None:
    assert frames(peer.client.woke(10.0)) == [{"type": "ping"}]
    assert peer.client.deadline_s() == 13.0
    assert kinds(peer.client.tick(13.0)) == ["Drop"]
    assert peer.client.woke(14.0) == []


def test_after_sleep_any_frame_will_do(peer: Peer) -> None:
    peer.client.woke(10.0)
    peer.say({"type": "pong"}, now_s=11.0)
    assert peer.client.tick(14.0) == []


def test_a_draining_node_is_left_when_it_says(peer: Peer) -> None:
    assert peer.say({"type": "server.draining", "reconnect_in_ms": 4000}, now_s=1.0) == []
    assert peer.client.disconnected(1012, 2.0) == do.Reconnect(delay_s=3.0)


def test_a_draining_node_that_stays_up_is_left_too(peer: Peer) -> None:
    peer.say({"type": "server.draining", "reconnect_in_ms": 4000}, now_s=1.0)
    assert kinds(peer.client.tick(5.0)) == ["Drop"]
    assert peer.client.disconnected(1006, 5.0) == do.Reconnect(delay_s=0.0)


def test_reconnects_back_off_to_30_s_with_full_jitter_for_ever() -> None:
    client = Peer().client
    delays = [client.disconnected(1006, 0.0).delay_s for _ in range(40)]
    assert delays[:8] == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0]
    assert delays[-1] == 15.0
