"""The end of a run: wait until nothing goes on any more, then write down what is there."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import redis

from tests.chaos.cluster import PREFIX, Cluster
from tests.chaos.device import Device
from tests.chaos.history import Counts, Shown, Stopped, ToolRow, TurnRow
from tests.chaos.recording import Recorder, now_ns
from tests.chaos.redis_reader import LogReader


async def quiet(
    cluster: Cluster, devices: Sequence[Device], sessions: dict[str, str], recorder: Recorder, patience_s: float
) -> None:
    """Mend what is broken and wait until every turn has ended and every device has caught up; else `Stopped`."""
    await cluster.tell_proxy(do="delay", ms=0)
    await cluster.tell_proxy(do="accept")
    for device in devices:
        device.flap_until_s = device.deaf_until_s = 0.0
    until_s = time.monotonic() + patience_s
    while (what := await _goes_on(cluster, devices, sessions)) is not None and time.monotonic() < until_s:
        recorder.flush()
        await asyncio.sleep(0.1)
    if what is None:
        return
    recorder.write(Stopped(at_ns=now_ns(), reason=f"not quiet {patience_s:.0f} s after the last fault: {what}"))


async def _goes_on(cluster: Cluster, devices: Sequence[Device], sessions: dict[str, str]) -> str | None:
    """What is not at rest yet; None: all is."""
    client = cluster.redis
    try:
        if leases := await client.zcard(f"{PREFIX}leases"):
            return f"{leases} turns under leases"
        if ready := await client.llen(f"{PREFIX}r:default"):
            return f"{ready} turns ready"
        if records := await client.xlen(f"{PREFIX}outbox"):
            return f"{records} records on their way to SQL"
        heads: dict[str, tuple[str, int]] = {}
        for session_id, name in sessions.items():
            fields: Any = await client.hmget(f"{PREFIX}s:{session_id}", "epoch", "seq", "current")
            epoch, seq, current = fields
            if current:
                return f"{name} has the turn {current.decode()}"
            heads[name] = ((epoch or b"").decode(), int(seq or 0))
    except (redis.RedisError, OSError) as error:
        return f"Redis is away: {error}"
    for device in devices:
        view = device.view
        if view is None or not device.is_live or (view.epoch, view.seq) != heads.get(device.session):
            at = None if view is None else (view.epoch, view.seq)
            return f"{device.name} is at {at}, live: {device.is_live}, the log at {heads.get(device.session)}"
    return None


async def complete_history(
    cluster: Cluster, devices: Sequence[Device], sessions: dict[str, str], reader: LogReader, recorder: Recorder
) -> None:
    """Write what devices show, what SQL and the tools' tables hold, and what is left in Redis."""
    await reader.look()
    for device in devices:
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
    for row in turn_rows(cluster.sql, sessions):
        recorder.write(row)
    for tool_row in tool_rows(cluster.sales, sessions):
        recorder.write(tool_row)
    recorder.write(await count(cluster))


def turn_rows(path: Path, sessions: dict[str, str]) -> list[TurnRow]:
    """Every turn on the books."""
    with closing(sqlite3.connect(path)) as sql:
        sql.row_factory = sqlite3.Row
        messages: dict[str, list[dict[str, Any]]] = {}
        for row in sql.execute("SELECT * FROM messages ORDER BY position"):
            messages.setdefault(row["turn_id"], []).append(_message(row))
        turns: dict[str, list[sqlite3.Row]] = {}
        for row in sql.execute("SELECT * FROM turns"):
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
    ready = [key for key in keys if key.startswith(f"{PREFIX}r:".encode())]
    return Counts(
        at_ns=now_ns(),
        keys=len(keys),
        keys_without_ttl=sorted(key.decode() for key, ttl in zip(keys, ttls, strict=True) if ttl == -1),
        outbox=await client.xlen(f"{PREFIX}outbox"),
        leases=await client.zcard(f"{PREFIX}leases"),
        ready=sum([await client.llen(key) for key in ready]),
    )
