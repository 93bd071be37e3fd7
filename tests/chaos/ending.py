"""The end of a run, when it is quiet (quiet.py): what is there is written down."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.chaos.cast import Cast
from tests.chaos.cluster import Cluster
from tests.chaos.history import Counts, ToolRow, TurnRow
from tests.chaos.recording import Recorder, now_ns
from tests.chaos.remains import remains


async def complete_history(
    cluster: Cluster, cast: Cast, sessions: dict[str, str], recorder: Recorder, seed: int
) -> None:
    """Write what SQL and the tools' tables hold, and what is left in Redis."""
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
