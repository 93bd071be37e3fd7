"""`SessionStore` on Redis."""

from __future__ import annotations

from typing import Final

import msgspec

from core.errors import BackendError, SessionErased, UserError
from core.ids import Ids
from core.ports import SessionHead
from core.turns import HistoryEntry, Principal, SessionRef
from core.view import SessionView
from memory.connection import Database
from memory.event_log.gate import Gate
from memory.keys import MAIN_NAME, user_key
from memory.outbox.outbox import RedisOutbox
from memory.scripts import ERASE, ERASE_BEGIN, ERASE_DONE, FIND, HISTORY, NAME, NAMES, OPEN

_OPEN_ATTEMPTS: Final = 5
_HISTORY: Final = msgspec.json.Decoder(HistoryEntry)


class RedisSessions:
    """See `core.ports.SessionStore`."""

    def __init__(self, database: Database, gate: Gate, ids: Ids, outbox: RedisOutbox) -> None:
        self._database = database
        self._keys = database.keys
        self._gate = gate
        self._ids = ids
        self._outbox = outbox

    async def open(self, tenant: str, user_id: str, name: str | None) -> SessionHead:
        """Find or make the user's session of that name; where it was erased meanwhile, make a new one."""
        name = name or MAIN_NAME
        user = user_key(tenant, user_id)
        erased = ""
        for _ in range(_OPEN_ATTEMPTS):
            reply = await self._database.call(NAME, self._keys.of(user), user, name, self._ids.new("ses"), erased)
            session = SessionRef(session_id=reply[2].decode(), tenant=tenant, user_id=user_id)
            try:
                reply = await self._gate.call(OPEN, session, tenant, user_id, name, self._ids.new("epoch"))
            except SessionErased:
                erased = session.session_id
                continue
            return SessionHead(session=session, epoch=reply[2].decode(), seq=int(reply[3]))
        raise BackendError("the session is being erased; try again")

    async def find(self, principal: Principal, session_id: str) -> SessionHead:
        """Find a session of the principal's tenant, and of its user where it has one."""
        partition = self._keys.of(session_id)
        arguments = (session_id, principal.tenant, principal.user_id or "")
        reply = await self._database.call(FIND, partition, *arguments)
        if reply[0] == b"stale_instance":
            await self._gate.rebase(_session(session_id, principal.tenant, reply[2]))
            reply = await self._database.call(FIND, partition, *arguments)
        if reply[0] == b"stale_instance":
            raise BackendError("Redis keeps restarting; try again")
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
        entries = [_HISTORY.decode(entry) for entry in reply[2:]]
        replaced = {entry.retry_of for entry in entries}
        return tuple(entry for entry in entries if entry.turn_id not in replaced)

    async def sessions_of(self, tenant: str, user_id: str) -> tuple[SessionRef, ...]:
        """All sessions that the user's names stand for."""
        user = user_key(tenant, user_id)
        reply = await self._database.call(NAMES, self._keys.of(user), user)
        return tuple(_session(session_id.decode(), tenant, user_id.encode()) for session_id in reply[3::2])

    async def erase(self, tenant: str, user_id: str) -> tuple[SessionRef, ...]:
        """Forget a user. What is interrupted is taken up again by the next call: the list stays until all is gone."""
        user = user_key(tenant, user_id)
        reply = await self._database.call(ERASE_BEGIN, self._keys.of(user), user)
        sessions = tuple(_session(session_id.decode(), tenant, user_id.encode()) for session_id in reply[2:])
        ids = [session.session_id for session in sessions]
        for session_id in ids:
            await self._database.call(ERASE, self._keys.of(session_id), session_id, tenant, user_id)
        await self._outbox.forget(ids)
        await self._database.call(ERASE_DONE, self._keys.of(user), user, *ids)
        return sessions


def _session(session_id: str, tenant: str, user_id: bytes) -> SessionRef:
    return SessionRef(session_id=session_id, tenant=tenant, user_id=user_id.decode())
