"""`TurnQueue` on Redis: what is asked of turns. Each method is one script; `queue/*.lua` hold the rules."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final, Literal, cast, get_args

import msgspec
from loguru import logger

from core.clock import Clock
from core.errors import BackendError, ProsaError, SessionErased, UserError
from core.events import MessageCreated, TurnCancelled, TurnQueued
from core.ids import Ids
from core.measurements import Measure
from core.models import Usage
from core.ports import Accepted, Submission, TurnStatus, TurnWriter
from core.turns import (
    JournalEntry,
    ModelCalled,
    Principal,
    SessionRef,
    TakenTurn,
    TurnInput,
    TurnRecord,
    TurnState,
)
from memory.connection import JSON, Database, Reply
from memory.event_log.compactor import Compactor
from memory.event_log.gate import Gate
from memory.keys import cid_key
from memory.queue.control import Control
from memory.queue.writer import RedisTurnWriter
from memory.scripts import CANCEL, REAP, RELEASE, REMEMBER, RENEW, SEEN, SUBMIT, TAKE, TURN

CancelledBy = Literal["user", "interrupt", "operator", "erasure"]

LEASE_MS: Final = 3_000
WAITING_TURNS: Final = 8
"""How many turns may wait in a session."""
RUNNING_TURNS: Final = 1_000
"""How many turns of a tenant may run at once, in each partition."""
REPLY_KEPT_S: Final = 86_400
SERVICE_REPLY_KEPT_S: Final = 691_200
"""How long a command's reply is remembered: a day for users, 8 days for services (protocol.md, Frames)."""
_REAPED_AT_ONCE: Final = 200

_INPUT: Final = msgspec.json.Decoder(TurnInput)
_RECORD: Final = msgspec.json.Decoder(TurnRecord)
_ENTRY: Final = msgspec.json.Decoder(JournalEntry)


