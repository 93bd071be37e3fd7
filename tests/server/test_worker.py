"""The executor of a process: takes, renews, and hands back what it cannot finish."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import cast

import pytest

from core.errors import BackendError
from core.measurements import NoMeasure
from core.ports import LocalExecutor, TurnQueue
from core.turns import SessionRef, TakenTurn, TurnInput
from server.supervision import attempt, supervise
from server.worker import RunTurn, Worker


def turn(name: str) -> TakenTurn:
    """A turn that was taken."""
    taken = TurnInput(turn_id=name, message_ids=("msg_1",), content="oi", channel="web", agent="sales", accepted_ms=1)
    session = SessionRef(session_id="ses_1", tenant="acme", user_id="ana")
    return TakenTurn(session=session, input=taken, attempt=1, fence=1, nonce="n", epoch="e", journal=())


class FakeQueue:
    """Hands out what it was given; remembers what came back."""

    def __init__(self, *turns: TakenTurn) -> None:
        self.waiting = list(turns)
        self.released: list[str] = []
        self.stale: list[str] = []
        self.away = False
        self.silent: set[str] = set()
        self.renewals = 0
        self.renewing = asyncio.Event()
        self.renewing.set()
        self.renewed = asyncio.Event()
        self.taking = asyncio.Event()
        self.answering = asyncio.Event()
        self.answering.set()
        self._wake: Callable[[], None] = lambda: None

    async def take(self, limit: int) -> Sequence[TakenTurn]:
        """What waits."""
        if self.away:
            raise BackendError("Redis is away.")
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        self.taking.set()
        await self.answering.wait()
        return taken

    async def renew(self, turns: Sequence[TakenTurn]) -> Sequence[str]:
        """Which of them are not ours any more."""
        self.renewals += 1
        if self.away:
            raise BackendError("Redis is away.")
        self.renewed.set()
        stale, self.stale = self.stale, []
        await self.renewing.wait()
        return stale

    async def reap(self) -> int:
        """Nothing to reap."""
        return 0

    async def release(self, given_back: TakenTurn) -> None:
        """Remember what came back."""
        if self.away:
            raise BackendError("Redis is away.")
        if given_back.input.turn_id in self.silent:
            await asyncio.Event().wait()
        self.released.append(given_back.input.turn_id)

    def on_ready(self, wake: Callable[[], None]) -> None:
        """Whom to wake."""
        self._wake = wake

    def execute_here(self, executor: LocalExecutor) -> None:
        """Who takes what is submitted."""
        self.executor = executor

    def add(self, *turns: TakenTurn) -> None:
        """More turns are ready."""
        self.waiting += turns
        self._wake()


@asynccontextmanager
async def worker(queue: FakeQueue, run_turn: RunTurn, *, most: int = 10, drain_s: float = 5.0) -> AsyncIterator[Worker]:
    """A worker at work."""
    made = Worker(queue=cast(TurnQueue, queue), run_turn=run_turn, measure=NoMeasure(), most=most, drain_s=drain_s)
    async with made:
        yield made


@pytest.mark.looptime
async def test_a_turn_that_is_ready_is_run_at_once() -> None:
    queue, ran = FakeQueue(), asyncio.Queue[str]()

    async def run(taken: TakenTurn) -> None:
        ran.put_nowait(taken.input.turn_id)

    async with worker(queue, run):
        queue.add(turn("turn_1"))
        assert await ran.get() == "turn_1"


@pytest.mark.looptime
async def test_no_more_turns_run_at_once_than_allowed() -> None:
    queue, gate, started = FakeQueue(*[turn(f"turn_{n}") for n in range(3)]), asyncio.Event(), asyncio.Queue[str]()

    async def run(taken: TakenTurn) -> None:
        started.put_nowait(taken.input.turn_id)
        await gate.wait()

    async with worker(queue, run, most=2) as made:
        await started.get()
        await started.get()
        await queue.renewed.wait()
        assert (made.running, len(queue.waiting)) == (2, 1)
        gate.set()
        assert await started.get() == "turn_2"


@pytest.mark.looptime
async def test_stopping_lets_a_running_turn_end() -> None:
    queue, gate, ended = FakeQueue(turn("turn_1")), asyncio.Event(), []

    async def run(taken: TakenTurn) -> None:
        gate.set()
        await asyncio.sleep(2)
        ended.append(taken.input.turn_id)

    async with worker(queue, run):
        await gate.wait()
    assert ended == ["turn_1"]
    assert queue.released == []


@pytest.mark.looptime
async def test_what_does_not_end_in_time_is_handed_back() -> None:
    queue, gate = FakeQueue(turn("turn_1")), asyncio.Event()

    async def run(taken: TakenTurn) -> None:
        gate.set()
        await asyncio.Event().wait()

    async with worker(queue, run):
        await gate.wait()
    assert queue.released == ["turn_1"]


@pytest.mark.looptime
async def test_a_turn_that_cannot_be_handed_back_is_left_to_the_reaper() -> None:
    queue, gate = FakeQueue(turn("turn_1")), asyncio.Event()

    async def run(taken: TakenTurn) -> None:
        gate.set()
        await asyncio.Event().wait()

    async with worker(queue, run) as made:
        await gate.wait()
        queue.away = True
    assert (queue.released, made.running) == ([], 0)


@pytest.mark.looptime
async def test_a_run_that_lost_its_lease_is_stopped() -> None:
    queue, stopped = FakeQueue(turn("turn_1")), asyncio.Event()
    queue.stale = ["turn_1"]

    async def run(taken: TakenTurn) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with worker(queue, run):
        await stopped.wait()


@pytest.mark.looptime
async def test_a_turn_that_breaks_does_not_stop_the_worker() -> None:
    queue, ran = FakeQueue(turn("turn_1")), asyncio.Queue[str]()

    async def run(taken: TakenTurn) -> None:
        ran.put_nowait(taken.input.turn_id)
        raise ValueError("a bug")

    async with worker(queue, run):
        await ran.get()
        queue.add(turn("turn_2"))
        assert await ran.get() == "turn_2"


@pytest.mark.looptime
async def test_the_worker_goes_on_when_redis_is_back() -> None:
    queue, ran = FakeQueue(turn("turn_1")), asyncio.Queue[str]()
    queue.away = True

    async def run(taken: TakenTurn) -> None:
        ran.put_nowait(taken.input.turn_id)

    async with worker(queue, run):
        await asyncio.sleep(3)
        queue.away = False
        assert await ran.get() == "turn_1"


@pytest.mark.looptime
async def test_a_supervised_loop_begins_anew_after_each_failure() -> None:
    errors: list[Exception] = [BackendError("away"), ValueError("a bug")]
    settled = asyncio.Event()

    async def loop() -> None:
        if errors:
            raise errors.pop(0)
        settled.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(supervise("test", loop))
    await settled.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_was_to_be_done_once_and_failed_harms_nobody() -> None:
    done = asyncio.Event()

    async def work() -> None:
        done.set()
        raise ValueError("a bug")

    await attempt("test", work)
    assert done.is_set()


class Runs:
    """Runs that go on until they are cancelled, in order of their start; which have ended."""

    def __init__(self) -> None:
        self.started: asyncio.Queue[int] = asyncio.Queue()
        self.ended: list[int] = []
        self.an_end = asyncio.Event()
        self._count = 0

    async def run(self, taken: TakenTurn) -> None:
        """Go on until cancelled."""
        self._count += 1
        number = self._count
        self.started.put_nowait(number)
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.append(number)
            self.an_end.set()


@pytest.mark.looptime
async def test_a_turn_that_comes_back_here_ends_its_earlier_run_first() -> None:
    queue, runs = FakeQueue(turn("turn_1")), Runs()
    async with worker(queue, runs.run, drain_s=0) as made:
        await runs.started.get()
        queue.add(turn("turn_1"))
        assert await runs.started.get() == 2
        assert (runs.ended, made.running) == ([1], 1)


@pytest.mark.looptime
async def test_a_stale_run_does_not_take_down_the_run_that_came_after_it() -> None:
    queue, runs = FakeQueue(turn("turn_1")), Runs()
    queue.stale = ["turn_1"]
    queue.renewing.clear()
    async with worker(queue, runs.run, drain_s=0) as made:
        await queue.renewed.wait()
        queue.add(turn("turn_1"))
        await runs.started.get()
        await runs.started.get()
        queue.renewing.set()
        queue.renewed.clear()
        await queue.renewed.wait()
        assert (runs.ended, made.running) == ([1], 1)


@pytest.mark.looptime
async def test_a_hurried_stop_hands_running_turns_back_at_once() -> None:
    queue, runs = FakeQueue(turn("turn_1")), Runs()
    async with worker(queue, runs.run, drain_s=10**9) as made:
        await runs.started.get()
        stopping = asyncio.create_task(made.stop())
        await asyncio.sleep(0)
        made.hurry()
        await stopping
    assert queue.released == ["turn_1"]


@pytest.mark.looptime
async def test_turns_are_handed_back_side_by_side() -> None:
    names = [f"turn_{n}" for n in range(50)]
    queue, runs = FakeQueue(*[turn(name) for name in names]), Runs()
    queue.silent = set(names[:-1])
    async with worker(queue, runs.run, most=50, drain_s=0) as made:
        started = [await runs.started.get() for _ in names]
        async with asyncio.timeout(5):  # of the loop's own time: 49 that wait for each other would take 98 s
            await made.stop()
    assert len(started) == 50
    assert queue.released == ["turn_49"]


@pytest.mark.looptime
async def test_renewals_are_tried_each_second_while_redis_is_away() -> None:
    queue, runs = FakeQueue(turn("turn_1")), Runs()
    async with worker(queue, runs.run, drain_s=0):
        await queue.renewed.wait()
        queue.away = True
        before = queue.renewals
        await asyncio.sleep(60.5)
        assert queue.renewals - before == 60


@pytest.mark.looptime
async def test_turns_that_were_being_taken_at_the_stop_are_handed_back_unbegun() -> None:
    queue, runs = FakeQueue(turn("turn_1")), Runs()
    queue.answering.clear()
    async with worker(queue, runs.run) as made:
        await queue.taking.wait()
        stopping = asyncio.create_task(made.stop())
        await asyncio.sleep(0)
        queue.answering.set()
        await stopping
    assert queue.released == ["turn_1"]
    assert runs.started.empty()


@pytest.mark.looptime
async def test_a_stop_does_not_wait_for_a_redis_that_is_away() -> None:
    queue, runs = FakeQueue(), Runs()
    queue.away = True
    async with worker(queue, runs.run) as made:
        async with asyncio.timeout(6):  # of the loop's own time
            await made.stop()
    assert queue.released == []


@pytest.mark.looptime
async def test_half_of_the_room_is_for_turns_that_are_submitted_here() -> None:
    queue, over = FakeQueue(), asyncio.Event()

    async def run(taken: TakenTurn) -> None:
        await over.wait()

    async with worker(queue, run, most=4) as made:
        kept = [queue.executor.reserve() for _ in range(3)]
        queue.executor.begin(turn("turn_1"))
        queue.executor.begin(None)
        assert kept == [True, True, False]
        assert made.running == 1
        assert queue.executor.reserve()
        queue.executor.begin(None)
        over.set()


@pytest.mark.looptime
async def test_a_turn_that_was_submitted_before_the_stop_and_comes_after_it_is_handed_back() -> None:
    queue = FakeQueue()

    async def run(taken: TakenTurn) -> None:
        raise AssertionError("it begins nowhere")

    async with worker(queue, run) as made:
        assert queue.executor.reserve()
        stopping = asyncio.create_task(made.stop())
        await asyncio.sleep(0.1)
        queue.executor.begin(turn("turn_1"))
        await stopping
        assert not queue.executor.reserve()

    assert queue.released == ["turn_1"]
