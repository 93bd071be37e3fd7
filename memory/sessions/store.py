"""`SessionStore` on Redis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from core.errors import BackendError, SessionErased, UserError
from core.ids import Ids
from core.ports import SessionHead
from core.turns import Erasure, HistoryEntry, Principal, SessionRef
from core.view import SessionView
from memory.connection import Database
from memory.event_log.gate import Gate
from memory.keys import MAIN_NAME, user_key
from memory.queue.codec import history_of
from memory.scripts import FIND, HISTORY, NAME, NAMES, OPEN
from memory.sessions.erasing import Erasing
from memory.sessions.merging import OTHERS, Merging

_OPEN_ATTEMPTS: Final = 5


class RedisSessions:
    """See `core.ports.SessionStore`."""

    def __init__(self, database: Database, gate: Gate, ids: Ids, merging: Merging, erasing: Erasing) -> None:
        self._database = database
        self._keys = database.keys
        self._gate = gate
        self._ids = ids
        self._merging = merging
        self._erasing = erasing

    async def open(self, tenant: str, user_id: str, name: str | None) -> SessionHead:
        """Find or make the user's session of that name; where it was erased meanwhile, make a new one.

        Where it was merged into another user's session, that one is given, with its owner.
        """
        name = name or MAIN_NAME
        user = user_key(tenant, user_id)
        gone = ""
        for _ in range(_OPEN_ATTEMPTS):
            epoch = self._ids.new("epoch")
            reply = await self._database.call(
                NAME,
                self._keys.of(user),
                user,
                name,
                self._ids.new("ses"),
                gone,
                tenant,
                user_id,
                epoch if self._keys.partitions == 1 else "",
            )
            held = reply[2].decode()
            if held.startswith(OTHERS):
                try:
                    return await self.find(Principal(tenant=tenant, name="merged"), held.removeprefix(OTHERS))
                except UserError:
                    gone = held
                    continue
            session = SessionRef(session_id=held, tenant=tenant, user_id=user_id)
            if len(reply) == 3:  # it lies in another partition, or something is the matter with it
                try:
                    opened = await self._gate.call(OPEN, session, tenant, user_id, name, epoch)
                except SessionErased:
                    gone = held
                    continue
                reply = [*reply, *opened[2:]]
            return SessionHead(session=session, epoch=reply[3].decode(), seq=int(reply[4]))
        raise BackendError("The session is being erased; try again.")

    async def find(self, principal: Principal, session_id: str) -> SessionHead:
        """Find a session of the principal's tenant, and of its user where it has one."""
        partition = self._keys.of(session_id)
        arguments = (session_id, principal.tenant, principal.user_id or "")
        reply = await self._database.call(FIND, partition, *arguments)
        if reply[0] == b"stale_instance":
            await self._gate.rebase(_session(session_id, principal.tenant, reply[2]))
            reply = await self._database.call(FIND, partition, *arguments)
        if reply[0] == b"stale_instance":
            raise BackendError("Redis restarts again and again at the moment; try again.")
        if reply[0] != b"ok" or reply[1] != session_id.encode():
            raise UserError("There is no such session.", code="not_found")
        session = _session(session_id, principal.tenant, reply[4])
        return SessionHead(session=session, epoch=reply[2].decode(), seq=int(reply[3]))

    async def view(self, session: SessionRef) -> SessionView:
        """The fold of the log to its head; at most twice what a snapshot holds of ended turns."""
        return await self._gate.view(session)

    async def history(self, session: SessionRef) -> tuple[HistoryEntry, ...]:
        """Entries of ended turns, oldest first; at most HISTORY_ENTRIES are kept."""
        reply = await self._gate.call(HISTORY, session, session.tenant, session.user_id)
        return history_of(reply[2:])

    async def sessions_of(self, tenant: str, user_id: str) -> tuple[SessionRef, ...]:
        """All sessions of the user, merged ones too."""
        user = user_key(tenant, user_id)
        reply = await self._database.call(NAMES, self._keys.of(user), user)
        return tuple(_session(session_id.decode(), tenant, user_id.encode()) for session_id in reply[2:])

    async def merge(self, source: SessionRef, into: SessionRef) -> None:
        """Let a session go on in another."""
        await self._merging.merge(source, into)

    async def finish_merges(self) -> int:
        """Finish merges that broke off; gives how many."""
        return await self._merging.finish_merges()

    async def erase(self, tenant: str, user_id: str) -> tuple[SessionRef, ...]:
        """Forget a user."""
        return await self._erasing.erase(tenant, user_id)

    async def due_erasures(self) -> Sequence[Erasure]:
        """Erasures that are to be swept again."""
        return await self._erasing.due_erasures()

    async def swept(self, erasure: Erasure) -> None:
        """Delete what was written meanwhile, and strike the erasure off."""
        await self._erasing.swept(erasure)


def _session(session_id: str, tenant: str, user_id: bytes) -> SessionRef:
    return SessionRef(session_id=session_id, tenant=tenant, user_id=user_id.decode())
