"""The server as a process: how it starts, what it says where it cannot, how it stops, what a kill leaves behind."""

from __future__ import annotations

import asyncio
import signal
import socket
from pathlib import Path

import httpx2
import pytest

from tests.server.server_process import ServerProcess, free_port, server_process
from tests.server.slow_model import SlowModel
from tests.server.wire_client import WireClient


async def refusal(**settings: object) -> tuple[int, str]:
    """Exit code and words of a server that does not start."""
    server = ServerProcess({key: str(value) for key, value in settings.items()})
    await server.spawn()
    words = await server.errors()
    assert server.process is not None
    return server.process.returncode or 0, words


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        pytest.param({"PORT": "eighty"}, "PORT: ", id="port_that_is_no_number"),
        pytest.param({"ROLES": "web,cook"}, "ROLES: ", id="unknown_role"),
        pytest.param({"HOST": "0.0.0.0"}, "BOOTSTRAP_API_KEYS", id="open_to_the_world_without_keys"),
        pytest.param({"BOOTSTRAP_API_KEYS": "acme=short"}, "16 characters", id="short_key"),
        pytest.param({"LLM_MODEL": "gpt-5"}, "provider:model", id="model_without_provider"),
        pytest.param({"LLM_MODEL": "openai:gpt-5"}, "OPENAI_API_KEY", id="provider_without_key"),
        pytest.param({"REDIS_URL": "redis://127.0.0.1:1"}, "REDIS_URL", id="unreachable_redis"),
        pytest.param({"DATABASE_URL": "oracle://x"}, "DATABASE_URL", id="unknown_database"),
        pytest.param({"REFERENCE_DATE": "yesterday"}, "REFERENCE_DATE", id="date_that_is_none"),
        pytest.param({"AGENT": "nobody"}, "AGENT", id="unknown_agent"),
        pytest.param({"DATA_DIR": "/proc/none"}, "DATA_DIR", id="folder_that_cannot_be_made"),
    ],
)
async def test_a_wrong_setting_is_one_line_that_names_it(tmp_path: Path, settings: dict[str, str], words: str) -> None:
    code, said = await refusal(**{"PORT": free_port(), "DATA_DIR": tmp_path / "data", **settings})
    complaints = [line for line in said.splitlines() if not line.startswith("{")]
    assert code == 2
    assert len(complaints) == 1, said
    assert complaints[0].startswith("prosa: ")
    assert words in complaints[0]
    assert "Traceback" not in said


async def test_a_busy_port_is_one_line_that_names_another(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = await refusal(PORT=port, DATA_DIR=tmp_path / "data")
    assert code == 2
    assert said.startswith(f"prosa: Cannot listen on 127.0.0.1:{port}")
    assert "PORT=" in said


async def test_a_second_server_in_the_same_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    async with server_process(tmp_path):
        code, said = await refusal(PORT=free_port(), DATA_DIR=tmp_path / "data", LOG_LEVEL="ERROR")
    assert code == 2
    assert len(said.splitlines()) == 1
    assert "DATA_DIR" in said


async def test_sigterm_tells_connections_to_come_back_and_ends_with_0(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        async with WireClient.connect(f"{server.url.replace('http', 'ws')}/ws") as client:
            await client.open("ana")
            ended = asyncio.create_task(server.end(signal.SIGTERM))
            draining = await client.until_type("server.draining")
            code = await client.closed()
        assert await ended == 0
    assert code == 1012
    assert draining["reconnect_in_ms"] > 0


async def test_memory_and_books_outlive_a_restart(tmp_path: Path) -> None:
    body = {"user_id": "ana", "message": "Quais foram as vendas do mês passado?"}
    async with server_process(tmp_path) as server, httpx2.AsyncClient(timeout=30) as http:
        first = (await http.post(f"{server.url}/chat", json=body)).json()
        await server.end(signal.SIGTERM)
        await server.start()
        second = (await http.post(f"{server.url}/chat", json={**body, "message": "e no mês anterior?"})).json()
    assert "938.943" in first["response"]
    assert "731.980" in second["response"]
    assert second["session_id"] == first["session_id"]
    assert second["context_size"] > first["context_size"]


@pytest.mark.slow
async def test_an_answer_goes_on_after_the_server_was_killed_in_the_middle_of_it(tmp_path: Path) -> None:
    """Everything dies at once, the embedded Valkey too; started again, the page has the whole answer once."""
    async with SlowModel() as model:
        settings = {"OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "none", "LLM_MODEL": "openai:slow"}
        async with server_process(tmp_path, **settings) as server:
            address = f"{server.url.replace('http', 'ws')}/ws"
            async with WireClient.connect(address) as before:
                opened = await before.open("ana")
                ok = await before.ask("message.send", session_id=opened["session_id"], content="conte até dez")
                await model.say("um dois três ")
                await before.until_type("message.delta")
                await server.end(signal.SIGKILL)
            await server.start()
            async with WireClient.connect(address) as after:
                position = {"epoch": opened["epoch"], "seq": before.events()[-1]["seq"]}
                again = await after.open("ana", resume=position)
                await model.next_call()
                await model.say("um dois três quatro cinco")
                await model.finish()
                end = await after.until_turn_ends(ok["turn_id"])
                history = await after.ask("history.get", session_id=opened["session_id"])
    assert (again["recovered"], again["reason"]) == (False, "epoch")
    assert end["type"] == "turn.completed"
    assert [(m["role"], m["content"]) for m in history["messages"]] == [
        ("user", "conte até dez"),
        ("assistant", "um dois três quatro cinco"),
    ]
