"""One run: cluster up, users talk, faults strike, all becomes quiet, the history is completed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from tests.chaos.activity import LONGEST, Activity, least_of
from tests.chaos.background import background
from tests.chaos.cast import Cast, assemble
from tests.chaos.cluster import Cluster, cluster
from tests.chaos.device import Device
from tests.chaos.ending import complete_history
from tests.chaos.errands import Errands
from tests.chaos.faults import Injector
from tests.chaos.plan import make_plan
from tests.chaos.profiles import PROFILES, Profile
from tests.chaos.quiet import Ending
from tests.chaos.recording import Recorder
from tests.chaos.redis_reader import LogReader
from tests.chaos.rolling import roll
from tests.chaos.soak import watch_memory


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for on the command line."""

    seed: int
    profile: str
    out: Path
    seconds: float | None = None
    """None: the profile's."""
    redis: str = "valkey"
    partitions: int = 1
    mutant: str | None = None
    """A seeded bug (tests/chaos/mutants.py)."""


async def run(options: Options) -> None:
    """Do a run; its history lies in `<out>/history`."""
    profile = PROFILES[options.profile]
    settings = {"DRAIN_S": "4"} if options.profile == "rolling" else {}
    async with cluster(
        options.out,
        seed=options.seed,
        flavour=options.redis,
        mutant=options.mutant,
        partitions=options.partitions,
        **settings,
    ) as running:
        recorder = Recorder(options.out / "history/run.jsonl")
        cast = assemble(options.seed, profile, [node.port for node in running.nodes], recorder)
        try:
            recorder.write(cast.plan(options.seed, options.profile))
            await _talk(options, profile, cast, running, recorder)
        finally:
            recorder.close()


async def _talk(options: Options, profile: Profile, cast: Cast, running: Cluster, recorder: Recorder) -> None:
    seconds = options.seconds or profile.seconds
    devices = cast.devices
    sessions: dict[str, str] = {}
    reader = LogReader(running, recorder, sessions)
    plan = make_plan(options.seed, profile, seconds * LONGEST)
    injector = Injector(running, devices, cast.bridges, recorder, reader, plan)
    activity = Activity(least_of(profile, options.seconds), reader, recorder)
    errands = Errands(cast, running, injector, recorder, seconds)
    await errands.prepare()
    async with (
        background(_know(sessions, devices), reader.run()),
        background(*(device.run() for device in devices), *(bridge.run() for bridge in cast.bridges)),
        background(*(user.answer_approvals() for user in cast.users)),
    ):
        async with background(*(user.talk() for user in cast.talkers), errands.run()):
            match options.profile:
                case "rolling":
                    await roll(running, devices, recorder)
                case "soak":
                    await watch_memory(running, seconds, options.out / "soak.json")
                case _:
                    await asyncio.gather(injector.run(activity.enough), activity.watch(seconds), errands.finished())
        await Ending(running, cast, sessions, reader, recorder).quiet(profile.quiet_s)
        await complete_history(running, cast, sessions, recorder, options.seed)
        recorder.flush()
        for user in cast.users:
            await user.leave()


async def _know(sessions: dict[str, str], devices: list[Device]) -> None:
    """Keep the list of sessions that the log's reader follows."""
    while True:
        for device in devices:
            for session_id in device.session_ids:
                sessions.setdefault(session_id, device.session)
        await asyncio.sleep(0.02)
