"""Every fault of the plan, by kind, and how it is done.

    kill_worker                SIGKILL; its lifeline tells at once       kill_node       SIGKILL of a web node
    kill_worker_and_lifeline   the machine is gone: leases run out       drain           SIGTERM, then started anew
    kill_point                 SIGKILL before or after a journal write   pause_worker, pause_node  SIGSTOP for 2-10 s
    kill_redis                 SIGKILL, then started anew                cut_aof         the same, the file's tail cut
    cut_connections            connections to Redis cut                  cut_pubsub      only those that listen
    cut_reply                  cut between a command and its reply       drop_messages   pub/sub messages swallowed
    delay                      Redis is far away for a while             half_open       a connection swallows all
    client_cut                 a device loses its network                client_flap     the same each 100 ms
    client_stops_reading       a device stops reading for some seconds
    bridge_cut, bridge_flap    as client_cut and client_flap

kill_point and pause_worker strike who runs turns, a node that does so too; of them those first that run one now.

Made elsewhere: same_cid_twice (user.py); provider_429, _500, _hang, _cut, _garbage and tool_hang (provider.py). A
kill_point is noted by the process that dies, as kill_<point>.
"""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import suppress
from typing import Final

from tests.chaos.bridge import Bridge
from tests.chaos.cluster import Cluster, Member
from tests.chaos.device import Device
from tests.chaos.node import POINTS
from tests.chaos.plan import Strike
from tests.chaos.recording import Recorder
from tests.chaos.redis_reader import LogReader

STARTS: Final = 5
"""How often a process that gives up is started again, as whatever runs it would do."""
ALONE: Final = 0.8
"""Only a strike of at least this size is aimed at the last one of its kind that is up: else little would go on."""


