"""Which providers the settings make, and that none is loaded that was not asked for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.routing.router import Router
from core.errors import ProviderError, UserError
from core.ids import SystemIds
from core.messages import UserMessage
from core.models import ModelRequest
from core.ports import Provider
from server.settings import load_settings
from server.vendors import build_providers
from tests.agent.chat_server import DONE, Answer, ChatServer, chunk

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def server() -> AsyncIterator[ChatServer]:
    async with ChatServer() as running:
        yield running


def providers(**values: object) -> dict[str, Provider]:
    return build_providers(load_settings(_env_file=None, **values), SystemIds())


@pytest.mark.parametrize(
    ("values", "names"),
    [
        pytest.param({}, set(), id="nothing"),
        pytest.param({"openai_api_key": "k"}, {"openai", "openai-responses"}, id="openai"),
        pytest.param({"openai_base_url": "http://h/v1"}, {"openai", "openai-responses"}, id="a_server_of_ones_own"),
        pytest.param({"gemini_api_key": "k"}, {"google"}, id="google"),
        pytest.param({"anthropic_api_key": "k"}, {"anthropic"}, id="anthropic"),
        pytest.param({"ollama_host": "h"}, {"ollama"}, id="ollama"),
        pytest.param({"llm_fallbacks": "ollama:qwen3"}, {"ollama"}, id="ollama_as_the_last_resort"),
        pytest.param(
            {"llm_providers": "groq=http://h/v1,local=http://127.0.0.1:1/v1"}, {"groq", "local"}, id="declared"
        ),
    ],
)
async def test_the_settings_make_the_providers(values: dict[str, str], names: set[str]) -> None:
    built = providers(**values)
    assert set(built) == {"offline", *names}
    assert {name: provider.name for name, provider in built.items()} == {name: name for name in built}
    for provider in built.values():
        await provider.close()


async def test_a_declared_server_is_asked_with_its_own_key(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROQ_API_KEY", "key-of-groq")
    server.play(Answer(pieces=[chunk("Oi", finish="stop"), DONE]))
    provider = providers(llm_providers=f"groq={server.url}", openai_api_key="key-of-openai")["groq"]

    async with provider.stream(ModelRequest(model="llama", messages=(UserMessage(content="Oi"),))) as events:
        assert [event async for event in events]
    await provider.close()

    assert "authorization: bearer key-of-groq" in server.heads[0].lower()
    assert server.bodies[0]["model"] == "llama"


async def test_a_declared_server_is_told_nothing_of_another_vendor(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-openai")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-openai")
    server.play(Answer(pieces=[chunk("Oi", finish="stop"), DONE]))
    provider = providers(llm_providers=f"local={server.url}", openai_api_key="key-of-openai")["local"]

    async with provider.stream(ModelRequest(model="m", messages=(UserMessage(content="Oi"),))) as events:
        assert [event async for event in events]
    await provider.close()

    assert "of-openai" not in server.heads[0]


async def test_the_limits_of_time_are_the_operators(server: ChatServer) -> None:
    server.play(Answer(deaf=True))
    provider = providers(llm_providers=f"slow={server.url}", llm_first_token_s=0.2, llm_total_s=60)["slow"]

    with pytest.raises(ProviderError, match="'slow' did not begin to answer in time"):
        async with provider.stream(ModelRequest(model="m", messages=(UserMessage(content="Oi"),))):
            pass
    await provider.close()


async def test_a_whole_answers_limit_is_the_operators(server: ChatServer) -> None:
    server.play(Answer(deaf=True))
    provider = providers(llm_providers=f"slow={server.url}", llm_first_token_s=60, llm_total_s=0.2)["slow"]

    with pytest.raises(ProviderError, match="'slow' did not begin to answer in time"):
        async with provider.stream(ModelRequest(model="m", messages=(UserMessage(content="Oi"),))):
            pass
    await provider.close()


def test_a_caller_who_asks_for_a_vendor_that_is_not_set_up_is_told_what_to_set() -> None:
    settings = load_settings(_env_file=None)
    router = Router(build_providers(settings, SystemIds()), settings.model, missing=settings.missing)
    with pytest.raises(UserError, match="set ANTHROPIC_API_KEY where the server runs"):
        router.candidate("anthropic:claude-haiku-5-5")


@pytest.mark.parametrize("module", ["aiohttp", "agent.providers.openai", "agent.providers.ollama"])
def test_a_start_without_a_vendor_loads_nothing_of_theirs(module: str) -> None:
    program = (
        "import sys; from core.ids import SystemIds; from server.settings import load_settings; import server.wiring as w;"
        "w.build_providers(load_settings(_env_file=None), SystemIds()); print(sys.argv[1] in sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program, module], cwd=ROOT, env={"PATH": ""}, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "False"
