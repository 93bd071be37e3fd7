"""A ModelRequest as the body of `POST /chat/completions`."""

from __future__ import annotations

from typing import Any, Final, assert_never

from agent.providers.call_ids import CallIds
from agent.providers.tool_names import ToolNames
from core.messages import AssistantMessage, ModelMessage, SystemMessage, ToolCall, ToolMessage, UserMessage
from core.models import ModelRequest, ToolSpec

SCHEMA_NAME: Final = "answer"
"""OpenAI wants a name for the JSON Schema of an answer; it means nothing."""


def request_body(
    request: ModelRequest, names: ToolNames, *, provider: str, limit_name: str, nine: bool = False
) -> dict[str, Any]:
    """The body. `limit_name` bounds the output: OpenAI's field is `max_completion_tokens`, others' `max_tokens`.

    `nine`: ids of calls that another vendor gave are sent as Mistral takes them.
    Neither tools nor the answer's schema are `strict`: that takes only schemas whose every field is required.
    """
    ids = CallIds(provider, nine=nine)
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [_message(message, provider, names, ids) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.tools:
        body["tools"] = [_tool(spec, names) for spec in request.tools]
    if request.output_schema is not None:
        schema = {"name": SCHEMA_NAME, "schema": request.output_schema, "strict": False}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if request.max_output_tokens is not None:
        body[limit_name] = request.max_output_tokens
    if request.temperature is not None:
        body["temperature"] = request.temperature
    return body


def _message(message: ModelMessage, provider: str, names: ToolNames, ids: CallIds) -> dict[str, Any]:
    match message:
        case SystemMessage():
            return {"role": "system", "content": message.content}
        case UserMessage():
            return {"role": "user", "content": _content(message)}
        case ToolMessage():
            return {"role": "tool", "tool_call_id": ids.sent(message.call_id), "content": message.content}
        case AssistantMessage():
            ids.take(message)
            return _assistant(message, provider, names, ids)
        case _:
            assert_never(message)


def _content(message: UserMessage) -> str | list[dict[str, Any]]:
    """Words alone as a text; with pictures, as parts: the words first."""
    if not message.images:
        return message.content
    pictures = [{"type": "image_url", "image_url": {"url": url}} for url in message.images]
    return [{"type": "text", "text": message.content}, *pictures] if message.content else pictures


def _assistant(message: AssistantMessage, provider: str, names: ToolNames, ids: CallIds) -> dict[str, Any]:
    if not message.tool_calls:
        return {"role": "assistant", "content": message.content}
    own = message.provider == provider
    return {
        "role": "assistant",
        "content": message.content or None,
        "tool_calls": [_call(call, names, ids, own=own) for call in message.tool_calls],
    }


def _call(call: ToolCall, names: ToolNames, ids: CallIds, *, own: bool) -> dict[str, Any]:
    """`own`: the call was made by this provider, which gets its opaque parts back (Gemini's thought signatures)."""
    sent: dict[str, Any] = {
        "id": ids.sent(call.call_id),
        "type": "function",
        "function": {"name": names.sent(call.name), "arguments": call.arguments},
    }
    if own and call.opaque is not None and "extra_content" in call.opaque:
        sent["extra_content"] = call.opaque["extra_content"]
    return sent


def _tool(spec: ToolSpec, names: ToolNames) -> dict[str, Any]:
    function = {"name": names.sent(spec.name), "description": spec.description, "parameters": spec.parameters}
    return {"type": "function", "function": function}
