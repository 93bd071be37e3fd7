"""Replies that are lost, cut or late: each write counts once, and no reply reaches another caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import msgspec
import pytest

from core.budgets import BudgetLimits, Hold, Payer
from core.errors import BackendError
from memory.backends import Memory, open_memory
from tests.conformance.kit import (
    ANA,
    Executor,
    Reader,
    answer,
    completed,
    delta,
    eventually,
    exchange,
    history_of,
    model_called,
    open_session,
    record_of,
    said,
    take_one,
)
from tests.conformance.parking import ask, park, park_again
from tests.memory.faulty import Fault, FaultyProxy, faulty_proxy
from tests.servers import RedisServer

FAULTS = ["lose_reply", "cut_reply"]


class Far(msgspec.Struct):
    """A node behind a bad network."""

    memory: Memory
    proxy: FaultyProxy


@pytest.fixture
async def far(server: RedisServer, tmp_path: Path) -> AsyncIterator[Far]:
    async with (
        faulty_proxy(server.url, server.folder) as (proxy, url),
        open_memory(redis_url=url, data_dir=tmp_path, node="far") as memory,
    ):
        yield Far(memory=memory, proxy=proxy)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_submission_whose_reply_is_lost_makes_one_turn(far: Far, fault: Fault) -> None:
    session = await open_session(far.memory)
    far.proxy.strike(fault, b"cid-lost")

    accepted = await far.memory.queue.submit(said(session, cid="cid-lost"))

    assert far.proxy.struck == 1
    assert (accepted.seq, accepted.position) == (1, 0)
    assert (await far.memory.sessions.view(session)).seq == 2


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_append_whose_reply_is_lost_is_applied_once(far: Far, fault: Fault) -> None:
    session = await open_session(far.memory)
    await far.memory.queue.submit(said(session))
    turn = await take_one(far.memory)
    writer = far.memory.queue.writer(turn)
    far.proxy.strike(fault, b"once-only")

    await writer.append([delta(turn, "m", "once-only")], [model_called(1)])
    await writer.append([delta(turn, "m", "next")])

    assert far.proxy.struck == 1
    assert (await far.memory.sessions.view(session)).seq == 5


@pytest.mark.parametrize("fault", FAULTS)
async def test_appends_of_many_runs_whose_one_reply_is_lost_are_each_applied_once(far: Far, fault: Fault) -> None:
    sessions = [await open_session(far.memory, f"user-{number}") for number in range(10)]
    for session in sessions:
        await far.memory.queue.submit(said(session))
    turns = await far.memory.queue.take(10)
    writers = [far.memory.queue.writer(turn) for turn in turns]
    far.proxy.strike(fault, b"once-only")

    for text in ("once-only", "next"):
        appends = [writer.append([delta(turn, "m", text)]) for turn, writer in zip(turns, writers, strict=True)]
        await asyncio.gather(*appends)

    assert far.proxy.struck == 1
    for session in sessions:
        assert (await far.memory.sessions.view(session)).seq == 5


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_end_whose_reply_is_lost_is_applied_once(far: Far, fault: Fault) -> None:
    session = await open_session(far.memory)
    await far.memory.queue.submit(said(session))
    turn = await take_one(far.memory)
    far.proxy.strike(fault, b"turn.completed")

    await far.memory.queue.writer(turn).end(completed(turn, "m", "x"), history_of(turn, "x"), record_of(turn))

    assert far.proxy.struck == 1
    assert len(await far.memory.outbox.pending(5)) == 1
    assert len(await far.memory.sessions.history(session)) == 1


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_take_whose_reply_is_lost_is_told_again_and_counts_as_one_run(far: Far, fault: Fault) -> None:
    session = await open_session(far.memory)
    await far.memory.queue.submit(said(session))
    far.proxy.strike(fault, b"nonce_")

    turn = await take_one(far.memory)

    assert far.proxy.struck == 1
    assert turn.attempt == 1
    await answer(far.memory, turn)
    assert (await far.memory.sessions.view(session)).seq == 7


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_submission_that_took_its_turn_and_whose_reply_is_lost_is_told_of_the_run_again(
    far: Far, fault: Fault
) -> None:
    session, executor = await open_session(far.memory), Executor()
    far.memory.queue.execute_here(executor)
    far.proxy.strike(fault, b"cid-lost")

    await far.memory.queue.submit(said(session, cid="cid-lost"))

    assert far.proxy.struck == 1
    [turn] = executor.turns
    assert (turn.attempt, turn.runs) == (1, 1)
    await answer(far.memory, turn)
    assert (await far.memory.sessions.view(session)).seq == 7


async def test_a_turn_whose_submitter_goes_before_the_reply_comes_is_run_all_the_same(far: Far) -> None:
    session, executor = await open_session(far.memory), Executor()
    far.memory.queue.execute_here(executor)
    reader = Reader()
    await far.memory.log.attach(session, reader)

    leaving = asyncio.create_task(far.memory.queue.submit(said(session)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    leaving.cancel()

    await eventually(lambda: executor.turns)
    await answer(far.memory, executor.turns[0])
    await reader.until_seq(7)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_parking_whose_reply_is_lost_parks_once(far: Far, fault: Fault) -> None:
    session = await open_session(far.memory)
    await far.memory.queue.submit(said(session))
    parked = await ask(far.memory, await take_one(far.memory))
    far.proxy.strike(fault, b"turn.waiting")

    who = await park_again(parked)

    assert (far.proxy.struck, who) == (1, None)
    assert (await far.memory.sessions.view(session)).seq == 7


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_answer_whose_reply_is_lost_counts_once(far: Far, fault: Fault) -> None:
    parked = await park(far.memory, await open_session(far.memory))
    far.proxy.strike(fault, b"a good reason")

    state, duplicate = await far.memory.queue.answer(
        parked.session, ANA, "cid", "d", parked.approval_id, approved=True, by="user", reason="a good reason"
    )

    assert (far.proxy.struck, state, duplicate) == (1, "approved", True)
    assert (await far.memory.sessions.view(parked.session)).seq == 9
    assert len(await far.memory.queue.take(5)) == 1


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_cancel_of_a_parked_turn_whose_reply_is_lost_ends_it_once(far: Far, fault: Fault) -> None:
    parked = await park(far.memory, await open_session(far.memory))
    far.proxy.strike(fault, b"turn.cancelled")

    state = await far.memory.queue.cancel(parked.session, parked.turn_id, "user")

    assert (far.proxy.struck, state) == (1, "cancelled")
    assert len(await far.memory.outbox.pending(5)) == 1
    assert (await far.memory.sessions.view(parked.session)).seq == 9


async def test_a_redis_that_falls_silent_is_left_and_the_write_made_again(far: Far) -> None:
    session = await open_session(far.memory)
    await far.memory.queue.submit(said(session))
    turn = await take_one(far.memory)
    writer = far.memory.queue.writer(turn)
    far.proxy.strike("silence", b"into the void")

    await writer.append([delta(turn, "m", "into the void")])

    assert far.proxy.struck == 1
    assert (await far.memory.sessions.view(session)).seq == 4


async def test_a_cancelled_callers_reply_reaches_nobody_else(far: Far) -> None:
    """Cancelled in mid-command, as by a client that goes away: the next caller gets its own session's reply."""
    ana, bia = await open_session(far.memory, "ana"), await open_session(far.memory, "bia")
    await exchange(far.memory, ana, "de ana", "para ana")
    await exchange(far.memory, bia, "de bia", "para bia")

    for _ in range(50):
        abandoned = asyncio.create_task(far.memory.sessions.view(ana))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        abandoned.cancel()
        view = await far.memory.sessions.view(bia)
        assert [message.content for message in view.messages] == ["de bia", "para bia"]


