"""Runs turns: takes what is ready, renews its leases, reaps what others left behind, stops in two phases."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from loguru import logger

from core.errors import BackendError
from core.ids import trace_id
from core.measurements import Measure, RunningTurnsChanged
from core.ports import TurnQueue
from core.turns import TakenTurn
from server.supervision import end_tasks, supervise

POLL_S: Final = 1.0
"""Turns are looked for so often where no wake-up came."""
TAKE_MOST: Final = 16
"""Turns taken by one call: another node gets a share of a burst."""
OWN_SHARE: Final = 0.5
"""Of the room for turns, how much is filled by those that are submitted here without asking who else has room."""
RENEW_S: Final = 1.0
"""Leases live 3 s and are renewed every second (docs: design, leases)."""
REAP_S: Final = 1.0
STOP_S: Final = 5.0
"""A run that was told to stop gets so long to let go of what it holds."""
RELEASE_S: Final = 2.0
"""Handing a turn back takes so long at most; one that could not be comes back when its lease has run out."""

_Run = tuple[TakenTurn, asyncio.Task[None]]
RunTurn = Callable[[TakenTurn], Awaitable[None]]
"""Executes one turn to its end: the agent's runner, wired to its ports. Raises BackendError where it cannot begin."""


class Worker:
    """The executor of one process. Use as `async with`; leaving it drains and then hands back what is left.

    `hand_on` is set when half of `drain_s` is over: from then on a run that is between two steps had better end there
    (`server/handing_on.py`) than be cut off in the midst of the next one.
    """

    def __init__(
        self,
        *,
        queue: TurnQueue,
        run_turn: RunTurn,
        measure: Measure,
        most: int,
        drain_s: float,
        hand_on: asyncio.Event | None = None,
    ) -> None:
        self._queue = queue
        self._run_turn = run_turn
        self._measure = measure
        self._most = most
        self._drain_s = drain_s
        self._hand_on = hand_on or asyncio.Event()
        self._ready = asyncio.Event()
        self._running: dict[str, _Run] = {}
        self._kept = 0  # room for turns that are being submitted here
        self._is_settled: asyncio.Event | None = None  # made by `stop`, where it has to wait for those
        self._unbegun: set[asyncio.Task[None]] = set()  # turns that came too late and are handed back
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()

    @property
    def running(self) -> int:
        """How many turns run here now."""
        return len(self._running)

    async def __aenter__(self) -> Worker:
        self._queue.on_ready(self._ready.set)
        self._queue.execute_here(self)
        self._ready.set()
        self._begin("take", self._take, until=self._stopping.is_set)
        self._begin("renew", self._renew)
        self._begin("reap", self._reap)
        return self

    def _begin(self, name: str, loop: Callable[[], Awaitable[None]], until: Callable[[], bool] = lambda: False) -> None:
        self._tasks.append(asyncio.create_task(supervise(f"worker.{name}", loop, until), name=f"worker.{name}"))

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Take nothing more, let running turns end for `drain_s`, then hand the rest back.

        A `take` under way is waited for: what it leased is handed back unbegun.
        """
        self._stopping.set()
        runs = list(self._running.values())  # no other begins
        self._ready.set()
        if self._tasks:
            await asyncio.wait(self._tasks[:1], timeout=STOP_S)
        await self._end_submissions()
        if runs:
            logger.info("worker.draining", turns=len(runs), drain_s=self._drain_s)
            tasks = [task for _, task in runs]
            await asyncio.wait(tasks, timeout=self._drain_s / 2)
            self._hand_on.set()
            await self._hand_back(runs, self._drain_s / 2)
        await end_tasks(self._tasks)
        self._tasks.clear()

    async def _end_submissions(self) -> None:
        """What was submitted here is not taken any more; what was on its way is handed back unbegun."""
        if self._kept > 0:
            self._is_settled = asyncio.Event()
            waiting = asyncio.create_task(self._is_settled.wait(), name="worker.submissions")
            await asyncio.wait([waiting], timeout=STOP_S)
            waiting.cancel()
        await asyncio.gather(*self._unbegun)

    # LocalExecutor

    def reserve(self) -> bool:
        """Keep room for a turn that is being submitted here."""
        if self._stopping.is_set() or len(self._running) + self._kept >= OWN_SHARE * self._most:
            return False
        self._kept += 1
        return True

    def begin(self, turn: TakenTurn | None) -> None:
        """Run a turn in the room that was kept, or free it."""
        was_full = self._room() <= 0
        self._kept -= 1
        if self._kept == 0 and self._is_settled is not None:
            self._is_settled.set()
        if turn is None:
            if was_full:
                self._ready.set()
        elif self._stopping.is_set():
            task = asyncio.create_task(self._release(turn), name=f"release {turn.input.turn_id}")
            self._unbegun.add(task)
            task.add_done_callback(self._unbegun.discard)
        else:
            self._start(turn)

    def _room(self) -> int:
        return self._most - len(self._running) - self._kept

    def hurry(self) -> None:
        """Have `stop` wait for running turns no longer: they are handed back at once."""
        self._drain_s = 0.0
        for _, task in self._running.values():
            task.cancel()

    async def _take(self) -> None:
        while not self._stopping.is_set():
            room = min(self._room(), TAKE_MOST)
            taken = await self._queue.take(room) if room > 0 else ()
            if self._stopping.is_set():
                await asyncio.gather(*(self._release(turn) for turn in taken))
                return
            for turn in taken:
                self._start(turn)
            if taken and len(taken) == room:
                continue  # there may be more
            try:
                async with asyncio.timeout(POLL_S * random.uniform(0.8, 1.2)):
                    await self._ready.wait()
            except TimeoutError:
                continue
            finally:
                self._ready.clear()

    def _start(self, turn: TakenTurn) -> None:
        turn_id = turn.input.turn_id
        before = self._running.get(turn_id)
        task = asyncio.create_task(self._run(turn, before[1] if before else None), name=f"turn {turn_id}")
        self._running[turn_id] = (turn, task)
        task.add_done_callback(lambda _: self._ended(turn_id, task))
        self._measure.emit(RunningTurnsChanged(count=len(self._running)))

    def _ended(self, turn_id: str, task: asyncio.Task[None]) -> None:
        if self._room() <= 0:
            self._ready.set()  # there is room again; of room under a tenant's cap the queue tells
        running = self._running.get(turn_id)
        if running is not None and running[1] is task:
            del self._running[turn_id]
        self._measure.emit(RunningTurnsChanged(count=len(self._running)))

    async def _run(self, turn: TakenTurn, before: asyncio.Task[None] | None) -> None:
        turn_id = turn.input.turn_id
        if before is not None:  # an earlier run here, whose lease had run out, must not end in this one's midst
            before.cancel()
            await asyncio.wait([before])
        with logger.contextualize(turn_id=turn_id, session_id=turn.session.session_id, trace_id=trace_id(turn_id)):
            try:
                await self._run_turn(turn)
            except BackendError as error:
                logger.warning("turn.left", reason=error.message)  # its lease runs out and another run goes on
            except Exception:  # noqa: BLE001 - the outer edge of a turn: the reaper gives it to another run
                logger.exception("turn.broke")

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_S)
            runs = dict(self._running)
            if not runs:
                continue
            try:
                stale = await self._queue.renew([turn for turn, _ in runs.values()])
            except BackendError as error:  # no pause that grows: when Redis is back, the reaper must not be faster
                logger.warning("leases.not_renewed", turns=len(runs), reason=error.message)
                continue
            for turn_id in stale:  # of the runs that were asked for: the turn may have come back here meanwhile
                logger.info("turn.stale", turn_id=turn_id)
                runs[turn_id][1].cancel()

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(REAP_S * random.uniform(0.7, 1.3))
            reaped = await self._queue.reap()
            if reaped:
                logger.warning("turns.reaped", count=reaped)

    async def _hand_back(self, runs: Iterable[_Run], over_s: float) -> None:
        """Cut off what still runs, one after the other over a while: all at once would make each wait for all."""
        left = [(turn, task) for turn, task in runs if not task.done() or task.cancelled()]
        async with asyncio.TaskGroup() as handing:
            for turn, task in left:
                handing.create_task(self._give_back(turn, task, over_s), name=f"hand back {turn.input.turn_id}")
            for _, task in left:
                if pending := [other for _, other in left if not other.done()]:
                    await asyncio.wait(pending, timeout=over_s / len(left))
                task.cancel()

    async def _give_back(self, turn: TakenTurn, task: asyncio.Task[None], over_s: float) -> None:
        """Release a turn as soon as its run has let go of it unended: at a step's end by itself, or cut off."""
        await asyncio.wait([task], timeout=over_s + STOP_S)
        if not task.done() or task.cancelled():
            await self._release(turn)

    async def _release(self, turn: TakenTurn) -> None:
        try:
            async with asyncio.timeout(RELEASE_S):
                await self._queue.release(turn)
        except (BackendError, TimeoutError) as error:
            logger.warning("turn.not_released", turn_id=turn.input.turn_id, reason=str(error))
