"""A question in other words, asked at a whole node whose vectors come from a server that speaks OpenAI's API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.providers.scripted import Say
from core.errors import SettingsError
from server.settings import load_settings
from server.vendors import build_embedder
from server.wiring import build
from tests.agent.chat_server import Answer, ChatServer
from tests.conformance.kit import eventually
from tests.server.conftest import PlannedProvider, RunningNode, running_node
from tests.servers import RedisServer, valkey_server

AGENT = """
name: sales
title: Sales
instructions: {id: sales, version: 2}
cache: {semantic: {threshold: 0.9}}
"""
NOVEMBER, PLEASE = "Quais foram as vendas de novembro?", "Por favor, me mostre as vendas em novembro"
DECEMBER = "Quais foram as vendas de dezembro?"
SAME = Answer(
    pieces=[json.dumps({"data": [{"index": 0, "embedding": [0.6, 0.8]}], "usage": {"prompt_tokens": 5}}).encode()]
)


@pytest.fixture
def agents_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "agents"
    folder.mkdir()
    (folder / "sales.yaml").write_text(AGENT, encoding="utf-8")
    return folder


@pytest.fixture
async def vectors() -> AsyncIterator[ChatServer]:
    async with ChatServer() as running:
        yield running


@pytest.fixture
async def redis() -> AsyncIterator[RedisServer]:
    with valkey_server() as running:
        yield running


@pytest.fixture
async def near_node(
    agents_dir: Path, tmp_path: Path, vectors: ChatServer, redis: RedisServer
) -> AsyncIterator[RunningNode]:
    provider = PlannedProvider()
    for question in (NOVEMBER, PLEASE, DECEMBER):
        provider.plan(question, [Say(f"An answer to: {question}")])
    async with running_node(
        provider,
        redis_url=redis.url,
        data_dir=tmp_path,
        agents_dir=agents_dir,
        llm_providers=f"vectors={vectors.url}",
        embeddings_model="vectors:small",
    ) as running:
        yield running


async def test_it_is_answered_by_what_was_said_before_and_another_month_is_not(
    near_node: RunningNode, vectors: ChatServer, redis: RedisServer
) -> None:
    vectors.play(SAME, SAME, SAME)
    with redis.client() as keys:
        async with near_node.http() as http:
            answers = []
            for number, question in enumerate((NOVEMBER, PLEASE, DECEMBER)):
                body = {"user_id": "ana", "message": question, "session_id": f"ses_{number}"}
                answers.append((await http.post("/chat", json=body)).json())
                await eventually(lambda asked=number: len(keys.keys("prosa:*:ce:*")) == asked + 1)
                await eventually(lambda asked=number: len(keys.keys("prosa:*:cn:*")) == (asked + 2) // 2)
                await near_node.recorded(answers[-1]["session_id"], turns=1)
            stats = (await http.get("/api/v1/stats")).json()

    assert [answer["cached"] for answer in answers] == [False, True, False]
    assert answers[1]["response"] == answers[0]["response"]
    assert answers[2]["response"] == f"An answer to: {DECEMBER}"
    assert {name: stats["cache"][name] for name in ("hits", "near", "misses")} == {"hits": 1, "near": 1, "misses": 2}
    assert [body["input"] for body in vectors.bodies] == [[NOVEMBER], [PLEASE], [DECEMBER]]


async def test_an_agent_that_wants_it_without_a_model_for_vectors_is_refused_at_the_start(
    agents_dir: Path, tmp_path: Path
) -> None:
    settings = load_settings(_env_file=None, data_dir=tmp_path / "data", agents_dir=agents_dir)
    with pytest.raises(SettingsError, match=r"'sales' has cache\.semantic, which needs vectors: set EMBEDDINGS_MODEL"):
        async with build(settings):
            pass


@pytest.mark.parametrize(
    ("model", "words"),
    [
        pytest.param("openai:small", "'openai' is not set up; set OPENAI_API_KEY", id="without_a_key"),
        pytest.param("anthropic:small", "'anthropic' is not set up", id="another_vendor_without_a_key"),
        pytest.param("nobody:small", "'nobody' makes no vectors here; choose one of ollama, openai", id="nobody"),
    ],
)
def test_a_model_for_vectors_that_cannot_be_asked_is_refused(model: str, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        build_embedder(load_settings(_env_file=None, embeddings_model=model))
    assert words in refused.value.message


@pytest.mark.parametrize("model", ["small", "openai:", ":small"])
def test_a_model_for_vectors_is_written_whole(model: str) -> None:
    with pytest.raises(SettingsError, match="EMBEDDINGS_MODEL"):
        load_settings(_env_file=None, embeddings_model=model)


async def test_without_a_model_for_vectors_there_are_none() -> None:
    assert build_embedder(load_settings(_env_file=None, embeddings_model=" ")) is None


async def test_ollama_is_asked_at_its_compatible_address() -> None:
    async with ChatServer() as ollama:
        ollama.play(SAME)
        host = ollama.url.removesuffix("/v1")
        embedder = build_embedder(
            load_settings(_env_file=None, embeddings_model="ollama:nomic-embed-text", ollama_host=host)
        )
        assert embedder is not None
        await embedder.embed(["Oi"])
        await embedder.close()
        assert ollama.heads[0].startswith("POST /v1/embeddings ")
        assert ollama.bodies == [{"model": "nomic-embed-text", "input": ["Oi"]}]
