"""Waits at the end of a run until nothing goes on any more, and writes down what every device shows then.

What may still append comes to its end first: users' commands, turns, what bridges do. Then logs and devices are
looked at with nothing in between, again until they stand at the same place.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Any, Final

import msgspec
import redis

from tests.chaos.bridge import CHANNEL
from tests.chaos.cast import Cast
from tests.chaos.cluster import Cluster
from tests.chaos.history import LEASES_RUN_OUT, Shown, Stopped
from tests.chaos.recording import Recorder, now_ns
from tests.chaos.redis_reader import LogReader

LOOK_S: Final = 0.1
_WAITING: Final = "answers wait for a bridge"
_LEASED: Final = "answers are leased to bridges"


class Ending:
    """`quiet` once, when nothing more is asked and no fault strikes any more."""

    def __init__(
        self, cluster: Cluster, cast: Cast, sessions: dict[str, str], reader: LogReader, recorder: Recorder
    ) -> None:
        self._cluster, self._cast, self._sessions = cluster, cast, sessions
        self._reader, self._recorder = reader, recorder

    async def quiet(self, patience_s: float) -> None:
        """Mend what is broken and wait until all is at rest, then stop the bridges for good; else `Stopped`."""
        await self._mend()
        until_s = time.monotonic() + patience_s
        while (what := await self._goes_on() or await self._went_on()) is not None:
            self._recorder.flush()
            if time.monotonic() >= until_s:
                reason = f"not quiet {patience_s:.0f} s after the last fault: {what}"
                self._recorder.write(Stopped(at_ns=now_ns(), reason=reason))
                self._show()
                return
            if what == _LEASED:
                await self._run_out()
            await asyncio.sleep(LOOK_S)

    async def _mend(self) -> None:
        await self._cluster.tell_proxy(do="delay", ms=0)
        await self._cluster.tell_proxy(do="accept")
        for device in self._cast.devices:
            device.flap_until_s = device.deaf_until_s = 0.0
        for bridge in self._cast.bridges:
            bridge.flap_until_s = 0.0

    async def _went_on(self) -> str | None:
        """What goes on though no bridge is at work. None: nothing, and what devices show is written down."""
        async with AsyncExitStack() as stack:
            for bridge in self._cast.bridges:
                await stack.enter_async_context(bridge.at_work)
            what = await self._goes_on()
            if what is None:
                self._show()  # nothing was awaited since logs and devices were compared
                stack.pop_all()  # the bridges stay stopped: what they reported later nobody would show
            return what

    async def _goes_on(self) -> str | None:
        """What is not at rest yet; None: all is, and no time has passed since."""
        unanswered = next((user.name for user in self._cast.users if user.waits), None)
        if unanswered is not None:
            return f"{unanswered} waits for the answer to a command"
        try:
            what = await self._turn() or await self._work()
            if what is None:
                await self._reader.look()
        except (redis.RedisError, OSError) as error:
            return f"Redis is away: {error}"
        return what or self._behind()

    async def _turn(self) -> str | None:
        """A session that has a turn."""
        for session_id, name in self._sessions.items():
            key = f"{self._cluster.prefix_of(session_id)}s:{session_id}"
            current: Any = await self._cluster.redis.hget(key, "current")
            if current:
                return f"{name} has the turn {current.decode()}"
        return None

    async def _work(self) -> str | None:
        """What there is to do yet."""
        client, prefixes = self._cluster.redis, self._cluster.prefixes
        if leases := sum([await client.zcard(f"{prefix}leases") for prefix in prefixes]):
            return f"{leases} turns under leases"
        if ready := sum([await client.llen(f"{prefix}r:default") for prefix in prefixes]):
            return f"{ready} turns ready"
        for what, kind in ((_WAITING, "dw"), (_LEASED, "dl")) if self._cast.bridges else ():
            if any([await client.zcard(f"{prefix}{kind}:{CHANNEL}:default") for prefix in prefixes]):
                return what
        if records := sum([await client.xlen(f"{prefix}outbox") for prefix in prefixes]):
            return f"{records} records on their way to SQL"
        return None

    def _behind(self) -> str | None:
        """A device that does not know yet what the log held at the last look, or is further."""
        for user, _ in self._cast.leavers:
            if not all(device.gone for device in user.devices):
                return f"a device of {user.name} does not know that it was erased"
        heads = self._reader.heads()
        for device in self._cast.devices:
            head, view = heads.get(device.session), device.view
            at = None if view is None else (view.epoch, view.seq)
            if device.takes_part and (at is None or not device.is_live or at != head):
                return f"{device.name} is at {at}, live: {device.is_live}, the log at {head}"
        return None

    async def _run_out(self) -> None:
        """Let what bridges took and lost be taken again now, not at its lease's end. None is at work meanwhile."""
        async with AsyncExitStack() as stack:
            for bridge in self._cast.bridges:
                await stack.enter_async_context(bridge.at_work)
            self._recorder.fault(LEASES_RUN_OUT, CHANNEL)
            for prefix in self._cluster.prefixes:
                leased = f"{prefix}dl:{CHANNEL}:default"
                deliveries: Any = await self._cluster.redis.zrange(leased, 0, -1)
                for delivery in deliveries:
                    await self._cluster.redis.zadd(leased, {delivery: 1}, xx=True)

    def _show(self) -> None:
        """Write down what devices show, all at one moment."""
        at_ns = now_ns()
        for device in self._cast.devices:
            view = device.view
            if view is not None:
                self._recorder.write(
                    Shown(
                        at_ns=at_ns,
                        device=device.name,
                        session=device.session,
                        epoch=view.epoch,
                        seq=view.seq,
                        messages=msgspec.to_builtins(view.messages),
                        turn=msgspec.to_builtins(view.turn),
                        queue=msgspec.to_builtins(view.queue),
                    )
                )
