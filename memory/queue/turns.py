"""`TurnQueue` on Redis: what is asked of turns. Almost every method is one script; `queue/*.lua` hold the rules."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from loguru import logger

from core.clock import Clock
from core.errors import BackendError, ProsaError, SessionErased, UserError
from core.ids import Ids
from core.measurements import Measure
from core.ports import Accepted, LocalExecutor, Submission, TurnStatus, TurnWriter
from core.turns import (
    ApprovalState,
    Approver,
    PendingApproval,
    Principal,
    SessionRef,
    TakenTurn,
    TurnJournal,
    TurnState,
)
from memory.connection import JSON, Database, Reply
from memory.event_log.compactor import Compactor
from memory.event_log.gate import Gate
from memory.keys import cid_key
from memory.queue.approvals import Approvals
from memory.queue.cancelling import Cancelling
from memory.queue.codec import journal_of, no_such_turn, readable, session_of, status_for, status_of
from memory.queue.control import Control
from memory.queue.ends import Ends
from memory.queue.here import Here
from memory.queue.reaping import Reaping
from memory.queue.replies import remembered_reply, reply_kept_s, unexpected
from memory.queue.submitting import Submitting
from memory.queue.writer import RedisTurnWriter
from memory.scripts import JOURNAL, RELEASE, RELEASE_NODE, REMEMBER, RENEW, SEEN, TAKE, TURN, Script

LEASE_MS: Final = 3_000
RUNNING_TURNS: Final = 1_000
"""How many turns of a tenant may run at once, in each partition."""


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
        self._cancelling = Cancelling(database, gate, clock)
        self._here = Here(
            ids, node=node, lease_ms=lease_ms, running_turns=running_turns, fsync_before_ok=database.fsync_before_ok
        )
        self._submitting = Submitting(gate, clock, self._cancelling.cancel, control.submitting, self._here)
        self._approvals = Approvals(database, gate)
        self._ends = Ends()
        self._reaping = Reaping(database, node=node, lease_ms=lease_ms)
        self._first_partition = itertools.cycle(range(self._keys.partitions))

    async def submit(self, submission: Submission) -> Accepted:
        """Accept a message, once a cid."""
        return await self._submitting.submit(submission)

    async def seen(self, session: SessionRef, principal: Principal, cid: str, digest: str) -> dict[str, Any] | None:
        """The remembered reply of a cid, or None."""
        reply = await self._gate.call(SEEN, session, session.tenant, session.user_id, cid_key(principal, cid), digest)
        match reply[0]:
            case b"duplicate":
                return remembered_reply(reply[2])
            case b"new":
                return None
            case _:
                raise unexpected(reply)

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
                remembered_reply(reply[2])
            case _:
                raise unexpected(reply)

    async def cancel(self, session: SessionRef, turn_id: str, by: str) -> TurnState:
        """Cancel a turn; gives the state that it is in afterwards."""
        return await self._cancelling.cancel(session, turn_id, by)

    async def take(self, limit: int) -> Sequence[TakenTurn]:
        """Take up to `limit` ready turns, from the partitions in turn.

        A call whose reply was lost is made again with its nonces, and gets what it took. BackendError: nothing was
        taken, or what was comes back when its leases run out.
        """
        first = next(self._first_partition)
        taken: list[TakenTurn] = []
        for offset in range(self._keys.partitions):
            partition = (first + offset) % self._keys.partitions
            try:
                stale = await self._take(partition, limit, taken)
                for session in stale:
                    await self._begin_anew(session)
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
            TAKE, partition, wanted, self._lease_ms, self._running_turns, self._node, *nonces
        )
        taken += readable(reply[2:])
        return [session_of(item[1:4]) for item in reply[2:] if item[0] == b"stale_instance"]

    async def _begin_anew(self, session: SessionRef) -> None:
        """Rebase a session; one that cannot be read must not cost the turns that were taken with it."""
        try:
            await self._gate.rebase(session)
        except ValueError:
            logger.exception("log.unreadable", session_id=session.session_id)

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
        return await self._reaping.reap()

    async def release(self, turn: TakenTurn) -> None:
        """Give a turn back at once; nothing happens where another run has it or its session is gone."""
        with suppress(SessionErased, UserError):
            await self._gate.call(RELEASE, turn.session, turn.input.turn_id, turn.fence, turn.nonce)

    async def release_node(self, node: str) -> int:
        """Put the turns of a node that has died among the ready; gives how many."""
        count = 0
        for partition in range(self._keys.partitions):
            count += int((await self._database.call(RELEASE_NODE, partition, node))[2])
        if count:
            logger.info("turns.released", count=count, node=node)
        return count

    async def approval(self, session: SessionRef, approval_id: str) -> PendingApproval:
        """An approval of that session."""
        return await self._approvals.find(session, approval_id)

    async def answer(
        self,
        session: SessionRef,
        principal: Principal,
        cid: str,
        digest: str,
        approval_id: str,
        *,
        approved: bool,
        by: Approver,
        arguments: str | None = None,
        reason: str | None = None,
    ) -> tuple[ApprovalState, bool]:
        """Answer an approval; gives its state afterwards, and whether the cid was answered before."""
        return await self._approvals.answer(
            session,
            principal,
            cid,
            digest,
            approval_id,
            approved=approved,
            by=by,
            arguments=arguments,
            reason=reason,
        )

    async def expire(self) -> int:
        """Resolve approvals whose time is over as declined by `timeout`; gives how many."""
        return await self._approvals.expire()

    def on_ready(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever turns may have become ready anywhere."""
        self._control.on_ready(wake)

    def execute_here(self, executor: LocalExecutor) -> None:
        """Let `submit` take what it accepts for that executor."""
        self._here.executor = executor

    def on_cancel(self, turn_id: str, call: Callable[[str], None] | None) -> None:
        """Call `call(by)` when that turn is cancelled; None: stop listening."""
        self._control.on_cancel(turn_id, call)

    def expect_end(self, turn_id: str, expected: bool) -> None:
        """Whether somebody here is going to ask for that turn's status when it has ended."""
        self._ends.expect(turn_id, expected)

    def writer(self, turn: TakenTurn) -> TurnWriter:
        """The handle by which this run writes."""
        return RedisTurnWriter(
            self._gate, turn, clock=self._clock, measure=self._measure, ends=self._ends, ended=self._compactor.later
        )

    async def status(self, principal: Principal, turn_id: str) -> TurnStatus:
        """Where a turn is."""
        if (ended := await self._ends.find(turn_id)) is not None:
            return status_for(principal, ended)
        return status_of(principal, await self._found(TURN, turn_id))

    async def journal(self, principal: Principal, turn_id: str) -> TurnJournal:
        """All that a turn wrote down, until a day after its end."""
        return journal_of(principal, await self._found(JOURNAL, turn_id))

    async def _found(self, script: Script, turn_id: str) -> Reply:
        """A turn's partition is its session's, so all are asked."""
        for partition in range(self._keys.partitions):
            reply = await self._database.call(script, partition, turn_id)
            if reply[0] == b"ok":
                return reply
        raise no_such_turn()
