"""Accepting messages: one script a message, and what it means to be busy."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from loguru import logger

from core.clock import Clock
from core.errors import BackendError, ProsaError, UserError
from core.events import MessageCreated, TurnQueued
from core.ports import Accepted, Submission
from core.turns import SessionRef, TakenTurn, TurnInput, TurnState
from memory.connection import JSON, Reply
from memory.event_log.gate import Gate
from memory.keys import cid_key
from memory.queue.codec import no_such_turn
from memory.queue.here import Here, taken_with
from memory.queue.replies import remembered_reply, reply_kept_s, unexpected
from memory.scripts import SUBMIT

WAITING_TURNS: Final = 8
"""How many turns may wait in a session."""
MERGED_MESSAGES: Final = 32
"""How many messages one turn may take with `merge`."""
_ATTEMPTS: Final = 5

Announce = Callable[[str], None]
"""Is told the id of a turn whose submission is on its way to Redis."""
Cancel = Callable[[SessionRef, str, str], Awaitable[TurnState]]


class Submitting:
    """See `core.ports.TurnQueue.submit`. `cancel` is the queue's own."""

    def __init__(self, gate: Gate, clock: Clock, cancel: Cancel, announce: Announce, here: Here) -> None:
        self._gate = gate
        self._here = here
        self._rescues: set[asyncio.Task[None]] = set()
        self._announce = announce
        self._clock = clock
        self._cancel = cancel

    async def submit(self, submission: Submission) -> Accepted:
        """Accept a message, once a cid. A parked turn in the way of an `interrupt` is cancelled first."""
        for _ in range(_ATTEMPTS):
            reply = await self._run(submission)
            if reply[0] != b"parked":
                return _accepted(submission, reply)
            await self._cancel(submission.session, reply[2].decode(), "interrupt")
        raise BackendError("The session's turns keep changing; try again.")

    async def _run(self, submission: Submission) -> Reply:
        """Run the script; where it took the turn, for an executor of this process, that begins."""
        nonce = self._here.reserve()
        if not nonce:
            asyncio.get_running_loop().call_soon(self._announce, submission.input.turn_id)
            return await self._run_script(submission, "")
        try:
            reply = await self._run_script(submission, nonce)
        except asyncio.CancelledError:
            self._rescue(submission, nonce)
            raise
        except BaseException:
            self._here.settle(None)
            raise
        self._here.settle(taken_with(submission, nonce, reply))
        return reply

    def _rescue(self, submission: Submission, nonce: str) -> None:
        """Whoever submitted went before the reply came, which may hold a turn: the same call is answered the same."""
        task = asyncio.create_task(self._run_again(submission, nonce), name="submit.again")
        self._rescues.add(task)
        task.add_done_callback(self._rescues.discard)

    async def _run_again(self, submission: Submission, nonce: str) -> None:
        taken: TakenTurn | None = None
        try:
            taken = taken_with(submission, nonce, await self._run_script(submission, nonce))
        except ProsaError as error:  # what it may have taken is run by others when its lease is over
            logger.debug("submit.not_made_again", turn_id=submission.input.turn_id, reason=error.message)
        finally:
            self._here.settle(taken)

    async def _run_script(self, submission: Submission, nonce: str) -> Reply:
        session, turn = submission.session, submission.input
        return await self._gate.call(
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
            _alike(turn),
            MERGED_MESSAGES,
            *self._here.arguments(nonce),
        )

    def _events_of(self, submission: Submission) -> tuple[bytes, bytes]:
        """`message.created` without its turn, which may be one that waits already, and `turn.queued`."""
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
            role="user",
            content=turn.content,
            channel=turn.channel,
            re=submission.cid,
        )
        return JSON.encode(created), JSON.encode(queued)


def _alike(turn: TurnInput) -> bytes:
    """What the messages of one turn have in common: who answers, with which model, and by which channel."""
    return JSON.encode((turn.agent, turn.model, turn.channel))


def _accepted(submission: Submission, reply: Reply) -> Accepted:
    match reply[0]:
        case b"accepted":
            return msgspec.json.decode(reply[2], type=Accepted)
        case b"duplicate":
            return msgspec.structs.replace(msgspec.convert(remembered_reply(reply[2]), Accepted), duplicate=True)
        case b"busy" if submission.input.retry_of is not None:
            raise UserError(
                "Only the session's last turn, once it has ended, can be done again.", code="busy", retryable=True
            )
        case b"busy":
            raise UserError("The session is busy: wait for its answer, then send again.", code="busy", retryable=True)
        case b"moved":
            moved = UserError("The session goes on in another one: send it there.", code="moved", retryable=False)
            moved.moved_to = reply[2].decode()
            raise moved
        case b"unknown_turn":
            raise no_such_turn()
        case _:
            raise unexpected(reply)
