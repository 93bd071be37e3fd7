"""The way by which adapters run a script on a session: replies are checked, and a log of another life begins anew.

`stale_instance` means that Redis is another process than the one that wrote the session's log (a restart, a
failover): what it holds may be shorter than what clients saw. So the log is folded, the fold becomes the
view of a new epoch at seq 0 (*rebase*), and the script runs again. Nodes that do so at once agree: one
rebase wins, by its old epoch and instance.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from loguru import logger

from core.errors import BackendError, SessionErased, UserError
from core.ids import Ids
from core.turns import SessionRef
from core.view import SessionView
from memory.commands import Argument, Call
from memory.connection import JSON, Database, Reply
from memory.event_log.fold import fold, fold_what_is_there, storable
from memory.scripts import COMPACT, REBASE, VIEW, Script

ATTEMPTS: Final = 5
LONG_TAIL_BYTES: Final = 65_536
"""A view read that has to fold more than this stores its fold on the way."""
KEPT_AFTER_END_MS: Final = 60_000
"""How long a turn's events stay in the log after its end (protocol.md, Resume)."""


class Gate:
    """See the module."""

    def __init__(self, database: Database, ids: Ids, *, kept_after_end_ms: int = KEPT_AFTER_END_MS) -> None:
        self._kept_after_end_ms = kept_after_end_ms
        self._database = database
        self._keys = database.keys
        self._ids = ids
        self.send: Callable[[Call], None] = database.send
        """Put one of a run's writes on its way, as `write`; what is checked there is left to the call."""

    async def call(self, script: Script, session: SessionRef, *arguments: Argument) -> Reply:
        """Run a script whose ARGV[2] is the session; give its reply, whatever its status but the following.

        Raises UserError `not_found`, SessionErased, BackendError.
        """
        return await self._checked(self._database.call, script, session, arguments)

    def write(self, script: Script, session: SessionRef, *arguments: Argument) -> Awaitable[Reply]:
        """The same over the link of runs' writes; it is on its way when this returns, and has to be awaited."""
        partition = self._keys.of(session.session_id)
        sent = self._database.write(script, partition, session.session_id, *arguments)
        return self._checked(self._database.write, script, session, arguments, sent)

    def prefix_of(self, session: SessionRef) -> str:
        """The beginning of the session's keys."""
        return self._keys.prefix(self._keys.of(session.session_id))

    async def _checked(
        self,
        run: Callable[..., Awaitable[Reply]],
        script: Script,
        session: SessionRef,
        arguments: tuple[Argument, ...],
        sent: Awaitable[Reply] | None = None,
    ) -> Reply:
        partition = self._keys.of(session.session_id)
        for _ in range(ATTEMPTS):
            reply = await (sent or run(script, partition, session.session_id, *arguments))
            sent = None
            if has_answered(script, session, reply):
                return reply
            await self.rebase(session)
        raise restarts_again()

    async def rebase(self, session: SessionRef) -> None:
        """Begin the session's log anew, with what it shows kept. Harmless where another node has done it."""
        partition = self._keys.of(session.session_id)
        reply = await self._database.call(VIEW, partition, session.session_id, session.tenant, session.user_id, "1")
        if reply[0] != b"ok":
            return
        epoch, instance = reply[2].decode(), reply[4]
        view = fold_what_is_there(epoch, reply[5], reply[7:])
        new_epoch = self._ids.new("epoch")
        logger.info("log.rebased", session_id=session.session_id, old_epoch=epoch, epoch=new_epoch, seq=view.seq)
        blob = JSON.encode(storable(msgspec.structs.replace(view, epoch=new_epoch, seq=0)))
        await self._database.call(REBASE, partition, session.session_id, epoch, instance, new_epoch, blob)

    async def view(self, session: SessionRef) -> SessionView:
        """The fold of the log to its head, with feedback filled in. A long tail is compacted on the way."""
        view, tail_bytes, feedback = await self._read_view(session)
        if tail_bytes > LONG_TAIL_BYTES:
            await self._store(session, view)
        for index, message in enumerate(view.messages):
            if message.message_id in feedback:
                view.messages[index] = msgspec.structs.replace(message, feedback=feedback[message.message_id])
        return view

    async def compact(self, session: SessionRef, *, at_least_bytes: int) -> None:
        """Store the fold and cut the log before it as far as the protocol allows, where the tail is worth it."""
        view, tail_bytes, _ = await self._read_view(session)
        if tail_bytes >= at_least_bytes:
            await self._store(session, view)

    async def _read_view(self, session: SessionRef) -> tuple[SessionView, int, dict[str, dict[str, Any]]]:
        reply = await self.call(VIEW, session, session.tenant, session.user_id, "0")
        payloads = reply[7:]
        view = fold(reply[2].decode(), reply[5], payloads)
        if view.seq != int(reply[3]):
            logger.error("log.ends_early", session_id=session.session_id, seq=view.seq, head=int(reply[3]))
            raise BackendError("The session's log could not be read whole; try again.")
        flat = reply[6]
        feedback = {
            flat[index].decode(): msgspec.json.decode(flat[index + 1], type=dict[str, Any])
            for index in range(0, len(flat), 2)
        }
        return view, sum(map(len, payloads)), feedback

    async def _store(self, session: SessionRef, view: SessionView) -> None:
        blob = JSON.encode(storable(view))
        await self.call(COMPACT, session, view.epoch, view.seq, blob, self._kept_after_end_ms)


def has_answered(script: Script, session: SessionRef, reply: Reply) -> bool:
    """Check a reply; False where the session's log has to be begun anew before the script can run.

    Raises UserError `not_found`, SessionErased, BackendError.
    """
    if reply[1] != session.session_id.encode():
        logger.error("redis.foreign_reply", script=script.name, session_id=session.session_id)
        raise BackendError("Something went wrong on our side; try again.")
    match reply[0]:
        case b"stale_instance":
            return False
        case b"erased":
            raise SessionErased("This session was erased; open a new one.")
        case b"not_found":
            raise UserError("There is no such session.", code="not_found")
        case _:
            return True


def restarts_again() -> BackendError:
    """What a caller is told whose script met a Redis of another life ATTEMPTS times."""
    return BackendError("Redis restarts again and again at the moment; try again.")
