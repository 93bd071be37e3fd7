"""Protocol v1 as an independent client reads it: commands, their idempotency, and how they are refused."""

from __future__ import annotations

import asyncio
import json

import pytest

from agent.providers.scripted import Call, Cut, Fail, Pause, Say
from core.errors import ProviderError
from tests.server.conftest import RunningNode
from tests.server.wire_client import Frame, WireClient

pytestmark = pytest.mark.asyncio(loop_scope="session")
ACME = "acme-secret-0123456789"


async def again(client: WireClient, kind: str, **fields: object) -> Frame:
    """Send a command whose cid was used before and wait for its own answer."""
    start = len(client.frames)
    await client.say(kind, **fields)
    return await client.until(
        lambda frame: frame.get("re") == fields["cid"] and frame["type"] in ("ok", "error"), start
    )


async def answered(client: WireClient, session_id: str, content: str, **fields: object) -> Frame:
    """Send a message and wait for its turn's end; gives the `ok`."""
    ok = await client.ask("message.send", session_id=session_id, content=content, **fields)
    assert ok["type"] == "ok", ok
    await client.until_turn_ends(ok["turn_id"])
    return ok


async def asked_once(node: RunningNode, key: str, cid: str, user: str, **fields: object) -> Frame:
    """Send a message on a connection of its own; gives the `ok`."""
    async with node.connect(key=key) as client:
        opened = await client.open(user, **fields)
        return await answered(client, opened["session_id"], f"{user}: oi", cid=cid)


async def test_feedback_with_a_cid_of_before_is_a_duplicate_even_where_the_answer_has_left_the_view(
    development_node: RunningNode, user: str
) -> None:
    """The cid is looked up before anything else is."""
    development_node.provider.plan(user, [Say("um")], [Say("dois")])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        ok = await answered(client, session_id, f"{user}: oi")
        message_id = (await client.until_type("message.started"))["message_id"]
        command = {"session_id": session_id, "message_id": message_id, "score": -1, "cid": "fb"}
        first = await client.ask("feedback.create", **command)
        second = await again(client, "feedback.create", **command)
        other = await again(client, "feedback.create", **{**command, "score": 1})
        retried = await client.ask("turn.retry", session_id=session_id, turn_id=ok["turn_id"])
        await client.until_turn_ends(retried["turn_id"])
        third = await again(client, "feedback.create", **command)
    assert first == {"type": "ok", "re": "fb"}
    assert second == third == {"type": "ok", "re": "fb", "duplicate": True}
    assert other["code"] == "idempotency_conflict"


async def test_a_retry_with_a_cid_of_before_is_a_duplicate_and_runs_nothing(
    development_node: RunningNode, user: str
) -> None:
    development_node.provider.plan(user, [Say("um")], [Say("dois")])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        ok = await answered(client, session_id, f"{user}: oi")
        command = {"session_id": session_id, "turn_id": ok["turn_id"], "cid": "re"}
        first = await client.ask("turn.retry", **command)
        await client.until_turn_ends(first["turn_id"])
        second = await again(client, "turn.retry", **command)
    assert second == {**first, "duplicate": True}
    assert [event["type"] for event in client.events()].count("turn.started") == 2


async def test_only_the_last_turn_can_be_retried_whether_or_not_it_was_retried_itself(
    development_node: RunningNode, user: str
) -> None:
    development_node.provider.plan(user, [Say("um")], [Say("dois")], [Say("três")])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        first = await answered(client, session_id, f"{user}: a")
        retried = await client.ask("turn.retry", session_id=session_id, turn_id=first["turn_id"])
        await client.until_turn_ends(retried["turn_id"])
        replaced = await client.ask("turn.retry", session_id=session_id, turn_id=first["turn_id"])
        await answered(client, session_id, f"{user}: b")
        older = await client.ask("turn.retry", session_id=session_id, turn_id=retried["turn_id"])
        unknown = await client.ask("turn.retry", session_id=session_id, turn_id="turn_none")
    assert [(frame["type"], frame["code"]) for frame in (replaced, older)] == [("error", "busy")] * 2
    assert unknown["code"] == "not_found"


async def test_a_cid_is_the_sessions_and_the_principals_own(keyed_node: RunningNode, user: str) -> None:
    keyed_node.provider.plan(user, *[[Say("x")] for _ in range(4)])
    cid, globex_key = f"same-{user}", "globex-secret-0123456789"
    oks = [
        await asked_once(keyed_node, key, cid, user, session_id=name)
        for key, name in ((ACME, "main"), (ACME, "outra"), (globex_key, "main"))
    ]
    assert len({ok["turn_id"] for ok in oks}) == 3
    assert [ok.get("duplicate") for ok in oks] == [None] * 3


