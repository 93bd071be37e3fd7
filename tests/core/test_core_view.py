"""What each event changes in what a client shows, and what a snapshot leaves out."""

from __future__ import annotations

import inspect
from typing import Any, Protocol

import msgspec
import pytest

from core import events as e
from core import ports
from core.messages import Message, Part, Source
from core.models import Usage
from core.view import QueuedView, SessionView, TurnView, apply, trimmed


def fold(*events: e.Event, view: SessionView | None = None) -> SessionView:
    view = view or SessionView(epoch="e")
    for event in events:
        apply(view, msgspec.structs.replace(event, seq=view.seq + 1))
    return view


def make(kind: Any, **fields: Any) -> Any:
    return kind(session_id="s", ts=1, **fields)


def delta(off: int, text: str, message_id: str = "a1") -> e.MessageDelta:
    return e.MessageDelta(session_id="s", message_id=message_id, off=off, text=text)


ASKED = make(e.MessageCreated, message_id="u1", turn_id="t1", role="user", content="oi", channel="web", re="c1")
QUEUED = make(e.TurnQueued, turn_id="t1", message_ids=("u1",), position=0)
STARTED = make(e.TurnStarted, turn_id="t1", agent="sales", attempt=1)
ANSWERING = make(e.MessageStarted, turn_id="t1", message_id="a1", role="assistant", channel="web")
RUNNING = (ASKED, QUEUED, STARTED, ANSWERING)
TOOL = make(e.ToolStarted, turn_id="t1", call_id="k", step=1, name="n", title="N", effect="read")
ASKING = make(
    e.ApprovalRequested,
    turn_id="t1", approval_id="p", call_id="k", name="n", title="N", reason="r", approver="user", expires_at=9,
)  # fmt: skip


def completed(reason: str) -> e.Event:
    return make(e.MessageCompleted, message_id="a1", length=0, sha256="", finish_reason=reason)


def ended(kind: Any, turn_id: str = "t1") -> Any:
    rest = {
        e.TurnCompleted: {"message_id": None, "duration_ms": 1, "ttft_ms": None, "steps": 1, "tools": ()},
        e.TurnFailed: {"code": "internal", "message": "m", "retryable": True},
        e.TurnCancelled: {"by": "user"},
    }[kind]
    return make(kind, turn_id=turn_id, usage=Usage(), **rest)


def turn(view: SessionView) -> TurnView:
    assert view.turn is not None
    return view.turn


def answer(view: SessionView) -> Message:
    message = view.message("a1")
    assert message is not None
    return message


def test_a_created_message_is_shown_whole_with_its_cid() -> None:
    (message,) = fold(ASKED).messages
    assert (message.message_id, message.content, message.status, message.re) == ("u1", "oi", "complete", "c1")


def test_an_operators_message_belongs_to_no_turn() -> None:
    view = fold(make(e.MessageCreated, message_id="o1", role="operator", content="olá", channel="console"))
    assert view.messages[0].turn_id == ""


def test_a_queued_turn_waits_and_a_merge_replaces_what_it_answers() -> None:
    merged = make(e.TurnQueued, turn_id="t2", message_ids=("u2", "u3"), position=1)
    view = fold(ASKED, QUEUED, make(e.TurnQueued, turn_id="t2", message_ids=("u2",), position=1), merged)
    assert view.queue == [
        QueuedView(turn_id="t1", message_ids=("u1",)),
        QueuedView(turn_id="t2", message_ids=("u2", "u3")),
    ]


def test_a_started_turn_leaves_the_queue_and_runs() -> None:
    view = fold(ASKED, QUEUED, STARTED)
    assert view.queue == []
    assert (turn(view).turn_id, turn(view).state, turn(view).attempt, turn(view).message_id) == (
        "t1",
        "running",
        1,
        None,
    )


def test_deltas_write_at_their_offset_in_code_points() -> None:
    view = fold(*RUNNING, delta(0, "é🏆"), delta(2, "ab"), delta(3, "c"))
    assert (answer(view).content, answer(view).status, turn(view).message_id) == ("é🏆ac", "running", "a1")


