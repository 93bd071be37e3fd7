"""The end of a run: wait until nothing goes on any more, then write down what is there."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any, Final

import msgspec
import redis

from tests.chaos.bridge import CHANNEL, Bridge
from tests.chaos.cast import Cast
from tests.chaos.cluster import Cluster
from tests.chaos.history import LEASES_RUN_OUT, Counts, Shown, Stopped, ToolRow, TurnRow
from tests.chaos.recording import Recorder, now_ns
from tests.chaos.redis_reader import LogReader
from tests.chaos.remains import remains

_WAITING: Final = "answers wait for a bridge"
_LEASED: Final = "answers are leased to bridges"


async def quiet(cluster: Cluster, cast: Cast, sessions: dict[str, str], recorder: Recorder, patience_s: float) -> None:
    """Mend what is broken and wait until every turn has ended and every device has caught up; else `Stopped`."""
    await cluster.tell_proxy(do="delay", ms=0)
    await cluster.tell_proxy(do="accept")
    for device in cast.devices:
        device.flap_until_s = device.deaf_until_s = 0.0
    for bridge in cast.bridges:
        bridge.flap_until_s = 0.0
    until_s = time.monotonic() + patience_s
    while (what := await _goes_on(cluster, cast, sessions)) is not None and time.monotonic() < until_s:
        recorder.flush()
        if what == _LEASED:
            await _run_out(cluster, cast.bridges, recorder)
        await asyncio.sleep(0.1)
    if what is None:
        return
    recorder.write(Stopped(at_ns=now_ns(), reason=f"not quiet {patience_s:.0f} s after the last fault: {what}"))


async def _goes_on(cluster: Cluster, cast: Cast, sessions: dict[str, str]) -> str | None:
    """What is not at rest yet; None: all is."""
    try:
        heads, busy = await _heads(cluster, sessions)
        what = busy or await _work(cluster, bridged=bool(cast.bridges))
    except (redis.RedisError, OSError) as error:
        return f"Redis is away: {error}"
    if what is not None:
        return what
    for user, _ in cast.leavers:
        if not all(device.gone for device in user.devices):
            return f"a device of {user.name} does not know that it was erased"
    for device in cast.devices:
        head, view = heads.get(device.session), device.view
        at = None if view is None else (view.epoch, view.seq)
        if device.takes_part and (at is None or not device.is_live or at != head):
            return f"{device.name} is at {at}, live: {device.is_live}, the log at {head}"
    return None


async def _heads(cluster: Cluster, sessions: dict[str, str]) -> tuple[dict[str, tuple[str, int]], str | None]:
    """Where each session's log stands, and one that has a turn."""
    heads: dict[str, tuple[str, int]] = {}
    busy: str | None = None
    for session_id, name in sessions.items():
        key = f"{cluster.prefix_of(session_id)}s:{session_id}"
        fields: Any = await cluster.redis.hmget(key, "epoch", "seq", "current")
        epoch, seq, current = fields
        heads[name] = ((epoch or b"").decode(), int(seq or 0))
        if current:
            busy = f"{name} has the turn {current.decode()}"
    return heads, busy


async def _work(cluster: Cluster, *, bridged: bool) -> str | None:
    """What there is to do yet."""
    client, prefixes = cluster.redis, cluster.prefixes
    if leases := sum([await client.zcard(f"{prefix}leases") for prefix in prefixes]):
        return f"{leases} turns under leases"
    if ready := sum([await client.llen(f"{prefix}r:default") for prefix in prefixes]):
        return f"{ready} turns ready"
    if records := sum([await client.xlen(f"{prefix}outbox") for prefix in prefixes]):
        return f"{records} records on their way to SQL"
    for what, kind in ((_WAITING, "dw"), (_LEASED, "dl")) if bridged else ():
        if any([await client.zcard(f"{prefix}{kind}:{CHANNEL}:default") for prefix in prefixes]):
            return what
    return None


async def _run_out(cluster: Cluster, bridges: Sequence[Bridge], recorder: Recorder) -> None:
    """Let what bridges took and lost be taken again now, instead of at its lease's end. None is at work meanwhile."""
    async with AsyncExitStack() as stack:
        for bridge in bridges:
            await stack.enter_async_context(bridge.at_work)
        recorder.fault(LEASES_RUN_OUT, CHANNEL)
        for prefix in cluster.prefixes:
            leased = f"{prefix}dl:{CHANNEL}:default"
            deliveries: Any = await cluster.redis.zrange(leased, 0, -1)
            for delivery in deliveries:
                await cluster.redis.zadd(leased, {delivery: 1}, xx=True)


