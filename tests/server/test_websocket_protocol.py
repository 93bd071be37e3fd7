"""Protocol v1 over a real WebSocket against a real node."""

from __future__ import annotations

import asyncio
import hashlib
import json

import pytest
import websockets

from agent.providers.scripted import Pause, Say
from tests.server.conftest import RunningNode

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_open_is_answered_by_opened_snapshot_and_live(development_node: RunningNode, user: str) -> None:
    async with development_node.connect() as client:
        opened = await client.open(user)
        assert [frame["type"] for frame in client.frames] == ["session.opened", "session.snapshot", "session.live"]
        assert opened["user_id"] == user
        assert opened["recovered"] is False
        assert opened["heartbeat"] == {"interval_ms": 25000, "timeout_ms": 10000}
        assert opened["limits"] == {"message_chars": 16000, "frame_bytes": 65536, "queue": 8}
        assert client.frames[1]["messages"] == []


async def test_the_server_answers_the_subprotocol_and_never_a_ticket(development_node: RunningNode) -> None:
    async with development_node.connect(subprotocols=["prosa.v1", "ticket.secret"]) as client:
        assert client.socket.subprotocol == "prosa.v1"


async def test_a_client_without_subprotocol_is_served_v1(development_node: RunningNode, user: str) -> None:
    async with development_node.connect(subprotocols=None) as client:
        assert (await client.open(user))["type"] == "session.opened"


async def test_a_message_becomes_a_turn_whose_deltas_are_the_answer(development_node: RunningNode, user: str) -> None:
    development_node.provider.plan(user, [Say("Olá, "), Say("ação "), Say("🙂!")])
    async with development_node.connect() as client:
        opened = await client.open(user)
        ok = await client.ask("message.send", session_id=opened["session_id"], content=f"{user}: oi")
        end = await client.until_turn_ends(ok["turn_id"])
        completed = await client.until_type("message.completed")
        events = client.events()
    kinds = [event["type"] for event in events if event["type"] != "message.delta"]
    assert kinds == [
        "message.created",
        "turn.queued",
        "turn.started",
        "step.started",
        "message.started",
        "message.completed",
        "turn.completed",
    ]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert client.text(completed["message_id"]) == "Olá, ação 🙂!"
    assert completed["length"] == len("Olá, ação 🙂!")
    assert completed["sha256"] == hashlib.sha256("Olá, ação 🙂!".encode()).hexdigest()
    assert end["type"] == "turn.completed"
    assert events[0]["re"] == ok["re"]
    assert events[0]["seq"] == ok["seq"]
    assert ok["position"] == 0


async def test_a_repeated_cid_is_answered_alike_and_makes_no_second_turn(
    development_node: RunningNode, user: str
) -> None:
    development_node.provider.plan(user, [Say("uma vez")])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        body = {"session_id": session_id, "content": f"{user}: oi", "cid": "same"}
        first = await client.ask("message.send", **body)
        await client.until_turn_ends(first["turn_id"])
        start = len(client.frames)
        await client.say("message.send", **body)
        again = await client.until(lambda frame: frame.get("re") == "same" and frame["type"] == "ok", start)
    assert again == {**first, "duplicate": True}
    assert [event["type"] for event in client.events()].count("message.created") == 1


async def test_the_same_cid_with_another_body_is_a_conflict(development_node: RunningNode, user: str) -> None:
    development_node.provider.plan(user, [Say("a")])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        ok = await client.ask("message.send", session_id=session_id, content=f"{user}: oi", cid="same")
        await client.until_turn_ends(ok["turn_id"])
        await client.say("message.send", session_id=session_id, content="other", cid="same")
        error = await client.until_type("error")
    assert (error["code"], error["re"], error["retryable"]) == ("idempotency_conflict", "same", False)


