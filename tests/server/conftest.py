"""A real node (HTTP, WebSocket, worker, Valkey, SQLite) inside the test's loop, with a scripted model."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiosqlite
import httpx2
import pytest
import pytest_asyncio
import uvicorn

from agent.providers.scripted import Item, ScriptedProvider
from core.models import ModelRequest
from server.node import Node
from server.serving import Server
from server.settings import Settings, load_settings
from server.uvicorn_protocol import WebSocketProtocol
from server.wiring import build
from tests.server.wire_client import WireClient
from tests.servers import valkey_server

KEYS = "acme=acme-secret-0123456789,globex=globex-secret-0123456789"
USERS = itertools.count(1)


class PlannedProvider:
    """A scripted provider for many users at once: each user's message names the script to play, `<name>: words`."""

    name = "scripted"

    def __init__(self) -> None:
        self.plans: dict[str, ScriptedProvider] = {}

    def plan(self, name: str, *scripts: list[Item]) -> ScriptedProvider:
        """Messages that begin with `name` play these scripts in order."""
        self.plans[name] = ScriptedProvider(scripts)
        return self.plans[name]

    def stream(self, request: ModelRequest) -> Any:
        """Play the next script of the plan that the last user message names."""
        asked = [message for message in request.messages if type(message).__name__ == "UserMessage"][-1]
        return self.plans[asked.content.partition(":")[0]].stream(request)

    async def close(self) -> None:
        """Nothing to free."""


@dataclass(frozen=True, kw_only=True)
class RunningNode:
    """A node that serves."""

    node: Node
    port: int
    settings: Settings
    provider: PlannedProvider

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def http(self, key: str | None = None) -> httpx2.AsyncClient:
        """An HTTP client with or without an API key."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=20)

    def chat_wait(self, seconds: float) -> None:
        """Have POST /chat wait so long from now on."""
        route = next(route for route in self.node.app.routes if getattr(route, "path", "") == "/chat")
        route.endpoint.__wrapped__.__self__.wait_s = seconds

    async def recorded(self, session_id: str, *, turns: int) -> None:
        """Wait until the recorder has taken so many turns of a session to SQL."""
        async with aiosqlite.connect(self.settings.data_dir / "prosa.db") as sql:
            query = "SELECT COUNT(*) FROM turns WHERE session_id = ?"
            while (await (await sql.execute(query, (session_id,))).fetchone())[0] < turns:
                await asyncio.sleep(0.02)

    @asynccontextmanager
    async def connect(self, **options: Any) -> AsyncIterator[WireClient]:
        """A WebSocket client."""
        async with WireClient.connect(f"ws://127.0.0.1:{self.port}/ws", **options) as client:
            yield client


@asynccontextmanager
async def running_node(provider: PlannedProvider, **settings: Any) -> AsyncIterator[RunningNode]:
    """Build and serve a node until the block is left."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    loaded = load_settings(_env_file=None, port=port, llm_model="scripted:double", log_level="ERROR", **settings)
    async with build(loaded, {"scripted": provider}) as node:
        config = uvicorn.Config(
            node.app,
            ws=WebSocketProtocol,
            ws_max_size=4 * 1024 * 1024,
            ws_ping_interval=None,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            timeout_graceful_shutdown=1,
        )
        server = Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield RunningNode(node=node, port=port, settings=loaded, provider=provider)
        finally:
            await node.drain()
            server.should_exit = True
            await serving


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real Valkey for all tests of the server."""
    with valkey_server() as server:
        yield server.url


@pytest.fixture(scope="session")
def server_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder that the nodes of the tests share, as nodes on one machine do."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def provider() -> PlannedProvider:
    """The model behind every node of the tests: they share a queue, so any may run a turn."""
    return PlannedProvider()


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def development_node(redis_url: str, server_data: Path, provider: PlannedProvider) -> AsyncIterator[RunningNode]:
    """A node without API keys."""
    async with running_node(provider, redis_url=redis_url, data_dir=server_data) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def keyed_node(redis_url: str, server_data: Path, provider: PlannedProvider) -> AsyncIterator[RunningNode]:
    """A node with a key for each of two tenants, acme and globex, on the same Redis and SQL."""
    async with running_node(provider, redis_url=redis_url, data_dir=server_data, bootstrap_api_keys=KEYS) as running:
        yield running


@pytest.fixture
def user() -> str:
    """A user nobody else talks as."""
    return f"user-{next(USERS)}"
