"""What the provider of Chat Completions sends beyond the plain: pictures, schemas, ids, thoughts, by the server's ways."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.providers.openai import OpenAIProvider
from core.messages import AssistantMessage, ToolCall, ToolMessage, UserMessage
from core.models import ModelEvent, ModelFinished, ModelRequest, ToolCallReady, ToolSpec
from tests.agent.chat_server import DONE, Answer, ChatServer, chunk

REQUEST = ModelRequest(model="m-1", messages=(UserMessage(content="Olá"),))
TOOL = ToolSpec(name="look", title="Look", description="Looks.", parameters={"type": "object", "properties": {}})


async def read(server: ChatServer, request: ModelRequest = REQUEST) -> list[ModelEvent]:
    provider = OpenAIProvider(api_key="secret-key", base_url=server.url)
    try:
        async with provider.stream(request) as events:
            return [event async for event in events]
    finally:
        await provider.close()


def calls_of(events: list[ModelEvent]) -> list[ToolCall]:
    return [event.call for event in events if isinstance(event, ToolCallReady)]


def fragment(**values: Any) -> bytes:
    return chunk(tool_calls=[values])


async def test_pictures_and_a_schema_are_sent_in_the_vendors_words(server: ChatServer) -> None:
    server.play(Answer(pieces=[chunk("{}", finish="stop"), DONE]))
    schema = {"type": "object", "properties": {"total": {"type": "integer"}}}
    words = UserMessage(content="O que é?", images=("https://example.com/a.png", "data:image/png;base64,AAAA"))
    alone = UserMessage(content="", images=("https://example.com/b.png",))

    await read(server, ModelRequest(model="m-1", messages=(words, alone), output_schema=schema))

    assert [message["content"] for message in server.bodies[0]["messages"]] == [
        [
            {"type": "text", "text": "O que é?"},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        ],
        [{"type": "image_url", "image_url": {"url": "https://example.com/b.png"}}],
    ]
    assert server.bodies[0]["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema, "strict": False},
    }


async def test_its_own_ids_go_back_as_they_came_and_others_as_every_vendor_takes_them(server: ChatServer) -> None:
    server.play(Answer(pieces=[chunk("x", finish="stop"), DONE]))
    own = ToolCall(call_id="functions.look:0", name="look", arguments="{}")
    other = ToolCall(call_id="functions.look:1", name="look", arguments="{}")
    messages = (
        AssistantMessage(content="", tool_calls=(own,), provider="openai"),
        ToolMessage(call_id=own.call_id, name="look", content="1"),
        AssistantMessage(content="", tool_calls=(other,), provider="google"),
        ToolMessage(call_id=other.call_id, name="look", content="2"),
    )

    await read(server, ModelRequest(model="m-1", messages=messages))

    first, first_result, second, second_result = server.bodies[0]["messages"]
    assert first["tool_calls"][0]["id"] == first_result["tool_call_id"] == "functions.look:0"
    assert second["tool_calls"][0]["id"] == second_result["tool_call_id"]
    assert second_result["tool_call_id"].replace("_", "").isalnum()


async def test_calls_in_a_wrapper_that_nobody_offered_are_taken_out(server: ChatServer) -> None:
    uses = [{"recipient_name": "functions.look", "parameters": {"n": n}} for n in (1, 2)]
    wrapper = {"name": "multi_tool_use.parallel", "arguments": json.dumps({"tool_uses": uses})}
    server.play(Answer(pieces=[fragment(index=0, id="call_1", function=wrapper), chunk(finish="tool_calls"), DONE]))

    calls = calls_of(await read(server, ModelRequest(model="m-1", messages=REQUEST.messages, tools=(TOOL,))))

    assert [(call.call_id, call.name, call.arguments) for call in calls] == [
        ("call_1_0", "look", '{"n": 1}'),
        ("call_1_1", "look", '{"n": 2}'),
    ]


async def test_mistral_gets_ids_of_nine_letters_and_digits_and_its_own_as_they_came(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment's proxy stands in for the vendor."""
    monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
    server.play(Answer(pieces=[chunk("x", finish="stop"), DONE]))
    provider = OpenAIProvider(api_key="k", base_url="http://api.mistral.ai/v1", name="mistral")
    own, other = (ToolCall(call_id=one, name="look", arguments="{}") for one in ("own_1", "call_1"))
    messages = (
        AssistantMessage(content="", tool_calls=(own,), provider="mistral"),
        ToolMessage(call_id="own_1", name="look", content="1"),
        AssistantMessage(content="", tool_calls=(other,), provider="openai"),
        ToolMessage(call_id="call_1", name="look", content="2"),
    )

    async with provider.stream(ModelRequest(model="m", messages=messages)) as events:
        assert [event async for event in events]
    await provider.close()

    first, first_result, second, second_result = server.bodies[0]["messages"]
    assert first["tool_calls"][0]["id"] == first_result["tool_call_id"] == "own_1"
    assert second["tool_calls"][0]["id"] == second_result["tool_call_id"]
    assert len(second_result["tool_call_id"]) == 9
    assert second_result["tool_call_id"].isalnum()


async def test_what_was_thought_before_a_call_comes_back_with_it(server: ChatServer) -> None:
    """DeepSeek and Kimi refuse the next request of a turn where it is missing."""
    thoughts = [chunk(reasoning_content=text) for text in ("Let me ", "see.")]
    call = fragment(index=0, id="call_1", function={"name": "look", "arguments": "{}"})
    server.play(Answer(pieces=[*thoughts, call, chunk(finish="tool_calls"), DONE]))
    server.play(Answer(pieces=[chunk("x", finish="stop"), DONE]))
    events = await read(server)
    end = events[-1]
    assert isinstance(end, ModelFinished)
    step = AssistantMessage(content="", tool_calls=tuple(calls_of(events)), provider="openai", opaque=end.opaque)

    await read(server, ModelRequest(model="m-1", messages=(*REQUEST.messages, step)))

    assert server.bodies[1]["messages"][1]["reasoning_content"] == "Let me see."


async def test_thoughts_before_words_are_not_kept(server: ChatServer) -> None:
    server.play(Answer(pieces=[chunk(reasoning_content="Hm."), chunk("Ten.", finish="stop"), DONE]))

    assert (await read(server))[-1] == ModelFinished(reason="stop", model="m-1")


@pytest.mark.parametrize(
    ("host", "thoughts"),
    [("api.deepseek.com", ""), ("api.moonshot.ai", ""), ("api.groq.com", None)],
    ids=["deepseek", "kimi", "groq"],
)
async def test_a_call_of_another_vendor_has_empty_thoughts_where_some_are_demanded(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, host: str, thoughts: str | None
) -> None:
    """The environment's proxy stands in for the vendor."""
    monkeypatch.setenv("http_proxy", server.url.removesuffix("/v1"))
    server.play(Answer(pieces=[chunk("x", finish="stop"), DONE]))
    provider = OpenAIProvider(api_key="k", base_url=f"http://{host}/v1", name="far")
    call = ToolCall(call_id="call_1", name="look", arguments="{}")
    message = AssistantMessage(content="", tool_calls=(call,), provider="google")

    async with provider.stream(ModelRequest(model="m", messages=(message,))) as events:
        assert [event async for event in events]
    await provider.close()

    assert server.bodies[0]["messages"][0].get("reasoning_content") == thoughts
