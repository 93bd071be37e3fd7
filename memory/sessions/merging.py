"""Letting a session go on in another one, which may lie in another partition; what a crash interrupts is finished.

    reserve (into) ─▶ begin (source: session.merged, moved) ─▶ history (into) ─▶ names (user) ─▶ done (source)

With `begin` the merge is on its partition's list `merges`, and nothing can take it back; what follows may be done
again any number of times. The reservation keeps a chain of merges from closing into a ring.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import msgspec
from loguru import logger

from core.errors import BackendError, ProsaError, SessionErased, UserError
from core.turns import SessionRef
from memory.connection import JSON, Database, Reply
from memory.event_log.gate import Gate
from memory.keys import user_key
from memory.queue.writer import HISTORY_BYTES, HISTORY_ENTRIES
from memory.scripts import (
    HISTORY,
    MERGE_BEGIN,
    MERGE_DONE,
    MERGE_DUE,
    MERGE_HISTORY,
    MERGE_NAMES,
    MERGE_RELEASE,
    MERGE_RESERVE,
)

OTHERS: Final = "other:"
"""Begins what a user's name holds where it stands for a session of another user."""
RESERVED_MS: Final = 10_000
"""How long a merge may take from its reservation to its begin."""
DUE_MS: Final = 5_000
"""A merge that was begun so long ago and is not done has broken off."""
_DUE_AT_ONCE: Final = 100
_CHAIN: Final = 16
"""Merges in a row that are followed: the history goes to where the conversation is now."""
_ATTEMPTS: Final = 5


class _Task(msgspec.Struct, frozen=True, array_like=True):
    """A merge on the list of what is to be done."""

    source: str
    tenant: str
    user_id: str
    into: str
    into_user_id: str


_TASK: Final = msgspec.json.Decoder(_Task)


class Merging:
    """`SessionStore.merge` and `finish_merges`."""

    def __init__(self, database: Database, gate: Gate, *, due_ms: int = DUE_MS) -> None:
        self._database = database
        self._keys = database.keys
        self._gate = gate
        self._due_ms = due_ms

    async def merge(self, source: SessionRef, into: SessionRef) -> None:
        """See `core.ports.SessionStore.merge`."""
        if source.session_id == into.session_id or source.tenant != into.tenant:
            raise UserError("A session can be merged into another session of the same tenant only.")
        task = _Task(source.session_id, source.tenant, source.user_id, into.session_id, into.user_id)
        reserved = await self._reserve(source, into)
        try:
            await self._begin(source, into, task, reserved)
        finally:
            if reserved[0] == b"ok":
                with suppress(BackendError):  # then it runs out by itself
                    partition = self._keys.of(into.session_id)
                    await self._database.call(MERGE_RELEASE, partition, into.session_id, source.session_id, reserved[3])
        await self._finish(task)
        logger.info("session.merged", session_id=source.session_id, into=into.session_id)

    async def _begin(self, source: SessionRef, into: SessionRef, task: _Task, reserved: Reply) -> None:
        until_ms = int(reserved[3]) if reserved[0] == b"ok" else 0
        try:
            reply = await self._gate.call(
                MERGE_BEGIN, source, source.tenant, source.user_id, into.session_id, until_ms, JSON.encode(task)
            )
        except SessionErased as error:
            raise UserError("There is no such session.", code="not_found") from error
        match reply[0]:
            case b"ok" | b"again":
                return
            case b"elsewhere":
                raise UserError("This session was merged into another one already.")
            case b"late" if reserved[0] == b"moved":
                raise UserError("The session to go on in was itself merged into another: name that one.")
            case b"late" if reserved[0] != b"ok":
                raise UserError("There is no such session.", code="not_found")
            case _:
                raise UserError("The session is busy: merge it when its turns have ended.", code="busy", retryable=True)

    async def _reserve(self, source: SessionRef, into: SessionRef) -> Reply:
        for _ in range(_ATTEMPTS):
            reply = await self._database.call(
                MERGE_RESERVE,
                self._keys.of(into.session_id),
                into.session_id,
                into.tenant,
                source.session_id,
                RESERVED_MS,
            )
            if reply[0] != b"stale_instance":
                return reply
            await self._gate.rebase(_session(into.session_id, into.tenant, reply[2].decode()))
        raise BackendError("Redis restarts again and again at the moment; try again.")

    async def finish_merges(self) -> int:
        """See `core.ports.SessionStore.finish_merges`; one that cannot be finished does not hold up the others."""
        count = 0
        for partition in range(self._keys.partitions):
            reply = await self._database.call(MERGE_DUE, partition, self._due_ms, _DUE_AT_ONCE)
            for task in map(_TASK.decode, reply[2:]):
                try:
                    await self._finish(task)
                except ProsaError as error:
                    logger.warning("merge.not_finished", session_id=task.source, reason=error.message)
                else:
                    count += 1
        return count

    async def _finish(self, task: _Task) -> None:
        """What follows `begin`, each step harmless to repeat."""
        source = _session(task.source, task.tenant, task.user_id)
        goes_on = await self._move_history(source, _session(task.into, task.tenant, task.into_user_id))
        user = user_key(task.tenant, task.user_id)
        held = task.into if task.user_id == task.into_user_id else OTHERS + task.into
        await self._database.call(
            MERGE_NAMES, self._keys.of(user), user, task.source, *((held, task.into) if goes_on else ("", ""))
        )
        await self._database.call(MERGE_DONE, self._keys.of(task.source), JSON.encode(task))

    async def _move_history(self, source: SessionRef, into: SessionRef) -> bool:
        """Put the source's history before that of `into`; False where that is not there any more."""
        try:
            entries = (await self._gate.call(HISTORY, source, source.tenant, source.user_id))[2:]
        except (SessionErased, UserError):
            entries = []
        try:
            for _ in range(_CHAIN):
                reply = await self._gate.call(
                    MERGE_HISTORY, into, source.session_id, HISTORY_ENTRIES, HISTORY_BYTES, *entries
                )
                if reply[0] != b"moved":
                    break
                into = _session(reply[2].decode(), into.tenant, into.user_id)
        except (SessionErased, UserError):
            return False
        return True


def _session(session_id: str, tenant: str, user_id: str) -> SessionRef:
    return SessionRef(session_id=session_id, tenant=tenant, user_id=user_id)
