"""Waiting for a turn's end, whatever happens to the log meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from core.ports import TurnStatus
from server.auth import DEVELOPER
from server.leaving import Leaving
from server.turn_wait import RECHECK_S, TurnWait
from tests.server.fake_log import SESSION, FakeLog


class Turn:
    """A turn of which the state is asked; `asked` is set each time."""

    def __init__(self) -> None:
        self.state = "running"
        self.asked = asyncio.Event()
        self.queue = self
        self.expected: set[str] = set()

    def expect_end(self, turn_id: str, expected: bool) -> None:
        """Whether the end is waited for."""
        (self.expected.add if expected else self.expected.discard)(turn_id)

    async def turn(self, principal: object, turn_id: str) -> TurnStatus:
        """Where it is now."""
        self.asked.set()
        return TurnStatus(session=SESSION, turn_id=turn_id, state=cast(Any, self.state))


@pytest.mark.looptime
async def test_the_end_of_a_turn_in_a_new_epoch_is_seen_at_once() -> None:
    """A log that begins anew lets its readers go: a wait that stayed away looked again every 5 s only."""
    log, turn = FakeLog(), Turn()
    async with TurnWait(cast(Any, log), SESSION, Leaving()) as wait:
        waiting = asyncio.create_task(wait.until_ended(cast(Any, turn), DEVELOPER, "turn_1", 60))
        await turn.asked.wait()
        log.begin_anew("epoch_2")
        await asyncio.sleep(0.1)
        turn.state = "completed"
        log.append('an end: "turn.completed"', publish=False)
        log.readers[0].on_events("epoch_2", 1, 1, b'[{"type":"turn.completed"}]')
        async with asyncio.timeout(RECHECK_S / 2):  # of the loop's own time
            status = await waiting
    assert status.state == "completed"
    assert log.readers == []


@pytest.mark.looptime
async def test_where_a_new_turn_is_is_asked_only_when_it_has_ended() -> None:
    log, turn = FakeLog(), Turn()
    async with TurnWait(cast(Any, log), SESSION, Leaving()) as wait:
        waiting = asyncio.create_task(wait.until_ended(cast(Any, turn), DEVELOPER, "turn_1", 60, is_new=True))
        await asyncio.sleep(0.1)
        was_asked, was_expected = turn.asked.is_set(), set(turn.expected)
        turn.state = "completed"
        log.readers[0].on_events("epoch_1", 1, 1, b'[{"type":"turn.completed"}]')
        status = await waiting
    assert (was_asked, status.state) == (False, "completed")
    assert (was_expected, turn.expected) == ({"turn_1"}, set())


async def test_a_new_turn_that_ended_before_it_was_waited_for_is_seen_at_once() -> None:
    log, turn = FakeLog(), Turn()
    async with TurnWait(cast(Any, log), SESSION, Leaving()) as wait:
        turn.state = "completed"
        log.readers[0].on_events("epoch_1", 1, 1, b'[{"type":"turn.completed"}]')
        status = await wait.until_ended(cast(Any, turn), DEVELOPER, "turn_1", 60, is_new=True)
    assert status.state == "completed"


@pytest.mark.looptime
async def test_a_new_turn_whose_end_was_not_told_is_asked_for_all_the_same() -> None:
    log, turn = FakeLog(), Turn()
    async with TurnWait(cast(Any, log), SESSION, Leaving()) as wait:
        turn.state = "completed"
        status = await wait.until_ended(cast(Any, turn), DEVELOPER, "turn_1", 60, is_new=True)
    assert status.state == "completed"


@pytest.mark.looptime
async def test_a_new_epoch_while_redis_is_away_is_followed_when_it_is_back() -> None:
    log, turn = FakeLog(), Turn()
    async with TurnWait(cast(Any, log), SESSION, Leaving()) as wait:
        waiting = asyncio.create_task(wait.until_ended(cast(Any, turn), DEVELOPER, "turn_1", 60))
        await turn.asked.wait()
        log.away = True
        log.begin_anew("epoch_2")
        await asyncio.sleep(1)
        log.away, turn.state = False, "completed"
        status = await waiting
    assert status.state == "completed"
