"""Says in a dead node's stead that its turns are free: called by a process of its own (`server/lifeline.py`).

Synchronous and small, because every millisecond of its start is one in which the turns wait: no event loop,
no links. What it cannot do, Redis away, happens anyway when the leases have run out.
"""

from __future__ import annotations

import time
from typing import Any, Final

import redis

from memory.keys import Keys
from memory.scripts import RELEASE_NODE

PATIENCE_S: Final = 10.0
_TIMEOUT_S: Final = 2.0
_PAUSE_S: Final = 0.2


def main(redis_url: str, partitions: str, node: str) -> int:
    """Release that node's turns; gives an exit code: 0, or 1 where Redis did not answer for 10 s."""
    deadline_s = time.monotonic() + PATIENCE_S
    while True:
        try:
            release_node(redis_url, int(partitions), node)
        except (redis.ConnectionError, redis.TimeoutError):
            if time.monotonic() > deadline_s:
                return 1
            time.sleep(_PAUSE_S)
        else:
            return 0


def release_node(redis_url: str, partitions: int, node: str) -> int:
    """Put the turns of a node that has died among the ready; gives how many. Raises redis-py's errors."""
    keys, count = Keys(partitions), 0
    with redis.Redis.from_url(redis_url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S) as client:
        info: Any = client.info("server")
        for partition in range(partitions):
            reply: Any = client.eval(RELEASE_NODE.text.decode(), 1, keys.prefix(partition), info["run_id"], node)
            count += int(reply[2])
    return count
