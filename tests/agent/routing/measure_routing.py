"""What routing costs: `python -m tests.agent.routing.measure_routing [calls]`. Prints; no test.

The same scripted answer of 20 deltas is read straight from the provider and through router, retry, breaker and
fallback, in turns, so that a machine that gets slower does so for both. One call at a time, so time is CPU time.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

from agent.providers.scripted import Say, ScriptedProvider
from agent.routing.breaker import Breaker
from agent.routing.chain import routed
from agent.routing.policy import load_policies
from agent.routing.router import Router
from agent.settings import AgentConfig, PromptRef
from core.experiments import Experiment, Variant
from core.messages import UserMessage
from core.models import ModelRequest, RoutedEvent
from core.ports import RoutedProvider
from tests.agent.agent_support import taken

DELTAS = 20
ROUNDS = 9


async def read(provider: RoutedProvider, request: ModelRequest) -> int:
    async with provider.stream(request) as events:
        return await count(events)


async def count(events: AsyncIterator[RoutedEvent]) -> int:
    return sum([1 async for _ in events])


async def main(calls: int) -> None:
    vendor = ScriptedProvider([[Say("word ")] * DELTAS], repeat=True)
    guarded = Breaker(vendor)
    arms = tuple(Variant(name=name) for name in ("a", "b"))
    agent = AgentConfig(
        name="sales",
        title="Sales",
        instructions=PromptRef(id="sales", version=1),
        policy="seed",
        experiment=Experiment(name="e", variants=arms),
    )
    policies = load_policies(Path(__file__).parents[3] / "agents" / "policies")
    names = ("scripted", "openai", "google", "ollama")
    router = Router(dict.fromkeys(names, guarded), "scripted:m", ["scripted:n"], policies=policies)
    request = ModelRequest(model="m", messages=(UserMessage(content="oi"),))
    turn = taken()

    async def plain() -> None:
        await read(vendor, request)

    async def through() -> None:
        await read(routed(await router(turn, agent)), request)

    times: dict[str, list[float]] = {"plain": [], "through": []}
    for _ in range(ROUNDS):
        for name, work in (("plain", plain), ("through", through)):
            began = time.perf_counter()
            for _ in range(calls):
                await work()
            times[name].append((time.perf_counter() - began) / calls * 1e6)
    straight, routed_us = (statistics.median(times[name]) for name in ("plain", "through"))
    added = routed_us - straight
    print(f"straight {straight:.0f} us, routed {routed_us:.0f} us a call of {DELTAS} deltas: {added:.0f} us added")  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 500))
