"""JSON Schemas as Anthropic takes them: of an answer, of which it knows a part, and of a tool's input.

What it does not know would be refused with status 400, so it goes into the description, where the model reads it.
(platform.claude.com/docs/en/build-with-claude/structured-outputs, and the same in anthropic 2.12's `transform_schema`.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

_KEPT: Final = frozenset({"type", "title", "description", "enum", "const", "default", "required", "$ref"})
_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_SAID_BY_THE_TOP: Final = frozenset({"$schema", "$id", "$comment"})
_CHOICES: Final = ("anyOf", "oneOf", "allOf")


def output_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a structured answer: objects are closed, `oneOf` is `anyOf`, other limits are words."""
    sent: dict[str, Any] = {}
    said: dict[str, Any] = {}
    for key, value in schema.items():
        match key:
            case "properties" | "$defs" | "definitions" if isinstance(value, Mapping):
                sent[key] = {name: _part(part) for name, part in value.items()}
            case "items" if isinstance(value, Mapping):
                sent[key] = output_schema(value)
            case "anyOf" | "oneOf" | "allOf" if isinstance(value, list):
                sent["allOf" if key == "allOf" else "anyOf"] = [_part(part) for part in value]
            case "format" if value in _FORMATS:
                sent[key] = value
            case "minItems" if value in (0, 1):
                sent[key] = value
            case "additionalProperties":
                pass  # each object is closed below
            case _ if key in _KEPT:
                sent[key] = value
            case _ if key in _SAID_BY_THE_TOP:
                pass
            case _:
                said[key] = value
    if sent.get("type") == "object" or "properties" in sent:
        sent["additionalProperties"] = False
    if said:
        limits = json.dumps(said, ensure_ascii=False)
        sent["description"] = f"{sent['description']}\n\n{limits}" if sent.get("description") else limits
    return sent


def input_schema(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a tool's input: an object, and no choice at its top, which is refused; deeper all is taken."""
    sent = {key: value for key, value in parameters.items() if key not in (*_CHOICES, "$schema")}
    sent["type"] = "object"
    sent.setdefault("properties", {})
    choices = {key: parameters[key] for key in _CHOICES if key in parameters}
    if choices:
        known = dict(sent["properties"])
        for branch in (branch for branches in choices.values() for branch in branches):
            known = dict(branch.get("properties", {})) | known
        sent["properties"] = known
        limits = json.dumps(choices, ensure_ascii=False)
        sent["description"] = f"{sent['description']}\n\n{limits}" if sent.get("description") else limits
    return sent


def _part(schema: Any) -> Any:
    """A schema within another; `true` is one too."""
    return output_schema(schema) if isinstance(schema, Mapping) else schema