async def test_turns_of_a_session_run_one_at_a_time_in_the_order_of_acceptance(
    development_node: RunningNode, user: str
) -> None:
    gate = asyncio.Event()
    development_node.provider.plan(user, [Pause(until=gate), Say("um")], [Say("dois")], [Say("três")])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        accepted = [
            await client.ask("message.send", session_id=session_id, content=f"{user}: {number}") for number in range(3)
        ]
        gate.set()
        await client.until_turn_ends(accepted[2]["turn_id"])
        events = client.events()
    assert [ok["position"] for ok in accepted] == [0, 1, 2]
    marks = [(e["type"], e["turn_id"]) for e in events if e["type"] in ("turn.started", "turn.completed")]
    expected = [(kind, ok["turn_id"]) for ok in accepted for kind in ("turn.started", "turn.completed")]
    assert marks == expected


async def test_the_ninth_waiting_turn_is_busy(development_node: RunningNode, user: str) -> None:
    gate = asyncio.Event()
    development_node.provider.plan(user, [Pause(until=gate), Say("um")], *[[Say("x")] for _ in range(8)])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        await client.ask("message.send", session_id=session_id, content=f"{user}: 0")
        await client.until_type("turn.started")
        waiting = [await client.ask("message.send", session_id=session_id, content=f"{user}: x") for _ in range(8)]
        ninth = await client.ask("message.send", session_id=session_id, content=f"{user}: 9")
        gate.set()
        await client.until_turn_ends(waiting[-1]["turn_id"])
    assert {ok["type"] for ok in waiting} == {"ok"}
    assert (ninth["type"], ninth["code"], ninth["retryable"]) == ("error", "busy", True)


async def test_reject_refuses_while_a_turn_runs(development_node: RunningNode, user: str) -> None:
    gate = asyncio.Event()
    development_node.provider.plan(user, [Pause(until=gate), Say("um")])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        ok = await client.ask("message.send", session_id=session_id, content=f"{user}: 0")
        refused = await client.ask("message.send", session_id=session_id, content=f"{user}: 1", on_busy="reject")
        gate.set()
        await client.until_turn_ends(ok["turn_id"])
    assert refused["code"] == "busy"


async def test_cancel_stops_the_provider_first_and_keeps_what_was_said(
    development_node: RunningNode, user: str
) -> None:
    gate, reached = asyncio.Event(), asyncio.Event()
    script = development_node.provider.plan(user, [Say("começo"), Pause(until=gate, reached=reached), Say("fim")])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        ok = await client.ask("message.send", session_id=session_id, content=f"{user}: 0")
        await client.until_type("message.delta")
        answer = await client.ask("turn.cancel", session_id=session_id, turn_id=ok["turn_id"])
        end = await client.until_turn_ends(ok["turn_id"])
        closed_by_then = script.open_streams == 0
        completed = await client.until_type("message.completed")
        again = await client.ask("turn.cancel", session_id=session_id, turn_id=ok["turn_id"])
        history = await client.ask("history.get", session_id=session_id)
    assert answer["state"] == "running"
    assert (end["type"], end["by"]) == ("turn.cancelled", "user")
    assert closed_by_then
    assert completed["finish_reason"] == "cancelled"
    assert again["state"] == "cancelled"
    assert [(m["role"], m["content"], m["status"]) for m in history["messages"]] == [
        ("user", f"{user}: 0", "complete"),
        ("assistant", "começo", "cancelled"),
    ]


async def test_a_queued_turn_can_be_cancelled_and_never_starts(development_node: RunningNode, user: str) -> None:
    gate = asyncio.Event()
    development_node.provider.plan(user, [Pause(until=gate), Say("um")], [Say("três")])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        first = await client.ask("message.send", session_id=session_id, content=f"{user}: 1")
        second = await client.ask("message.send", session_id=session_id, content=f"{user}: 2")
        third = await client.ask("message.send", session_id=session_id, content=f"{user}: 3")
        cancelled = await client.ask("turn.cancel", session_id=session_id, turn_id=second["turn_id"])
        gate.set()
        await client.until_turn_ends(third["turn_id"])
    assert cancelled["state"] == "cancelled"
    started = [event["turn_id"] for event in client.events() if event["type"] == "turn.started"]
    assert started == [first["turn_id"], third["turn_id"]]


