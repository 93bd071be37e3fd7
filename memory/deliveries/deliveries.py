"""`Deliveries` on Redis. The script that ends a turn puts answers here (`lua/deliveries.lua`)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Final, cast

from core.errors import BackendError, UserError
from core.turns import Delivery, DeliveryStatus, Principal, SessionRef
from memory.connection import Database, Reply
from memory.event_log.gate import Gate
from memory.scripts import OLDEST_DELIVERIES, REPORT_DELIVERY, TAKE_DELIVERIES

LEASE_MS: Final = 60_000
"""How long a delivery is a bridge's (protocol.md, delivery.take)."""
TAKEN_AT_ONCE: Final = 100
"""A larger `limit` is read as this: an answer may be long."""
_DELIVERY_ID: Final = re.compile(r"dlv_([0-9a-z]{26})[0-9a-z]{26}")
_ATTEMPTS: Final = 5


class RedisDeliveries:
    """See `core.ports.Deliveries`."""

    def __init__(self, database: Database, gate: Gate, *, lease_ms: int = LEASE_MS) -> None:
        self._database = database
        self._keys = database.keys
        self._gate = gate
        self._lease_ms = lease_ms

    async def take(self, tenant: str, channel: str, limit: int) -> Sequence[Delivery]:
        """Lease the oldest answers of all partitions.

        BackendError: nothing was leased, or what was can be taken again after 60 s.
        """
        found: list[tuple[int, Delivery]] = []
        for partition, count in await self._shares(tenant, channel, min(limit, TAKEN_AT_ONCE)):
            reply = await self._database.call(
                TAKE_DELIVERIES, partition, tenant, channel, count, self._lease_ms, retry=False
            )
            found += [(int(item[6]), _delivery(tenant, channel, item)) for item in reply[2:]]
        found.sort(key=lambda pair: pair[0])
        return [delivery for _, delivery in found]

    async def _shares(self, tenant: str, channel: str, limit: int) -> list[tuple[int, int]]:
        """How many of the oldest `limit` answers lie in which partition."""
        if self._keys.partitions == 1:
            return [(0, limit)]
        made: list[tuple[int, int]] = []
        for partition in range(self._keys.partitions):
            reply = await self._database.call(OLDEST_DELIVERIES, partition, tenant, channel, limit)
            made += [(int(made_ms), partition) for made_ms in reply[2:]]
        oldest = sorted(partition for _, partition in sorted(made)[:limit])
        return [(partition, len(list(group))) for partition, group in itertools.groupby(oldest)]

    async def report(
        self,
        principal: Principal,
        delivery_id: str,
        status: DeliveryStatus,
        *,
        external_id: str | None = None,
        error: str | None = None,
    ) -> DeliveryStatus:
        """Say how far an answer got; gives the status that it has afterwards."""
        named = _DELIVERY_ID.fullmatch(delivery_id)
        if named is None:
            raise _unknown()
        session_id = f"ses_{named.group(1)}"
        arguments = (delivery_id, principal.tenant, principal.user_id or "", status, external_id or "", error or "")
        for _ in range(_ATTEMPTS):
            reply = await self._database.call(REPORT_DELIVERY, self._keys.of(session_id), session_id, *arguments)
            match reply[0]:
                case b"ok":
                    return cast(DeliveryStatus, reply[2].decode())
                case b"stale_instance":
                    owner = SessionRef(session_id=session_id, tenant=principal.tenant, user_id=reply[2].decode())
                    await self._gate.rebase(owner)
                case _:
                    raise _unknown()
        raise BackendError("Redis restarts again and again at the moment; try again.")


def _unknown() -> UserError:
    return UserError("There is no such delivery.", code="not_found")


def _delivery(tenant: str, channel: str, item: Reply) -> Delivery:
    delivery_id, session_id, user_id, message_id, content, attempt = (value.decode() for value in item[:6])
    return Delivery(
        delivery_id=delivery_id,
        session=SessionRef(session_id=session_id, tenant=tenant, user_id=user_id),
        message_id=message_id,
        channel=channel,
        content=content,
        attempt=int(attempt),
    )
