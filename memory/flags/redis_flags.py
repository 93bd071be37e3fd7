"""Flags in Redis: read a scope, change some of it if nobody else has, put back what was lost.

All of them are in partition 0: there are few, and each node reads them all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from loguru import logger

from core.errors import BackendError, UserError
from core.flags import Flag, FlagChange, FlagEdit
from core.turns import Principal
from memory.commands import Argument
from memory.connection import JSON, Database
from memory.scripts import FLAG_STATES, PUT_FLAGS, READ_FLAGS, RESTORE_FLAGS

_ATTEMPTS: Final = 5
_PARTITION: Final = 0
_FLAG: Final = msgspec.json.Decoder(Flag)


class StoredScope(msgspec.Struct, frozen=True, kw_only=True):
    """What Redis has of a scope; `state` is another one after each change, `now_ms` Redis' time."""

    state: str
    now_ms: int
    flags: Mapping[str, Flag]


class RedisFlags:
    """See the module. Raises BackendError where Redis is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def states(self) -> dict[str, str]:
        """The state of each scope that has ever had a flag."""
        reply = await self._database.call(FLAG_STATES, _PARTITION)
        return {reply[index].decode(): reply[index + 1].decode() for index in range(2, len(reply), 2)}

    async def read(self, scope: str) -> StoredScope:
        """All flags of a scope."""
        reply = await self._database.call(READ_FLAGS, _PARTITION, scope)
        flags = {}
        for index in range(4, len(reply), 2):
            key = reply[index].decode()
            try:
                flags[key] = _FLAG.decode(reply[index + 1].partition(b" ")[2])
            except msgspec.ValidationError as error:  # a newer node's: what this one knows of the flag stays in force
                logger.error("flags.not_readable", scope=scope, key=key, error=str(error))
        return StoredScope(state=reply[2].decode(), now_ms=int(reply[3]), flags=flags)

    async def change(self, scope: str, edits: Sequence[FlagEdit], principal: Principal) -> Sequence[Flag]:
        """Set flags, all or none. Raises UserError, status 409, where a version is not the expected one."""
        for _ in range(_ATTEMPTS):
            stored = await self.read(scope)
            changes = [_change(scope, edit, stored, principal) for edit in edits]
            arguments: list[Argument] = []
            for change in changes:
                replaced = 0 if change.before is None else change.before.version
                flag = change.after
                arguments += [flag.key, replaced, flag.version, JSON.encode(flag), JSON.encode(change)]
            reply = await self._database.call(PUT_FLAGS, _PARTITION, scope, *arguments)
            if reply[0] == b"accepted":
                return [change.after for change in changes]
        raise BackendError("The flag is being changed by many at the moment; try again.")

    async def restore(self, scope: str, flags: Sequence[Flag]) -> int:
        """Put back those that are older in Redis, or missing; gives how many."""
        arguments: list[Argument] = []
        for flag in flags:
            arguments += [flag.key, flag.version, JSON.encode(flag)]
        return int((await self._database.call(RESTORE_FLAGS, _PARTITION, scope, *arguments))[2])


def _change(scope: str, edit: FlagEdit, stored: StoredScope, principal: Principal) -> FlagChange:
    before = stored.flags.get(edit.key)
    version = 0 if before is None else before.version
    if edit.expected is not None and edit.expected != version:
        raise UserError(
            f"The flag {edit.key} has version {version}, not {edit.expected}: somebody else has changed it. "
            "Read it again and decide anew.",
            status=409,
        )
    after = Flag(
        scope=scope,
        key=edit.key,
        version=max(stored.now_ms, version + 1),
        value=edit.value,
        rules=edit.rules,
        description=edit.description,
        updated_ms=stored.now_ms,
        updated_by=principal.name,
    )
    return FlagChange(tenant=principal.tenant, by=principal.name, ts=stored.now_ms, before=before, after=after)