async def test_after_busy_the_same_cid_is_tried_anew(development_node: RunningNode, user: str) -> None:
    gate = asyncio.Event()
    development_node.provider.plan(user, [Pause(until=gate), Say("um")], [Say("dois")])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        first = await client.ask("message.send", session_id=session_id, content=f"{user}: a")
        command = {"session_id": session_id, "content": f"{user}: b", "on_busy": "reject", "cid": "b"}
        refused = await client.ask("message.send", **command)
        gate.set()
        await client.until_turn_ends(first["turn_id"])
        accepted = await again(client, "message.send", **command)
        await client.until_turn_ends(accepted["turn_id"])
    assert (refused["code"], refused["retryable"]) == ("busy", True)
    assert (accepted["type"], accepted.get("duplicate")) == ("ok", None)


async def test_a_known_cid_is_answered_while_the_session_is_full(development_node: RunningNode, user: str) -> None:
    gate = asyncio.Event()
    development_node.provider.plan(user, [Pause(until=gate), Say("0")], *[[Say("x")] for _ in range(8)])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        first = await client.ask("message.send", session_id=session_id, content=f"{user}: 0", cid="0")
        await client.until_type("turn.started")
        last = [await client.ask("message.send", session_id=session_id, content=f"{user}: x") for _ in range(8)][-1]
        repeated = await again(client, "message.send", session_id=session_id, content=f"{user}: 0", cid="0")
        gate.set()
        await client.until_turn_ends(last["turn_id"])
    assert repeated == {**first, "duplicate": True}


async def test_the_same_message_at_once_on_two_connections_is_one_turn(
    development_node: RunningNode, keyed_node: RunningNode, user: str
) -> None:
    keyed_node.provider.plan(user, [Say("um")])
    async with keyed_node.connect(key=ACME) as one, keyed_node.connect(key=ACME) as two:
        session_id = (await one.open(user))["session_id"]
        await two.open(user)
        command = {"session_id": session_id, "content": f"{user}: oi", "cid": "same"}
        oks = await asyncio.gather(*(client.ask("message.send", **command) for client in (one, two)))
        await one.until_turn_ends(oks[0]["turn_id"])
    assert oks[0]["turn_id"] == oks[1]["turn_id"]
    assert sorted(ok.get("duplicate", False) for ok in oks) == [False, True]


async def test_text_parts_are_shown_as_parts_and_answered(development_node: RunningNode, user: str) -> None:
    script = development_node.provider.plan(user, [Say("li")])
    parts = [{"type": "text", "text": f"{user}: um"}, {"type": "text", "text": "dois"}]
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        ok = await client.ask("message.send", session_id=session_id, content=parts)
        await client.until_turn_ends(ok["turn_id"])
        history = await client.ask("history.get", session_id=session_id)
    assert (await client.until_type("message.created"))["content"] == parts
    assert history["messages"][0]["content"] == parts
    assert script.requests[0].messages[-1].content == f"{user}: um\ndois"


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        pytest.param({"type": "turn.cancel", "turn_id": "turn_none"}, "not_found", id="cancel_of_nothing"),
        pytest.param({"type": "history.get", "before": "msg_none"}, "not_found", id="history_before_nothing"),
        pytest.param({"type": "history.get", "limit": 0}, "invalid_request", id="history_of_none"),
        pytest.param({"type": "history.get", "limit": 1.5}, "invalid_request", id="history_of_a_fraction"),
        pytest.param({"type": "message.send", "content": "oi", "agent": "nobody"}, "not_found", id="unknown_agent"),
        pytest.param({"type": "message.send", "content": []}, "invalid_request", id="no_parts"),
        pytest.param(
            {"type": "message.send", "content": [{"type": "text"}]}, "invalid_request", id="part_without_text"
        ),
        pytest.param({"type": "message.send", "content": "\u00a0\u2003"}, "invalid_request", id="wide_white_space"),
        pytest.param({"type": "message.send", "content": "oi", "on_busy": "now"}, "invalid_request", id="on_busy"),
        pytest.param({"type": "message.send", "content": "oi", "meta": [1]}, "invalid_request", id="meta"),
        pytest.param({"type": "message.send", "content": "oi", "cid": "c" * 65}, "invalid_request", id="long_cid"),
        pytest.param({"type": "message.send", "content": "oi", "cid": ""}, "invalid_request", id="empty_cid"),
        pytest.param({"type": "message.send", "content": "oi", "cid": 7}, "invalid_request", id="cid_of_wrong_type"),
        pytest.param({"type": "message.send", "content": 10**40}, "invalid_request", id="huge_number"),
        pytest.param({"type": "typing", "on": "yes"}, "invalid_request", id="typing"),
        pytest.param({"type": "ping", "t": {}}, "invalid_request", id="ping"),
        pytest.param({"type": "session.open", "user_id": "a\tb"}, "invalid_request", id="unprintable_user"),
        pytest.param({"type": "session.open", "user_id": "u" * 129}, "invalid_request", id="long_user"),
        pytest.param({"type": "session.open", "session_id": "a b"}, "invalid_request", id="bad_name"),
        pytest.param({"type": "session.open", "resume": {"epoch": "e"}}, "invalid_request", id="half_a_resume"),
        pytest.param(
            {"type": "session.open", "resume": {"epoch": "e", "seq": -1}}, "invalid_request", id="negative_resume"
        ),
        pytest.param({"type": "session.snapshot"}, "invalid_request", id="a_frame_of_the_server"),
    ],
)
async def test_a_refused_frame_names_its_cid_and_the_connection_goes_on(
    development_node: RunningNode, user: str, frame: Frame, code: str
) -> None:
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        defaults = {"session_id": session_id, "user_id": user, "cid": "x"}
        start = len(client.frames)
        await client.socket.send(json.dumps({**defaults, **frame}))
        error = await client.until_type("error", start)
        await client.say("ping", cid=None, t="still here")
        await client.until_type("pong")
    assert (error["code"], error["retryable"]) == (code, False)
    assert error.get("re") in ("x", None)
    assert error["message"].strip()


