"""Turns that the step which accepts them gives to this process at once: no second script, no wait to hear of them.

A submission carries the nonce of the run that would be made. Its script takes the turn by it, and one that is sent
again because its reply was lost is told of that run again, as long as no other has begun.
"""

from __future__ import annotations

from typing import Final

from loguru import logger

from core.ids import Ids
from core.ports import LocalExecutor, Submission
from core.turns import TakenTurn
from memory.commands import Argument
from memory.connection import Reply
from memory.queue.codec import cancelled_by, history_of

_RUN_AT: Final = 3
"""Where in a reply of `submit` the run's fence, epoch, canceller and history are."""


class Here:
    """See the module. `lease_ms`, `running_turns` and `node` as `take` has them.

    Not where an acceptance waits for the disk (`fsync_before_ok`): a turn need not wait for it to be begun.
    """

    def __init__(self, ids: Ids, *, node: str, lease_ms: int, running_turns: int, fsync_before_ok: bool) -> None:
        self.executor: LocalExecutor | None = None
        self._is_off = fsync_before_ok
        self._ids = ids
        self._limits: tuple[Argument, ...] = (lease_ms, running_turns, node)

    def reserve(self) -> str:
        """The nonce of a run that there is room for; empty where there is none. `settle` follows."""
        if self._is_off or self.executor is None or not self.executor.reserve():
            return ""
        return self._ids.new("nonce")

    def arguments(self, nonce: str) -> tuple[Argument, ...]:
        """What the script is told."""
        return (nonce, *self._limits)

    def settle(self, turn: TakenTurn | None) -> None:
        """Run the turn in the room that was kept, or free it."""
        assert self.executor is not None  # it kept the room
        self.executor.begin(turn)


def taken_with(submission: Submission, nonce: str, reply: Reply) -> TakenTurn | None:
    """The turn, where the submission took it."""
    if not nonce or len(reply) <= _RUN_AT:
        return None
    fence, epoch, cancelled, history = reply[_RUN_AT:]
    try:
        earlier = history_of(history)
    except ValueError:  # as in `readable`: its lease runs out
        logger.exception("turn.unreadable", session_id=submission.session.session_id, fence=fence.decode())
        return None
    return TakenTurn(
        session=submission.session,
        input=submission.input,
        attempt=1,
        fence=int(fence),
        nonce=nonce,
        epoch=epoch.decode(),
        cancelled_by=cancelled_by(cancelled),
        history=earlier,
        journal=(),
    )
