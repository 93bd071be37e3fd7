"""Waiting for a turn's end by following its session's log, whichever node runs it."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final

from core.errors import BackendError
from core.ports import EventLog, TurnStatus
from core.turns import Principal, SessionRef
from server.leaving import Leaving
from server.sessions import Sessions

ENDED: Final = frozenset({"completed", "failed", "cancelled"})
SETTLED: Final = ENDED | {"parked"}
"""States in which nothing more comes by itself."""
SETTLING: Final = frozenset({"turn.completed", "turn.failed", "turn.cancelled", "turn.waiting"})
"""Events that bring a turn there."""
_RESUMED: Final = b'"turn.resumed"'
_MARKS: Final = (_RESUMED, *(f'"{kind}"'.encode() for kind in sorted(SETTLING)))
RECHECK_S: Final = 5.0
"""A missed wake-up costs at most this: the turn's state is looked up again."""


class TurnWait:
    """Attach before the turn is submitted, then wait: no end can be missed in between.

    Use as `async with TurnWait(log, session, leaving) as wait: ... await wait.until_ended(...)`.
    """

    def __init__(self, log: EventLog, session: SessionRef, leaving: Leaving) -> None:
        self._log = log
        self._session = session
        self._leaving = leaving
        self._changed = asyncio.Event()
        self._is_let_go = True
        self._resumed = False

    async def __aenter__(self) -> TurnWait:
        await self._follow()
        self._leaving.watch(self._changed)
        return self

    async def _follow(self) -> None:
        self._is_let_go = False
        try:
            await self._log.attach(self._session, self)
        except BaseException:
            self._is_let_go = True
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.unwatch(self._changed)
        self._log.detach(self._session, self)

    async def until_ended(
        self,
        sessions: Sessions,
        principal: Principal,
        turn_id: str,
        timeout_s: float,
        *,
        was_parked: bool = False,
        is_new: bool = False,
    ) -> TurnStatus:
        """Where the turn is once it ended or parked, or after `timeout_s`, or as soon as this node goes away.

        `was_parked`: it was parked before this wait, which the caller knows; so it has to go on first. `is_new`: it
        was accepted after this wait began, so its end comes here as an event, and where it is need not be asked before.
        """
        self._resumed = not was_parked
        if not is_new:
            return await self._settled(sessions, principal, turn_id, timeout_s, 0.0)
        sessions.queue.expect_end(turn_id, True)
        try:
            return await self._settled(sessions, principal, turn_id, timeout_s, min(timeout_s, RECHECK_S))
        finally:
            sessions.queue.expect_end(turn_id, False)

    async def _settled(
        self, sessions: Sessions, principal: Principal, turn_id: str, timeout_s: float, unasked_s: float
    ) -> TurnStatus:
        """The same; for `unasked_s` seconds at most it is not asked where the turn is, but waited for news."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        if unasked_s > 0:
            await self._change(unasked_s)
        while True:
            self._changed.clear()
            try:
                if self._is_let_go:
                    await self._follow()
                status = await sessions.turn(principal, turn_id)
            except BackendError:
                status = None  # Redis is away; the turn is kept
            if status is not None and self._is_settled(status):
                return status
            remaining_s = deadline_s - loop.time()
            if remaining_s <= 0 or self._leaving.begun:
                return status if status is not None else await sessions.turn(principal, turn_id)
            await self._change(min(remaining_s, RECHECK_S))

    async def _change(self, most_s: float) -> None:
        """Wait for news, or for that long: a timer of the loop is a tenth of what `asyncio.timeout` costs."""
        timer = asyncio.get_running_loop().call_later(most_s, self._changed.set)
        try:
            await self._changed.wait()
        finally:
            timer.cancel()

    def _is_settled(self, status: TurnStatus) -> bool:
        if status.state == "parked":
            return self._resumed
        self._resumed = True
        return status.state in ENDED

    # LogReader

    def on_events(self, epoch: str, first_seq: int, last_seq: int, payload: bytes) -> None:
        """Look for a turn's end, or that one goes on; which turn it is, is asked afterwards."""
        if _RESUMED in payload:
            self._resumed = True
        if any(mark in payload for mark in _MARKS):
            self._changed.set()

    def on_epoch(self, epoch: str) -> None:
        """The log began anew, and let its readers go: follow it again, and look the state up."""
        self._is_let_go = True
        self._changed.set()

    def on_erased(self) -> None:
        """The session is gone: look the state up."""
        self._changed.set()

    def on_typing(self, by: str, on: bool) -> None:
        """Not of interest."""
