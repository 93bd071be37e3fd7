"""The items of `bfcl/` as requests, their schemas as JSON Schema, and the calls that their authors expect."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from core.messages import AssistantMessage, ModelMessage, SystemMessage, UserMessage
from core.models import ModelRequest, ToolSpec
from tests.conformance.bfcl_checker import Call

_FILE: Final = Path(__file__).parent / "bfcl" / "bfcl_public.jsonl"
_TYPES: Final = {"dict": "object", "float": "number", "tuple": "array", "any": "string"}
_NO_KEYWORDS: Final = frozenset({"optional"})
"""What some of its schemas hold and JSON Schema has not."""


def load_items() -> list[dict[str, Any]]:
    """All items, in the file's order."""
    return [json.loads(line) for line in _FILE.read_text(encoding="utf-8").splitlines()]


def request_of(item: dict[str, Any]) -> ModelRequest:
    """The item's question, with its functions as tools under their own names."""
    messages = tuple(_message(message) for message in item["question"][0])
    return ModelRequest(model="m-1", messages=messages, tools=tuple(_tool(one) for one in item["function"]))


def expected_calls(item: dict[str, Any]) -> list[Call]:
    """The calls of the first accepted values; a parameter whose first is that it be left out is left out."""
    return [(name, _first_of(values)) for truth in item["ground_truth"] or () for name, values in truth.items()]


def json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The item's schema, or a part of one, in JSON Schema's words."""
    converted = {key: value for key, value in schema.items() if key not in _NO_KEYWORDS}
    if "type" in schema:
        converted["type"] = _TYPES.get(schema["type"], schema["type"])
    if "properties" in schema:
        converted["properties"] = {key: json_schema(value) for key, value in schema["properties"].items()}
    if "items" in schema:
        converted["items"] = json_schema(schema["items"])
    return converted


def _tool(function: dict[str, Any]) -> ToolSpec:
    name = function["name"]
    parameters = json_schema(function["parameters"])
    return ToolSpec(name=name, title=name, description=function["description"], parameters=parameters)


def _message(message: dict[str, str]) -> ModelMessage:
    content = message["content"]
    match message["role"]:
        case "system":
            return SystemMessage(content=content)
        case "assistant":
            return AssistantMessage(content=content)
        case _:
            return UserMessage(content=content)


def _first_of(accepted: dict[str, Any]) -> dict[str, Any]:
    """What is `""` is left out, and what has no accepted value; a few inner values stand for themselves."""
    first = {key: values[0] if isinstance(values, list) else values for key, values in accepted.items() if values != []}
    return {key: _plain(value) for key, value in first.items() if value != ""}


def _plain(value: Any) -> Any:
    """A value in which every object has a list of accepted values for each key, with the first of them."""
    if isinstance(value, dict):
        return _first_of(value)
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value
