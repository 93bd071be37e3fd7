"""Parameters of a function as a JSON Schema that every vendor takes, and as a msgspec struct that holds the values.

Vendors differ in what they take (OpenAI's strict mode, Gemini's subset of OpenAPI, Anthropic), so the
schemas here use what all of them read: no `$ref` (definitions are inlined), no `title`, objects closed
by `additionalProperties: false`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_type_hints

import msgspec

from core.ports import ToolContext

JsonSchema = dict[str, Any]

_LEFT_OUT = frozenset({"$ref", "$defs", "title"})


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """What a function takes: the struct of its parameters, their schema, and where its context goes."""

    arguments: type[msgspec.Struct]
    schema: JsonSchema
    context_parameter: str | None
    """The parameter that gets the ToolContext; None where the function wants none."""


def read_signature(function: Callable[..., Any], descriptions: Mapping[str, str]) -> Signature:
    """Read a function's type hints. A parameter of type ToolContext is injected and not in the schema.

    Raises TypeError where a parameter has no hint, is variadic, or has no entry in `descriptions`.
    """
    hints = get_type_hints(function, include_extras=True)
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    context_parameter: str | None = None
    for parameter in inspect.signature(function).parameters.values():
        hint = hints.get(parameter.name)
        if hint is ToolContext:
            context_parameter = parameter.name
            continue
        fields.append(_field(function, parameter, hint, descriptions))
    arguments = msgspec.defstruct("Arguments", fields, frozen=True, kw_only=True, forbid_unknown_fields=True)
    return Signature(arguments=arguments, schema=schema_of(arguments), context_parameter=context_parameter)


def schema_of(struct: type[msgspec.Struct]) -> JsonSchema:
    """The schema of a struct, with everything inlined. Raises TypeError for a struct that holds itself."""
    (reference,), definitions = msgspec.json.schema_components([struct], ref_template="{name}")
    schema = _inlined(reference, definitions, ())
    assert isinstance(schema, dict)
    schema.pop("description", None)
    return schema


def _field(
    function: Callable[..., Any],
    parameter: inspect.Parameter,
    hint: Any,
    descriptions: Mapping[str, str],
) -> tuple[str, Any] | tuple[str, Any, Any]:
    where = f"{function.__qualname__}({parameter.name})"
    if hint is None:
        raise TypeError(f"{where} needs a type hint")
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
        raise TypeError(f"{where} must be a parameter that can be named")
    if parameter.name not in descriptions:
        raise TypeError(f"{where} is not described in the docstring's Args section")
    described = Annotated[hint, msgspec.Meta(description=descriptions[parameter.name])]
    if parameter.default is parameter.empty:
        return parameter.name, described
    return parameter.name, described, _default(parameter.default)


def _default(value: Any) -> Any:
    """Mutable defaults become factories; msgspec copies empty ones by itself and refuses full ones."""
    if isinstance(value, tuple) and not value:
        return ()
    if isinstance(value, (list, dict, set)) and value:
        kept = value
        return msgspec.field(default_factory=lambda: type(kept)(kept))
    return value


def _inlined(node: Any, definitions: Mapping[str, Any], inside: tuple[str, ...]) -> Any:
    if isinstance(node, list):
        return [_inlined(item, definitions, inside) for item in node]
    if not isinstance(node, dict):
        return node
    result: JsonSchema = {}
    if "$ref" in node:
        name = node["$ref"]
        if name in inside:
            raise TypeError(f"{name!r} holds itself; a tool's parameters must be finite")
        result = _inlined(definitions[name], definitions, (*inside, name))
    for key, value in node.items():
        if key == "properties":
            result[key] = {name: _inlined(item, definitions, inside) for name, item in value.items()}
        elif key in ("enum", "default", "examples"):
            result[key] = value
        elif key not in _LEFT_OUT:
            result[key] = _inlined(value, definitions, inside)
    if "enum" in result and all(isinstance(option, str) for option in result["enum"]):
        result["type"] = "string"  # Gemini wants it said
    if "properties" in result or (result.get("type") == "object" and "additionalProperties" not in result):
        result["additionalProperties"] = False
    return result
