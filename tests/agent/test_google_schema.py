"""Schemas as Gemini takes them: what it reads, what is turned into that, what is said in words."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.providers.google_schema import taken_schema
from tests.conformance.vendors.google import check_schema


def of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


TEXT = {"type": "string"}
NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
KEPT_NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/defs_Node"}}}

ROWS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "what_is_read_stays": (
        of(a={"type": ["string", "null"], "format": "date", "title": "A", "enum": ["x", "y"]}) | {"required": ["a"]},
        of(a={"type": ["string", "null"], "format": "date", "title": "A", "enum": ["x", "y"]}) | {"required": ["a"]},
    ),
    "a_root_without_a_type": ({"properties": {"a": TEXT}}, of(a=TEXT)),
    "what_says_nothing_goes": (
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "x", "type": "object", "deprecated": True},
        {"type": "object"},
    ),
    "a_constant": (of(a={"const": "x"}), of(a={"enum": ["x"]})),
    "a_constant_that_is_no_text_and_no_number": (
        of(a={"const": True}),
        of(a={"type": "boolean", "description": 'JSON Schema: {"oneOf":[{"const":true}]}'}),
    ),
    "null_among_values": (
        of(a={"type": ["string", "null"], "enum": ["x", None], "title": "A"}),
        of(a={"title": "A", "anyOf": [{"type": ["string"], "enum": ["x"]}, {"type": "null"}]}),
    ),
    "null_alone": (of(a={"const": None}), of(a={"anyOf": [{"type": "null"}]})),
    "openapis_nullable": (of(a={"type": "string", "nullable": True}), of(a={"type": ["string", "null"]})),
    "alternatives": (of(a={"oneOf": [TEXT, {"type": "null"}]}), of(a={"anyOf": [TEXT, {"type": "null"}]})),
    "a_bound_of_whole_numbers": (
        of(a={"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 9}),
        of(a={"type": "integer", "minimum": 1, "maximum": 8}),
    ),
    "a_bound_of_others_is_said": (
        of(a={"type": "number", "exclusiveMinimum": 0, "description": "How many."}),
        of(a={"type": "number", "description": 'How many. JSON Schema: {"exclusiveMinimum":0}'}),
    ),
    "what_is_not_read_is_said": (
        of(a={"type": "string", "pattern": "^x", "minLength": 2, "default": "xx"}),
        of(a={"type": "string", "description": 'JSON Schema: {"pattern":"^x","minLength":2,"default":"xx"}'}),
    ),
    "a_tuple_of_an_older_draft": (
        of(a={"type": "array", "items": [TEXT, {}]}),
        of(a={"type": "array", "prefixItems": [TEXT, {}]}),
    ),
    "schemas_that_are_true_or_false": (
        of(a=True, b=False, c={"type": "array", "items": True}) | {"required": ["a", "b"]},
        of(a={}, c={"type": "array", "items": {}}) | {"required": ["a"]},
    ),
    "other_properties": (
        of() | {"additionalProperties": {"type": "integer", "exclusiveMinimum": 1}},
        of() | {"additionalProperties": {"type": "integer", "minimum": 2}},
    ),
    "a_reference_with_neighbours": (
        of(a={"$ref": "#/$defs/Name", "description": "Who."}) | {"$defs": {"Name": TEXT | {"description": "A name."}}},
        of(a=TEXT | {"description": "Who."}),
    ),
    "a_reference_of_an_older_draft": (
        of(a={"$ref": "#/definitions/N"}) | {"definitions": {"N": {"$ref": "#/definitions/M"}, "M": TEXT}},
        of(a=TEXT),
    ),
    "a_reference_to_a_neighbour": (of(a=TEXT, b={"$ref": "#/properties/a"}), of(a=TEXT, b=TEXT)),
    "a_reference_with_odd_signs": (
        of(a={"$ref": "#/$defs/a~1b%20c"}) | {"$defs": {"a/b c": TEXT}},
        of(a=TEXT),
    ),
    "references_to_nowhere": (
        of(
            a={"$ref": "#/$defs/None"},
            b={"$ref": "https://example.com/s"},
            c={"$ref": "#/required/7"},
            d={"$ref": "#A"},
        ),
        of(a={}, b={}, c={}, d={}),
    ),
    "two_that_hold_themselves_under_like_names": (
        of(a={"$ref": "#/$defs/x-y"}, b={"$ref": "#/$defs/x_y"})
        | {"$defs": {"x-y": of(a={"$ref": "#/$defs/x-y"}), "x_y": of(b={"$ref": "#/$defs/x_y"})}},
        of(a=of(a={"$ref": "#/$defs/defs_x_y"}), b=of(b={"$ref": "#/$defs/defs_x_y_1"}))
        | {
            "$defs": {
                "defs_x_y": of(a={"$ref": "#/$defs/defs_x_y"}),
                "defs_x_y_1": of(b={"$ref": "#/$defs/defs_x_y_1"}),
            }
        },
    ),
    "what_is_no_schema": (
        {"properties": {"a": 3, "b": {"required": True, "properties": [], "allOf": [4, {"properties": None}]}}},
        of(a={}, b={"description": 'JSON Schema: {"properties":[],"required":true}'}),
    ),
    "a_schema_that_holds_itself": (
        {"$ref": "#/$defs/Node", "$defs": {"Node": NODE}},
        KEPT_NODE | {"$defs": {"defs_Node": KEPT_NODE}},
    ),
    "a_root_that_holds_itself": (
        of(child={"$ref": "#"}),
        of(child=of(child={"$ref": "#/$defs/root"})) | {"$defs": {"root": of(child={"$ref": "#/$defs/root"})}},
    ),
    "all_of": (
        {
            "allOf": [{"$ref": "#/$defs/Base"}, of(b=TEXT) | {"required": ["b", "a"]}],
            "required": ["a"],
            "$defs": {"Base": of(a={"type": "integer"}) | {"description": "Base."}},
        },
        of(a={"type": "integer"}, b=TEXT) | {"required": ["a", "b"], "description": "Base."},
    ),
    "all_of_within_properties": (
        of(a={"allOf": [{"$ref": "#/$defs/N"}, {"maximum": 4}], "description": "D"})
        | {"$defs": {"N": {"type": "integer"}}},
        of(a={"type": "integer", "maximum": 4, "description": "D"}),
    ),
    "all_of_around_what_holds_itself": (
        of(a={"allOf": [{"$ref": "#/$defs/N"}], "title": "A"})
        | {"$defs": {"N": of(b={"allOf": [{"$ref": "#/$defs/N"}], "description": "D"})}},
        of(a=of(b={"$ref": "#/$defs/defs_N"}) | {"title": "A"})
        | {"$defs": {"defs_N": of(b={"$ref": "#/$defs/defs_N"})}},
    ),
    "all_of_of_two_around_what_holds_itself": (
        of(a={"allOf": [{"$ref": "#/$defs/N"}, {"title": "A"}]})
        | {"$defs": {"N": of(b={"allOf": [{"$ref": "#/$defs/N"}, {"title": "B"}]})}},
        of(a=of(b={"title": "B"}) | {"title": "A"}),
    ),
    "all_of_that_holds_itself": (
        of(a={"$ref": "#/$defs/N"}) | {"$defs": {"N": {"allOf": [{"$ref": "#/$defs/N"}, TEXT]}}},
        of(a=TEXT),
    ),
}


@pytest.mark.parametrize(("schema", "taken"), ROWS.values(), ids=ROWS.keys())
def test_a_schema_is_turned_into_what_gemini_reads(schema: dict[str, Any], taken: dict[str, Any]) -> None:
    before = msgspec.json.encode(schema)

    assert taken_schema(schema) == taken
    assert msgspec.json.encode(schema) == before
    check_schema(taken_schema(schema))


def test_definitions_that_use_one_another_twice_do_not_grow_without_end() -> None:
    chain: dict[str, Any] = {
        f"d{i}": of(a={"$ref": f"#/$defs/d{i + 1}"}, b={"$ref": f"#/$defs/d{i + 1}"}) for i in range(40)
    }
    schema = {"$ref": "#/$defs/d0", "$defs": chain | {"d40": TEXT}}

    taken = taken_schema(schema)

    check_schema(taken)
    assert len(msgspec.json.encode(taken)) < 100_000


class Point(msgspec.Struct):
    x: float
    label: str | None = None


class Tree(msgspec.Struct):
    children: list[Tree]
    at: Point


class Plot(msgspec.Struct):
    tree: Tree
    points: list[Point]
    colour: Literal["red", "green"]
    times: Annotated[int, msgspec.Meta(gt=0, le=3)] = 1
    at: Point | None = None
    extra: dict[str, int] | None = None


def test_a_schema_with_references_keeps_its_meaning() -> None:
    schema = msgspec.json.schema(Plot)
    right = {
        "tree": {"children": [{"children": [], "at": {"x": 1}}], "at": {"x": 1}},
        "points": [{"x": 1, "label": None}],
        "colour": "red",
    }
    wrong = [
        {"tree": {"children": [3], "at": {"x": 1}}},
        {"points": [{"label": "a"}]},
        {"colour": "blue"},
        {"times": 0},
    ]

    taken = taken_schema(schema)

    check_schema(taken)
    checker = jsonschema.Draft202012Validator(taken)
    assert checker.is_valid(right | {"times": 3, "at": None, "extra": {"a": 1}})
    assert not [change for change in wrong if checker.is_valid(right | change)]


KINDS = st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object"])
LEAVES = st.one_of(
    st.builds(lambda kind: {"type": kind}, KINDS),
    st.builds(lambda kinds: {"type": kinds}, st.lists(KINDS, min_size=1, max_size=3, unique=True)),
    st.builds(
        lambda values: {"enum": values}, st.lists(st.none() | st.booleans() | st.integers() | st.text(), max_size=3)
    ),
    st.builds(lambda value: {"const": value}, st.none() | st.booleans() | st.integers() | st.text()),
    st.builds(
        lambda name: {"$ref": name}, st.sampled_from(["#", "#/$defs/A", "#/$defs/B", "#/properties/a", "#/none"])
    ),
    st.booleans(),
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(
            lambda properties, required: {"type": "object", "properties": properties, "required": required},
            st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
            st.lists(st.sampled_from("abcd"), unique=True),
        ),
        st.builds(lambda items: {"type": "array", "items": items}, inner),
        st.builds(
            lambda word, parts: {word: parts},
            st.sampled_from(["anyOf", "oneOf", "allOf", "prefixItems"]),
            st.lists(inner, min_size=1, max_size=3),
        ),
        st.builds(lambda a, b: {**a, **b} if isinstance(a, dict) and isinstance(b, dict) else a, inner, inner),
        st.builds(lambda word, part: {word: part}, st.sampled_from(["not", "additionalProperties", "if"]), inner),
    ),
    max_leaves=12,
)


@given(SCHEMAS, SCHEMAS, SCHEMAS)
def test_any_schema_becomes_one_that_gemini_takes(root: Any, first: Any, second: Any) -> None:
    schema = (root if isinstance(root, dict) else {}) | {"$defs": {"A": first, "B": second}, "type": "object"}

    check_schema(taken_schema(schema))