async def test_bad_fields_do_not_count_towards_the_five_bad_frames(development_node: RunningNode, user: str) -> None:
    async with development_node.connect() as client:
        await client.open(user)
        refused = [await client.ask("no.such.type") for _ in range(12)]
        await client.say("ping", cid=None)
        await client.until_type("pong")
    assert {error["code"] for error in refused} == {"invalid_request"}


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param('{"type":"ping","x":' + "[" * 20_000 + "]" * 20_000 + "}", id="deep_unknown_field"),
        pytest.param('{"type":"ping","x":"\\u0000","y":' + "[" * 900 + "]" * 900 + "}", id="deep_beside_nul"),
        pytest.param('{"type":"none","x":' + "[" * 900 + "]" * 900 + "}", id="deep_unknown_type"),
        pytest.param('{"type":"message.send","cid":"d","meta":{"a":' + "[" * 400 + "]" * 400 + "}}", id="deep_meta"),
        pytest.param('{"type":"ping","t":' + "9" * 5_000 + "}", id="long_number"),
        pytest.param('{"type":"ping","t":1e999}', id="infinite_number"),
        pytest.param('{"type":"ping","t":NaN}', id="not_a_number"),
        pytest.param('{"type":"\\ud800"}', id="lone_surrogate_as_type"),
        pytest.param('{"type":"ping","\\u0000":1}', id="nul_in_a_name"),
        pytest.param("\ufeff{}", id="byte_order_mark"),
        pytest.param("", id="nothing"),
    ],
)
async def test_hostile_json_is_refused_or_answered_and_the_connection_goes_on(
    development_node: RunningNode, user: str, raw: str
) -> None:
    async with development_node.connect() as client:
        await client.open(user)
        await client.socket.send(raw)
        await client.say("ping", cid=None, t="mark")
        await client.until(lambda frame: frame == {"type": "pong", "t": "mark"})
    assert [f["code"] for f in client.frames if f["type"] == "error"] in ([], ["invalid_request"])


async def test_a_deep_meta_is_accepted_or_refused_but_is_no_fault_of_ours(
    development_node: RunningNode, user: str
) -> None:
    development_node.provider.plan(user, [Say("x")])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        meta = '{"a":' * 300 + "1" + "}" * 300
        await client.socket.send(
            f'{{"type":"message.send","cid":"d","session_id":"{session_id}","content":"{user}: x","meta":{meta}}}'
        )
        answer = await client.until(lambda frame: frame.get("re") == "d" and frame["type"] in ("ok", "error"))
    assert answer.get("code") in (None, "invalid_request")


async def test_a_message_may_have_16000_characters_outside_the_basic_plane(
    development_node: RunningNode, user: str
) -> None:
    content = f"{user}:" + "🙂" * (15_999 - len(user))
    development_node.provider.plan(user, [Say("ok")])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        start = len(client.frames)
        await client.socket.send(
            json.dumps(
                {"type": "message.send", "cid": "m", "session_id": session_id, "content": content}, ensure_ascii=False
            )
        )
        answer = await client.until(lambda f: f.get("re") == "m" and f["type"] in ("ok", "error"), start)
        await client.until_turn_ends(answer["turn_id"])
    assert len(content) == 16_000
    assert (await client.until_type("message.created"))["content"] == content


