"""A ModelRequest as the body of `POST /v1beta/models/<model>:streamGenerateContent`.

Gemini's turns are `user` and `model`; instructions stand apart. A model turn that holds calls must be followed by one
user turn with an answer to each of them, in their order: that is what matches them where there are no ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from agent.providers.google_parts import restored
from agent.providers.google_schema import taken_schema
from agent.providers.tool_names import ToolNames
from core.errors import ProviderError
from core.messages import AssistantMessage, ModelMessage, SystemMessage, ToolCall, ToolMessage, UserMessage
from core.models import ModelRequest, ToolSpec

_SKIP: Final = "skip_thought_signature_validator"
"""Stands for the signature of a call that another model made (ai.google.dev, thought signatures, questions)."""
_OLD_MODEL: Final = re.compile(r"(.*/)?gemini-[12]\D")
_GEMINI: Final = re.compile(r"(.*/)?gemini-")
_THINKER: Final = re.compile(r"(.*/)?gemini-([3-9]|\d\d)")
"""Models that think always. Their thoughts are asked for, so that they are not silent, and given up, meanwhile; a model
that may not think refuses the question with 400 (lobehub #7985), as those before 3 may."""
_DATA_URL: Final = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)(;[^;,]+)*?;base64,(?P<data>.+)", re.DOTALL)
_PICTURES: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
}
_NOT_RUN: Final = "The call was not run."


def request_body(request: ModelRequest, *, provider: str, names: ToolNames, unsigned: bool = False) -> dict[str, Any]:
    """The body. `provider`: ours, whose opaque parts go back. Raises ProviderError for a picture that cannot go.

    `unsigned`: no signature goes back, and calls get the word for it, whatever the model: for one that refused them.
    """
    writer = _Writer("" if unsigned else provider, names, signed=unsigned or _wants_signatures(request.model))
    body: dict[str, Any] = {"contents": writer.contents(request.messages)}
    instructions = [one.content for one in request.messages if isinstance(one, SystemMessage) and one.content]
    config: dict[str, Any] = {}
    if _THINKER.match(request.model):
        config["thinkingConfig"] = {"includeThoughts": True}
    if request.max_output_tokens is not None:
        config["maxOutputTokens"] = request.max_output_tokens
    if request.temperature is not None:
        config["temperature"] = request.temperature
    if request.output_schema is not None:
        schema = taken_schema(request.output_schema)
        if request.tools and _OLD_MODEL.match(request.model):  # these refuse a JSON answer beside tools, with 400
            instructions.append(f"Answer with nothing but JSON that fits this schema: {_json(schema)}")
        else:
            config |= {"responseMimeType": "application/json", "responseJsonSchema": schema}
    if instructions:
        body["systemInstruction"] = {"parts": [{"text": text} for text in instructions]}
    if request.tools:
        body["tools"] = [{"functionDeclarations": [_declaration(spec, names) for spec in request.tools]}]
    if config:
        body["generationConfig"] = config
    return body


