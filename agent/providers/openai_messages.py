"""A ModelRequest as the body of `POST /chat/completions`."""

from __future__ import annotations

from typing import Any, Final, assert_never

from agent.providers.call_ids import CallIds
from agent.providers.chat_dialect import Dialect
from agent.providers.tool_names import ToolNames
from core.messages import AssistantMessage, ModelMessage, SystemMessage, ToolCall, ToolMessage, UserMessage
from core.models import ModelRequest, ToolSpec

SCHEMA_NAME: Final = "answer"
"""OpenAI wants a name for the JSON Schema of an answer; it means nothing."""


THOUGHTS: Final = "reasoning_content"
"""The opaque part of a message that called tools: what the model thought, which it gets back under the same name."""


def request_body(request: ModelRequest, names: ToolNames, *, provider: str, dialect: Dialect) -> dict[str, Any]:
    """The body. Neither tools nor the answer's schema are `strict`: that takes only schemas of required fields."""
    ids = CallIds(provider, nine=dialect.nine_character_ids)
    writer = _Writer(provider, names, ids, dialect)
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [writer.message(message) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.tools:
        body["tools"] = [_tool(spec, names) for spec in request.tools]
    if request.output_schema is not None:
        schema = {"name": SCHEMA_NAME, "schema": request.output_schema, "strict": False}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if request.max_output_tokens is not None:
        body[dialect.limit_name] = request.max_output_tokens
    if request.temperature is not None:
        body["temperature"] = request.temperature
    return body


class _Writer:
    """Goes through the messages of one request in their order."""

    def __init__(self, provider: str, names: ToolNames, ids: CallIds, dialect: Dialect) -> None:
        self._provider, self._names, self._ids, self._dialect = provider, names, ids, dialect

    def message(self, message: ModelMessage) -> dict[str, Any]:
        match message:
            case SystemMessage():
                return {"role": "system", "content": message.content}
            case UserMessage():
                return {"role": "user", "content": _content(message)}
            case ToolMessage():
                return {"role": "tool", "tool_call_id": self._ids.sent(message.call_id), "content": message.content}
            case AssistantMessage():
                self._ids.take(message)
                return self._assistant(message)
            case _:
                assert_never(message)

    def _assistant(self, message: AssistantMessage) -> dict[str, Any]:
        if not message.tool_calls:
            return {"role": "assistant", "content": message.content}
        own = message.provider == self._provider
        sent: dict[str, Any] = {
            "role": "assistant",
            "content": message.content or None,
            "tool_calls": [self._call(call, own=own) for call in message.tool_calls],
        }
        if own and message.opaque is not None and THOUGHTS in message.opaque:
            sent[THOUGHTS] = message.opaque[THOUGHTS]
        elif self._dialect.wants_thoughts:
            sent[THOUGHTS] = ""
        return sent

    def _call(self, call: ToolCall, *, own: bool) -> dict[str, Any]:
        """`own`: the call was made by this provider, which gets its opaque parts back (Gemini's thought signatures)."""
        sent: dict[str, Any] = {
            "id": self._ids.sent(call.call_id),
            "type": "function",
            "function": {"name": self._names.sent(call.name), "arguments": call.arguments},
        }
        if own and call.opaque is not None and "extra_content" in call.opaque:
            sent["extra_content"] = call.opaque["extra_content"]
        return sent


def _content(message: UserMessage) -> str | list[dict[str, Any]]:
    """Words alone as a text; with pictures, as parts: the words first."""
    if not message.images:
        return message.content
    pictures = [{"type": "image_url", "image_url": {"url": url}} for url in message.images]
    return [{"type": "text", "text": message.content}, *pictures] if message.content else pictures


def _tool(spec: ToolSpec, names: ToolNames) -> dict[str, Any]:
    function = {"name": names.sent(spec.name), "description": spec.description, "parameters": spec.parameters}
    return {"type": "function", "function": function}
