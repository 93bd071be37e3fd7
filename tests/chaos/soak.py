"""Steady load: what Redis holds at the quarters of the time."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.chaos.cluster import Cluster
from tests.chaos.ending import count


async def watch_memory(cluster: Cluster, seconds: float, path: Path) -> None:
    """Note keys, entries of logs and memory at the beginning and at each quarter; written to `path`."""
    notes: list[dict[str, Any]] = []
    for quarter in range(5):
        memory = await cluster.redis.info("memory")
        counts = await count(cluster)
        notes.append(
            {
                "quarter": quarter,
                "keys": counts.keys,
                "keys_without_ttl": counts.keys_without_ttl,
                "outbox": counts.outbox,
                "used_memory": memory["used_memory"],
                "node_rss_bytes": {member.name: _rss(member.pid) for member in cluster.members},
            }
        )
        path.write_text(json.dumps(notes, indent=1))
        if quarter < 4:
            await asyncio.sleep(seconds / 4)


def _rss(pid: int) -> int:
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * 4096
