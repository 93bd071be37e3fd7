"""The flags of this node: a snapshot in memory that follows Redis (`core.ports.FlagStore`).

    change ──▶ put.lua ──publishes the scope──▶ every node reads that scope: milliseconds
                 └──▶ outbox ──▶ SQL ──restore──▶ a Redis that has lost flags
    a message that was lost: states are compared every 5 s, and after each new pub/sub connection

The snapshot only learns (`core.flags.FlagSnapshot`): while Redis is away nothing changes, and what a Redis has lost in
a restart is put back by whichever node still knows it. A node that knows nothing gets it from SQL, by `restore`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from loguru import logger

from core.errors import BackendError
from core.flags import Flag, FlagEdit, FlagSnapshot
from core.turns import Principal
from memory.event_log.hub import Hub
from memory.flags.redis_flags import RedisFlags
from memory.keys import Keys

COMPARE_S: Final = 5.0
"""After so long at the latest a message that was lost is made up for."""

Changed = Callable[[frozenset[str]], None]


class LiveFlags:
    """See the module. `run` must be running while it is used."""

    def __init__(self, stored: RedisFlags, hub: Hub, keys: Keys, *, compare_s: float = COMPARE_S) -> None:
        self._stored = stored
        self._compare_s = compare_s
        self._snapshot = FlagSnapshot()
        self._states: dict[str, str] = {}
        """The states of the scopes as they were read last."""
        self._news = asyncio.Event()
        self._is_stale = False
        self._refreshing = asyncio.Lock()
        self._change_calls: list[Changed] = []
        self._stale_calls: list[Callable[[bool], None]] = []
        hub.listen(keys.flags_channel(), lambda _: self._news.set())
        hub.on_connected(self._news.set)

    @property
    def snapshot(self) -> FlagSnapshot:
        """What this node knows; always the same object."""
        return self._snapshot

    def of(self, scope: str) -> Mapping[str, Flag]:
        """What is set in a scope, by key."""
        return self._snapshot.of(scope)

    def on_change(self, call: Changed) -> None:
        """Call `call(keys)` whenever flags of these keys changed here."""
        self._change_calls.append(call)

    def on_stale(self, call: Callable[[bool], None]) -> None:
        """Call `call(True)` when Redis cannot be asked any more, `call(False)` when it can again."""
        self._stale_calls.append(call)

    async def change(self, scope: str, edits: Sequence[FlagEdit], principal: Principal) -> Sequence[Flag]:
        """Set flags of one scope; see `core.ports.FlagStore`."""
        flags = await self._stored.change(scope, edits, principal)
        self._learn(flags)
        return flags

    async def restore(self, flags: Sequence[Flag]) -> int:
        """Take over what is newer, here and in Redis; gives how many were put back there. Raises BackendError."""
        if not self._learn(flags):
            return 0  # what is known here and not in Redis is put back by `refresh`
        self._states.clear()
        return await self.refresh()

    async def begin(self) -> None:
        """Read the flags for the first time. Where Redis is away already, later."""
        await self._refresh_if_possible()

    async def run(self) -> None:
        """Follow Redis, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._compare_s):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            await self._refresh_if_possible()

    async def _refresh_if_possible(self) -> None:
        try:
            await self.refresh()
        except BackendError as error:
            if not self._is_stale:
                logger.warning("flags.stale", reason=error.message)
            self._set_stale(True)
        else:
            self._set_stale(False)

    async def refresh(self) -> int:
        """Read the scopes that have changed, put back what Redis lacks; gives how many. Raises BackendError."""
        async with self._refreshing:
            states = await self._stored.states()
            restored = 0
            for scope in sorted(states.keys() | self._snapshot.scopes):
                if scope not in states or states[scope] != self._states.get(scope):
                    restored += await self._read(scope)
            return restored

    async def _read(self, scope: str) -> int:
        stored = await self._stored.read(scope)
        self._learn(list(stored.flags.values()))
        self._states[scope] = stored.state
        lost = self._snapshot.newer_than(scope, stored.flags.values())
        if not lost:
            return 0
        restored = await self._stored.restore(scope, lost)  # which is news: it is read again
        if restored:
            logger.warning("flags.restored", scope=scope, flags=restored)
        return restored

    def _learn(self, flags: Sequence[Flag]) -> frozenset[str]:
        changed = self._snapshot.join(flags)
        if changed:
            for call in self._change_calls:
                call(changed)
        return changed

    def _set_stale(self, is_stale: bool) -> None:
        if is_stale != self._is_stale:
            self._is_stale = is_stale
            for call in self._stale_calls:
                call(is_stale)
