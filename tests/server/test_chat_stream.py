"""`POST /chat/stream` by itself: turns faster than their reader, a Redis that is away, an erased session."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from starlette.requests import Request
from starlette.responses import StreamingResponse

from agent.settings import parse_agent
from core.clock import FakeClock
from core.errors import BackendError, UserError
from core.ids import SequentialIds
from core.measurements import NoMeasure
from core.models import Usage
from core.ports import Accepted, Submission, TurnStatus
from core.turns import Principal, TurnRecord
from server.auth import Authenticator
from server.leaving import Leaving
from server.sessions import Sessions
from server.settings import load_settings
from server.transports.chat import Chat
from tests.server.fake_log import SESSION, FakeLog


class FakeQueue:
    """Accepts turns; `end` ends the one that it was given."""

    def __init__(self, log: FakeLog) -> None:
        self.log = log
        self.turn_id = ""
        self.state: Any = "running"
        self.away = False
        self.asked = asyncio.Event()
        self.ends_at_once = False

    async def submit(self, submission: Submission) -> Accepted:
        """Take a turn."""
        self.turn_id = submission.input.turn_id
        if self.ends_at_once:
            self.end()
        return Accepted(message_id="msg_1", turn_id=self.turn_id, seq=1, position=0)

    def end(self, *texts: str) -> None:
        """Append the answer in pieces and the end."""
        for text in texts:
            self.log.append(f"{self.turn_id} {text}")
        self.state = "completed"
        seq = self.log.head + 1
        end = {"type": "turn.completed", "session_id": SESSION.session_id, "seq": seq, "turn_id": self.turn_id}
        payload = json.dumps([end]).encode()
        self.log.chunks.append((seq, seq, payload))
        for reader in list(self.log.readers):
            reader.on_events(self.log.epoch, seq, seq, payload)

    async def status(self, principal: Principal, turn_id: str) -> TurnStatus:
        """Where it is."""
        self.asked.set()
        if self.away:
            raise BackendError("Redis is away.")
        if self.log.erased:
            raise UserError("turn not found", code="not_found")
        record = TurnRecord(
            turn_id=turn_id,
            session_id=SESSION.session_id,
            tenant=SESSION.tenant,
            user_id=SESSION.user_id,
            channel="api",
            agent="sales",
            outcome="completed",
            usage=Usage(),
            cost_microusd=0,
            duration_ms=1,
            accepted_ms=1,
            ended_ms=2,
            attempts=1,
            messages=(),
        )
        is_over = self.state == "completed"
        return TurnStatus(session=SESSION, turn_id=turn_id, state=self.state, record=record if is_over else None)


class Door:
    """`/chat/stream` over fakes."""

    def __init__(self) -> None:
        self.log, self.leaving = FakeLog(), Leaving()
        self.queue = FakeQueue(self.log)
        log, unused = cast(Any, self.log), cast(Any, None)
        sessions = Sessions(
            store=log,
            log=log,
            queue=cast(Any, self.queue),
            feedbacks=unused,
            deliveries=unused,
            books=unused,
            tools=unused,
            clock=FakeClock(),
            ids=SequentialIds(),
            measure=NoMeasure(),
            agents={
                "sales": parse_agent(
                    "{name: sales, title: Sales, instructions: {id: sales, version: 1}}", source="test"
                )
            },
            default_agent="sales",
        )
        self.chat = Chat(
            sessions=sessions,
            authenticator=Authenticator(load_settings(_env_file=None)),
            clock=FakeClock(),
            ids=SequentialIds(),
            wait_s=50,
            check_model=lambda model: None,
            leaving=self.leaving,
        )

    async def stream(self) -> AsyncIterator[str]:
        """Ask, and give the events' names as they come."""
        headers = [(b"content-type", b"application/json"), (b"host", b"127.0.0.1")]
        scope = {"type": "http", "method": "POST", "path": "/chat/stream", "query_string": b"", "headers": headers}
        body = json.dumps({"user_id": "ana", "message": "oi"}).encode()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        response = cast(StreamingResponse, await self.chat.stream(Request(scope, receive)))
        return (cast(bytes, part).decode().partition("\n")[0] async for part in response.body_iterator)


@pytest.fixture
def door() -> Door:
    """A door with an empty session behind it."""
    return Door()


@pytest.mark.looptime
async def test_a_turn_that_ends_before_its_stream_is_read_still_gives_its_events(door: Door) -> None:
    door.queue.ends_at_once = True
    events = [event async for event in await door.stream()]
    assert events == ["event: ok", "event: turn.completed", "event: chat.result"]


@pytest.mark.looptime
async def test_a_stream_that_fell_behind_is_fed_without_a_pause(door: Door) -> None:
    events = await door.stream()
    first = await anext(events)
    door.queue.end(*["x" * 20_000] * 30)
    rest = [event async for event in events]
    assert first == "event: ok"
    assert rest == [*["event: message.created"] * 30, "event: turn.completed", "event: chat.result"]


@pytest.mark.looptime
async def test_a_redis_that_is_away_does_not_end_a_stream(door: Door) -> None:
    door.queue.away = True
    events = await door.stream()
    seen = [await anext(events), await anext(events)]
    door.queue.away = False
    door.queue.end()
    seen += [event async for event in events]
    assert seen[0] == "event: ok"
    assert [event for event in seen if event.startswith("event: ")][1:] == [
        "event: turn.completed",
        "event: chat.result",
    ]


@pytest.mark.looptime
async def test_a_session_that_is_erased_ends_the_stream_with_not_found(door: Door) -> None:
    events = await door.stream()
    first = await anext(events)
    door.log.erased = True
    door.log.readers[0].on_erased()
    assert [first, *[event async for event in events]] == ["event: ok", "event: error"]
    assert door.log.readers == []


@pytest.mark.looptime
async def test_a_node_that_goes_away_ends_the_stream_and_says_that_the_turn_goes_on(door: Door) -> None:
    events = await door.stream()
    first = await anext(events)
    door.leaving.begin()
    assert [first, *[event async for event in events]] == ["event: ok", "event: chat.result"]