class Injector:
    """Does what a plan says. `run` returns when all is mended."""

    def __init__(
        self,
        cluster: Cluster,
        devices: Sequence[Device],
        bridges: Sequence[Bridge],
        recorder: Recorder,
        reader: LogReader,
        plan: Sequence[Strike],
    ) -> None:
        self._cluster = cluster
        self._devices = devices
        self._bridges = bridges
        self._recorder = recorder
        self._reader = reader
        self._plan = plan
        self._redis_lock = asyncio.Lock()
        self.skipped = 0
        """Faults whose target was in another's hands already."""
        self.restarts = 0
        """How often Redis was killed."""

    async def run(self, enough: asyncio.Event) -> None:
        """Strike on time until it is enough; each fault takes its own time."""
        began_s = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for strike in self._plan:
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(0.0, began_s + strike.at_s - time.monotonic())):
                        await enough.wait()
                if enough.is_set():
                    return
                tasks.create_task(self._strike(strike), name=strike.kind)

    async def _strike(self, strike: Strike) -> None:
        kinds: dict[str, Callable[[Strike], Awaitable[None]]] = {
            "kill_worker": self._kill_worker,
            "kill_worker_and_lifeline": self._kill_worker,
            "kill_node": self._kill_node,
            "kill_point": self._kill_point,
            "pause_worker": self._pause,
            "pause_node": self._pause,
            "drain": self._drain,
            "kill_redis": self._kill_redis,
            "cut_aof": self._kill_redis,
            "cut_connections": self._cut,
            "cut_pubsub": self._cut,
            "cut_reply": self._cut,
            "drop_messages": self._cut,
            "half_open": self._cut,
            "delay": self._delay,
            "client_cut": self._client,
            "client_flap": self._client,
            "client_stops_reading": self._client,
            "bridge_cut": self._bridge,
            "bridge_flap": self._bridge,
        }
        await kinds[strike.kind](strike)

    # ------------------------------------------------------------ processes

    async def _kill_worker(self, strike: Strike) -> None:
        worker = await self._pick_busy(self._cluster.workers, strike)
        if worker is None:
            return
        async with worker.lock:
            hit = await self._cluster.turns_of(worker)
            self._recorder.fault(strike.kind, worker.name, hit)
            if strike.kind == "kill_worker":
                worker.send(signal.SIGKILL)
            else:
                worker.kill_all()
            await self._start_anew(worker, strike)

    async def _kill_node(self, strike: Strike) -> None:
        node = self._pick(self._cluster.nodes, strike)
        if node is None:
            return
        async with node.lock:
            self._recorder.fault(strike.kind, node.name, await self._turns_at(node))
            node.kill_all()
            await self._start_anew(node, strike)

    async def _kill_point(self, strike: Strike) -> None:
        """Arm who runs turns; it dies by itself, at the latest with the turns of the next seconds."""
        member = await self._pick_busy(self._cluster.executors, strike)
        if member is None:
            return
        async with member.lock:
            wish = {"point": POINTS[strike.choice % len(POINTS)], "after": 1 + strike.choice // 4 % 3}
            (self._cluster.folder / "control" / f"{member.name}.point").write_text(json.dumps(wish))
            member.send(signal.SIGUSR1)
            try:
                async with asyncio.timeout(8):
                    await member.gone()
            except TimeoutError:
                kind = "kill_worker" if member.is_worker else "kill_node"
                self._recorder.fault(kind, member.name, await self._turns_at(member))
                member.send(signal.SIGKILL)
            await self._start_anew(member, strike)

    async def _pause(self, strike: Strike) -> None:
        if strike.kind == "pause_worker":
            member = await self._pick_busy(self._cluster.executors, strike)
        else:
            member = self._pick(self._cluster.nodes, strike)
        if member is None:
            return
        async with member.lock:
            self._recorder.fault(strike.kind, member.name, await self._turns_at(member))
            member.send(signal.SIGSTOP)
            await asyncio.sleep(2 + 8 * strike.size**2)
            member.send(signal.SIGCONT)
            self._recorder.fault(strike.kind, member.name, ended=True)

    async def _drain(self, strike: Strike) -> None:
        member = self._pick(self._cluster.members, strike)
        if member is None:
            return
        async with member.lock:
            self._recorder.fault(strike.kind, member.name, await self._turns_at(member))
            member.send(signal.SIGTERM)
            await self._start_anew(member, strike)
            self._recorder.fault(strike.kind, member.name, ended=True)

    async def _start_anew(self, member: Member, strike: Strike) -> None:
        await gone(member)
        await asyncio.sleep(0.1 + 0.6 * strike.size)
        async with self._redis_lock:  # a node that finds no Redis at its start gives up, rightly
            for _ in range(STARTS - 1):  # and so does one whose first words to Redis are cut: it is started again
                with suppress(RuntimeError):
                    await member.start()
                    return
            await member.start()

    # ------------------------------------------------------------ Redis and the way to it

    async def _kill_redis(self, strike: Strike) -> None:
        """Kill and restart. The proxy lets nobody in before the log that came back was read."""
        if self._redis_lock.locked():
            self.skipped += 1
            return
        async with self._redis_lock:
            server, cluster = self._cluster.redis_server, self._cluster
            hit = set(await cluster.turns_under_lease())
            self.restarts += 1
            await asyncio.to_thread(server.kill)
            self._recorder.fault(strike.kind, "redis", hit)  # now: what was begun before it may be lost
            await cluster.tell_proxy(do="refuse")
            await asyncio.sleep(0.1 + 1.5 * strike.size)
            await asyncio.to_thread(server.start)
            await self._reader.look()
            if strike.kind == "cut_aof":
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(self._cut_tail, strike)
                await asyncio.to_thread(server.start)
                await self._reader.look()
            await cluster.tell_proxy(do="accept")
            self._recorder.fault(strike.kind, "redis", ended=True)
            await asyncio.sleep(0.5)

    def _cut_tail(self, strike: Strike) -> None:
        folder = self._cluster.redis_server.folder / "appendonlydir"
        path = max(folder.glob("*.incr.aof"), key=lambda file: int(file.name.split(".")[-3]))
        size = path.stat().st_size
        with path.open("rb+") as file:
            file.truncate(max(0, size - 100 - int(30_000 * strike.size**2)))

    async def _cut(self, strike: Strike) -> None:
        wishes = {
            "cut_connections": {"do": "cut", "which": "all", "share": 0.1 + 0.6 * strike.size},
            "cut_pubsub": {"do": "cut", "which": "pubsub", "share": 0.2 + 0.8 * strike.size},
            "cut_reply": {"do": "cut_reply", "which": "commands", "share": 0.1 + 0.3 * strike.size},
            "drop_messages": {"do": "drop", "which": "pubsub", "share": 0.4, "count": 1 + int(3 * strike.size)},
            "half_open": {"do": "half_open", "which": "all", "share": 0.1},
        }
        running = await self._cluster.turns_under_lease()
        struck = await self._cluster.tell_proxy(**wishes[strike.kind])
        webs = [index for index, node in enumerate(self._cluster.nodes) if node.node_id in struck]
        hit = {turn for turn, node in running.items() if node in struck}
        hit.update(*(self._watched(index) for index in webs))
        self._recorder.fault(strike.kind, f"connections of {len(struck)} processes", hit)

    async def _delay(self, strike: Strike) -> None:
        delay_ms = round(5 + 245 * strike.size**2)
        self._recorder.fault(strike.kind, f"{delay_ms} ms each way", set(await self._cluster.turns_under_lease()))
        await self._cluster.tell_proxy(do="delay", ms=delay_ms)
        await asyncio.sleep(2)
        await self._cluster.tell_proxy(do="delay", ms=0)
        self._recorder.fault(strike.kind, "redis", ended=True)

    # ------------------------------------------------------------ clients

    async def _client(self, strike: Strike) -> None:
        device = self._devices[strike.choice % len(self._devices)]
        self._recorder.fault(strike.kind, device.name, running_turns([device]))
        now_s = time.monotonic()
        match strike.kind:
            case "client_cut":
                device.cut()
            case "client_flap":
                device.flap_until_s = now_s + 1 + 2 * strike.size
            case _:
                device.deaf_until_s = now_s + 1 + 6 * strike.size

    async def _bridge(self, strike: Strike) -> None:
        bridge = self._bridges[strike.choice % len(self._bridges)]
        self._recorder.fault(strike.kind, bridge.name)
        if strike.kind == "bridge_cut":
            bridge.cut()
        else:
            bridge.flap_until_s = time.monotonic() + 1 + 2 * strike.size

    # ------------------------------------------------------------ helpers

    async def _pick_busy(self, members: Sequence[Member], strike: Strike) -> Member | None:
        """As `_pick`, but one that runs turns now, if any does: at an idle one the fault would show nothing."""
        busy = set((await self._cluster.turns_under_lease()).values())
        return self._pick(members, strike, busy)

    def _pick(self, members: Sequence[Member], strike: Strike, busy: Collection[str] = ()) -> Member | None:
        """A member that is up and in nobody's hands, of those whose node ids are `busy` first; None where there is none."""
        free = [member for member in members if member.is_up and not member.lock.locked()]
        if not free or (len(free) == 1 and strike.size < ALONE):
            self.skipped += 1
            return None
        wanted = [member for member in free if member.node_id in busy] or free
        return wanted[strike.choice % len(wanted)]

    async def _turns_at(self, member: Member) -> set[str]:
        """The turns that run on a member, and those that are watched through it."""
        running = await self._cluster.turns_of(member) if member.runs_turns else set()
        return running if member.is_worker else running | self._watched(self._cluster.nodes.index(member))

    def _watched(self, node: int) -> set[str]:
        return running_turns(device for device in self._devices if device.node == node)


def running_turns(devices: Iterable[Device]) -> set[str]:
    """The running turns that devices show."""
    views = (device.view for device in devices)
    return {view.turn.turn_id for view in views if view is not None and view.turn is not None}


async def gone(member: Member, patience_s: float = 15.0) -> None:
    """Wait for a process's end; one that does not end is killed."""
    try:
        async with asyncio.timeout(patience_s):
            await member.gone()
    except TimeoutError:
        member.kill_all()
        await member.gone()
