"""A ModelRequest as the body of Ollama's `POST /api/chat` (docs/api.md and docs/context-length.mdx, read 2026-11)."""

from __future__ import annotations

from typing import Any, Final, assert_never

import msgspec

from agent.providers.call_ids import CallIds
from agent.providers.tool_names import ToolNames
from core.errors import ProviderError
from core.messages import AssistantMessage, ModelMessage, SystemMessage, ToolCall, ToolMessage, UserMessage
from core.models import ModelRequest, ToolSpec

THINKING: Final = "thinking"
"""The opaque part of a message that called tools: what the model thought, which it gets back while it uses them."""


def request_body(request: ModelRequest, names: ToolNames, *, provider: str, context_tokens: int) -> dict[str, Any]:
    """The body. Raises ProviderError for a picture that is only an address: Ollama fetches nothing.

    `truncate` and `shift` are off: by default Ollama cuts the start of a prompt that is too long, instructions first,
    and says nothing. Versions of before autumn 2025 do not know them, and still cut.
    """
    ids = CallIds(provider)
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [_message(message, names, ids, provider) for message in request.messages],
        "stream": True,
        "truncate": False,
        "shift": False,
        "options": _options(request, context_tokens),
    }
    if request.tools:
        body["tools"] = [_tool(spec, names) for spec in request.tools]
    if request.output_schema is not None:
        body["format"] = request.output_schema
    return body


def _options(request: ModelRequest, context_tokens: int) -> dict[str, Any]:
    options: dict[str, Any] = {"num_ctx": context_tokens}
    if request.max_output_tokens is not None:
        options["num_predict"] = request.max_output_tokens
    if request.temperature is not None:
        options["temperature"] = request.temperature
    return options


def _message(message: ModelMessage, names: ToolNames, ids: CallIds, provider: str) -> dict[str, Any]:
    match message:
        case SystemMessage():
            return {"role": "system", "content": message.content}
        case UserMessage():
            images = {"images": [_picture(url, provider) for url in message.images]} if message.images else {}
            return {"role": "user", "content": message.content, **images}
        case ToolMessage():
            result = {"role": "tool", "tool_name": names.sent(message.name), "content": message.content}
            return {**result, "tool_call_id": ids.sent(message.call_id)} if message.call_id else result
        case AssistantMessage():
            ids.take(message)
            return _assistant(message, names, ids, provider)
        case _:
            assert_never(message)


def _assistant(message: AssistantMessage, names: ToolNames, ids: CallIds, provider: str) -> dict[str, Any]:
    sent: dict[str, Any] = {"role": "assistant", "content": message.content}
    if message.tool_calls:
        sent["tool_calls"] = [_call(call, names, ids) for call in message.tool_calls]
    if message.provider == provider and message.opaque is not None and THINKING in message.opaque:
        sent["thinking"] = message.opaque[THINKING]
    return sent


def _call(call: ToolCall, names: ToolNames, ids: CallIds) -> dict[str, Any]:
    """Its arguments are an object; what a model wrote that is none was refused by the tools, and is sent as empty."""
    try:
        arguments = msgspec.json.decode(call.arguments)
    except msgspec.DecodeError:
        arguments = {}
    function = {"name": names.sent(call.name), "arguments": arguments if isinstance(arguments, dict) else {}}
    return {"id": ids.sent(call.call_id), "function": function} if call.call_id else {"function": function}


def _picture(url: str, provider: str) -> str:
    """The base64 of a `data:` URL."""
    head, comma, data = url.partition(",")
    if not (comma and head.startswith("data:image/") and head.endswith(";base64") and data):
        raise ProviderError(
            f"The provider {provider!r} takes pictures only as data: URLs in base64; send the picture itself.",
            code="invalid_request",
            retryable=False,
        )
    return data


def _tool(spec: ToolSpec, names: ToolNames) -> dict[str, Any]:
    function = {"name": names.sent(spec.name), "description": spec.description, "parameters": spec.parameters}
    return {"type": "function", "function": function}