async def test_retry_answers_the_same_message_in_a_new_turn_and_hides_the_old_answer(
    development_node: RunningNode, user: str
) -> None:
    development_node.provider.plan(user, [Say("primeira")], [Say("segunda")])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        first = await client.ask("message.send", session_id=session_id, content=f"{user}: oi")
        await client.until_turn_ends(first["turn_id"])
        again = await client.ask("turn.retry", session_id=session_id, turn_id=first["turn_id"])
        await client.until_turn_ends(again["turn_id"])
    async with development_node.connect() as late:
        await late.open(user)
        snapshot = await late.until_type("session.snapshot")
    assert again["type"] == "ok"
    assert again["message_id"] == first["message_id"]
    assert [(m["role"], m["content"], m["turn_id"]) for m in snapshot["messages"]] == [
        ("user", f"{user}: oi", again["turn_id"]),
        ("assistant", "segunda", again["turn_id"]),
    ]


async def test_a_retry_of_a_turn_that_runs_is_busy(development_node: RunningNode, user: str) -> None:
    gate = asyncio.Event()
    development_node.provider.plan(user, [Pause(until=gate), Say("um")])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        ok = await client.ask("message.send", session_id=session_id, content=f"{user}: 1")
        refused = await client.ask("turn.retry", session_id=session_id, turn_id=ok["turn_id"])
        gate.set()
        await client.until_turn_ends(ok["turn_id"])
    assert refused["code"] == "busy"


async def test_a_second_connection_sees_the_running_answer_in_its_snapshot_and_then_live(
    development_node: RunningNode, user: str
) -> None:
    gate = asyncio.Event()
    development_node.provider.plan(user, [Say("metade"), Pause(until=gate), Say(" e fim")])
    async with development_node.connect() as one, development_node.connect() as two:
        session_id = (await one.open(user))["session_id"]
        ok = await one.ask("message.send", session_id=session_id, content=f"{user}: 1")
        await one.until_type("message.delta")
        await two.open(user)
        snapshot = await two.until_type("session.snapshot")
        gate.set()
        await two.until_turn_ends(ok["turn_id"])
        await one.until_turn_ends(ok["turn_id"])
    assert snapshot["turn"]["turn_id"] == ok["turn_id"]
    assert snapshot["messages"][-1]["content"] == "metade"
    assert snapshot["messages"][-1]["status"] == "running"
    assert [e["seq"] for e in two.events()] == list(range(snapshot["seq"] + 1, one.events()[-1]["seq"] + 1))
    assert two.events() == one.events()[snapshot["seq"] :]


async def test_resume_gives_exactly_what_was_missed(development_node: RunningNode, user: str) -> None:
    development_node.provider.plan(user, [Say("um "), Say("dois")])
    async with development_node.connect() as one:
        opened = await one.open(user)
        ok = await one.ask("message.send", session_id=opened["session_id"], content=f"{user}: 1")
        await one.until_turn_ends(ok["turn_id"])
    async with development_node.connect() as two:
        again = await two.open(user, resume={"epoch": opened["epoch"], "seq": 3})
    assert again["recovered"] is True
    assert [frame["type"] for frame in two.frames if "epoch" in frame] == ["session.opened"]
    assert two.events() == one.events()[3:]


@pytest.mark.parametrize(
    ("resume", "reason"),
    [
        pytest.param({"epoch": "epoch_other", "seq": 1}, "epoch", id="another_epoch"),
        pytest.param({"seq": 1_000_000}, "ahead", id="ahead_of_the_log"),
    ],
)
async def test_a_resume_that_cannot_be_honoured_gets_a_snapshot(
    development_node: RunningNode, user: str, resume: dict[str, object], reason: str
) -> None:
    async with development_node.connect() as one:
        opened = await one.open(user)
        again = await one.ask("session.open", user_id=user, resume={"epoch": opened["epoch"], **resume})
        await one.until(lambda frame: frame["type"] == "session.snapshot", start=3)
    assert (again["recovered"], again["reason"]) == (False, reason)


