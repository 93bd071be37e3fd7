"""What every provider owes the runner (`core.ports.Provider`), on each of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import msgspec
import pytest

from agent.providers.offline import OfflineProvider
from agent.providers.openai import OpenAIProvider
from agent.providers.scripted import Call, Cut, Pause, Say, ScriptedProvider
from core.errors import ProviderError
from core.messages import SystemMessage, ToolCall, UserMessage
from core.models import ModelEvent, ModelFinished, ModelRequest, TextDelta, ToolCallReady, ToolSpec
from core.ports import Provider
from tests.agent.chat_server import DONE, Answer, ChatServer, chunk

SALES = ToolSpec(
    name="sales_query",
    title="Sales",
    description="Sales figures.",
    parameters={
        "type": "object",
        "properties": {
            "metrics": {"type": "array", "items": {"type": "string", "enum": ["revenue"]}},
            "period": {"type": "string"},
        },
        "required": ["metrics"],
    },
)
Make = Callable[[str], Awaitable[Provider]]


def request(text: str, *, tools: tuple[ToolSpec, ...] = ()) -> ModelRequest:
    """A question."""
    messages = (SystemMessage(content="Be brief."), UserMessage(content=text))
    return ModelRequest(model="any", messages=messages, tools=tools)


async def read(provider: Provider, asked: ModelRequest) -> list[ModelEvent]:
    """All events of a call."""
    async with provider.stream(asked) as events:
        return [event async for event in events]


@pytest.fixture(params=["offline", "scripted", "openai"])
async def make(request: pytest.FixtureRequest) -> AsyncIterator[Make]:
    """Makes the provider of this run, ready to answer `text`, with a `call`, for ever (`endless`) or in part (`cut`)."""
    async with AsyncExitStack() as stack:

        async def build(behaviour: str) -> Provider:
            match request.param:
                case "offline":
                    provider: Provider = OfflineProvider(pace_s=0)
                case "scripted":
                    provider = ScriptedProvider([_script(behaviour)])
                case _:
                    server = await stack.enter_async_context(ChatServer())
                    server.play(_answer(behaviour))
                    provider = OpenAIProvider(api_key="none", base_url=server.url)
            stack.push_async_callback(provider.close)
            return provider

        yield build


def _script(behaviour: str) -> list[Say | Call | Cut | Pause]:
    match behaviour:
        case "call":
            return [Call("sales_query", {"metrics": ["revenue"]})]
        case "cut":
            return [Say("Hello "), Cut()]
        case "endless":
            return [Say("Hello "), Pause(until=asyncio.Event())]
        case _:
            return [Say("Hello "), Say("there.")]


def _answer(behaviour: str) -> Answer:
    match behaviour:
        case "call":
            function = {"name": "sales_query", "arguments": json.dumps({"metrics": ["revenue"]})}
            call = [{"index": 0, "id": "call_1", "type": "function", "function": function}]
            return Answer(pieces=[chunk(tool_calls=call), chunk(finish="tool_calls"), DONE])
        case "cut":
            return Answer(pieces=[chunk("Hello ")], ending="cut")
        case "endless":
            return Answer(pieces=[chunk("Hello ")], ending="hang")
        case _:
            return Answer(pieces=[chunk("Hello "), chunk("there."), chunk(finish="stop"), DONE])


async def test_it_has_the_name_that_stands_before_the_colon(make: Make) -> None:
    assert (await make("text")).name in {"offline", "scripted", "openai"}


async def test_a_whole_answer_ends_with_model_finished_and_has_no_empty_delta(make: Make) -> None:
    events = await read(await make("text"), request("hello"))
    deltas = [event.text for event in events if isinstance(event, TextDelta)]
    assert [type(event) for event in events].count(ModelFinished) == 1
    assert isinstance(events[-1], ModelFinished)
    assert events[-1].reason == "stop"
    assert deltas
    assert all(deltas)


async def test_a_tool_call_is_whole_and_its_arguments_are_json(make: Make) -> None:
    events = await read(await make("call"), request("quanto vendemos no mês passado?", tools=(SALES,)))
    calls = [event.call for event in events if isinstance(event, ToolCallReady)]
    assert [call.name for call in calls] == ["sales_query"]
    assert all(call.call_id for call in calls)
    assert msgspec.json.decode(calls[0].arguments)["metrics"] == ["revenue"]
    assert isinstance(calls[0], ToolCall)


async def test_leaving_early_closes_the_stream_and_the_provider_can_be_closed(make: Make) -> None:
    provider = await make("endless")
    async with provider.stream(request("hello")) as events:
        first = await anext(aiter(events))
    await provider.close()
    assert isinstance(first, TextDelta)


@pytest.mark.parametrize("make", ["scripted", "openai"], indirect=True)  # the offline demo has no network
async def test_a_stream_that_breaks_off_is_no_whole_answer(make: Make) -> None:
    provider = await make("cut")
    with pytest.raises(ProviderError) as raised:
        await read(provider, request("hello"))
    assert raised.value.retryable