def test_a_reset_cuts_the_text_back() -> None:
    reset = make(e.MessageReset, message_id="a1", to=2, reason="failover")
    assert answer(fold(*RUNNING, delta(0, "é🏆abc"), reset)).content == "é🏆"


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("stop", "complete"),
        ("length", "complete"),
        ("filtered", "complete"),
        ("cancelled", "cancelled"),
        ("failed", "failed"),
    ],
)
def test_a_completed_message_has_the_status_of_its_reason(reason: str, status: str) -> None:
    assert answer(fold(*RUNNING, completed(reason))).status == status


def test_a_tool_runs_and_completes() -> None:
    done = make(e.ToolCompleted, call_id="k", summary="ok", duration_ms=5, result=[1])
    (tool,) = turn(fold(*RUNNING, TOOL, done)).tools
    assert (tool.status, tool.summary, tool.result, tool.duration_ms) == ("completed", "ok", [1], 5)


def test_a_tool_fails_and_is_done_again_by_the_next_run() -> None:
    failed = make(e.ToolFailed, call_id="k", code="tool_failed", message="no", duration_ms=5)
    (tool,) = turn(fold(*RUNNING, TOOL, failed)).tools
    assert (tool.status, tool.code, tool.message) == ("failed", "tool_failed", "no")
    (again,) = turn(fold(*RUNNING, TOOL, failed, TOOL)).tools
    assert again.status == "running"


def test_the_end_of_a_call_that_is_not_shown_changes_nothing() -> None:
    done = make(e.ToolCompleted, call_id="other", summary="ok", duration_ms=5)
    assert turn(fold(*RUNNING, TOOL, done)).tools == turn(fold(*RUNNING, TOOL)).tools


def test_an_approval_parks_the_turn_until_it_is_resolved() -> None:
    waiting = make(e.TurnWaiting, turn_id="t1", approval_id="p")
    parked = turn(fold(*RUNNING, ASKING, waiting))
    assert (parked.state, [approval.approval_id for approval in parked.approvals]) == ("parked", ["p"])
    resolved = make(e.ApprovalResolved, approval_id="p", approved=True, by="user")
    resumed = turn(fold(*RUNNING, ASKING, waiting, resolved, make(e.TurnResumed, turn_id="t1", approval_id="p")))
    assert (resumed.state, resumed.approvals) == ("running", [])


def test_a_recovered_turn_counts_its_attempt() -> None:
    assert turn(fold(*RUNNING, make(e.TurnRecovered, turn_id="t1", attempt=2, from_step=1))).attempt == 2


@pytest.mark.parametrize("kind", [e.TurnCompleted, e.TurnFailed, e.TurnCancelled])
def test_an_ended_turn_is_gone_whether_it_ran_or_waited(kind: Any) -> None:
    assert fold(*RUNNING, ended(kind)).turn is None
    assert fold(ASKED, QUEUED, ended(kind)).queue == []
    assert fold(*RUNNING, ended(kind, "other")).turn is not None


def test_a_retry_takes_the_old_answer_away_when_it_starts() -> None:
    again = make(e.TurnQueued, turn_id="t2", message_ids=("u1",), retry_of="t1", position=0)
    before = fold(*RUNNING, completed("stop"), ended(e.TurnCompleted), again)
    assert [m.turn_id for m in before.messages] == ["t1", "t1"]
    after = fold(make(e.TurnStarted, turn_id="t2", agent="sales", attempt=1), view=before)
    assert [(m.message_id, m.turn_id) for m in after.messages] == [("u1", "t2")]


def test_sources_gather_at_their_message() -> None:
    one, two = (make(e.SourceAdded, message_id="a1", source_id=name, title=name) for name in ("x", "y"))
    assert answer(fold(*RUNNING, one, two)).sources == (
        Source(source_id="x", title="x"),
        Source(source_id="y", title="y"),
    )


def test_a_delivery_is_shown_at_its_message() -> None:
    update = make(e.DeliveryUpdated, message_id="a1", channel="whatsapp", status="read")
    assert answer(fold(*RUNNING, update)).delivery == {"channel": "whatsapp", "status": "read"}