async def test_a_service_connection_carries_several_sessions(keyed_node: RunningNode, user: str) -> None:
    keyed_node.provider.plan(user, [Say("a")], [Say("b")])
    async with keyed_node.connect(key="acme-secret-0123456789") as client:
        one = await client.open(user, session_id="um", snapshot=False)
        two = await client.open(user, session_id="dois", snapshot=False)
        first = await client.ask("message.send", session_id=one["session_id"], content=f"{user}: 1")
        await client.until_turn_ends(first["turn_id"])
        second = await client.ask("message.send", session_id=two["session_id"], content=f"{user}: 2")
        await client.until_turn_ends(second["turn_id"])
        closed = await client.ask("session.close", session_id=one["session_id"])
        after = await client.ask("message.send", session_id=one["session_id"], content=f"{user}: 3")
    assert one["session_id"] != two["session_id"]
    assert closed["type"] == "ok"
    assert after["code"] == "not_found"
    assert not [frame for frame in client.frames if frame["type"] == "session.snapshot"]


async def test_feedback_is_kept_and_shown_in_the_next_snapshot(development_node: RunningNode, user: str) -> None:
    development_node.provider.plan(user, [Say("bom?")])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        ok = await client.ask("message.send", session_id=session_id, content=f"{user}: 1")
        end = await client.until_turn_ends(ok["turn_id"])
        given = await client.ask("feedback.create", session_id=session_id, message_id=end["message_id"], score=1)
        unknown = await client.ask("feedback.create", session_id=session_id, message_id="msg_none", score=1)
    async with development_node.connect() as late:
        await late.open(user)
        snapshot = await late.until_type("session.snapshot")
    assert given["type"] == "ok"
    assert unknown["code"] == "not_found"
    assert snapshot["messages"][-1]["feedback"]["score"] == 1


async def test_typing_reaches_the_other_connection_and_is_not_in_the_log(
    development_node: RunningNode, user: str
) -> None:
    async with development_node.connect() as one, development_node.connect() as two:
        session_id = (await one.open(user))["session_id"]
        await two.open(user)
        await one.say("typing", cid=None, session_id=session_id, on=True)
        signal = await two.until_type("typing")
    assert (signal["session_id"], signal["on"]) == (session_id, True)
    assert "seq" not in signal


async def test_a_ping_is_answered_with_its_t(development_node: RunningNode) -> None:
    async with development_node.connect() as client:
        await client.say("ping", cid=None, t=17)
        assert await client.until_type("pong") == {"type": "pong", "t": 17}


async def test_nothing_but_open_and_ping_is_processed_before_the_open(development_node: RunningNode) -> None:
    async with development_node.connect() as client:
        error = await client.ask("message.send", session_id="main", content="oi")
    assert (error["type"], error["code"]) == ("error", "unauthorized")


@pytest.mark.parametrize(
    ("frame", "field"),
    [
        pytest.param({"type": "message.send", "cid": "x", "content": "oi"}, "session_id", id="missing_field"),
        pytest.param({"type": "message.send", "cid": "x", "session_id": "s", "content": " \n"}, "content", id="blank"),
        pytest.param(
            {"type": "message.send", "cid": "x", "session_id": "s", "content": "a" * 16001}, "content", id="too_long"
        ),
        pytest.param(
            {"type": "feedback.create", "cid": "x", "session_id": "s", "message_id": "m", "score": 5},
            "score",
            id="score",
        ),
        pytest.param({"type": "no.such", "cid": "x"}, "type", id="unknown_type"),
        pytest.param({"type": "message.send", "cid": "x", "session_id": "s", "content": "a\0b"}, "content", id="nul"),
    ],
)
async def test_a_wrong_frame_is_refused_with_its_field_and_the_connection_stays(
    development_node: RunningNode, user: str, frame: dict[str, object], field: str
) -> None:
    async with development_node.connect() as client:
        await client.open(user)
        await client.socket.send(json.dumps(frame))
        error = await client.until_type("error")
        await client.say("ping", cid=None)
        await client.until_type("pong")
    assert (error["code"], error["re"]) == ("invalid_request", "x")
    assert field in error["message"]


