"""The work that peers are measured on: scenarios of `python -m bench`, each with one load for all."""

from __future__ import annotations

from typing import Final

import msgspec

from bench import scenarios
from bench.measures import Scenario
from bench.peers import chainlit, python_socketio
from bench.probes.idle import IdleRun

NAMES: Final = ("throughput-300", "paced-40", "first-token-20", "idle")
_SOME, _MOST = 2500, 5000
"""Idle connections: half of the bench's full profile. Hundreds would fit into what the load before them freed."""
_ALL_REPEATS: Final = 99


def plan() -> tuple[Scenario, ...]:
    """Give the scenarios, in the sizes of the quick profile; all but idle connections are repeated as often as told."""
    every = {scenario.name: scenario for scenario in scenarios.plan(full=False)}
    repeated = [msgspec.structs.replace(every[name], most_repeats=_ALL_REPEATS) for name in NAMES[:-1]]
    return (*repeated, _with_sockets(every[NAMES[-1]]))


def _with_sockets(idle: Scenario) -> Scenario:
    """Take peers in whose clients stay connected."""
    run = IdleRun(some=_SOME, most=_MOST, window_s=3.0)
    names = ("naive", "prosa", chainlit.PEER.name, python_socketio.PEER.name)
    title = f"idle connections, each with an open session: {_SOME:,} and {_MOST:,}"
    how = (
        f"Growth of the process's RSS by the first {_SOME:,}, settled; all {_MOST:,} answer a ping afterwards. Beside "
        "10 and beside all of them 40 conversations at 50 tokens/s. Naive: a bare Starlette WebSocket that stays open."
    )
    return msgspec.structs.replace(idle, title=title, how=how, runs=dict.fromkeys(names, run))
