"""The Anthropic provider against an independent server: npm's @copilotkit/aimock, not ours and not made for us.

It is looked for in `.cache/aimock` (`npm install --prefix .cache/aimock @copilotkit/aimock@1.43 --ignore-scripts`).
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.providers.anthropic import AnthropicProvider
from core.errors import ProviderError, StreamCut
from core.messages import AssistantMessage, ToolMessage, UserMessage
from core.models import ModelEvent, ModelFinished, ModelRequest, ToolSpec, Usage
from tests.agent.anthropic_support import calls_of, finish_of, text_of, thought_of, usage_of

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / ".cache" / "aimock" / "node_modules" / ".bin" / "llmock"
FIXTURES = Path(__file__).parent / "fixtures"
NODE = shutil.which("node")

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(NODE is None, reason="node is not installed"),
    pytest.mark.skipif(not PROGRAM.exists(), reason="npm's @copilotkit/aimock is not installed in .cache/aimock"),
]


@pytest.fixture
async def provider() -> AsyncIterator[AnthropicProvider]:
    assert NODE is not None
    files = [part for name in ("aimock.json", "aimock-anthropic.json") for part in ("-f", str(FIXTURES / name))]
    process = await asyncio.create_subprocess_exec(
        NODE, str(PROGRAM), "-p", "0", *files, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        await process.stdout.readuntil(b"listening on ")
        url = (await process.stdout.readline()).decode()
    found = re.search(r"http://\S+?:\d+", url)
    assert found is not None, url
    client = AnthropicProvider(api_key="test", base_url=found[0])
    yield client
    await client.close()
    process.terminate()
    await process.communicate()


def ask(text: str, *more: AssistantMessage | ToolMessage) -> ModelRequest:
    tool = ToolSpec(
        name="get_weather",
        title="Weather",
        description="Tells the weather.",
        parameters={"type": "object", "properties": {}},
    )
    return ModelRequest(model="claude-sonnet-4-5", messages=(UserMessage(content=text), *more), tools=(tool,))


async def read(provider: AnthropicProvider, request: ModelRequest) -> list[ModelEvent]:
    async with provider.stream(request) as events:
        return [event async for event in events]


async def test_text_and_usage_of_aimock(provider: AnthropicProvider) -> None:
    events = await read(provider, ask("hello"))

    assert text_of(events) == "Olá! Ação, coração, 😀. How can I help you today?"
    assert usage_of(events) == Usage(input=11, output=7, total=18)
    assert (finish_of(events).reason, finish_of(events).model) == ("stop", "claude-sonnet-4-5")


async def test_parallel_calls_of_aimock(provider: AnthropicProvider) -> None:
    calls = calls_of(await read(provider, ask("weather")))

    assert [(call.name, json.loads(call.arguments)) for call in calls] == [
        ("get_weather", {"city": "São Paulo", "days": [1, 2, 3]}),
        ("get_time", {}),
    ]
    assert len({call.call_id for call in calls}) == 2


async def test_a_loop_with_thoughts_is_understood_by_aimock(provider: AnthropicProvider) -> None:
    first = await read(provider, ask("think"))
    said = AssistantMessage(
        content=text_of(first), tool_calls=tuple(calls_of(first)), provider="anthropic", opaque=finish_of(first).opaque
    )
    result = ToolMessage(call_id=said.tool_calls[0].call_id, name="get_weather", content="28")

    second = await read(provider, ask("think", said, result))

    assert thought_of(first) == "The user asks for the weather."
    assert said.opaque is not None
    assert text_of(second) == "Sunny."


async def test_a_rate_limit_of_aimock_with_its_wait(provider: AnthropicProvider) -> None:
    with pytest.raises(ProviderError) as caught:
        await read(provider, ask("limit"))

    assert (caught.value.status, caught.value.retryable, caught.value.retry_after_ms) == (429, True, 7_000)


async def test_a_stream_of_aimock_that_is_cut_in_the_middle(provider: AnthropicProvider) -> None:
    seen: list[ModelEvent] = []

    async def collect() -> None:
        async with provider.stream(ask("break")) as events:
            async for event in events:
                seen.append(event)  # noqa: PERF401 - what came before the cut is kept

    with pytest.raises(StreamCut):
        await collect()

    assert text_of(seen).startswith("This")
    assert not any(isinstance(event, ModelFinished) for event in seen)
