"""`core.ports.SessionStore`: names, ownership, views, history, erasure."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from core.errors import SessionErased, UserError
from core.turns import FeedbackRecord, Principal, SessionRef
from core.view import trimmed
from memory.backends import Memory
from tests.conformance.conftest import Nodes
from tests.conformance.kit import (
    ANA,
    BRIDGE,
    Reader,
    again,
    answer,
    eventually,
    exchange,
    model_called,
    open_session,
    record_of,
    said,
    take_one,
)


async def test_a_session_without_a_name_is_the_users_main(memory: Memory) -> None:
    nameless = await open_session(memory, "ana")
    main = await open_session(memory, "ana", "main")

    assert nameless == main


async def test_a_new_session_begins_at_seq_0_of_some_epoch(memory: Memory) -> None:
    head = await memory.sessions.open("default", "ana", None)

    assert head.seq == 0
    assert head.epoch


async def test_names_belong_to_their_user(memory: Memory) -> None:
    of_ana = await open_session(memory, "ana", "support")
    of_bia = await open_session(memory, "bia", "support")

    assert of_ana.session_id != of_bia.session_id


async def test_users_of_two_tenants_that_spell_alike_are_two_users(memory: Memory) -> None:
    one = await open_session(memory, "b/c", tenant="a")
    other = await open_session(memory, "c", tenant="a/b")

    assert one.session_id != other.session_id


async def test_two_nodes_that_open_a_name_at_once_agree(nodes: Nodes) -> None:
    opened = await asyncio.gather(
        *(node.sessions.open("default", "ana", "support") for node in [nodes.one, nodes.two] * 10)
    )

    assert len({(head.session.session_id, head.epoch) for head in opened}) == 1


async def test_find_gives_the_owner_and_the_head(memory: Memory, session: SessionRef) -> None:
    await exchange(memory, session)

    head = await memory.sessions.find(BRIDGE, session.session_id)

    assert head.session == session
    assert head.seq == (await memory.sessions.view(session)).seq


@pytest.mark.parametrize(
    "principal",
    [
        pytest.param(Principal(tenant="default", name="bia", user_id="bia"), id="another_user"),
        pytest.param(Principal(tenant="other", name="ana", user_id="ana"), id="another_tenants_user"),
        pytest.param(Principal(tenant="other", name="key_1"), id="another_tenants_service"),
    ],
)
async def test_another_ones_session_is_not_found(memory: Memory, session: SessionRef, principal: Principal) -> None:
    with pytest.raises(UserError) as foreign:
        await memory.sessions.find(principal, session.session_id)
    with pytest.raises(UserError) as unknown:
        await memory.sessions.find(principal, "ses_unknown")

    assert foreign.value.code == "not_found"
    assert foreign.value.message == unknown.value.message


async def test_a_reference_with_another_owner_reads_nothing(memory: Memory, session: SessionRef) -> None:
    await exchange(memory, session)
    stolen = SessionRef(session_id=session.session_id, tenant="other", user_id="ana")

    with pytest.raises(UserError, match="no such session"):
        await memory.sessions.view(stolen)
    with pytest.raises(UserError, match="no such session"):
        await memory.sessions.history(stolen)
    with pytest.raises(UserError, match="no such session"):
        await memory.queue.submit(said(stolen))


async def test_the_view_is_the_fold_of_the_log(memory: Memory, session: SessionRef) -> None:
    submission, message_id = await exchange(memory, session, "quanto?", "dez")

    view = await memory.sessions.view(session)

    assert [(message.message_id, message.content) for message in view.messages] == [
        (submission.input.message_ids[0], "quanto?"),
        (message_id, "dez"),
    ]
    assert view.turn is None
    assert view.queue == []


async def test_the_view_shows_what_runs_and_what_waits(memory: Memory, session: SessionRef) -> None:
    running, waiting = said(session, "um"), said(session, "dois")
    await memory.queue.submit(running)
    await memory.queue.submit(waiting)
    await take_one(memory)

    view = await memory.sessions.view(session)

    assert view.turn is not None
    assert view.turn.turn_id == running.input.turn_id
    assert [queued.turn_id for queued in view.queue] == [waiting.input.turn_id]


async def test_history_is_what_ended_turns_left_oldest_first(memory: Memory, session: SessionRef) -> None:
    first, _ = await exchange(memory, session, "um", "1")
    second, _ = await exchange(memory, session, "dois", "2")

    history = await memory.sessions.history(session)

    assert [entry.turn_id for entry in history] == [first.input.turn_id, second.input.turn_id]


async def test_history_leaves_out_a_turn_that_was_done_again(memory: Memory, session: SessionRef) -> None:
    first, _ = await exchange(memory, session, "um", "errado")
    retry = again(first)
    await memory.queue.submit(retry)
    await answer(memory, await take_one(memory), "certo")

    history = await memory.sessions.history(session)

    assert [entry.turn_id for entry in history] == [retry.input.turn_id]


async def test_a_long_session_stays_bounded_in_view_and_history(memory: Memory, session: SessionRef) -> None:
    text = "x" * 3_000
    for _ in range(210):
        await exchange(memory, session, "oi", text)

    history = await memory.sessions.history(session)
    view = await memory.sessions.view(session)
    again = await memory.sessions.view(session)

    assert 100 < len(history) <= 200
    assert sum(len(msgspec.json.encode(entry)) for entry in history) <= 512 * 1024
    assert len(trimmed(view).messages) == 50
    assert view.messages[-1].content == text
    assert again.messages[-50:] == view.messages[-50:]
    assert again.more


async def test_every_key_of_a_session_runs_out_some_day(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    _, message_id = await exchange(nodes.one, session)
    record = FeedbackRecord(
        session_id=session.session_id, tenant="default", user_id="ana", message_id=message_id, score=1, by="ana", ts=1
    )  # fmt: skip
    await nodes.one.feedbacks.put(session, ANA, "cid-f", "d", record)
    cancelled = said(session)
    await nodes.one.queue.submit(cancelled)
    await nodes.one.queue.cancel(session, cancelled.input.turn_id, "user")
    await nodes.one.queue.submit(said(session))
    await nodes.one.queue.submit(said(session))
    turn = await take_one(nodes.one)
    await nodes.one.queue.writer(turn).append([], [model_called(1)])

    with nodes.server.client() as client:
        lasting = {key.split(b":")[2] for key in client.scan_iter("prosa:{*") if client.ttl(key) == -1}
        kinds = {key.split(b":")[2] for key in client.scan_iter("prosa:{*")}

    assert lasting == {b"outbox", b"leases", b"b"}
    assert {b"s", b"l", b"h", b"i", b"f", b"c", b"cx", b"e", b"ts", b"t", b"j", b"k", b"u"} <= kinds


async def test_sessions_of_gives_all_of_a_user_and_nobody_elses(memory: Memory) -> None:
    main, support = await open_session(memory, "ana"), await open_session(memory, "ana", "support")
    await open_session(memory, "bia")

    assert set(await memory.sessions.sessions_of("default", "ana")) == {main, support}


async def test_erase_gives_the_sessions_and_nothing_of_them_is_found(memory: Memory, session: SessionRef) -> None:
    submission, _ = await exchange(memory, session)

    assert await memory.sessions.erase("default", "ana") == (session,)

    with pytest.raises(UserError, match="no such session"):
        await memory.sessions.find(ANA, session.session_id)
    with pytest.raises(UserError, match="no such turn"):
        await memory.queue.status(ANA, submission.input.turn_id)
    assert await memory.sessions.sessions_of("default", "ana") == ()


async def test_no_word_of_an_erased_user_is_left_in_redis(nodes: Nodes) -> None:
    session = await open_session(nodes.one, "ana")
    submission, message_id = await exchange(nodes.one, session, "segredo-da-ana", "resposta-secreta")
    record = FeedbackRecord(
        session_id=session.session_id, tenant="default", user_id="ana", message_id=message_id, score=1,
        comment="segredo-comentado", by="ana", ts=1,
    )  # fmt: skip
    await nodes.one.feedbacks.put(session, ANA, "cid-f", "d", record)
    await nodes.one.queue.submit(said(session, "outro-segredo"))
    await nodes.one.queue.take(1)

    await nodes.two.sessions.erase("default", "ana")

    with nodes.server.client() as client:
        everything = b"".join(client.dump(key) or b"" for key in client.scan_iter() if client.type(key) != b"hash")
        hashes = b"".join(
            b"".join(value for pair in client.hgetall(key).items() for value in pair)
            for key in client.scan_iter()
            if client.type(key) == b"hash"
        )
    assert b"segredo" not in everything + hashes
    assert b"secreta" not in everything + hashes
    assert submission.input.turn_id.encode() not in hashes


async def test_after_an_erasure_every_write_is_refused(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await nodes.one.queue.submit(said(session))
    turn = await take_one(nodes.one)
    writer = nodes.one.queue.writer(turn)

    await nodes.two.sessions.erase("default", "ana")

    with pytest.raises(SessionErased):
        await nodes.one.queue.submit(said(session))
    with pytest.raises(SessionErased):
        await writer.append([], [model_called(1)])
    with pytest.raises(SessionErased):
        await writer.end([], None, record_of(turn))
    assert await nodes.one.outbox.pending(10) == []


async def test_an_erasure_tells_readers_and_the_run_on_any_node(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    reader, told = Reader(), list[str]()
    await nodes.one.log.attach(session, reader)
    submission = said(session)
    await nodes.one.queue.submit(submission)
    await nodes.one.queue.take(1)
    nodes.one.queue.on_cancel(submission.input.turn_id, told.append)

    await nodes.two.sessions.erase("default", "ana")

    await reader.until(lambda it: it.erased)
    await eventually(lambda: told == ["erasure"])


async def test_an_erased_sessions_turns_are_taken_by_nobody(memory: Memory, session: SessionRef) -> None:
    await memory.queue.submit(said(session))

    await memory.sessions.erase("default", "ana")

    assert await memory.queue.take(5) == []
    assert await memory.queue.reap() == 0


async def test_an_erasure_drops_messages_that_waited_longer_than_the_list_of_turns_goes_back(nodes: Nodes) -> None:
    session = await open_session(nodes.one)
    await nodes.one.queue.submit(said(session, "em curso"))
    await take_one(nodes.one)
    waiting = said(session, "segredo")
    await nodes.one.queue.submit(waiting)
    turn_id = waiting.input.turn_id
    partition = nodes.one.database.keys.prefix(nodes.one.database.keys.of(session.session_id))
    with nodes.server.client() as client:
        client.zadd(f"{partition}ts:{session.session_id}", {turn_id: 0})  # accepted in 1970
        await nodes.one.queue.submit(said(session, "mais um"))  # which strikes old turns off the list
        listed = client.zscore(f"{partition}ts:{session.session_id}", turn_id)

        await nodes.two.sessions.erase("default", "ana")

        assert listed is None
        assert list(client.scan_iter(f"*{turn_id}*")) == []
        assert list(client.scan_iter(f"{partition}t:*")) == []


async def test_open_after_an_erasure_makes_a_new_session(memory: Memory, session: SessionRef) -> None:
    await memory.sessions.erase("default", "ana")

    fresh = await open_session(memory, "ana")

    assert fresh.session_id != session.session_id
    await exchange(memory, fresh)


async def test_erasing_one_user_leaves_the_others(memory: Memory) -> None:
    ana, bia = await open_session(memory, "ana"), await open_session(memory, "bia")
    await exchange(memory, ana)
    await exchange(memory, bia)

    await memory.sessions.erase("default", "ana")

    assert len((await memory.sessions.view(bia)).messages) == 2
    assert [record.user_id for _, record in await memory.outbox.pending(10)] == ["bia"]
