"""Forgetting a user: a tombstone first, then every key, and once more 10 minutes later.

What is to be erased is on a list in the user's partition (`ux:`) before anything is, and stays there until all of it is
gone; what is to be swept again is on another (`er:`, found by `erasures`), with the moment at which it was put there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from core.ports import AnswerCache, Budgets
from core.turns import Erasure, SessionRef
from memory.connection import Database
from memory.keys import user_key
from memory.outbox.outbox import RedisOutbox
from memory.scripts import ERASE, ERASE_BEGIN, ERASE_DONE, ERASE_DUE, ERASE_MERGED, ERASE_SWEPT

SWEEP_AFTER_MS: Final = 600_000
"""Erased sessions are swept again after so long: whatever was under way at the erasure has ended by then."""
_DUE_AT_ONCE: Final = 100


class Erasing:
    """`SessionStore.erase`, `due_erasures` and `swept`."""

    def __init__(
        self,
        database: Database,
        outbox: RedisOutbox,
        answers: AnswerCache,
        budgets: Budgets,
        *,
        sweep_after_ms: int = SWEEP_AFTER_MS,
    ) -> None:
        self._database = database
        self._keys = database.keys
        self._outbox = outbox
        self._answers = answers
        self._budgets = budgets
        self._sweep_after_ms = sweep_after_ms

    async def erase(self, tenant: str, user_id: str) -> tuple[SessionRef, ...]:
        """Forget a user. What is interrupted is taken up by the next call, or by the sweep."""
        user = user_key(tenant, user_id)
        reply = await self._database.call(ERASE_BEGIN, self._keys.of(user), user, tenant, user_id)
        await self._answers.forget(tenant, user_id)
        ids, merged_into = ([value.decode() for value in reply[start::2]] for start in (2, 3))
        await self._erase_sessions(tenant, user_id, dict(zip(ids, merged_into, strict=True)))
        await self._budgets.forget(tenant, user_id)
        await self._database.call(ERASE_DONE, self._keys.of(user), user, *ids)
        return tuple(SessionRef(session_id=each, tenant=tenant, user_id=user_id) for each in ids)

    async def due_erasures(self) -> Sequence[Erasure]:
        """See `core.ports.SessionStore.due_erasures`."""
        due: list[Erasure] = []
        for partition in range(self._keys.partitions):
            reply = await self._database.call(ERASE_DUE, partition, self._sweep_after_ms, _DUE_AT_ONCE)
            for item in reply[2:]:
                tenant, user_id, *ids = (value.decode() for value in item)
                due.append(Erasure(tenant=tenant, user_id=user_id, session_ids=tuple(sorted(ids))))
        return due

    async def swept(self, erasure: Erasure) -> None:
        """See `core.ports.SessionStore.swept`."""
        await self._answers.forget(erasure.tenant, erasure.user_id)
        await self._erase_sessions(erasure.tenant, erasure.user_id, dict.fromkeys(erasure.session_ids, ""))
        await self._budgets.forget(erasure.tenant, erasure.user_id)
        user = user_key(erasure.tenant, erasure.user_id)
        await self._database.call(ERASE_DONE, self._keys.of(user), user, *erasure.session_ids)
        await self._database.call(ERASE_SWEPT, self._keys.of(user), user, *erasure.session_ids)

    async def _erase_sessions(self, tenant: str, user_id: str, sessions: Mapping[str, str]) -> None:
        """Erase sessions; each with where it was merged into, for one that does not know that any more, or ''."""
        for session_id, merged_into in sessions.items():
            reply = await self._database.call(
                ERASE, self._keys.of(session_id), session_id, tenant, user_id, merged_into
            )
            if reply[0] == b"ok" and reply[2]:
                await self._erase_merged(session_id, reply[2].decode())
        await self._outbox.forget(list(sessions))

    async def _erase_merged(self, source: str, into: str) -> None:
        """Take a session's turns out of the one in which it goes on, and of those in which that one does."""
        turns = ""
        passed: set[str] = set()
        while into and into not in passed:
            passed.add(into)
            reply = await self._database.call(ERASE_MERGED, self._keys.of(into), into, source, turns)
            source, turns, into = "", reply[2].decode(), reply[3].decode()
            if not turns:
                return
