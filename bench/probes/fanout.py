"""One session read by many at once, over two nodes: events delivered for a second of the nodes' CPU, none lost."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any, Final

import msgspec

from bench.child import Child
from bench.measures import Place, Sample
from bench.systems import System, start_prosa
from bench.valkey import start_valkey

_EVENTS_A_BATCH: Final = 100
_PACE: Final = 20.0
"""Single events a second, where latency is measured."""


class FanOutRun(msgspec.Struct, frozen=True, kw_only=True):
    """`rounds` batches go to `readers` readers; 0: only latency is measured."""

    readers: int
    rounds: int
    tokens: int
    paced_events: int

    def __call__(self, place: Place, system: str, name: str) -> Sample:
        """Run on two nodes and a Valkey of its own."""
        folder = place.own_folder(name)
        with ExitStack() as stack:
            valkey = start_valkey(stack, place.cores, folder, "shared")
            nodes = [
                start_prosa(stack, place.upstream, place.cores, folder, redis=valkey, name=f"node{number}")
                for number in (1, 2)
            ]
            readers = stack.enter_context(Child("bench.readers", [], place.cores))
            readers.ask(do="open", ports=[node.port for node in nodes], readers=self.readers, redis_url=valkey.url)
            asked, asked_s = _counted(nodes, readers, do="ask", tokens=self.tokens)
            paced = readers.ask(do="pace", rate=_PACE, events=self.paced_events)
            values = {
                "tokens_delivered_per_s": self.tokens * self.readers / asked_s,
                "first_reader_p50_ms": paced["latency"]["p50"],
                "first_reader_p99_ms": paced["latency"]["p99"],
            }
            problems = [*asked["problems"], *paced["problems"]]
            if self.rounds:
                readers.ask(do="burst", rounds=2, events=_EVENTS_A_BATCH)
                burst, burst_s = _counted(nodes, readers, do="burst", rounds=self.rounds, events=_EVENTS_A_BATCH)
                singly, singly_s = _counted(nodes, readers, do="burst", rounds=self.rounds, events=1)
                values["delivered_singly_per_s"] = singly["events"] / singly_s
                problems += singly["problems"]
                expected = self.rounds * _EVENTS_A_BATCH * self.readers
                values["delivered_per_s"] = burst["events"] / burst_s
                problems += burst["problems"]
                if burst["events"] != expected:
                    problems.append(f"{burst['events']} of {expected} events were delivered")
        return Sample(values=values, problems=tuple(problems))


def _counted(nodes: list[System], readers: Child, **question: Any) -> tuple[Any, float]:
    """Ask the readers to do something; gives their answer and the CPU seconds that the nodes took."""
    before = _server_s(nodes)
    answer = readers.ask(**question)
    time.sleep(0.05)  # the last of a node's work may come after the last byte
    return answer, _server_s(nodes) - before


def _server_s(nodes: list[System]) -> float:
    return sum(node.process.cpu().server_s for node in nodes if node.process is not None)
