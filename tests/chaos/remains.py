"""Looks for what is left of erased sessions: in every key of Redis, in every row of SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import redis.asyncio

from memory.keys import Keys, user_key
from server.auth import DEVELOPMENT_TENANT
from tests.chaos.cast import Cast
from tests.chaos.cluster import Cluster
from tests.chaos.history import Remains
from tests.chaos.order import canary
from tests.chaos.recording import now_ns

_READS: Final[Mapping[bytes, tuple[str, tuple[str | int, ...]]]] = {
    b"string": ("GET", ()),
    b"hash": ("HGETALL", ()),
    b"list": ("LRANGE", (0, -1)),
    b"set": ("SMEMBERS", ()),
    b"zset": ("ZRANGE", (0, -1)),
    b"stream": ("XRANGE", ("-", "+")),
}


async def remains(cluster: Cluster, cast: Cast, seed: int) -> list[Remains]:
    """What is left of each user who left: answers hold the canary, questions the name and the cid."""
    values = await _values(cluster.redis)
    rows = _rows(cluster.sql)
    found: list[Remains] = []
    for user, _ in cast.leavers:
        words = (canary(seed, user.name), f"{user.name}.c")
        found.append(
            Remains(
                at_ns=now_ns(),
                session=user.name,
                redis=sorted(key for key, text in values.items() if any(word in text for word in words)),
                sql=sorted({table for table, text in rows if any(word in text for word in words)}),
                to_be_swept=await _is_listed(cluster, user.user_id, str(user.devices[0].asked_for)),
            )
        )
    return found


async def _values(client: redis.asyncio.Redis) -> dict[str, str]:
    """What every key holds, as a text."""
    keys = [key async for key in client.scan_iter(count=1000)]
    pipe = client.pipeline(transaction=False)
    for key in keys:
        pipe.type(key)
    kinds = await pipe.execute()
    for key, kind in zip(keys, kinds, strict=True):
        command, arguments = _READS.get(kind, ("TYPE", ()))  # it has run out meanwhile
        pipe.execute_command(command, key, *arguments)
    values: list[Any] = await pipe.execute()
    return {key.decode(): repr(value) for key, value in zip(keys, values, strict=True)}


def _rows(path: Path) -> list[tuple[str, str]]:
    """Every row of the books with its table, as a text."""
    with closing(sqlite3.connect(path)) as sql:
        tables = [name for (name,) in sql.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [(table, repr(row)) for table in tables for row in sql.execute(f'SELECT * FROM "{table}"')]


async def _is_listed(cluster: Cluster, user_id: str, session_id: str) -> bool:
    user = user_key(DEVELOPMENT_TENANT, user_id)
    keys = Keys(cluster.partitions)
    prefix = keys.prefix(keys.of(user))
    listed = await cluster.redis.zscore(f"{prefix}erasures", user)
    session: Any = await cluster.redis.hexists(f"{prefix}er:{user}", f"s:{session_id}")
    return listed is not None and bool(session)
