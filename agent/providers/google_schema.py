"""A JSON Schema as Gemini takes it, for `parametersJsonSchema` and `responseJsonSchema`.

These fields read a part of JSON Schema (ai.google.dev, GenerationConfig.responseJsonSchema). The rest is turned into it
where it can be, else said in words in the description, for the model to keep: a call's arguments are checked against
the whole schema anyway. References are put in place, for Google refuses one with neighbours, and knows only `$defs`
(gemini-cli #13326, opencode #12295); those that lead back to themselves stay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote

import msgspec

_AS_IT_IS: Final = frozenset(
    {"type", "format", "title", "description", "enum", "minItems", "maxItems", "minimum", "maximum", "propertyOrdering"}
)
"""What Gemini reads, besides what holds other schemas and `required`."""
_SILENT: Final = frozenset(
    {
        "$schema",
        "$id",
        "$anchor",
        "$comment",
        "$defs",
        "$vocabulary",
        "definitions",
        "deprecated",
        "readOnly",
        "writeOnly",
    }
)
"""What says nothing about a value."""
_MOST_IN_PLACE: Final = 200
"""References that are put in place in one schema; further ones stay references, so that it cannot grow without end."""
_SCHEMAS_KEPT: Final = 512
_encode = msgspec.json.Encoder().encode


def taken_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object, as Gemini takes it. The result is shared between calls: it must not be changed."""
    return _taken(_encode(schema))


@lru_cache(maxsize=_SCHEMAS_KEPT)
def _taken(encoded: bytes) -> dict[str, Any]:
    root = msgspec.json.decode(encoded)
    writer = _Writer(root)
    taken = writer.taken(root)
    if "$ref" not in taken:
        taken = {"type": "object"} | taken | {"type": "object"}
    if writer.kept:
        taken["$defs"] = writer.kept
    return taken


