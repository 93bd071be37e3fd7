"""One run: cluster up, users talk, faults strike, all becomes quiet, the history is completed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
from loguru import logger

from tests.chaos.cluster import Cluster, cluster
from tests.chaos.device import Device
from tests.chaos.ending import complete_history, quiet
from tests.chaos.faults import Injector
from tests.chaos.history import Plan
from tests.chaos.order import canary
from tests.chaos.plan import make_plan
from tests.chaos.profiles import PROFILES, Profile
from tests.chaos.recording import Recorder, now_ns
from tests.chaos.redis_reader import LogReader
from tests.chaos.rolling import roll
from tests.chaos.soak import watch_memory
from tests.chaos.user import User

CANCEL_S: Final = 2.0
"""What was cancelled has so long to end before it is cancelled again."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for on the command line."""

    seed: int
    profile: str
    out: Path
    seconds: float | None = None
    """None: the profile's."""
    redis: str = "valkey"
    mutant: str | None = None
    """A seeded bug (tests/chaos/mutants.py)."""


async def run(options: Options) -> None:
    """Do a run; its history lies in `<out>/history`."""
    profile = PROFILES[options.profile]
    names = [f"user-{number}" for number in range(1, profile.users + 1)]
    settings = {"DRAIN_S": "4"} if options.profile == "rolling" else {}
    async with cluster(
        options.out, seed=options.seed, flavour=options.redis, mutant=options.mutant, **settings
    ) as running:
        recorder = Recorder(options.out / "history/run.jsonl")
        try:
            recorder.write(
                Plan(
                    at_ns=now_ns(),
                    seed=options.seed,
                    profile=options.profile,
                    sessions={name: canary(options.seed, name) for name in names},
                )
            )
            await _talk(options, profile, names, running, recorder)
        finally:
            recorder.close()


async def _talk(options: Options, profile: Profile, names: list[str], running: Cluster, recorder: Recorder) -> None:
    seconds = options.seconds or profile.seconds
    ports = [node.port for node in running.nodes]
    users = [_user(name, options.seed, profile, ports, recorder) for name in names]
    devices = [device for user in users for device in user.devices]
    sessions: dict[str, str] = {}
    reader = LogReader(running.redis, recorder, sessions)
    injector = Injector(running, devices, recorder, reader, make_plan(options.seed, profile, seconds))
    async with (
        background(_know(sessions, devices), reader.run()),
        background(*(device.run() for device in devices)),
        background(*(user.answer_approvals() for user in users)),
    ):
        async with background(*(user.talk() for user in users)):
            match options.profile:
                case "rolling":
                    await roll(running, devices, recorder)
                case "soak":
                    await watch_memory(running, seconds, options.out / "soak.json")
                case _:
                    await asyncio.gather(injector.run(), asyncio.sleep(seconds))
        await quiet(running, devices, sessions, recorder, profile.quiet_s)
        await complete_history(running, devices, sessions, reader, recorder)
        recorder.flush()
        for user in users:
            await user.leave()


def _user(name: str, seed: int, profile: Profile, ports: list[int], recorder: Recorder) -> User:
    places = ("laptop",) if profile.users > 50 else ("phone", "laptop")
    devices = [
        Device(
            name=f"{name}.{place}",
            session=name,
            ports=ports,
            recorder=recorder,
            chance=random.Random(f"{seed}/{name}/{place}"),
        )
        for place in places
    ]
    chance = random.Random(f"{seed}/{name}")
    return User(name=name, devices=devices, habits=profile.habits, chance=chance, recorder=recorder)


async def _know(sessions: dict[str, str], devices: list[Device]) -> None:
    """Keep the list of sessions that the log's reader follows."""
    while True:
        for device in devices:
            for session_id in device.session_ids:
                sessions.setdefault(session_id, device.session)
        await asyncio.sleep(0.02)


@asynccontextmanager
async def background(*work: Awaitable[None]) -> AsyncIterator[None]:
    """Do work beside a block; what fails in it fails the run."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_as_coroutine(one)) for one in work]
        yield
        pending = set(tasks)
        while pending:  # a cancellation may be lost in a library that was just connecting
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=CANCEL_S)
            for task in pending:
                logger.warning("chaos.lingers", task=repr(task))


async def _as_coroutine(work: Awaitable[None]) -> None:
    await work