async def test_calls_fail_soon_while_redis_is_away_and_work_when_it_is_back(
    memory: Memory, server: RedisServer
) -> None:
    session = await open_session(memory)
    server.kill()

    with pytest.raises(BackendError) as error:
        await memory.queue.submit(said(session, cid="cid-1"))
    was_ready = memory.ready()
    server.start()
    await eventually(memory.ready)
    accepted = await memory.queue.submit(said(session, cid="cid-1"))

    assert error.value.retryable
    assert not was_ready
    assert accepted.position == 0


async def once_back(call: Callable[[], Awaitable[Sequence[str]]]) -> Sequence[str]:
    """What the call gives as soon as its connection, too, has heard of Redis again."""
    async with asyncio.timeout(5):
        while True:
            try:
                return await call()
            except BackendError:
                await asyncio.sleep(0.02)


async def test_a_write_waits_out_a_short_absence_of_redis(memory: Memory, server: RedisServer) -> None:
    """Paused, not restarted: the run goes on, although its lease ran out meanwhile."""
    session = await open_session(memory)
    reader = Reader()
    await memory.log.attach(session, reader)
    await memory.queue.submit(said(session))
    turn = await take_one(memory)
    server.pause()
    writing = asyncio.ensure_future(memory.queue.writer(turn).append([delta(turn, "m", "patient")]))
    await asyncio.sleep(3.5)

    server.resume()

    assert await writing is None
    await reader.until_seq(4)
    assert reader.seqs == [1, 2, 3, 4]
    assert await once_back(lambda: memory.queue.renew([turn])) == []


async def test_status_and_find_of_a_foreign_tenant_stay_closed_behind_a_bad_network(far: Far) -> None:
    session = await open_session(far.memory)
    submission, _ = await exchange(far.memory, session)
    far.proxy.strike("lose_reply", submission.input.turn_id.encode())

    status = await far.memory.queue.status(ANA, submission.input.turn_id)

    assert status.session == session


async def test_a_pubsub_connection_that_falls_silent_is_replaced_and_nothing_is_missing(far: Far) -> None:
    session, other = await open_session(far.memory, "ana"), await open_session(far.memory, "bia")
    reader = Reader()
    await far.memory.log.attach(session, reader)
    far.proxy.strike("silence", b"SSUBSCRIBE")
    with pytest.raises(BackendError):
        await far.memory.log.attach(other, Reader())

    await exchange(far.memory, session)

    await reader.until_seq(7, timeout_s=20)
    assert reader.seqs == [1, 2, 3, 4, 5, 6, 7]
    assert (await far.memory.log.attach(other, Reader())).seq == 0


@pytest.mark.parametrize("fault", FAULTS)
async def test_money_whose_replies_are_lost_is_held_and_spent_once(far: Far, fault: Fault) -> None:
    payer = Payer(tenant="acme", user_id="ana", limits=BudgetLimits(tenant_day_microusd=1_000))
    budgets = far.memory.budgets

    far.proxy.strike(fault, b"call-lost")
    held = await budgets.reserve("call-lost", payer, need_microusd=100, want_microusd=100)
    far.proxy.strike(fault, b"call-lost")
    more = await budgets.extend("call-lost", payer, number=1, need_microusd=50, want_microusd=50)
    far.proxy.strike(fault, b"call-lost")
    await budgets.settle("call-lost", payer, actual_microusd=130)

    assert far.proxy.struck == 3
    assert (held, more) == (Hold(held_microusd=100), Hold(held_microusd=150))
    [standing] = await budgets.standing(payer)
    assert (standing.spent_microusd, standing.held_microusd) == (130, 0)
