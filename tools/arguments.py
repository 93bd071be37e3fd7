"""Arguments as models write them: read leniently, validated strictly, with messages that help the next attempt.

A message names the field, what was given, what is expected and what is allowed there. Pure.
"""

from __future__ import annotations

import difflib
import re
from typing import Any, Final

import jsonschema_rs
import msgspec

from core.errors import ToolError

_FENCE: Final = re.compile(r"\A\s*```[a-zA-Z]*\s*\n?(.*?)\n?\s*```\s*\Z", re.DOTALL)
_SHOWN_CHARS: Final = 80
"""How much of a wrong value is repeated to the model."""

_SHOWN_PROBLEMS: Final = 5


class ArgumentsReader:
    """Reads the arguments of one tool. Compiling the schema once makes a check cost microseconds."""

    def __init__(self, name: str, schema: dict[str, Any]) -> None:
        self._name = name
        self._properties: dict[str, Any] = schema.get("properties", {})
        self._validator = jsonschema_rs.validator_for(schema)

    def read(self, text: str) -> dict[str, Any]:
        """Give the arguments. Raises ToolError `invalid_request` with a message for the model.

        Lenient: an empty text or `null` is `{}`, one code fence is taken off, JSON inside a JSON string is
        unpacked once, and a `null` for an optional field that takes none is as if left out.
        """
        value = self._parsed(text)
        if not isinstance(value, dict):
            raise _refused(f"Arguments of {self._name} must be a JSON object; got {_shown(value)}. {self._expected()}")
        arguments = {key: item for key, item in value.items() if item is not None or self._takes_null(key)}
        try:
            problems = [_problem(error) for error in self._validator.iter_errors(arguments)]
        except ValueError as error:  # the validator goes 255 levels down
            raise self._too_deep() from error
        if problems:
            more = f" (and {len(problems) - _SHOWN_PROBLEMS} more)" if len(problems) > _SHOWN_PROBLEMS else ""
            listed = "; ".join(problems[:_SHOWN_PROBLEMS])
            raise _refused(f"Arguments of {self._name} are wrong: {listed}{more}. {self._expected()}")
        return arguments

    def _parsed(self, text: str) -> Any:
        fenced = _FENCE.match(text)
        body = (fenced.group(1) if fenced else text).strip()
        if not body:
            return {}
        try:
            value = msgspec.json.decode(body)
            if isinstance(value, str):
                value = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeEncodeError) as error:
            raise _refused(
                f"Arguments of {self._name} are not JSON ({error}). Write one JSON object. {self._expected()}"
            ) from error
        except RecursionError as error:
            raise self._too_deep() from error
        return {} if value is None else value

    def _too_deep(self) -> ToolError:
        return _refused(f"Arguments of {self._name} are nested too deeply. {self._expected()}")

    def _takes_null(self, key: str) -> bool:
        """Whether `null` means something in this field (or the field is unknown, and validation shall say so)."""
        schema = self._properties.get(key)
        if schema is None or "default" not in schema:
            return True
        return any(option.get("type") == "null" for option in schema.get("anyOf", [schema]))

    def _expected(self) -> str:
        if not self._properties:
            return f"{self._name} takes no arguments."
        return f"Fields of {self._name}: {', '.join(self._properties)}."


def nearest(value: str, known: list[str], *, count: int = 3) -> list[str]:
    """The known words most like `value`, the most alike first; empty where none is near."""
    by_folded = {item.casefold(): item for item in known}
    return [by_folded[item] for item in difflib.get_close_matches(value.casefold(), list(by_folded), count, 0.55)]


def _problem(error: jsonschema_rs.ValidationError) -> str:
    field = _path(error.instance_path)
    kind = error.kind
    match kind:
        case jsonschema_rs.ValidationErrorKind.Required():
            return f"{_inside(error.instance_path, str(kind.property))} is required but missing"
        case jsonschema_rs.ValidationErrorKind.AdditionalProperties():
            unknown = ", ".join(_inside(error.instance_path, name) for name in kind.unexpected)
            return f"{unknown} is not a field here"
        case jsonschema_rs.ValidationErrorKind.Enum():
            hint = _hint(error.instance, kind.options)
            return f"{field} is {_shown(error.instance)}; allowed: {_allowed(kind.options)}{hint}"
        case jsonschema_rs.ValidationErrorKind.AnyOf():
            expected = " or ".join(dict.fromkeys(_first(branch) for branch in kind.context if branch))
            return f"{field} is {_shown(error.instance)}; {expected}"
        case _:
            return f"{field}: {_clipped(error.message)}"


def _first(errors: list[jsonschema_rs.ValidationError]) -> str:
    match errors[0].kind:
        case jsonschema_rs.ValidationErrorKind.Type() as kind:
            return "expected " + " or ".join(kind.types)
        case jsonschema_rs.ValidationErrorKind.Enum() as kind:
            return "allowed: " + _allowed(kind.options)
        case _:
            return _clipped(errors[0].message)


def _allowed(options: Any) -> str:
    return ", ".join(msgspec.json.encode(option).decode() for option in options)


def _hint(value: Any, options: Any) -> str:
    words = (
        nearest(value, [option for option in options if isinstance(option, str)], count=1)
        if isinstance(value, str)
        else []
    )
    return f" (nearest: {words[0]})" if words else ""


def _path(parts: list[str | int]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return text.lstrip(".") or "the whole"


def _inside(parts: list[str | int], name: str) -> str:
    return _path([*parts, name])


def _shown(value: Any) -> str:
    return _clipped(msgspec.json.encode(value).decode())


def _clipped(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"


def _refused(message: str) -> ToolError:
    return ToolError(message, code="invalid_request")
