"""Events of OpenAI's Responses API for tests, and one exchange with a server that plays them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from agent.providers.openai_responses import OpenAIResponsesProvider
from core.messages import ToolCall, UserMessage
from core.models import ModelEvent, ModelFinished, ModelRequest, TextDelta, ToolCallReady, ToolSpec
from tests.agent.chat_server import ChatServer, event

FIXTURES = Path(__file__).parent / "fixtures" / "openai-responses-streams"
REQUEST = ModelRequest(model="m-1", messages=(UserMessage(content="Olá"),))
LOOK = ToolSpec(name="crm.look", title="Look", description="Looks.", parameters={"type": "object", "properties": {}})


async def read(server: ChatServer, request: ModelRequest = REQUEST) -> list[ModelEvent]:
    provider = OpenAIResponsesProvider(api_key="secret-key", base_url=server.url)
    try:
        async with provider.stream(request) as events:
            return [event async for event in events]
    finally:
        await provider.close()


def text_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def calls_of(events: list[ModelEvent]) -> list[ToolCall]:
    return [event.call for event in events if isinstance(event, ToolCallReady)]


def opaque_of(events: list[ModelEvent]) -> dict[str, Any] | None:
    end = events[-1]
    assert isinstance(end, ModelFinished)
    return end.opaque


def said(text: str, index: int = 0) -> bytes:
    return event({"type": "response.output_text.delta", "output_index": index, "item_id": "msg", "delta": text})


def done(item: dict[str, Any], index: int = 0) -> bytes:
    return event({"type": "response.output_item.done", "output_index": index, "item": item})


def ended(status: str = "completed", **values: Any) -> bytes:
    return event({"type": f"response.{status}", "response": {"status": status, "model": "m-1-x"} | values})


def function(name: str, arguments: Any, call_id: str = "call_1") -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": json.dumps(arguments)}


def message(text: str, **values: Any) -> dict[str, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content} | values


THOUGHT = {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAAAA-encrypted", "summary": []}
