"""The feed: what goes out when, in which order, and what happens when an append is slow or fails."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from agent import feed as feed_module
from agent.feed import Feed, tick_s
from agent.ticker import Ticker
from core.clock import FakeClock
from core.errors import BackendError, StaleRun
from core.events import Event, MessageDelta, StepStarted
from core.ids import SequentialIds
from core.turns import JournalEntry, ToolBegun
from tests.agent.agent_support import NOW_MS, FakeWriter, taken

STEP = StepStarted(session_id="ses_1", ts=NOW_MS, turn_id="turn_1", step=1)
ENTRY = ToolBegun(step=1, call_id="c1", name="pay", effect="once")


class SlowWriter(FakeWriter):
    """Each append takes 30 ms by the fake clock, and no time at all by the real one."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock = clock

    async def append(self, events: Sequence[Event], journal: Sequence[JournalEntry] = ()) -> str | None:
        self.clock.advance(0.030)
        return await super().append(events, journal)


def make(writer: FakeWriter, clock: FakeClock | None = None) -> Feed:
    return Feed(
        turn=taken(),
        writer=writer,
        clock=clock or FakeClock(NOW_MS),
        ids=SequentialIds(),
        ticker=Ticker(),
        on_cancel=lambda by: None,
        on_failure=lambda: None,
    )


def deltas(writer: FakeWriter) -> list[str]:
    return [event.text for event in writer.events if isinstance(event, MessageDelta)]


@pytest.mark.parametrize(
    ("round_trip_s", "expected_s"), [(0.0, 0.010), (0.005, 0.010), (0.006, 0.012), (0.025, 0.050), (0.2, 0.050)]
)
def test_the_tick_grows_with_the_round_trip(round_trip_s: float, expected_s: float) -> None:
    assert tick_s(round_trip_s) == expected_s


async def test_the_first_delta_goes_out_at_once_and_later_ones_together() -> None:
    writer = FakeWriter()
    async with make(writer) as feed:
        feed.say("Ten")
        await writer.until(MessageDelta)
        feed.say(" dol")
        feed.say("lars")
        await feed.flush()

    assert deltas(writer) == ["Ten", " dollars"]


async def test_text_that_gathered_goes_out_on_its_tick_by_itself() -> None:
    writer = FakeWriter()
    async with make(writer) as feed:
        feed.say("Ten")
        await writer.until(MessageDelta)
        feed.say(" dollars")
        async with asyncio.timeout(5):
            await writer.until_count(MessageDelta, 2)

    assert deltas(writer) == ["Ten", " dollars"]


async def test_text_said_while_an_append_is_under_way_goes_out_after_it() -> None:
    writer = FakeWriter()
    writer.gate.clear()
    async with make(writer) as feed:
        feed.say("Ten")
        await writer.began.wait()
        feed.say(" dollars")
        writer.gate.set()
        async with asyncio.timeout(5):
            await writer.until_count(MessageDelta, 2)

    assert deltas(writer) == ["Ten", " dollars"]
    assert writer.most_appending == 1


async def test_an_event_does_not_wait_for_the_tick() -> None:
    writer = FakeWriter()
    async with make(writer) as feed:
        feed.say("Ten")
        await writer.until(MessageDelta)
        feed.say(" dollars")
        feed.put(STEP)
        await writer.until(StepStarted)

    assert writer.types == ["message.started", "message.delta", "step.started"]
    assert deltas(writer) == ["Ten", " dollars"]


async def test_a_slow_log_makes_deltas_fewer() -> None:
    clock = FakeClock(NOW_MS)
    writer = SlowWriter(clock)
    loop = asyncio.get_running_loop()
    async with make(writer, clock) as feed:
        began_s = loop.time()
        feed.say("Ten")
        await writer.until(MessageDelta)
        feed.say(" dollars")
        async with asyncio.timeout(5):
            await writer.until_count(MessageDelta, 2)

    assert loop.time() - began_s >= 0.049


async def test_a_flush_of_nothing_returns() -> None:
    writer = FakeWriter()
    async with make(writer) as feed:
        await feed.flush()

    assert writer.writes == []


async def test_a_reset_to_where_the_text_is_writes_nothing() -> None:
    writer = FakeWriter()
    async with make(writer) as feed:
        feed.reset(0, "failover")
        feed.say("Ten")
        feed.reset(3, "failover")
        await feed.flush()

    assert writer.types == ["message.started", "message.delta"]


async def test_a_reset_cuts_back_and_text_goes_on_there() -> None:
    writer = FakeWriter()
    async with make(writer) as feed:
        feed.say("Ten dollars")
        feed.reset(4, "failover")
        feed.say("euros")
        await feed.flush()
        text = feed.text

    assert (writer.text, text) == ("Ten euros", "Ten euros")


async def test_finishing_gives_what_is_left_in_one_piece() -> None:
    writer = FakeWriter()
    async with make(writer) as feed:
        feed.say("Ten")
        feed.put_last(ENTRY)
        events, journal = await feed.finish()

    assert [str(event.__struct_config__.tag) for event in events] == ["message.started", "message.delta"]
    assert journal == [ENTRY]
    assert writer.writes == []


