"""Cancelling turns, whoever runs them and whether anybody does."""

from __future__ import annotations

from typing import Final, cast, get_args

import msgspec

from core.clock import Clock
from core.errors import BackendError
from core.events import Event, TurnCancelled
from core.models import Usage
from core.turns import ParkedEnding, SessionRef, TurnInput, TurnRecord, TurnState
from memory.connection import JSON, Database, Reply
from memory.event_log.gate import Gate
from memory.queue.codec import ENDING, CancelledBy, input_of, no_such_turn
from memory.queue.replies import unexpected
from memory.queue.writer import HISTORY_BYTES, HISTORY_ENTRIES
from memory.scripts import CANCEL, CANCEL_PARKED, TURN

_ATTEMPTS: Final = 5


class Cancelling:
    """See `core.ports.TurnQueue.cancel`."""

    def __init__(self, database: Database, gate: Gate, clock: Clock) -> None:
        self._database = database
        self._gate = gate
        self._clock = clock

    async def cancel(self, session: SessionRef, turn_id: str, by: str) -> TurnState:
        """Cancel a turn; gives the state that it is in afterwards."""
        if by not in get_args(CancelledBy):
            raise ValueError(f"a turn is cancelled by one of {get_args(CancelledBy)}, not {by!r}")
        for _ in range(_ATTEMPTS):
            found = await self._find(session, turn_id)
            if found[5] == b"parked":
                reply = await self._cancel_parked(session, turn_id, cast(CancelledBy, by), found)
            else:
                reply = await self._cancel_other(session, found[6], cast(CancelledBy, by))
            match reply[0]:
                case b"ok" if reply[2] != b"parked":
                    return cast(TurnState, reply[2].decode())
                case b"ok" | b"changed":
                    continue  # it was parked, made to go on, or took another message, between the two scripts
                case b"unknown_turn":
                    raise no_such_turn()
                case _:
                    raise unexpected(reply)
        raise BackendError("The turn keeps changing; try again.")

    async def _find(self, session: SessionRef, turn_id: str) -> Reply:
        found = await self._database.call(TURN, self._database.keys.of(session.session_id), turn_id)
        if found[0] != b"ok" or found[2] != session.session_id.encode():
            raise no_such_turn()
        return found

    async def _cancel_other(self, session: SessionRef, kept: bytes, by: CancelledBy) -> Reply:
        turn, now_ms = input_of(kept), self._clock.now_ms()
        event = TurnCancelled(session_id=session.session_id, ts=now_ms, turn_id=turn.turn_id, by=by, usage=Usage())
        return await self._gate.call(
            CANCEL,
            session,
            session.tenant,
            session.user_id,
            turn.turn_id,
            by,
            JSON.encode(event),
            JSON.encode(_record_of_unstarted(session, turn, now_ms)),
            len(turn.message_ids),
        )

    async def _cancel_parked(self, session: SessionRef, turn_id: str, by: CancelledBy, found: Reply) -> Reply:
        ending = ENDING.decode(found[10])
        now_ms = self._clock.now_ms()
        record = _ended_now(ending.record, now_ms)
        return await self._gate.call(
            CANCEL_PARKED,
            session,
            session.tenant,
            session.user_id,
            turn_id,
            found[9],
            JSON.encode(ending.history),
            JSON.encode(record),
            HISTORY_ENTRIES,
            HISTORY_BYTES,
            *(JSON.encode(event) for event in _last_events(session, ending, turn_id, by, now_ms)),
        )


def _last_events(
    session: SessionRef, ending: ParkedEnding, turn_id: str, by: CancelledBy, now_ms: int
) -> tuple[Event, ...]:
    record = ending.record
    cancelled = TurnCancelled(
        session_id=session.session_id,
        ts=now_ms,
        turn_id=turn_id,
        by=by,
        usage=record.usage,
        cost_usd=record.cost_microusd / 1_000_000 if ending.shows_cost else None,
    )
    if ending.completed is None:
        return (cancelled,)
    return msgspec.structs.replace(ending.completed, ts=now_ms), cancelled


def _ended_now(record: TurnRecord, now_ms: int) -> TurnRecord:
    """The books count the time that the turn was parked, as they do for one that goes on."""
    waited_ms = max(0, now_ms - record.ended_ms)
    return msgspec.structs.replace(record, ended_ms=now_ms, duration_ms=record.duration_ms + waited_ms)


def _record_of_unstarted(session: SessionRef, turn: TurnInput, now_ms: int) -> TurnRecord:
    return TurnRecord(
        turn_id=turn.turn_id,
        session_id=session.session_id,
        tenant=session.tenant,
        user_id=session.user_id,
        channel=turn.channel,
        agent=turn.agent,
        outcome="cancelled",
        usage=Usage(),
        cost_microusd=0,
        duration_ms=max(0, now_ms - turn.accepted_ms),
        accepted_ms=turn.accepted_ms,
        ended_ms=now_ms,
        attempts=0,
        messages=turn.messages,
        retry_of=turn.retry_of,
    )
