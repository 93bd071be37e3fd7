"""A rolling restart of everything while many turns run."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence
from typing import Final

from tests.chaos.cluster import Cluster
from tests.chaos.device import Device
from tests.chaos.faults import gone, running_turns
from tests.chaos.recording import Recorder

ALL_RUN_S: Final = 25.0


async def roll(cluster: Cluster, devices: Sequence[Device], recorder: Recorder) -> None:
    """Wait until every user's turn runs; restart workers and nodes one after the other; wait until all have ended."""
    until_s = time.monotonic() + ALL_RUN_S
    while time.monotonic() < until_s and sum(map(_speaks, devices)) < len(devices):
        await asyncio.sleep(0.1)
    for member in [*cluster.workers, *cluster.nodes]:
        if member.is_worker:
            hit = await cluster.turns_of(member)
        else:
            index = cluster.nodes.index(member)
            hit = running_turns(device for device in devices if device.node == index)
        recorder.fault("drain", member.name, hit)
        member.send(signal.SIGTERM)
        await gone(member)
        await member.start()
        recorder.fault("drain", member.name, ended=True)
        await asyncio.sleep(1.0)


def _speaks(device: Device) -> bool:
    view = device.view
    return view is not None and view.turn is not None and view.turn.message_id is not None