async def test_a_turn_that_fails_after_its_first_words_completes_its_message_first(
    development_node: RunningNode, user: str
) -> None:
    failure = ProviderError("The vendor is down.", retryable=False)
    development_node.provider.plan(user, [Say("meia frase"), Fail(error=failure)])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        ok = await client.ask("message.send", session_id=session_id, content=f"{user}: oi")
        end = await client.until_turn_ends(ok["turn_id"])
        completed = await client.until_type("message.completed")
    assert (end["type"], end["code"], end["retryable"]) == ("turn.failed", "provider_unavailable", False)
    assert completed["finish_reason"] == "failed"
    assert completed["seq"] < end["seq"]


async def test_a_second_step_goes_on_in_the_same_message_after_a_blank_line(
    development_node: RunningNode, user: str
) -> None:
    question = Call("sales_query", {"metrics": ["revenue"]})
    development_node.provider.plan(user, [Say("Vou ver."), question], [Say("São dez.")])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        await answered(client, session_id, f"{user}: quanto?")
        completed = await client.until_type("message.completed")
        tool = await client.until_type("tool.completed")
        end = await client.until_type("turn.completed")
    kinds = [event["type"] for event in client.events()]
    deltas = [event for event in client.events() if event["type"] == "message.delta"]
    assert client.text(completed["message_id"]) == "Vou ver.\n\nSão dez."
    assert deltas[-1]["text"].startswith("\n\n")
    assert set(deltas[0]) == {"type", "session_id", "seq", "message_id", "off", "text"}
    assert [kinds.count(kind) for kind in ("message.started", "message.completed", "step.started")] == [1, 1, 2]
    assert 0 < len(tool["summary"]) <= 300
    assert tool["duration_ms"] >= 0
    assert (end["steps"], end["tools"], end["from_cache"]) == (2, ["sales_query"], False)
    assert set(end["usage"]) == {"input", "output", "cached", "reasoning", "total"}


async def test_a_turn_cancelled_before_its_first_word_has_no_message(development_node: RunningNode, user: str) -> None:
    reached = asyncio.Event()
    development_node.provider.plan(user, [Pause(until=asyncio.Event(), reached=reached), Say("nunca")])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        ok = await client.ask("message.send", session_id=session_id, content=f"{user}: oi")
        await reached.wait()
        await client.ask("turn.cancel", session_id=session_id, turn_id=ok["turn_id"])
        await client.until_turn_ends(ok["turn_id"])
    kinds = [event["type"] for event in client.events()]
    assert kinds[-1] == "turn.cancelled"
    assert "message.started" not in kinds
    assert "message.completed" not in kinds


async def test_a_cut_stream_is_done_again_and_the_text_is_whole_once(development_node: RunningNode, user: str) -> None:
    development_node.provider.plan(user, [Say("meia"), Cut()], [Say("inteira")])
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        ok = await client.ask("message.send", session_id=session_id, content=f"{user}: oi")
        end = await client.until_turn_ends(ok["turn_id"])
        history = await client.ask("history.get", session_id=session_id)
    assert end["type"] in ("turn.completed", "turn.failed")
    assert history["messages"][-1]["content"] in ("inteira", "meia")


async def test_a_refusal_that_is_not_retryable_is_remembered(development_node: RunningNode, user: str) -> None:
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        command = {"session_id": session_id, "content": f"{user}: oi", "agent": "nobody", "cid": "x"}
        first = await client.ask("message.send", **command)
        start = len(client.frames)
        await client.say("message.send", **command)
        second = await client.until(lambda frame: frame.get("re") == "x", start)
        start = len(client.frames)
        await client.say("message.send", **{**command, "agent": "sales"})
        other = await client.until(lambda frame: frame.get("re") == "x", start)
    assert second == {**first, "duplicate": True}
    assert other["code"] == "idempotency_conflict"


async def test_a_refused_retry_and_a_refused_verdict_are_remembered(development_node: RunningNode, user: str) -> None:
    async with development_node.connect() as client:
        session_id = (await client.open(user))["session_id"]
        commands = [
            ("turn.retry", {"session_id": session_id, "turn_id": "turn_none", "cid": "r"}),
            ("feedback.create", {"session_id": session_id, "message_id": "msg_none", "score": 1, "cid": "f"}),
        ]
        first = [await client.ask(kind, **fields) for kind, fields in commands]
        start = len(client.frames)
        await client.say(commands[0][0], **commands[0][1])
        await client.say(commands[1][0], **commands[1][1])
        again = [await client.until(lambda frame: frame.get("re") == "r", start)]
        again.append(await client.until(lambda frame: frame.get("re") == "f", start))
    assert again == [{**error, "duplicate": True} for error in first]