async def complete_history(
    cluster: Cluster, cast: Cast, sessions: dict[str, str], reader: LogReader, recorder: Recorder, seed: int
) -> None:
    """Write what devices show, what SQL and the tools' tables hold, and what is left in Redis."""
    await reader.look()
    for device in cast.devices:
        view = device.view
        if view is not None:
            recorder.write(
                Shown(
                    at_ns=now_ns(),
                    device=device.name,
                    session=device.session,
                    epoch=view.epoch,
                    seq=view.seq,
                    messages=msgspec.to_builtins(view.messages),
                    turn=msgspec.to_builtins(view.turn),
                    queue=msgspec.to_builtins(view.queue),
                )
            )
    for left in await remains(cluster, cast, seed):
        recorder.write(left)
    for row in turn_rows(cluster.sql, sessions):
        recorder.write(row)
    for tool_row in tool_rows(cluster.sales, sessions):
        recorder.write(tool_row)
    recorder.write(await count(cluster))


def turn_rows(path: Path, sessions: dict[str, str]) -> list[TurnRow]:
    """Every turn on the books; of erased sessions there are only numbers, of nobody."""
    with closing(sqlite3.connect(path)) as sql:
        sql.row_factory = sqlite3.Row
        messages: dict[str, list[dict[str, Any]]] = {}
        for row in sql.execute("SELECT * FROM messages ORDER BY position"):
            messages.setdefault(row["turn_id"], []).append(_message(row))
        turns: dict[str, list[sqlite3.Row]] = {}
        for row in sql.execute("SELECT * FROM turns WHERE session_id IS NOT NULL"):
            turns.setdefault(row["turn_id"], []).append(row)
    return [
        TurnRow(
            at_ns=now_ns(),
            session=sessions.get(rows[0]["session_id"], rows[0]["session_id"]),
            turn_id=turn_id,
            outcome=rows[0]["outcome"],
            rows=len(rows),
            messages=messages.get(turn_id, []),
            cost_microusd=rows[0]["cost_microusd"],
        )
        for turn_id, rows in turns.items()
    ]


def tool_rows(path: Path, sessions: dict[str, str]) -> list[ToolRow]:
    """Every row that `create_follow_up` left; none where the tool is not there."""
    with closing(sqlite3.connect(path)) as sql:
        sql.row_factory = sqlite3.Row
        if not sql.execute("SELECT 1 FROM sqlite_master WHERE name = 'follow_ups'").fetchall():
            return []
        rows = [dict(row) for row in sql.execute("SELECT * FROM follow_ups")]
    return [
        ToolRow(
            at_ns=now_ns(),
            tool="create_follow_up",
            session=sessions.get(str(row.get("session_id", "")), str(row.get("user_id", ""))),
            call_id=str(row.get("call_id", row.get("idempotency_key", ""))),
            note=str(row["note"]),
        )
        for row in rows
    ]


def _message(row: sqlite3.Row) -> dict[str, Any]:
    """A row of the books' messages as a snapshot has it."""
    return {
        "message_id": row["message_id"],
        "turn_id": row["turn_id"],
        "role": row["role"],
        "content": row["text"],
        "status": row["status"],
        **({"re": row["re"]} if row["re"] is not None else {}),
        **({"replaced_by": row["replaced_by"]} if row["replaced_by"] is not None else {}),
    }


async def count(cluster: Cluster) -> Counts:
    """What is in Redis now."""
    client = cluster.redis
    keys = [key async for key in client.scan_iter(count=1000)]
    pipe = client.pipeline(transaction=False)
    for key in keys:
        pipe.ttl(key)
    ttls = await pipe.execute()
    prefixes = cluster.prefixes
    ready = [key for key in keys if key.startswith(tuple(f"{prefix}r:".encode() for prefix in prefixes))]
    return Counts(
        at_ns=now_ns(),
        keys=len(keys),
        keys_without_ttl=sorted(key.decode() for key, ttl in zip(keys, ttls, strict=True) if ttl == -1),
        outbox=sum([await client.xlen(f"{prefix}outbox") for prefix in prefixes]),
        leases=sum([await client.zcard(f"{prefix}leases") for prefix in prefixes]),
        ready=sum([await client.llen(key) for key in ready]),
    )
