"""A ModelRequest as the body of `POST /chat/completions`."""

from __future__ import annotations

from typing import Any, assert_never

from core.messages import AssistantMessage, ModelMessage, SystemMessage, ToolCall, ToolMessage, UserMessage
from core.models import ModelRequest, ToolSpec


def request_body(request: ModelRequest, *, provider: str, limit_name: str) -> dict[str, Any]:
    """The body. `limit_name` bounds the output: OpenAI's field is `max_completion_tokens`, others' `max_tokens`."""
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [_message(message, provider) for message in request.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if request.tools:
        body["tools"] = [_tool(spec) for spec in request.tools]
    if request.max_output_tokens is not None:
        body[limit_name] = request.max_output_tokens
    if request.temperature is not None:
        body["temperature"] = request.temperature
    return body


def _message(message: ModelMessage, provider: str) -> dict[str, Any]:
    match message:
        case SystemMessage():
            return {"role": "system", "content": message.content}
        case UserMessage():
            return {"role": "user", "content": message.content}
        case ToolMessage():
            return {"role": "tool", "tool_call_id": message.call_id, "content": message.content}
        case AssistantMessage():
            return _assistant(message, provider)
        case _:
            assert_never(message)


def _assistant(message: AssistantMessage, provider: str) -> dict[str, Any]:
    if not message.tool_calls:
        return {"role": "assistant", "content": message.content}
    own = message.provider == provider
    return {
        "role": "assistant",
        "content": message.content or None,
        "tool_calls": [_call(call, own=own) for call in message.tool_calls],
    }


def _call(call: ToolCall, *, own: bool) -> dict[str, Any]:
    """`own`: the call was made by this provider, which gets its opaque parts back (Gemini's thought signatures)."""
    sent: dict[str, Any] = {
        "id": call.call_id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }
    if own and call.opaque is not None and "extra_content" in call.opaque:
        sent["extra_content"] = call.opaque["extra_content"]
    return sent


def _tool(spec: ToolSpec) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": spec.name, "description": spec.description, "parameters": spec.parameters},
    }