async def test_the_fifth_frame_that_is_no_object_closes_with_4500(development_node: RunningNode) -> None:
    async with development_node.connect() as client:
        for _ in range(5):
            await client.socket.send("[1]")
        assert await client.closed() == 4500


async def test_a_binary_frame_closes_with_1003(development_node: RunningNode) -> None:
    async with development_node.connect() as client:
        await client.socket.send(b"{}")
        assert await client.closed() == 1003


@pytest.mark.parametrize("size", [65_537, 1_500_000])
async def test_a_frame_over_64_kib_closes_with_1009(development_node: RunningNode, size: int) -> None:
    async with development_node.connect() as client:
        await client.socket.send("x" * size)
        assert await client.closed() == 1009


async def test_invalid_utf8_closes_with_1007(development_node: RunningNode) -> None:
    async with development_node.connect() as client:
        await client.socket.send(b'{"type":"\xff"}', text=True)
        assert await client.closed() == 1007


async def test_a_foreign_origin_is_refused_before_the_handshake(development_node: RunningNode) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with development_node.connect(origin="https://evil.example"):
            pass
    assert refused.value.response.status_code == 403


async def test_a_loopback_origin_may_connect_in_development(development_node: RunningNode, user: str) -> None:
    async with development_node.connect(origin="http://localhost:3000") as client:
        assert (await client.open(user))["user_id"] == user


async def test_a_wrong_key_is_closed_with_4501(keyed_node: RunningNode) -> None:
    async with keyed_node.connect(key="wrong-key-0123456789") as client:
        assert await client.closed() == 4501


async def test_an_open_without_a_key_is_unauthorized_and_closed(keyed_node: RunningNode, user: str) -> None:
    async with keyed_node.connect() as client:
        error = await client.ask("session.open", user_id=user)
        code = await client.closed()
    assert (error["code"], code) == ("unauthorized", 4501)


async def test_a_key_may_come_with_the_open(keyed_node: RunningNode, user: str) -> None:
    async with keyed_node.connect() as client:
        assert (await client.open(user, token="acme-secret-0123456789"))["user_id"] == user


async def test_another_tenants_session_does_not_exist(keyed_node: RunningNode, user: str) -> None:
    async with keyed_node.connect(key="acme-secret-0123456789") as acme:
        session_id = (await acme.open(user))["session_id"]
    async with keyed_node.connect(key="globex-secret-0123456789") as globex:
        foreign = await globex.ask("session.open", session_id=session_id)
        unknown = await globex.ask("session.open", session_id="ses_" + "0" * 26)
        own = await globex.open(user)
    assert {key: foreign[key] for key in ("type", "code", "message")} == {
        key: unknown[key] for key in ("type", "code", "message")
    }
    assert foreign["code"] == "not_found"
    assert own["session_id"] != session_id


async def test_another_users_session_does_not_exist(keyed_node: RunningNode, user: str) -> None:
    async with keyed_node.connect(key="acme-secret-0123456789") as client:
        session_id = (await client.open(user))["session_id"]
        error = await client.ask("session.open", session_id=session_id, user_id=f"{user}-other")
    assert error["code"] == "not_found"


async def test_commands_of_later_chapters_are_refused_in_words(development_node: RunningNode, user: str) -> None:
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        handled = await client.ask("session.handle", session_id=session_id, by="human")
    assert handled["code"] == "invalid_request"
    assert "session.handle" in handled["message"]
