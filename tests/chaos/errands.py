"""What is done once to some users while faults strike: one is erased, one has a session merged into another.

Whoever asks for it asks until it is done, and once more where Redis restarted soon after: it may have forgotten
what it had not on its disk.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from tests.chaos.background import background
from tests.chaos.cast import OLD, Cast
from tests.chaos.cluster import Cluster, http
from tests.chaos.device import Device
from tests.chaos.faults import Injector
from tests.chaos.history import Erased, Merged
from tests.chaos.recording import Recorder, now_ns
from tests.chaos.user import User

ANSWER_S: Final = 40.0
"""A process that was stopped goes on with what it was asked: asked again meanwhile, it would do it twice."""
KEPT_S: Final = 2.5
"""So long after it was done it is on Redis' disk."""
GIVE_WAY_S: Final = 8.0
"""A session that is busy for so long is left in peace by its user until it is merged."""
SOON_S: Final = 15.0
MERGE_AT: Final = 0.35
ERASE_AT: Final = (0.5, 0.75)
"""Shares of the run."""


class Errands:
    """`prepare`, then `run` beside the talk, which ends with it; `finished` returns when all is done."""

    def __init__(self, cast: Cast, cluster: Cluster, injector: Injector, recorder: Recorder, seconds: float) -> None:
        self._cast, self._cluster, self._injector, self._recorder = cast, cluster, injector, recorder
        self._seconds = seconds
        self._chance = random.Random("errands")
        self._left = len(cast.leavers) + len(cast.movers)
        self._finished = asyncio.Event()
        self._done(0)

    async def prepare(self) -> None:
        """Make the sessions that end, so that their devices can ask for them by id: none will find its way to another."""
        for user, name in [
            *((user, "main") for user, _ in self._cast.leavers),
            *((source, OLD) for source, _ in self._cast.movers),
        ]:
            session_id = await self._session_id(user.user_id, name)
            for device in user.devices:
                device.ask_for(session_id)
                device.begin.set()

    async def run(self) -> None:
        """Do all errands; those who come back talk until this is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for source, target in self._cast.movers:
                tasks.create_task(self._merge(source, target))
            for (user, again), at in zip(self._cast.leavers, ERASE_AT, strict=False):
                tasks.create_task(self._erase(user, again, at * self._seconds))

    async def finished(self) -> None:
        """Wait until everybody is erased and merged."""
        await self._finished.wait()

    async def _erase(self, user: User, again: User, after_s: float) -> None:
        async with background(user.talk()):
            await asyncio.sleep(after_s)
            await _until(lambda: _is_answered(user.devices))
            session_id, began_ns = str(user.devices[0].asked_for), now_ns()
            done_ns = await self._for_good("DELETE", f"/api/v1/users/{user.user_id}")
            self._recorder.write(
                Erased(at_ns=done_ns, session=user.name, session_id=session_id, began_ns=began_ns),
            )
        self._done(1)
        for device in again.devices:
            device.begin.set()
        await again.talk()

    async def _merge(self, source: User, target: User) -> None:
        async with background(source.talk(), target.talk()):
            await asyncio.sleep(MERGE_AT * self._seconds)
            await _until(lambda: target.devices[0].session_id is not None)
            session_id, into_id = str(source.devices[0].asked_for), str(target.devices[0].session_id)
            async with background(_give_way(source)):
                done_ns = await self._for_good("POST", f"/api/v1/sessions/{session_id}/merge", {"into": into_id})
            source.silent = False
            led_to = await self._session_id(source.user_id, OLD)
            self._recorder.write(
                Merged(at_ns=done_ns, session=source.name, into=target.name, into_id=into_id, name_stands_for=led_to)
            )
            await _until(lambda: "moved" in source.refusals)
            self._done(1)
            await asyncio.Event().wait()

    def _done(self, count: int) -> None:
        self._left -= count
        if not self._left:
            self._finished.set()

    async def _session_id(self, user_id: str, name: str) -> str:
        body = await self._ask("POST", "/api/v1/sessions", {"user_id": user_id, "session_id": name})
        return str(json.loads(body)["session_id"])

    async def _for_good(self, method: str, path: str, body: Any = None) -> int:
        """Ask until it is done and kept; gives when it was done."""
        while True:
            restarts = self._injector.restarts
            await self._ask(method, path, body)
            done_ns = now_ns()
            await asyncio.sleep(KEPT_S)
            if self._injector.restarts == restarts:
                return done_ns

    async def _ask(self, method: str, path: str, body: Any = None) -> str:
        """The body of the answer; what is refused for now is asked again. Raises RuntimeError."""
        while True:
            up = [node for node in self._cluster.nodes if node.is_up] or self._cluster.nodes
            answer = await http(self._chance.choice(up).port, method, path, body, patience_s=ANSWER_S)
            head, _, content = answer.partition("\r\n\r\n")
            status = head.split(" ")[1] if head else ""
            if status.startswith("2"):
                return content
            if status.startswith("4") and status != "429":
                raise RuntimeError(f"{method} {path} was answered {status}: {content}")
            await asyncio.sleep(self._chance.uniform(0.05, 0.15))


async def _give_way(user: User) -> None:
    await asyncio.sleep(GIVE_WAY_S)
    user.silent = True


async def _until(holds: Callable[[], bool]) -> None:
    """Wait for something that is to be expected soon; whether it came is not said."""
    until_s = time.monotonic() + SOON_S
    while not holds() and time.monotonic() < until_s:
        await asyncio.sleep(0.02)


def _is_answered(devices: Sequence[Device]) -> bool:
    """Whether an answer is in the middle."""
    views = [device.view for device in devices]
    turns = [view.turn for view in views if view is not None]
    return any(turn is not None and turn.message_id is not None for turn in turns)
