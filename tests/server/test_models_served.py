"""Every vendor through the whole server: the settings that name it, POST /chat, its own dialect on a real socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from core.errors import SettingsError
from server.settings import load_settings
from server.wiring import build
from tests.agent.chat_server import ChatServer
from tests.conformance.vendors.registry import VENDORS
from tests.conformance.vendors.vendor import Vendor
from tests.server.conftest import PlannedProvider, RunningNode, running_node

KEY = "sk-secret-canary-9876543210"
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(autouse=True)
def no_keys_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not set up here is not set up."""
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vendor_server() -> AsyncIterator[ChatServer]:
    """One server that plays every vendor: it answers what it is told to, whatever the address."""
    async with ChatServer() as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(vendor_server: ChatServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningNode]:
    """A node with all vendors, as an operator sets them up, and a Valkey of its own."""
    host = vendor_server.url.removesuffix("/v1")
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(
            running_node(
                PlannedProvider(),
                data_dir=tmp_path_factory.mktemp("data"),
                openai_api_key=KEY,
                openai_base_url=f"{host}/v1",
                google_api_key=KEY,
                google_gemini_base_url=host,
                anthropic_api_key=KEY,
                anthropic_base_url=host,
                ollama_host=host.removeprefix("http://"),
                llm_providers=f"compatible={host}/v1",
            )
        )


ADDRESSES = {
    "openai": "/v1/chat/completions",
    "openai-responses": "/v1/responses",
    "google": "/v1beta/models/m-1:streamGenerateContent?alt=sse",
    "anthropic": "/v1/messages",
    "ollama": "/api/chat",
    "compatible": "/v1/chat/completions",
}


@pytest.mark.parametrize("vendor", VENDORS, ids=[vendor.name for vendor in VENDORS])
async def test_each_vendors_model_answers_a_turn_under_its_name(
    node: RunningNode, vendor_server: ChatServer, vendor: Vendor
) -> None:
    answer = vendor.answer("text")
    assert answer is not None
    vendor_server.play(answer)
    vendor_server.heads.clear()

    async with node.http() as http:
        question = {"user_id": f"ana-{vendor.name}", "message": "Olá", "model": f"{vendor.name}:m-1"}
        said = (await http.post("/chat", json=question)).json()

    assert (said["response"], said["provider"], said["tokens_used"]) == ("Hello there.", vendor.name, 17)
    assert vendor_server.heads[0].startswith(f"POST {ADDRESSES[vendor.name]} HTTP/1.1")
    assert (KEY in vendor_server.heads[0]) == (vendor.name not in ("ollama", "compatible")), "who needs none, gets none"
    assert KEY not in json.dumps(said)


async def test_a_model_of_a_vendor_that_is_not_set_up_is_refused_with_what_to_set(tmp_path: Path) -> None:
    async with running_node(PlannedProvider(), data_dir=tmp_path) as running, running.http() as http:
        answer = await http.post("/chat", json={"user_id": "ana", "message": "Oi", "model": "google:gemini-3.8-flash"})

    assert answer.status_code == 422
    assert "set GEMINI_API_KEY" in answer.json()["error"]["message"]


async def test_an_agent_whose_model_nobody_serves_is_said_at_the_start(tmp_path: Path) -> None:
    agents = tmp_path / "agents"
    agents.mkdir()
    (agents / "sales.yaml").write_text(
        "{name: sales, title: S, instructions: {id: sales, version: 2}, model: 'anthropic:claude-haiku-5-5'}"
    )
    settings = load_settings(_env_file=None, data_dir=tmp_path / "data", agents_dir=agents)

    with pytest.raises(SettingsError, match=r"agent 'sales': .*set ANTHROPIC_API_KEY"):
        async with build(settings):
            pass