@pytest.mark.parametrize(
    "event",
    [
        make(e.StepStarted, turn_id="t1", step=1),
        make(e.AgentChanged, from_="a", to="b", reason="r"),
        make(e.SessionMerged, into="s2"),
        make(e.SourceAdded, message_id="gone", source_id="x", title="x"),
        delta(0, "x", message_id="gone"),
        make(e.DeliveryUpdated, message_id="gone", channel="web", status="sent"),
    ],
)
def test_these_change_nothing_that_is_held(event: e.Event) -> None:
    before, after = fold(*RUNNING), fold(*RUNNING, event)
    assert after == msgspec.structs.replace(before, seq=before.seq + 1)


@pytest.mark.parametrize(
    "event",
    [
        TOOL,
        ASKING,
        make(e.ToolCompleted, call_id="k", summary="", duration_ms=1),
        make(e.ApprovalResolved, approval_id="p", approved=True, by="user"),
        make(e.TurnWaiting, turn_id="t1", approval_id="p"),
        make(e.TurnResumed, turn_id="t1", approval_id="p"),
        make(e.TurnRecovered, turn_id="t1", attempt=2, from_step=1),
    ],
)
def test_these_change_nothing_where_no_turn_runs(event: e.Event) -> None:
    assert fold(event) == SessionView(epoch="e", seq=1)


def test_an_answer_can_begin_where_its_turn_is_not_shown() -> None:
    assert fold(ANSWERING).turn is None


def test_a_delta_does_not_write_into_parts() -> None:
    view = fold(
        make(e.MessageCreated, message_id="a1", role="user", content=(Part(type="text", text="x"),), channel="w")
    )
    assert fold(delta(0, "y"), view=view).messages[0].content == (Part(type="text", text="x"),)


def test_an_event_counts_once_and_a_gap_is_an_error() -> None:
    view = fold(*RUNNING)
    apply(view, msgspec.structs.replace(ASKED, seq=1))
    assert len(view.messages) == 2
    with pytest.raises(ValueError, match="gap in the log: have 4, got 6"):
        apply(view, msgspec.structs.replace(ASKED, seq=6))
    with pytest.raises(ValueError, match="without seq"):
        apply(view, ASKED)


def said(number: int, text: str = "x", status: str = "complete") -> Message:
    return Message(message_id=f"m{number}", turn_id="t", role="user", content=text, channel="web", ts=0, status=status)  # type: ignore[arg-type]


def test_a_snapshot_holds_the_last_50_messages() -> None:
    cut = trimmed(SessionView(epoch="e", messages=[said(n) for n in range(60)]))
    assert (cut.more, [m.message_id for m in cut.messages]) == (True, [f"m{n}" for n in range(10, 60)])


def test_a_short_session_is_whole_and_more_is_kept() -> None:
    assert trimmed(SessionView(epoch="e", messages=[said(1)])).more is False
    assert trimmed(SessionView(epoch="e", messages=[said(1)], more=True)).more is True
    assert trimmed(SessionView(epoch="e")).messages == []


def test_a_snapshot_holds_whole_messages_up_to_192_kib_and_the_last_always() -> None:
    long = "x" * 100_000
    assert len(trimmed(SessionView(epoch="e", messages=[said(n, long) for n in range(3)])).messages) == 1
    assert len(trimmed(SessionView(epoch="e", messages=[said(1), said(2, long * 2)])).messages) == 1


def test_the_running_message_is_held_however_much_was_said_after_it() -> None:
    """It was cut away where four long messages waited behind it, and its deltas then went nowhere."""
    messages = [said(0), said(1, "running", "running"), *(said(n, "x" * 64_000) for n in range(2, 8))]
    assert trimmed(SessionView(epoch="e", messages=messages)).messages[0].message_id == "m1"


PORTS = [
    kind for kind in vars(ports).values() if inspect.isclass(kind) and Protocol in kind.__mro__ and kind is not Protocol
]


@pytest.mark.parametrize("port", PORTS)
def test_each_port_and_each_of_its_methods_says_its_contract(port: type) -> None:
    methods = [member for name, member in vars(port).items() if inspect.isfunction(member) and not name.startswith("_")]
    assert inspect.getdoc(port)
    assert [method.__name__ for method in methods if not method.__doc__] == []
