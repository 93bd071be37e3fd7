"""A cancel reads the turn, then writes by another script: whatever happens between the two, the turn ends once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from core.clock import SystemClock
from core.errors import BackendError, SessionErased, UserError
from core.ids import SystemIds
from core.turns import SessionRef, TurnRecord, TurnState
from memory.backends import Memory
from memory.connection import Database, Reply
from memory.event_log.gate import Gate
from memory.queue.cancelling import Cancelling
from memory.queue.here import Here
from memory.queue.submitting import Cancel, Submitting
from memory.scripts import TURN, Script
from tests.conformance.kit import ANA, Reader, open_session, said, take_one
from tests.conformance.parking import Parked, ask, park, park_again

Meanwhile = Callable[[], Awaitable[Any]]


class EventfulDatabase:
    """A database in which something happens after a turn was read: each of `meanwhile` once."""

    def __init__(self, database: Database, *meanwhile: Meanwhile) -> None:
        self.keys = database.keys
        self._database = database
        self._meanwhile = list(meanwhile)

    async def call(self, script: Script, partition: int, *arguments: Any, retry: bool = True) -> Reply:
        reply = await self._database.call(script, partition, *arguments, retry=retry)
        if script is TURN and self._meanwhile:
            await self._meanwhile.pop(0)()
        return reply


def cancelling(memory: Memory, *meanwhile: Meanwhile) -> Cancelling:
    database = EventfulDatabase(memory.database, *meanwhile)
    return Cancelling(cast(Database, database), Gate(memory.database, SystemIds()), SystemClock())


def answering(memory: Memory, parked: Parked) -> Meanwhile:
    async def answer() -> None:
        await memory.queue.answer(parked.session, ANA, "cid", "d", parked.approval_id, approved=True, by="user")

    return answer


def submitting_by(memory: Memory, cancel: Cancel) -> Submitting:
    """What accepts messages, with another way to cancel; nothing is run here."""
    ids = SystemIds()
    here = Here(ids, node="one", lease_ms=3000, running_turns=10, fsync_before_ok=False)
    return Submitting(Gate(memory.database, ids), SystemClock(), cancel, lambda _: None, here)


async def test_a_turn_that_is_parked_meanwhile_ends_here(memory: Memory) -> None:
    session = await open_session(memory)
    await memory.queue.submit(said(session))
    parked = await ask(memory, await take_one(memory))

    state = await cancelling(memory, lambda: park_again(parked)).cancel(session, parked.turn_id, "user")

    assert state == "cancelled"
    assert (await memory.sessions.view(session)).turn is None


async def test_a_turn_that_is_answered_meanwhile_is_told_to_its_next_run(memory: Memory) -> None:
    session = await open_session(memory)
    parked = await park(memory, session)

    state = await cancelling(memory, answering(memory, parked)).cancel(session, parked.turn_id, "user")

    assert state == "running"
    assert (await take_one(memory)).cancelled_by == "user"


async def test_a_turn_that_is_cancelled_meanwhile_stays_so(memory: Memory) -> None:
    session = await open_session(memory)
    parked = await park(memory, session)

    state = await cancelling(memory, lambda: memory.queue.cancel(session, parked.turn_id, "operator")).cancel(
        session, parked.turn_id, "user"
    )

    assert state == "cancelled"
    assert len(await memory.outbox.pending(5)) == 1


async def test_a_session_that_is_erased_meanwhile_is_said_to_be(memory: Memory) -> None:
    session = await open_session(memory)
    parked = await park(memory, session)

    with pytest.raises(SessionErased):
        await cancelling(memory, lambda: memory.sessions.erase("default", "ana")).cancel(
            session, parked.turn_id, "user"
        )


async def test_a_message_that_joins_a_queued_turn_meanwhile_is_on_the_books(memory: Memory) -> None:
    session = await open_session(memory)
    first, second = said(session, "um"), said(session, "dois", on_busy="merge")
    await memory.queue.submit(first)

    state = await cancelling(memory, lambda: memory.queue.submit(second)).cancel(session, first.input.turn_id, "user")

    [(_, record)] = await memory.outbox.pending(5)
    assert state == "cancelled"
    assert isinstance(record, TurnRecord)
    assert [message.content for message in record.messages] == ["um", "dois"]


async def test_who_cancels_is_one_of_four(memory: Memory) -> None:
    session = await open_session(memory)

    with pytest.raises(ValueError, match="'nobody'"):
        await memory.queue.cancel(session, "turn_1", "nobody")


async def test_an_interrupt_of_a_turn_that_is_answered_meanwhile_cancels_its_next_run(memory: Memory) -> None:
    session = await open_session(memory)
    parked = await park(memory, session)
    queue = cancelling(memory, answering(memory, parked))
    interrupt = said(session, on_busy="interrupt")

    accepted = await submitting_by(memory, queue.cancel).submit(interrupt)

    heir = await take_one(memory)
    assert accepted.position == 1
    assert (heir.input.turn_id, heir.cancelled_by) == (parked.turn_id, "interrupt")


async def test_an_interrupt_that_never_gets_a_turn_out_of_its_way_is_given_up(memory: Memory) -> None:
    session = await open_session(memory)
    await park(memory, session)
    reader = Reader()
    await memory.log.attach(session, reader)

    async def cancels_nothing(session: SessionRef, turn_id: str, by: str) -> TurnState:
        return "parked"

    with pytest.raises(BackendError, match="try again"):
        await submitting_by(memory, cancels_nothing).submit(said(session, on_busy="interrupt"))

    assert reader.events == []


async def test_an_unknown_turns_cancel_is_not_found(memory: Memory) -> None:
    session = await open_session(memory)

    with pytest.raises(UserError, match="no such turn"):
        await memory.queue.cancel(session, "turn_unknown", "user")
