"""`StatusBoard` on Redis: one hash in partition 0, of which each node writes its own field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from core.ports import ModelStatus, NodeStatuses
from memory.connection import JSON, Database
from memory.scripts import STATUSES, TELL_STATUSES

KEPT_MS: Final = 60_000
_PARTITION: Final = 0


class _Said(msgspec.Struct, frozen=True):
    name: str
    models: tuple[ModelStatus, ...]


_SAID: Final = msgspec.json.Decoder(_Said)


class RedisStatusBoard:
    """See `core.ports.StatusBoard`. `kept_ms` is how long a node that says nothing more is remembered."""

    def __init__(self, database: Database, *, kept_ms: int = KEPT_MS) -> None:
        self._database = database
        self._kept_ms = kept_ms

    async def tell(self, node_id: str, name: str, models: Sequence[ModelStatus]) -> None:
        """Say how models do on a node; it replaces what the node said before."""
        said = JSON.encode(_Said(name=name, models=tuple(models)))
        await self._database.call(TELL_STATUSES, _PARTITION, node_id, said, self._kept_ms)

    async def all(self) -> Sequence[NodeStatuses]:
        """What all nodes said of late, by their ids."""
        reply = await self._database.call(STATUSES, _PARTITION, self._kept_ms)
        found = []
        for index in range(2, len(reply), 3):
            said = _SAID.decode(reply[index + 2])
            at_ms = int(reply[index + 1])
            found.append(NodeStatuses(node_id=reply[index].decode(), node=said.name, at_ms=at_ms, models=said.models))
        return sorted(found, key=lambda node: node.node_id)