class RedisTurnQueue:
    """See `core.ports.TurnQueue`."""

    def __init__(
        self,
        database: Database,
        gate: Gate,
        control: Control,
        compactor: Compactor,
        *,
        node: str,
        clock: Clock,
        ids: Ids,
        measure: Measure,
        running_turns: int = RUNNING_TURNS,
        lease_ms: int = LEASE_MS,
    ) -> None:
        self._lease_ms = lease_ms
        self._database = database
        self._keys = database.keys
        self._gate = gate
        self._control = control
        self._compactor = compactor
        self._node = node
        self._clock = clock
        self._ids = ids
        self._measure = measure
        self._running_turns = running_turns
        self._first_partition = itertools.cycle(range(self._keys.partitions))

    async def submit(self, submission: Submission) -> Accepted:
        """Accept a turn, once a cid."""
        if submission.on_busy in ("merge", "interrupt"):
            raise UserError(
                f"on_busy: {submission.on_busy!r} is not available on this server yet; use 'queue' or 'reject'."
            )
        session, turn = submission.session, submission.input
        reply = await self._gate.call(
            SUBMIT,
            session,
            session.tenant,
            session.user_id,
            cid_key(submission.principal, submission.cid),
            submission.digest,
            reply_kept_s(submission.principal),
            submission.on_busy,
            WAITING_TURNS,
            turn.turn_id,
            turn.message_ids[0],
            JSON.encode(turn),
            turn.agent,
            *self._events_of(submission),
            turn.retry_of or "",
        )
        match reply[0]:
            case b"accepted":
                return msgspec.json.decode(reply[2], type=Accepted)
            case b"duplicate":
                return msgspec.structs.replace(msgspec.convert(_remembered(reply[2]), Accepted), duplicate=True)
            case b"busy" if turn.retry_of is not None:
                raise UserError(
                    "Only the session's last turn, once it has ended, can be done again.", code="busy", retryable=True
                )
            case b"busy":
                raise UserError(
                    "The session is busy: wait for its answer, then send again.", code="busy", retryable=True
                )
            case b"unknown_turn":
                raise UserError("There is no such turn.", code="not_found")
            case _:
                raise _unexpected(reply)

    def _events_of(self, submission: Submission) -> tuple[bytes, bytes]:
        session, turn, now_ms = submission.session, submission.input, self._clock.now_ms()
        queued = TurnQueued(
            session_id=session.session_id,
            ts=now_ms,
            turn_id=turn.turn_id,
            message_ids=turn.message_ids,
            retry_of=turn.retry_of,
        )
        if turn.retry_of is not None:
            return b"", JSON.encode(queued)
        created = MessageCreated(
            session_id=session.session_id,
            ts=now_ms,
            message_id=turn.message_ids[0],
            turn_id=turn.turn_id,
            role="user",
            content=turn.content,
            channel=turn.channel,
            re=submission.cid,
        )
        return JSON.encode(created), JSON.encode(queued)

    async def seen(self, session: SessionRef, principal: Principal, cid: str, digest: str) -> dict[str, Any] | None:
        """The remembered reply of a cid, or None."""
        reply = await self._gate.call(SEEN, session, session.tenant, session.user_id, cid_key(principal, cid), digest)
        match reply[0]:
            case b"duplicate":
                return _remembered(reply[2])
            case b"new":
                return None
            case _:
                raise _unexpected(reply)

    async def remember(
        self, session: SessionRef, principal: Principal, cid: str, digest: str, refusal: ProsaError
    ) -> None:
        """Keep a refusal as the reply of a cid; raise what was kept before."""
        kept = JSON.encode({"error": {"code": refusal.code, "message": refusal.message}})
        reply = await self._gate.call(
            REMEMBER,
            session,
            session.tenant,
            session.user_id,
            cid_key(principal, cid),
            digest,
            reply_kept_s(principal),
            kept,
        )
        match reply[0]:
            case b"kept":
                return
            case b"duplicate":
                _remembered(reply[2])
            case _:
                raise _unexpected(reply)

    async def cancel(self, session: SessionRef, turn_id: str, by: str) -> TurnState:
        """Cancel a turn; gives the state that it is in afterwards."""
        if by not in get_args(CancelledBy):
            raise ValueError(f"a turn is cancelled by one of {get_args(CancelledBy)}, not {by!r}")
        found = await self._database.call(TURN, self._keys.of(session.session_id), turn_id)
        if found[0] != b"ok" or found[2] != session.session_id.encode():
            raise UserError("There is no such turn.", code="not_found")
        turn = _INPUT.decode(found[6])
        event = TurnCancelled(
            session_id=session.session_id,
            ts=self._clock.now_ms(),
            turn_id=turn_id,
            by=cast(CancelledBy, by),
            usage=Usage(),
        )
        record = self._record_of_unstarted(session, turn)
        reply = await self._gate.call(
            CANCEL, session, session.tenant, session.user_id, turn_id, by, JSON.encode(event), JSON.encode(record)
        )
        match reply[0]:
            case b"ok":
                return cast(TurnState, reply[2].decode())
            case b"unknown_turn":
                raise UserError("There is no such turn.", code="not_found")
            case _:
                raise _unexpected(reply)

    def _record_of_unstarted(self, session: SessionRef, turn: TurnInput) -> TurnRecord:
        now_ms = self._clock.now_ms()
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

    async def take(self, limit: int) -> Sequence[TakenTurn]:
        """Take up to `limit` ready turns, from the partitions in turn.

        BackendError: nothing was taken, or what was comes back when its leases run out. Never repeated by itself.
        """
        first = next(self._first_partition)
        taken: list[TakenTurn] = []
        for offset in range(self._keys.partitions):
            partition = (first + offset) % self._keys.partitions
            try:
                stale = await self._take(partition, limit, taken)
                for session in stale:
                    await self._gate.rebase(session)
                if stale:
                    await self._take(partition, limit, taken)
            except BackendError:
                if not taken:
                    raise
                return taken
        return taken

    async def _take(self, partition: int, limit: int, taken: list[TakenTurn]) -> list[SessionRef]:
        """Add turns to `taken`; gives the sessions of another Redis process, which have to begin anew first."""
        wanted = limit - len(taken)
        if wanted <= 0:
            return []
        call = self._ids.new("nonce")
        nonces = [f"{call}.{number}" for number in range(wanted)]
        reply = await self._database.call(
            TAKE, partition, wanted, self._lease_ms, self._running_turns, self._node, *nonces, retry=False
        )
        taken += [_taken(item) for item in reply[2:] if item[0] == b"taken"]
        return [_session(item) for item in reply[2:] if item[0] == b"stale_instance"]

    async def renew(self, turns: Sequence[TakenTurn]) -> Sequence[str]:
        """Renew all leases, one command a partition; cancelled turns are told again. Gives the stale turn_ids."""
        by_partition: dict[int, list[str | int]] = {}
        for turn in turns:
            session_id = turn.session.session_id
            arguments = by_partition.setdefault(self._keys.of(session_id), [])
            arguments += [turn.input.turn_id, session_id, turn.fence, turn.nonce]
        stale: list[str] = []
        for partition, arguments in by_partition.items():
            reply = await self._database.call(RENEW, partition, self._lease_ms, *arguments)
            for index in range(2, len(reply), 2):
                turn_id, what = reply[index].decode(), reply[index + 1].decode()
                if what == "stale":
                    stale.append(turn_id)
                else:
                    self._control.cancelled(turn_id, what)
        return stale

    async def reap(self) -> int:
        """Put turns with expired leases back among the ready."""
        count = 0
        for partition in range(self._keys.partitions):
            count += int((await self._database.call(REAP, partition, _REAPED_AT_ONCE))[2])
        if count:
            logger.info("turns.reaped", count=count, node=self._node)
        return count

    async def release(self, turn: TakenTurn) -> None:
        """Give a turn back at once; nothing happens where another run has it or its session is gone."""
        with suppress(SessionErased, UserError):
            await self._gate.call(RELEASE, turn.session, turn.input.turn_id, turn.fence, turn.nonce)

    def on_ready(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever turns may have become ready anywhere."""
        self._control.on_ready(wake)

    def on_cancel(self, turn_id: str, call: Callable[[str], None] | None) -> None:
        """Call `call(by)` when that turn is cancelled; None: stop listening."""
        self._control.on_cancel(turn_id, call)

    def writer(self, turn: TakenTurn) -> TurnWriter:
        """The handle by which this run writes."""
        return RedisTurnWriter(self._gate, turn, clock=self._clock, measure=self._measure, ended=self._compactor.later)

    async def status(self, principal: Principal, turn_id: str) -> TurnStatus:
        """Where a turn is; a turn's partition is its session's, so all are asked."""
        for partition in range(self._keys.partitions):
            reply = await self._database.call(TURN, partition, turn_id)
            if reply[0] == b"ok":
                return _status(principal, reply)
        raise UserError("There is no such turn.", code="not_found")


def _remembered(reply: bytes) -> dict[str, Any]:
    """A remembered reply; raises it where it is a refusal."""
    kept = msgspec.json.decode(reply, type=dict[str, Any])
    if "error" not in kept:
        return kept
    refusal = UserError(kept["error"]["message"], code=kept["error"]["code"])
    refusal.duplicate = True
    raise refusal


def reply_kept_s(principal: Principal) -> int:
    """How long a reply to that principal is remembered."""
    return SERVICE_REPLY_KEPT_S if principal.is_service else REPLY_KEPT_S


def _status(principal: Principal, reply: Reply) -> TurnStatus:
    session_id, tenant, user_id, state = (value.decode() for value in reply[2:6])
    if tenant != principal.tenant or principal.user_id not in (None, user_id):
        raise UserError("There is no such turn.", code="not_found")
    last_call = _ENTRY.decode(reply[8]) if reply[8] else None
    return TurnStatus(
        session=SessionRef(session_id=session_id, tenant=tenant, user_id=user_id),
        turn_id=reply[1].decode(),
        state=cast(TurnState, state),
        record=_RECORD.decode(reply[7]) if reply[7] else None,
        prompt=last_call.prompt if isinstance(last_call, ModelCalled) else (),
    )


def _session(item: Reply) -> SessionRef:
    return SessionRef(session_id=item[1].decode(), tenant=item[2].decode(), user_id=item[3].decode())


def _taken(item: Reply) -> TakenTurn:
    return TakenTurn(
        session=_session(item),
        input=_INPUT.decode(item[4]),
        attempt=int(item[5]),
        fence=int(item[6]),
        nonce=item[7].decode(),
        epoch=item[8].decode(),
        cancelled_by=cast(CancelledBy, item[9].decode()) if item[9] else None,
        journal=tuple(_ENTRY.decode(entry) for entry in item[10:]),
    )


def _unexpected(reply: Reply) -> UserError | BackendError:
    if reply[0] == b"conflict":
        return UserError("This cid was used for another command: take a new one.", code="idempotency_conflict")
    return BackendError(f"Redis' script answers {reply[0]!r}")
