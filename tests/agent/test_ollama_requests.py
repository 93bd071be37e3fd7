"""What the Ollama provider sends, and what comes back to it with the next request."""

from __future__ import annotations

import pytest

from agent.providers.ollama import OllamaProvider
from core.messages import AssistantMessage, SystemMessage, ToolCall, ToolMessage, UserMessage
from core.models import ModelFinished, ModelRequest
from tests.agent.chat_server import Answer, ChatServer
from tests.agent.ollama_support import (
    REQUEST,
    TOOL,
    failure,
    last,
    line,
    read,
)


async def test_the_request_holds_the_conversation_in_ollamas_words(server: ChatServer) -> None:
    server.play(Answer(pieces=[last()]))
    call = ToolCall(call_id="call_1", name="crm.look", arguments='{"q": "x"}')
    broken = ToolCall(call_id="", name="look", arguments="{no json")
    thoughts = {"thinking": "Let me see."}
    request = ModelRequest(
        model="qwen3",
        messages=(
            SystemMessage(content="Be brief."),
            UserMessage(content="Quanto?", images=("data:image/png;base64,iVBORw0KGgo=",)),
            AssistantMessage(content="", tool_calls=(call, broken), provider="ollama", opaque=thoughts),
            ToolMessage(call_id="call_1", name="crm.look", content="10"),
            AssistantMessage(content="Dez.", provider="google", opaque=thoughts),
        ),
        tools=(TOOL,),
        max_output_tokens=50,
        temperature=0.5,
        output_schema={"type": "object"},
    )

    await read(server, request, context_tokens=8192)

    function = {"name": "crm_look", "description": "Looks.", "parameters": TOOL.parameters}
    assert server.bodies[0] == {
        "model": "qwen3",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Quanto?", "images": ["iVBORw0KGgo="]},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {"id": "call_1", "function": {"name": "crm_look", "arguments": {"q": "x"}}},
                    {"function": {"name": "look", "arguments": {}}},
                ],
                "thinking": "Let me see.",
            },
            {"role": "tool", "tool_name": "crm_look", "content": "10", "tool_call_id": "call_1"},
            {"role": "assistant", "content": "Dez."},
        ],
        "stream": True,
        "truncate": False,
        "shift": False,
        "options": {"num_ctx": 8192, "num_predict": 50, "temperature": 0.5},
        "tools": [{"type": "function", "function": function}],
        "format": {"type": "object"},
    }
    assert server.heads[0].startswith("POST /api/chat HTTP/1.1")
    assert "authorization" not in server.heads[0].lower()


async def test_a_proxys_path_and_password_are_used(server: ChatServer) -> None:
    server.play(Answer(pieces=[last()]))
    provider = OllamaProvider(base_url=server.url.replace("http://", "http://ana:a%40b@").replace("/v1", "/ollama/"))

    async with provider.stream(REQUEST) as events:
        assert [event async for event in events]
    await provider.close()

    assert server.heads[0].startswith("POST /ollama/api/chat HTTP/1.1")
    assert "Authorization: Basic YW5hOmFAYg==" in server.heads[0]


async def test_thoughts_come_back_only_with_the_calls_that_they_led_to(server: ChatServer) -> None:
    call = {"function": {"name": "look", "arguments": {}}}
    server.play(
        Answer(pieces=[line(message={"thinking": "Hm."}), line(message={"tool_calls": [call]}), last()]),
        Answer(pieces=[line(message={"thinking": "Hm."}), line("Four."), last()]),
    )

    with_calls, without = (await read(server))[-1], (await read(server))[-1]

    assert with_calls == ModelFinished(reason="stop", model="qwen3", opaque={"thinking": "Hm."})
    assert without == ModelFinished(reason="stop", model="qwen3")


@pytest.mark.parametrize(
    "url", ["https://example.com/canary.png", "data:image/png,canary", "data:text/html;base64,canary", "data:"]
)
async def test_a_picture_that_is_no_data_url_is_refused_before_anything_is_sent(server: ChatServer, url: str) -> None:
    error = await failure(server, ModelRequest(model="llava", messages=(UserMessage(content="?", images=(url,)),)))

    assert (error.code, error.retryable) == ("invalid_request", False)
    assert "data: URLs" in error.message
    assert server.bodies == []
