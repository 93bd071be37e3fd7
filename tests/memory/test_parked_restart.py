"""Redis restarts, or loses its tail, while a turn is parked: it is still asked, and the turn ends once."""

from __future__ import annotations

import asyncio

import pytest

from core.errors import StaleRun, UserError
from core.turns import ApprovalAnswered, SessionRef
from memory.backends import Memory
from tests.conformance.kit import ANA, answer, exchange, open_session, reaped, said, take_one
from tests.conformance.parking import Parked, ask, park, park_again
from tests.memory.conftest import all_written
from tests.servers import RedisServer


def restart(server: RedisServer) -> None:
    server.stop()
    server.start()


async def approve(memory: Memory, parked: Parked, cid: str = "cid-answer") -> str:
    state, _ = await memory.queue.answer(parked.session, ANA, cid, "d", parked.approval_id, approved=True, by="user")
    return state


async def test_a_parked_turn_waits_on_in_the_new_epoch(memory: Memory, server: RedisServer) -> None:
    session = await open_session(memory)
    parked = await park(memory, session)
    before = await memory.sessions.view(session)

    restart(server)
    after = await memory.sessions.view(session)
    state = await approve(memory, parked)
    heir = await take_one(memory)
    await answer(memory, heir)

    view = await memory.sessions.view(session)
    assert after.epoch != before.epoch
    assert (after.seq, after.turn) == (0, before.turn)
    assert (state, heir.attempt, heir.epoch) == ("approved", 1, after.epoch)
    assert isinstance(heir.journal[-1], ApprovalAnswered)
    assert view.turn is None


async def test_an_approval_expires_in_the_new_epoch_though_nobody_opened_the_session(
    memory: Memory, server: RedisServer
) -> None:
    parked = await park(memory, await open_session(memory), expires_ms=1)

    restart(server)
    counts = [await memory.queue.expire(), await memory.queue.expire()]

    heir = await take_one(memory)
    assert counts == [1, 0]
    assert heir.input.turn_id == parked.turn_id
    assert (await memory.queue.approval(parked.session, parked.approval_id)).state == "expired"


async def test_a_parked_turn_is_cancelled_in_the_new_epoch(memory: Memory, server: RedisServer) -> None:
    session = await open_session(memory)
    parked = await park(memory, session)

    restart(server)
    state = await memory.queue.cancel(session, parked.turn_id, "user")

    view = await memory.sessions.view(session)
    assert (state, view.turn, view.seq) == ("cancelled", None, 2)
    assert view.messages[-1].status == "cancelled"


async def test_a_message_after_a_restart_declines_what_waits(memory: Memory, server: RedisServer) -> None:
    session = await open_session(memory)
    parked = await park(memory, session)

    restart(server)
    await memory.queue.submit(said(session))

    assert (await take_one(memory)).input.turn_id == parked.turn_id
    assert (await memory.queue.approval(session, parked.approval_id)).state == "superseded"


async def test_a_run_of_the_old_epoch_cannot_park(memory: Memory, server: RedisServer) -> None:
    session = await open_session(memory)
    await memory.queue.submit(said(session))
    parked = await ask(memory, await take_one(memory))

    restart(server)
    with pytest.raises(StaleRun):
        await park_again(parked)

    await reaped(memory)
    assert (await take_one(memory)).input.turn_id == parked.turn_id


async def test_a_parking_whose_reply_the_restart_took_is_answered_again(memory: Memory, server: RedisServer) -> None:
    session = await open_session(memory)
    await memory.queue.submit(said(session))
    turn = await take_one(memory)
    parked = await ask(memory, turn)
    await park_again(parked)
    repeated = memory.queue.writer(turn)
    repeated._batch = 2  # type: ignore[attr-defined]

    restart(server)

    assert await repeated.park(parked.events, parked.asked, parked.ending) is None
    assert await memory.queue.take(5) == []


async def finish(memory: Memory, session: SessionRef, turn_id: str) -> None:
    """Answer, reap and run whatever there is until that turn has ended."""
    async with asyncio.timeout(20):
        while (await memory.queue.status(ANA, turn_id)).state != "completed":
            view = await memory.sessions.view(session)
            for approval in view.turn.approvals if view.turn is not None else ():
                await memory.queue.answer(
                    session, ANA, approval.approval_id, "d", approval.approval_id, approved=True, by="user"
                )
            await memory.queue.reap()
            for taken in await memory.queue.take(5):
                await answer(memory, taken, "feito")
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("lost_bytes", [1, 300, 900, 1_700, 2_600, 3_600, 5_000])
async def test_wherever_the_tail_of_a_parking_is_cut_the_turn_ends_once(
    memory: Memory, server: RedisServer, lost_bytes: int
) -> None:
    """Whatever Redis forgot of parking and answer: the client sends again what it has said, and there is one end."""
    session = await open_session(memory)
    await exchange(memory, session, "antes", "sim")
    parked = await park(memory, session)
    await approve(memory, parked)
    await all_written(server.url)
    server.kill()
    path = server.append_only_file()
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - lost_bytes)
    server.start()

    accepted = await _sent_again(memory, parked)
    await finish(memory, session, accepted)

    view = await memory.sessions.view(session)
    records = [record for _, record in await memory.outbox.pending(10)]
    assert [record.turn_id for record in records].count(accepted) == 1  # type: ignore[union-attr]
    assert (view.turn, view.queue) == (None, [])
    assert await memory.queue.expire() == 0


async def _sent_again(memory: Memory, parked: Parked) -> str:
    """The turn, or the one of the same message sent anew where even its acceptance was lost."""
    try:
        await memory.queue.status(ANA, parked.turn_id)
    except UserError:
        return (await memory.queue.submit(said(parked.session, "crie"))).turn_id
    return parked.turn_id