@pytest.mark.looptime(start=0.001)  # between two ticks, and no third comes however busy the machine is
async def test_an_answer_that_came_at_once_is_left_to_the_turns_end() -> None:
    writer = FakeWriter()
    async with make(writer) as feed:
        feed.put_soon(STEP)
        feed.say("Ten")
        feed.put_last(ENTRY)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        events, journal = await feed.finish()

    assert [str(event.__struct_config__.tag) for event in events] == [
        "step.started",
        "message.started",
        "message.delta",
    ]
    assert journal == [ENTRY]
    assert writer.writes == []


async def test_an_answer_that_came_at_once_goes_out_on_the_tick_where_no_end_comes() -> None:
    writer = FakeWriter()
    async with make(writer) as feed:
        feed.say("Ten")
        feed.put_last(ENTRY)
        async with asyncio.timeout(5):
            await writer.until_journalled()

    assert deltas(writer) == ["Ten"]


async def test_an_event_that_something_follows_goes_out_with_it() -> None:
    writer = FakeWriter()
    async with make(writer) as feed:
        feed.put_soon(STEP)
        feed.say("Ten")
        await writer.until(MessageDelta)

    assert len(writer.writes) == 1
    assert writer.types == ["step.started", "message.started", "message.delta"]


async def test_an_event_that_nothing_follows_goes_out_on_the_tick() -> None:
    writer = FakeWriter()
    async with make(writer) as feed:
        feed.put_soon(STEP)
        async with asyncio.timeout(5):
            await writer.until(StepStarted)

    assert writer.types == ["step.started"]


async def test_a_last_entry_after_which_no_end_comes_is_journalled_on_the_tick() -> None:
    writer = FakeWriter()
    async with make(writer) as feed:
        feed.say("Ten")
        await writer.until(MessageDelta)
        feed.put_last(ENTRY)
        async with asyncio.timeout(5):
            await writer.until_journalled()

    assert writer.journal == [ENTRY]


@pytest.mark.parametrize("error", [StaleRun("stale"), BackendError("away"), ValueError("a bug")])
async def test_a_failed_append_is_told_and_nothing_more_is_written(error: Exception) -> None:
    writer = FakeWriter()
    writer.fail = error
    told = asyncio.Event()
    feed = Feed(
        turn=taken(),
        writer=writer,
        clock=FakeClock(),
        ids=SequentialIds(),
        ticker=Ticker(),
        on_cancel=lambda by: None,
        on_failure=told.set,
    )
    async with feed:
        feed.say("Ten")
        await told.wait()
        writer.fail = None
        with pytest.raises(type(error)):
            await feed.flush()
        with pytest.raises(type(error)):
            await feed.finish()

    assert writer.events == []


async def test_leaving_gives_up_an_append_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "_CLOSE_S", 0.01)
    writer = FakeWriter()
    writer.gate.clear()
    async with make(writer) as feed:
        feed.say("Ten")
        await writer.began.wait()

    await asyncio.sleep(0)
    assert (writer.appending, writer.events) == (0, [])


async def test_nothing_is_left_running() -> None:
    before = asyncio.all_tasks()
    async with make(FakeWriter()) as feed:
        feed.say("Ten")

    assert asyncio.all_tasks() == before


async def test_securing_waits_until_the_journal_is_written() -> None:
    writer = FakeWriter()
    writer.gate.clear()
    async with make(writer) as feed:
        feed.put(journal=ENTRY)
        securing = asyncio.create_task(feed.secure())
        await writer.began.wait()
        waited = not securing.done()
        writer.gate.set()
        await securing

    assert waited
    assert writer.journal == [ENTRY]


async def test_securing_costs_nothing_while_an_append_was_just_confirmed_and_nothing_is_journalled() -> None:
    writer = FakeWriter()
    writer.gate.clear()
    async with make(writer) as feed:
        feed.put(STEP)
        await feed.secure()
        writer.gate.set()

    assert writer.most_appending <= 1


async def test_a_run_that_has_not_written_for_long_asks_whether_the_turn_is_still_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed_module, "_CONFIRMED_S", -1.0)
    writer = FakeWriter()
    writer.fail = StaleRun("another run goes on")
    async with make(writer) as feed:
        with pytest.raises(StaleRun):
            await feed.secure()
        with pytest.raises(StaleRun):
            await feed.secure()


async def test_a_run_whose_turn_is_its_own_goes_on_after_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "_CONFIRMED_S", -1.0)
    writer = FakeWriter()
    async with make(writer) as feed:
        await feed.secure()

    assert writer.writes == [([], [])]


async def test_a_thousand_tokens_during_an_append_cost_one_more_append_of_one_delta() -> None:
    writer = FakeWriter()
    writer.gate.clear()
    async with make(writer) as feed:
        feed.say("Ten")
        await writer.began.wait()
        for _ in range(1_000):
            feed.say(" x")
        writer.gate.set()
        await feed.flush()

    assert deltas(writer) == ["Ten", " x" * 1_000]
    assert len(writer.writes) == 2
