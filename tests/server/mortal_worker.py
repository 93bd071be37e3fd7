"""A worker as a process of its own that can be killed: `mortal_worker.py <redis url> <data dir> <node> <lease in ms>`.

It takes turns, says of each one `runs <turn id> pid-of-its-lifeline` on stdout, and never ends any.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from core.measurements import NoMeasure
from core.turns import TakenTurn
from memory.backends import open_memory
from server.lifeline_holder import LifelineHolder
from server.worker import Worker


async def main(redis_url: str, data_dir: str, node: str, lease_ms: str) -> None:
    """Work until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    holder = LifelineHolder("memory.dead_node", [redis_url, "1", node])
    holding = asyncio.create_task(holder.run())
    while holder.pid is None:
        await asyncio.sleep(0.01)

    async def run(turn: TakenTurn) -> None:
        sys.stdout.write(f"runs {turn.input.turn_id} {holder.pid}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()

    async with (
        open_memory(redis_url=redis_url, data_dir=Path(data_dir), node=node, lease_ms=int(lease_ms)) as memory,
        Worker(queue=memory.queue, run_turn=run, measure=NoMeasure(), most=4, drain_s=0),
    ):
        await stop.wait()
    holding.cancel()
    await asyncio.wait([holding])


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