class _Writer:
    """Writes messages as Gemini's contents. `signed`: the model refuses calls without a thought signature."""

    def __init__(self, provider: str, names: ToolNames, *, signed: bool) -> None:
        self._provider, self._names, self._signed = provider, names, signed

    def contents(self, messages: Sequence[ModelMessage]) -> list[dict[str, Any]]:
        """All but the instructions, in order. A result that answers no call is left out: Gemini refuses it."""
        contents: list[dict[str, Any]] = []
        for index, message in enumerate(messages):
            if isinstance(message, UserMessage):
                contents.append({"role": "user", "parts": list(_asked(message))})
            elif isinstance(message, AssistantMessage):
                _append_answer(contents, self._answer(message))
                if message.tool_calls:
                    results = self._results(message, messages[index + 1 :])
                    contents.append({"role": "user", "parts": results})
        return contents

    def _answer(self, message: AssistantMessage) -> list[dict[str, Any]]:
        own = message.provider == self._provider
        calls = [self._call(call, own=own) for call in message.tool_calls]
        if self._signed and calls and not any("thoughtSignature" in call for call in calls):
            calls[0]["thoughtSignature"] = _SKIP  # only the first of parallel calls has one
        return restored(message.content, calls, message.opaque if own else None)

    def _call(self, call: ToolCall, *, own: bool) -> dict[str, Any]:
        kept = (call.opaque or {}) if own else {}
        sent: dict[str, Any] = {"name": self._names.sent(call.name), "args": _object(call.arguments)}
        if "id" in kept:
            sent["id"] = kept["id"]
        part = {"functionCall": sent}
        if "signature" in kept:
            part["thoughtSignature"] = kept["signature"]
        return part

    def _results(self, message: AssistantMessage, after: Sequence[ModelMessage]) -> list[dict[str, Any]]:
        """One answer for each call of a message, from the results that follow it; one that is missing is an error."""
        own = message.provider == self._provider
        found: dict[str, ToolMessage] = {}
        for following in after:
            if not isinstance(following, ToolMessage):
                break
            found[following.call_id] = following
        return [self._result(call, found.get(call.call_id), own=own) for call in message.tool_calls]

    def _result(self, call: ToolCall, result: ToolMessage | None, *, own: bool) -> dict[str, Any]:
        """The result as text, also where it is JSON: Google reads a `$ref` in it as its own (twenty #19412)."""
        failed = result is None or result.failed
        content = _NOT_RUN if result is None else result.content
        sent = {"name": self._names.sent(call.name), "response": {"error" if failed else "output": content}}
        if own and call.opaque and "id" in call.opaque:
            sent["id"] = call.opaque["id"]
        return {"functionResponse": sent}


def _append_answer(contents: list[dict[str, Any]], parts: list[dict[str, Any]]) -> None:
    """Add a model turn; two in a row become one, for calls must come after a user turn. An empty one is left out."""
    if not parts:
        return
    if contents and contents[-1]["role"] == "model":
        contents[-1]["parts"].extend(parts)
    else:
        contents.append({"role": "model", "parts": parts})


def _wants_signatures(model: str) -> bool:
    """Whether a model refuses calls without a signature: Gemini from 3 on, and names that do not tell."""
    return bool(_GEMINI.match(model)) and not _OLD_MODEL.match(model)


def _asked(message: UserMessage) -> Iterator[dict[str, Any]]:
    if message.content or not message.images:
        yield {"text": message.content}
    for url in message.images:
        yield _picture(url)


def _picture(url: str) -> dict[str, Any]:
    """A picture: its bytes, or an address that Google fetches (ai.google.dev, file input methods, 2026-01)."""
    if found := _DATA_URL.fullmatch(url):
        return {"inlineData": {"mimeType": found["type"], "data": found["data"]}}
    if not url.startswith("https://"):
        raise ProviderError(
            "A picture cannot be sent to this model: it must be an https: address, or a data: address in base64.",
            code="invalid_request",
            retryable=False,
        )
    kind = _PICTURES.get(re.split(r"[?#]", url, maxsplit=1)[0].rpartition(".")[2].lower())
    return {"fileData": {"fileUri": url} | ({"mimeType": kind} if kind else {})}


def _declaration(spec: ToolSpec, names: ToolNames) -> dict[str, Any]:
    """A tool. One without parameters leaves them out: Gemini refuses an object schema without properties."""
    declaration: dict[str, Any] = {"name": names.sent(spec.name), "description": spec.description}
    schema = taken_schema(spec.parameters)
    if schema.get("properties") or schema.get("additionalProperties") or "anyOf" in schema:
        declaration["parametersJsonSchema"] = schema
    return declaration


def _object(arguments: str) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(arguments or "{}")
    except (msgspec.DecodeError, UnicodeEncodeError):
        value = None
    return value if isinstance(value, dict) else {"_not_an_object": arguments}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
