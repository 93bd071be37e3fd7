"""Forgetting a user: nothing is left, whatever was under way, and a second sweep finds what came late."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from core.budgets import BudgetLimits, Payer
from core.clock import SystemClock
from core.errors import BackendError, SessionErased, UserError
from core.ids import SystemIds
from core.measurements import NoMeasure
from core.turns import Erasure, SessionRef
from memory.backends import Memory, open_memory
from memory.budgets.budgets import RedisBudgets
from memory.budgets.days import Days
from memory.cache.answers import RedisAnswers
from memory.keys import user_key
from memory.outbox.outbox import RedisOutbox
from memory.sessions.erasing import Erasing
from tests.conformance.conftest import Nodes
from tests.conformance.kit import exchange, model_called, open_session, said, take_one
from tests.conformance.parking import TEXT, park
from tests.conformance.test_session_merge import DyingDatabase


@pytest.fixture
async def sweeper(nodes: Nodes, tmp_path: Path) -> AsyncIterator[Memory]:
    """A node for which every erasure was long ago."""
    async with open_memory(
        redis_url=nodes.server.url,
        data_dir=tmp_path,
        node=SystemIds().new("node"),
        partitions=nodes.one.database.keys.partitions,
        sweep_after_ms=-1,
    ) as memory:
        yield memory


def erasing_that_dies(memory: Memory, calls: int) -> Erasing:
    database: Any = DyingDatabase(memory, calls)
    budgets = RedisBudgets(database, Days(SystemClock()), NoMeasure())
    return Erasing(database, RedisOutbox(database), RedisAnswers(database), budgets)


def everything(nodes: Nodes) -> bytes:
    """Every word in Redis."""
    with nodes.server.client() as client:
        found = [*client.scan_iter("*")]
        return b"\n".join([*found, *((client.dump(key) or b"") for key in found)])


async def test_an_erasure_is_not_due_before_ten_minutes(memory: Memory, session: SessionRef) -> None:
    await memory.sessions.erase("default", "ana")

    assert await memory.sessions.due_erasures() == []


async def test_an_erasure_is_due_once_until_it_was_swept(sweeper: Memory) -> None:
    main, support = await open_session(sweeper, "ana"), await open_session(sweeper, "ana", "support")
    await sweeper.sessions.erase("default", "ana")

    [due] = await sweeper.sessions.due_erasures()
    await sweeper.sessions.swept(due)

    ids = tuple(sorted((main.session_id, support.session_id)))
    assert due == Erasure(tenant="default", user_id="ana", session_ids=ids)
    assert await sweeper.sessions.due_erasures() == []


async def test_a_user_without_sessions_leaves_nothing_to_sweep(sweeper: Memory) -> None:
    await sweeper.sessions.erase("default", "nobody")

    assert await sweeper.sessions.due_erasures() == []


async def test_the_sweep_deletes_what_was_written_late(sweeper: Memory, nodes: Nodes) -> None:
    session = await open_session(sweeper, "ana")
    await sweeper.sessions.erase("default", "ana")
    keys = sweeper.database.keys
    prefix = keys.prefix(keys.of(session.session_id))
    with nodes.server.client() as client:  # as a write that was under way
        client.rpush(f"{prefix}h:{session.session_id}", "segredo")
        client.set(f"{prefix}v:{session.session_id}", "segredo")
        client.xadd(f"{prefix}outbox", {"s": session.session_id, "d": "segredo"})

    [due] = await sweeper.sessions.due_erasures()
    await sweeper.sessions.swept(due)

    assert b"segredo" not in everything(nodes)


async def test_a_user_who_came_back_keeps_the_new_session(sweeper: Memory) -> None:
    old = await open_session(sweeper, "ana")
    await sweeper.sessions.erase("default", "ana")
    fresh = await open_session(sweeper, "ana")
    await exchange(sweeper, fresh, "voltei", "olá")

    [due] = await sweeper.sessions.due_erasures()
    await sweeper.sessions.swept(due)

    assert due.session_ids == (old.session_id,)
    assert [message.content for message in (await sweeper.sessions.view(fresh)).messages] == ["voltei", "olá"]
    assert (await open_session(sweeper, "ana")) == fresh
    assert len(await sweeper.outbox.pending(10)) == 1


async def test_a_second_erasure_is_swept_in_its_own_time(sweeper: Memory) -> None:
    await open_session(sweeper, "ana")
    await sweeper.sessions.erase("default", "ana")
    [first] = await sweeper.sessions.due_erasures()
    second = await open_session(sweeper, "ana")
    erased = await sweeper.sessions.erase("default", "ana")

    await sweeper.sessions.swept(first)
    [due] = await sweeper.sessions.due_erasures()

    assert erased == (second,)
    assert due.session_ids == (second.session_id,)


async def test_sweeping_twice_is_harmless(sweeper: Memory) -> None:
    await open_session(sweeper, "ana")
    await sweeper.sessions.erase("default", "ana")
    [due] = await sweeper.sessions.due_erasures()

    await sweeper.sessions.swept(due)
    await sweeper.sessions.swept(due)

    assert await sweeper.sessions.due_erasures() == []


@pytest.mark.parametrize("calls", range(1, 6))
async def test_an_erasure_that_broke_off_is_healed_by_the_sweep(sweeper: Memory, nodes: Nodes, calls: int) -> None:
    for name in ("um", "dois"):
        await exchange(sweeper, await open_session(sweeper, "ana", name), "segredo-da-ana", "segredo")
    payer = Payer(tenant="default", user_id="ana", limits=BudgetLimits(user_day_microusd=1_000))
    await sweeper.budgets.settle("call_1", payer, actual_microusd=10)
    with pytest.raises(BackendError):
        await erasing_that_dies(sweeper, calls).erase("default", "ana")

    for due in await sweeper.sessions.due_erasures():
        await sweeper.sessions.swept(due)

    assert b"segredo" not in everything(nodes)
    assert f"bu:{user_key('default', 'ana')}".encode() not in everything(nodes)
    assert await sweeper.outbox.pending(10) == []


async def test_an_erasure_that_broke_off_is_finished_by_the_next_call(sweeper: Memory, nodes: Nodes) -> None:
    session = await open_session(sweeper, "ana")
    await exchange(sweeper, session, "segredo-da-ana", "segredo")
    with pytest.raises(BackendError):
        await erasing_that_dies(sweeper, 1).erase("default", "ana")

    assert await sweeper.sessions.erase("default", "ana") == (session,)

    assert b"segredo" not in everything(nodes)


async def test_merged_sessions_of_the_user_are_erased_too(memory: Memory, nodes: Nodes) -> None:
    source, into = await open_session(memory, "ana", "um"), await open_session(memory, "ana", "dois")
    await exchange(memory, source, "segredo", "segredo")
    await memory.sessions.merge(source, into)

    assert set(await memory.sessions.erase("default", "ana")) == {source, into}

    assert b"segredo" not in everything(nodes)


async def test_what_a_forgotten_user_left_in_anothers_session_is_taken_out(memory: Memory, nodes: Nodes) -> None:
    guest, ana = await open_session(memory, "visitor-1"), await open_session(memory, "ana")
    await exchange(memory, guest, "segredo", "segredo")
    await memory.sessions.merge(guest, ana)
    await exchange(memory, ana, "da ana", "olá")

    assert await memory.sessions.erase("default", "visitor-1") == (guest,)

    history = [message.content for entry in await memory.sessions.history(ana) for message in entry.messages]
    assert history == ["da ana", "olá"]
    assert b"segredo" not in everything(nodes)
    assert len(await memory.outbox.pending(10)) == 1


async def test_what_a_merged_session_left_is_taken_out_also_when_that_one_ran_out(memory: Memory, nodes: Nodes) -> None:
    """A merged session is forgotten after 30 days; the one in which it goes on may live, with its history, for years."""
    visitor, session = await open_session(memory, "visitor"), await open_session(memory, "bia")
    await exchange(memory, visitor, "segredo")
    await memory.sessions.merge(visitor, session)
    keys = memory.database.keys
    with nodes.server.client() as client:
        client.delete(f"{keys.prefix(keys.of(visitor.session_id))}s:{visitor.session_id}")

    await memory.sessions.erase("default", "visitor")

    assert await memory.sessions.history(session) == ()


async def test_what_came_through_a_chain_of_merges_is_taken_out_of_all_of_them(memory: Memory, nodes: Nodes) -> None:
    guest, bia, eva = [await open_session(memory, name) for name in ("visitor-1", "bia", "eva")]
    await exchange(memory, guest, "segredo", "segredo")
    await exchange(memory, bia, "da bia", "olá")
    await memory.sessions.merge(guest, bia)
    await memory.sessions.merge(bia, eva)

    await memory.sessions.erase("default", "visitor-1")

    history = [message.content for entry in await memory.sessions.history(eva) for message in entry.messages]
    assert history == ["da bia", "olá"]
    assert b"segredo" not in everything(nodes)


async def test_a_run_that_goes_on_after_the_erasure_writes_nothing(nodes: Nodes, sweeper: Memory) -> None:
    session = await open_session(sweeper, "ana")
    await sweeper.queue.submit(said(session, "segredo"))
    turn = await take_one(sweeper)
    await sweeper.sessions.erase("default", "ana")
    writer = sweeper.queue.writer(turn)

    with pytest.raises(SessionErased):
        await writer.append([], [model_called(1, "segredo")])
    [due] = await sweeper.sessions.due_erasures()
    await sweeper.sessions.swept(due)
    with pytest.raises(SessionErased):
        await writer.append([], [model_called(1, "segredo")])

    assert b"segredo" not in everything(nodes)


async def test_a_parked_turn_is_erased_with_all_that_it_asked(nodes: Nodes, memory: Memory) -> None:
    parked = await park(memory, await open_session(memory, "ana"))

    await nodes.two.sessions.erase("default", "ana")

    left = everything(nodes)
    assert TEXT.encode() not in left
    assert parked.approval_id.encode() not in left
    assert f":t:{parked.turn_id}".encode() not in left
    assert await memory.queue.expire() == 0
    with pytest.raises(SessionErased):
        await memory.queue.approval(parked.session, parked.approval_id)


async def test_a_swept_session_is_still_refused(sweeper: Memory) -> None:
    session = await open_session(sweeper, "ana")
    await sweeper.sessions.erase("default", "ana")
    [due] = await sweeper.sessions.due_erasures()
    await sweeper.sessions.swept(due)

    with pytest.raises(SessionErased):
        await sweeper.queue.submit(said(session))
    with pytest.raises(UserError, match="no such session"):
        await sweeper.sessions.merge(session, await open_session(sweeper, "ana"))


async def test_the_keys_of_an_erasure_are_gone_or_run_out(sweeper: Memory, nodes: Nodes) -> None:
    await exchange(sweeper, await open_session(sweeper, "ana"))
    await sweeper.sessions.erase("default", "ana")

    [due] = await sweeper.sessions.due_erasures()
    await sweeper.sessions.swept(due)

    with nodes.server.client() as client:
        lasting = {key.split(b":")[2] for key in client.scan_iter("prosa:{*") if client.ttl(key) == -1}
        kinds = {key.split(b":")[2] for key in client.scan_iter("prosa:{*")}
    assert lasting <= {b"outbox"}
    assert not kinds & {b"er", b"ux", b"erasures"}
