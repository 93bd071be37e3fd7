"""The Google provider against an independent server: npm's @copilotkit/aimock, which is not ours and not made for us.

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

from agent.providers.google import GoogleProvider
from core.errors import ProviderError, StreamCut
from core.messages import AssistantMessage, ToolCall, ToolMessage, UserMessage
from core.models import (
    ModelEvent,
    ModelFinished,
    ModelRequest,
    TextDelta,
    ToolCallReady,
    ToolSpec,
    Usage,
    UsageReported,
)

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / ".cache" / "aimock" / "node_modules" / ".bin" / "llmock"
ANSWERS = Path(__file__).parent / "fixtures" / "aimock.json"
NODE = shutil.which("node")

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(NODE is None, reason="node is not installed"),
    pytest.mark.skipif(not PROGRAM.exists(), reason="npm's @copilotkit/aimock is not installed in .cache/aimock"),
]


@pytest.fixture
async def provider() -> AsyncIterator[GoogleProvider]:
    assert NODE is not None
    process = await asyncio.create_subprocess_exec(
        NODE,
        str(PROGRAM),
        "-p",
        "0",
        "-f",
        str(ANSWERS),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        await process.stdout.readuntil(b"listening on ")
        url = (await process.stdout.readline()).decode()
    found = re.search(r"http://\S+?:\d+", url)
    assert found is not None, url
    client = GoogleProvider(api_key="test", base_url=found[0])
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
    return ModelRequest(model="gemini-2.5-flash", messages=(UserMessage(content=text), *more), tools=(tool,))


async def read(provider: GoogleProvider, request: ModelRequest) -> list[ModelEvent]:
    async with provider.stream(request) as events:
        return [event async for event in events]


async def test_text_and_usage(provider: GoogleProvider) -> None:
    events = await read(provider, ask("hello"))

    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert text == "Olá! Ação, coração, 😀. How can I help you today?"
    assert UsageReported(usage=Usage(input=11, output=7, total=18)) in events
    assert isinstance(events[-1], ModelFinished)
    assert events[-1].reason == "stop"


async def test_tool_calls_beside_text(provider: GoogleProvider) -> None:
    events = await read(provider, ask("weather"))

    calls = [event.call for event in events if isinstance(event, ToolCallReady)]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Let me see."
    assert [(call.name, json.loads(call.arguments)) for call in calls] == [
        ("get_weather", {"city": "São Paulo", "days": [1, 2, 3]}),
        ("get_time", {}),
    ]
    assert len({call.call_id for call in calls}) == 2


async def test_tool_results_are_understood(provider: GoogleProvider) -> None:
    call = ToolCall(call_id="call_1", name="get_weather", arguments="{}")
    asked = AssistantMessage(content="", tool_calls=(call,), provider="google")

    events = await read(
        provider, ask("weather", asked, ToolMessage(call_id="call_1", name="get_weather", content="28"))
    )

    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Sunny."


async def test_a_rate_limit_with_its_wait(provider: GoogleProvider) -> None:
    with pytest.raises(ProviderError) as caught:
        await read(provider, ask("limit"))

    assert (caught.value.status, caught.value.retryable, caught.value.retry_after_ms) == (429, True, 7_000)


async def test_a_stream_cut_in_the_middle(provider: GoogleProvider) -> None:
    seen: list[ModelEvent] = []

    async def collect() -> None:
        async with provider.stream(ask("cut")) as events:
            async for event in events:
                seen.append(event)  # noqa: PERF401 - what came before the cut is kept

    with pytest.raises(StreamCut):
        await collect()

    assert seen
    assert not any(isinstance(event, ModelFinished) for event in seen)