class _Writer:
    """Writes one schema. `kept`: the definitions that stay, by name."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._within: list[str] = []
        self._in_place = 0
        self._names: dict[str, str] = {}
        self.kept: dict[str, dict[str, Any]] = {}

    def taken(self, schema: Any) -> dict[str, Any]:
        """A schema anywhere within; `true` and what is no schema says nothing."""
        if not isinstance(schema, dict):
            return {}
        schema = _alone(schema)
        if isinstance(reference := schema.get("$ref"), str):
            return self._referred(reference, {key: value for key, value in schema.items() if key != "$ref"})
        depth = len(self._within)
        written = self._written(_plain(self._united(schema)))
        del self._within[depth:]
        return written

    def _referred(self, reference: str, beside: dict[str, Any]) -> dict[str, Any]:
        target = self._target(reference)
        if target is None:
            return self.taken(beside)
        if reference in self._within or self._in_place >= _MOST_IN_PLACE:
            return self._kept(reference, target)
        self._in_place += 1
        self._within.append(reference)
        taken = self.taken(target | beside)
        self._within.pop()
        return taken

    def _kept(self, reference: str, target: dict[str, Any]) -> dict[str, Any]:
        """A reference that stays, to a definition of its own."""
        name = self._name(reference)
        if name not in self.kept:
            self.kept[name] = {}
            self._within.append(reference)
            self.kept[name] = self.taken(target)
            self._within.pop()
        return {"$ref": f"#/$defs/{name}"}

    def _name(self, reference: str) -> str:
        """A plain name for what a reference names; no two have the same."""
        if reference not in self._names:
            plain = name = re.sub(r"\W+", "_", reference).strip("_") or "root"
            while name in self._names.values():
                name = f"{plain}_{len(self._names)}"
            self._names[reference] = name
        return self._names[reference]

    def _target(self, reference: str) -> dict[str, Any] | None:
        """What a reference names within this schema (RFC 6901); None for any other."""
        if reference != "#" and not reference.startswith("#/"):
            return None
        here: Any = self._root
        for step in unquote(reference[1:]).split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            if isinstance(here, dict) and step in here:
                here = here[step]
            elif isinstance(here, list) and step.isdecimal() and int(step) < len(here):
                here = here[int(step)]
            else:
                return None
        return here if isinstance(here, dict) else None

    def _united(self, schema: dict[str, Any]) -> dict[str, Any]:
        """A schema with its `allOf` in it. What both say is the schema's own word, but for properties and required.

        What it refers to counts as being within from here on, for it may hold itself.
        """
        if not isinstance(schema.get("allOf"), list):
            return schema
        united = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema["allOf"]:
            part = self._part(part)
            properties = dict(_object(united.get("properties")))
            for name, own in _object(part.get("properties")).items():
                properties[name] = {"allOf": [properties[name], own]} if name in properties else own
            required = [*_list(united.get("required")), *_list(part.get("required"))]
            united = part | united
            if properties:
                united["properties"] = properties
            if required:
                united["required"] = list(dict.fromkeys(required))
        return united

    def _part(self, part: Any) -> dict[str, Any]:
        """A part of an `allOf`, without references and `allOf` of its own at its top."""
        seen: set[str] = set()
        while isinstance(part, dict) and isinstance(reference := part.get("$ref"), str):
            if reference in seen or reference in self._within:
                return {}
            seen.add(reference)
            part = (self._target(reference) or {}) | {key: value for key, value in part.items() if key != "$ref"}
        if not isinstance(part, dict):
            return {}
        self._within.extend(sorted(seen))
        return self._united(part)

    def _written(self, schema: dict[str, Any]) -> dict[str, Any]:
        """A schema of plain keywords, with those within it, and what Gemini does not read said in words."""
        written: dict[str, Any] = {}
        unread: dict[str, Any] = {}
        for key, value in schema.items():
            if key == "properties" and isinstance(value, dict):
                written[key] = {name: self.taken(own) for name, own in value.items() if own is not False}
            elif key == "anyOf" and isinstance(value, list):
                written[key] = [self.taken(own) for own in value if own is not False]
            elif key == "prefixItems" and isinstance(value, list):
                written[key] = [self.taken(own) for own in value]
            elif key == "additionalProperties":
                written[key] = value if isinstance(value, bool) else self.taken(value)
            elif key == "items" and value is not False:
                written[key] = self.taken(value)
            elif key in _AS_IT_IS or (key == "required" and isinstance(value, list)):
                written[key] = value
            elif key not in _SILENT:
                unread[key] = value
        if "required" in written and isinstance(written.get("properties"), dict):
            written["required"] = [name for name in written["required"] if name in written["properties"]]
        if unread:
            said = str(written.get("description", "")).strip()
            written["description"] = f"{said} JSON Schema: {_encode(unread).decode()}".strip()
        return written


def _alone(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without an `allOf` of one part, where the two say different things: so a reference is often written."""
    parts = schema.get("allOf")
    if not (isinstance(parts, list) and len(parts) == 1 and isinstance(parts[0], dict)):
        return schema
    beside = {key: value for key, value in schema.items() if key != "allOf"}
    return schema if parts[0].keys() & beside.keys() else parts[0] | beside


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema by the keywords that Gemini reads, where others mean the same."""
    plain = dict(schema)
    if "const" in plain:
        plain.setdefault("enum", [plain.pop("const")])
    if "oneOf" in plain and "anyOf" not in plain:
        plain["anyOf"] = plain.pop("oneOf")
    if isinstance(plain.get("items"), list):  # drafts before 2020-12
        plain.setdefault("prefixItems", plain.pop("items"))
    if plain.pop("nullable", False) is True:  # OpenAPI 3.0
        _allow_null(plain)
    if isinstance(plain.get("enum"), list):
        _write_enum(plain)
    _write_bound(plain, "exclusiveMinimum", "minimum", 1)
    _write_bound(plain, "exclusiveMaximum", "maximum", -1)
    return plain


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _write_enum(plain: dict[str, Any]) -> None:
    """An enum of texts and numbers; null becomes an alternative, and values of other kinds are said in words."""
    values: list[Any] = plain.pop("enum")
    left = [value for value in values if value is not None]
    if all(isinstance(value, str | int | float) and not isinstance(value, bool) for value in left):
        if left:
            plain["enum"] = left
    else:
        plain.setdefault("oneOf", [{"const": value} for value in left])
        if all(isinstance(value, bool) for value in left):
            plain["type"] = "boolean"
    if len(left) < len(values) and "anyOf" not in plain:
        named = {key: plain.pop(key) for key in ("type", "enum") if key in plain}
        if isinstance(named.get("type"), list):
            named["type"] = [kind for kind in named["type"] if kind != "null"]
        plain["anyOf"] = [*([named] if left else []), {"type": "null"}]


def _allow_null(plain: dict[str, Any]) -> None:
    kinds = plain.get("type")
    if isinstance(kinds, str) and kinds != "null":
        plain["type"] = [kinds, "null"]
    elif isinstance(kinds, list) and "null" not in kinds:
        plain["type"] = [*kinds, "null"]
    elif kinds is None and isinstance(plain.get("anyOf"), list):
        plain["anyOf"] = [*plain["anyOf"], {"type": "null"}]


def _write_bound(plain: dict[str, Any], exclusive: str, inclusive: str, step: int) -> None:
    """An exclusive bound of whole numbers as an inclusive one; of others it is said in words."""
    value = plain.get(exclusive)
    if not isinstance(value, int) or isinstance(value, bool) or plain.get("type") != "integer" or inclusive in plain:
        return
    plain[inclusive] = plain.pop(exclusive) + step
