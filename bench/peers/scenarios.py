"""The work that peers are measured on: scenarios of `python -m bench`, each with one load for all."""

from __future__ import annotations

from typing import Final

import msgspec

from bench import scenarios
from bench.load import Load
from bench.loading import LoadRun
from bench.measures import OTHERS, Scenario
from bench.peers import chainlit, python_socketio
from bench.probes.idle import IdleRun

NAMES: Final = ("throughput", "paced-40", "first-token-20", "idle")
_SOME, _MOST = 2500, 5000
"""Idle connections: half of the bench's full profile. Hundreds would fit into what the load before them freed."""
_TOKENS: Final = 300
"""In an answer of the unthrottled load: what a turn costs, whatever its length, is shared by as many everywhere."""
_ALL_REPEATS: Final = 99


def plan() -> tuple[Scenario, ...]:
    """Give the scenarios, in the sizes of the quick profile; all but idle connections are repeated as often as told."""
    every = {scenario.name: scenario for scenario in scenarios.plan(full=False)}
    repeated = [msgspec.structs.replace(every[name], most_repeats=_ALL_REPEATS) for name in NAMES[1:-1]]
    return (_throughput(every[NAMES[0]]), *repeated, _with_sockets(every[NAMES[-1]]))


def _throughput(unthrottled: Scenario) -> Scenario:
    """Give every system the same answers: the bench's own gives each as many tokens as keep it busy."""
    run = LoadRun(Load(conversations=100, ttft_ms=5, tokens=_TOKENS))
    how = f"From the first question to the end of the last of 100 answers of {_TOKENS} tokens that begin at once."
    return msgspec.structs.replace(
        unthrottled, how=how, runs=dict.fromkeys(("direct", "naive", "prosa", OTHERS), run), most_repeats=_ALL_REPEATS
    )


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
