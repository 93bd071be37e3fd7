"""A ModelRequest as the body of `POST /responses`, with the model's own reasoning back in its place.

Nothing is stored at the vendor (`store: false`), so reasoning comes and goes encrypted, in the opaque part of the
answer that it led to: `{"model": ..., "output": [...]}`. `output` holds the answer's items in their order: a reasoning
item as it came, of a message its length in characters and its phase, of a call how many calls of ours it became. The
text and the calls themselves are the message's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, assert_never

from agent.providers.call_ids import CallIds
from agent.providers.openai_messages import SCHEMA_NAME
from agent.providers.tool_names import ToolNames
from core.messages import AssistantMessage, ModelMessage, SystemMessage, ToolCall, ToolMessage, UserMessage
from core.models import ModelRequest, ToolSpec

SEPARATOR: Final = "\n\n"
"""Between two messages of one answer."""
_NO_REASONING: Final = ("gpt-3", "gpt-4", "chatgpt-", "gpt-5-chat")
"""Models that do not reason answer 400 when they are asked for encrypted reasoning (hermes-agent #24234)."""


def request_body(request: ModelRequest, names: ToolNames, *, provider: str, thoughts: bool = True) -> dict[str, Any]:
    """The body. Neither tools nor the answer's schema are `strict`: that takes only schemas of required fields.

    `thoughts`: whether reasoning goes back and is asked for.
    """
    writer = _Writer(request.model if thoughts else None, names, provider)
    body: dict[str, Any] = {
        "model": request.model,
        "input": [item for message in request.messages for item in writer.items(message)],
        "stream": True,
        "store": False,
    }
    if thoughts and not request.model.removeprefix("ft:").startswith(_NO_REASONING):
        body["include"] = ["reasoning.encrypted_content"]
    if request.tools:
        body["tools"] = [_tool(spec, names) for spec in request.tools]
    if request.output_schema is not None:
        schema = {"type": "json_schema", "name": SCHEMA_NAME, "schema": request.output_schema, "strict": False}
        body["text"] = {"format": schema}
    if request.max_output_tokens is not None:
        body["max_output_tokens"] = request.max_output_tokens
    if request.temperature is not None:
        body["temperature"] = request.temperature
    return body


class _Writer:
    """Goes through the messages of one request in their order. `model`: whose reasoning goes back; None: nobody's."""

    def __init__(self, model: str | None, names: ToolNames, provider: str) -> None:
        self._model, self._names, self._provider = model, names, provider
        self._ids = CallIds(provider)

    def items(self, message: ModelMessage) -> Iterator[dict[str, Any]]:
        match message:
            case SystemMessage():
                yield {"role": "system", "content": message.content}
            case UserMessage():
                yield {"role": "user", "content": _content(message)}
            case ToolMessage():
                call_id = self._ids.sent(message.call_id)
                yield {"type": "function_call_output", "call_id": call_id, "output": message.content}
            case AssistantMessage():
                self._ids.take(message)
                yield from self._assistant(message)
            case _:
                assert_never(message)

    def _assistant(self, message: AssistantMessage) -> Iterator[dict[str, Any]]:
        """Reasoning that nothing follows is left out: the vendor refuses it."""
        calls = iter(message.tool_calls)
        pieces = iter(_pieces(message.content, self._lengths(message)))
        reasoning: list[dict[str, Any]] = []
        for item in self._output(message):
            follows: list[dict[str, Any]] = []
            match item.get("type"):
                case "reasoning":
                    reasoning.append(item)
                case "message":
                    follows = [_said(text, item.get("phase")) for text in (next(pieces, ""),) if text]
                case "function_call":
                    follows = [self._call(call) for _, call in zip(range(item.get("calls", 1)), calls, strict=False)]
                case _:
                    pass
            if follows:
                yield from (*reasoning, *follows)
                reasoning.clear()
        yield from (_said(text, None) for text in pieces if text)
        yield from (self._call(call) for call in calls)

    def _output(self, message: AssistantMessage) -> list[dict[str, Any]]:
        """What the opaque part tells of the answer's items: nothing, unless this provider's same model made it."""
        opaque = message.opaque
        if self._model is None or message.provider != self._provider:
            return []
        if opaque is None or opaque.get("model") != self._model:
            return []
        output = opaque.get("output")
        return [item for item in output if isinstance(item, dict)] if isinstance(output, list) else []

    def _lengths(self, message: AssistantMessage) -> list[int]:
        return [item.get("characters", 0) for item in self._output(message) if item.get("type") == "message"]

    def _call(self, call: ToolCall) -> dict[str, Any]:
        """Without the item's own id, which would bind it to items that the vendor has not stored."""
        return {
            "type": "function_call",
            "call_id": self._ids.sent(call.call_id),
            "name": self._names.sent(call.name),
            "arguments": call.arguments or "{}",
        }


def _said(text: str, phase: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return message | {"phase": phase} if isinstance(phase, str) else message


def _pieces(content: str, lengths: list[int]) -> list[str]:
    """The text of each message of an answer; the last has all that is left, such as a note that it was stopped."""
    pieces = []
    for length in lengths[:-1]:
        pieces.append(content[:length])
        content = content[length:].removeprefix(SEPARATOR)
    return [*pieces, content]


def _content(message: UserMessage) -> str | list[dict[str, Any]]:
    """Words alone as a text; with pictures, as parts: the words first."""
    if not message.images:
        return message.content
    pictures = [{"type": "input_image", "image_url": url, "detail": "auto"} for url in message.images]
    return [{"type": "input_text", "text": message.content}, *pictures] if message.content else pictures


def _tool(spec: ToolSpec, names: ToolNames) -> dict[str, Any]:
    return {
        "type": "function",
        "name": names.sent(spec.name),
        "description": spec.description,
        "parameters": spec.parameters,
        "strict": False,
    }
