"""Gemini's `streamGenerateContent`, as the suite of providers asks for it: one more vendor, in its own wire format."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from agent.providers.google import GoogleProvider
from agent.providers.http import Timeouts
from core.ports import Provider
from tests.agent.chat_server import Answer
from tests.conformance.vendors.vendor import KEY, Behaviour

MODEL: Final = "gemini-3.1-pro-preview"
SIGNATURE: Final = "EpwICpkIAXLI2nxl"
USAGE: Final = {
    "promptTokenCount": 12,
    "cachedContentTokenCount": 4,
    "candidatesTokenCount": 3,
    "thoughtsTokenCount": 2,
    "totalTokenCount": 17,
}
_HUGE_BYTES: Final = 1024 * 1024
_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}")
_SCHEMA_WORDS: Final = frozenset(
    [
        "$id",
        "$defs",
        "$ref",
        "$anchor",
        "type",
        "format",
        "title",
        "description",
        "enum",
        "items",
        "prefixItems",
        "minItems",
        "maxItems",
        "minimum",
        "maximum",
        "anyOf",
        "oneOf",
        "properties",
        "additionalProperties",
        "required",
        "propertyOrdering",
    ]
)
"""What the reference of `responseJsonSchema` lists."""
_TYPES: Final = frozenset({"string", "number", "integer", "boolean", "array", "object", "null"})


def event(value: Any) -> bytes:
    """An event as Google frames it: CR LF, and UTF-8 as it is."""
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\r\n\r\n"


def chunk(*parts: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    """One event: the parts of the only candidate, and more fields of the answer."""
    candidate: dict[str, Any] = {"index": 0}
    if parts:
        candidate["content"] = {"role": "model", "parts": list(parts)}
    if finish is not None:
        candidate["finishReason"] = finish
    return event({"candidates": [candidate], "modelVersion": MODEL, "responseId": "r1"} | more)


def text(said: str, **more: Any) -> dict[str, Any]:
    """A part of text."""
    return {"text": said} | more


def call(name: str, arguments: dict[str, Any], *, signature: str | None = None, **more: Any) -> dict[str, Any]:
    """A part that is a whole call."""
    part: dict[str, Any] = {"functionCall": {"name": name, "args": arguments} | more}
    return part | ({"thoughtSignature": signature} if signature is not None else {})


def refused(status: int, name: str, message: str, *details: dict[str, Any]) -> Answer:
    """An answer that is an error: google.rpc.Status as JSON, pretty-printed as Google does."""
    body = json.dumps(error(status, name, message, *details), indent=2).encode()
    return Answer(status=status, pieces=[body], headers={"content-type": "application/json; charset=UTF-8"})


def error(status: int, name: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    """The body of an error."""
    inner: dict[str, Any] = {"code": status, "message": message, "status": name}
    if details:
        inner["details"] = list(details)
    return {"error": inner}


def detail(kind: str, **values: Any) -> dict[str, Any]:
    """A detail of an error, such as `RetryInfo`."""
    return {"@type": f"type.googleapis.com/google.rpc.{kind}"} | values


class GoogleVendor:
    """Gemini's dialect."""

    name = "google"

    def provider(self, url: str, timeouts: Timeouts | None = None) -> Provider:
        return GoogleProvider(api_key=KEY, base_url=url.removesuffix("/v1"), timeouts=timeouts)

    def answer(self, behaviour: Behaviour) -> Answer | None:
        return _streams().get(behaviour) or _refusal(behaviour)

    def answer_with_calls(self, calls: Sequence[tuple[str, dict[str, Any]]]) -> Answer:
        """All calls in one content, as Gemini 3 sends parallel ones: with ids, and one signature for all."""
        parts = [
            call(name, arguments, id=f"fc_{index}", signature=None if index else SIGNATURE)
            for index, (name, arguments) in enumerate(calls)
        ]
        return Answer(pieces=[chunk(*parts), chunk(text(""), finish="STOP", usageMetadata=USAGE)])

    def tools_in(self, body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        declarations = [found for tool in body.get("tools", []) for found in tool["functionDeclarations"]]
        names = [declaration["name"] for declaration in declarations]
        assert len(set(names)) == len(names), names
        assert all(_NAME.fullmatch(name) for name in names), names
        for declaration in declarations:
            assert set(declaration) <= {"name", "description", "parametersJsonSchema"}, declaration
            if "parametersJsonSchema" in declaration:
                check_schema(declaration["parametersJsonSchema"])
        return [(found["name"], found.get("parametersJsonSchema", {})) for found in declarations]


def check_schema(schema: dict[str, Any]) -> None:
    """Raise AssertionError where Gemini refuses a schema, or does not read a word of it."""
    assert schema.get("type") == "object" or "$ref" in schema, schema
    defined = schema.get("$defs", {})
    for part in [schema, *defined.values()]:
        for one in _within(part):
            assert set(one) <= _SCHEMA_WORDS, one
            if "$ref" in one:
                assert set(one) <= {"$ref", "$defs", "description", "default"}, one
                assert one["$ref"].removeprefix("#/$defs/") in defined, one
            kinds = one.get("type", [])
            assert {kinds} <= _TYPES if isinstance(kinds, str) else set(kinds) <= _TYPES, one
            assert all(type(value) in (str, int, float) for value in one.get("enum", ())), one


def _within(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A schema and all within it."""
    assert isinstance(schema, dict), schema
    yield schema
    below = [*schema.get("properties", {}).values(), *schema.get("anyOf", ()), *schema.get("prefixItems", ())]
    if "items" in schema:
        below.append(schema["items"])
    if not isinstance(schema.get("additionalProperties", True), bool):
        below.append(schema["additionalProperties"])
    for one in below:
        yield from _within(one)


def _streams() -> dict[Behaviour, Answer]:
    """What comes with status 200."""
    hello, there = chunk(text("Hello ")), chunk(text("there."))
    end = chunk(text(""), finish="STOP", usageMetadata=USAGE)
    signed = chunk(text("", thoughtSignature=SIGNATURE), finish="STOP", usageMetadata=USAGE)
    sales = call("sales_query", {"metrics": ["revenue"]}, signature=SIGNATURE)
    overloaded = error(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")
    return {
        "text": Answer(pieces=[hello, there, end]),
        "reasoning": Answer(pieces=[chunk(text("Let me see.", thought=True)), chunk(text("Four.")), signed]),
        "reasoning_call": Answer(
            pieces=[chunk(text("Let me see.", thought=True)), chunk(call("market", {}, signature=SIGNATURE)), end]
        ),
        "length": Answer(pieces=[hello, chunk(finish="MAX_TOKENS", usageMetadata=USAGE)]),
        "filtered": Answer(pieces=[hello, chunk(finish="SAFETY", usageMetadata=USAGE)]),
        "empty": Answer(pieces=[chunk(finish="STOP", usageMetadata=USAGE)]),
        "calls": Answer(pieces=[chunk(sales, call("market", {})), end]),
        "structured": Answer(pieces=[chunk(text('{"total"')), chunk(text(": 4}")), end]),
        "huge": Answer(pieces=[*_huge(), end]),
        "no_usage": Answer(pieces=[hello, chunk(text("there."), finish="STOP")]),
        "cut": Answer(pieces=[hello], ending="cut"),
        "cut_call": Answer(pieces=[*_growing_call(), chunk(finish="MAX_TOKENS", usageMetadata=USAGE)]),
        "hang": Answer(pieces=[hello], ending="hang"),
        "deaf": Answer(deaf=True),
        "garbage": Answer(pieces=[b"\x00\xff\xfe This is no stream of events.\n\n", b"data: {nor is this\n\n"]),
        "error_in_stream": Answer(pieces=[hello, json.dumps(overloaded, indent=2).encode() + b"\n"]),
        "blocked": Answer(pieces=[event({"promptFeedback": {"blockReason": "SAFETY"}, "modelVersion": MODEL})]),
    }


def _huge() -> list[bytes]:
    words = "ação " * 512
    return [chunk(text(words))] * -(-_HUGE_BYTES // len(words.encode()))


def _growing_call() -> list[bytes]:
    """A call whose arguments come in pieces, of which the last never does."""
    leaf = {"jsonPath": "$.metrics[0]", "stringValue": "reve", "willContinue": True}
    begun = {"functionCall": {"name": "sales_query", "willContinue": True}, "thoughtSignature": SIGNATURE}
    return [chunk(begun), chunk({"functionCall": {"partialArgs": [leaf], "willContinue": True}})]


def _refusal(behaviour: Behaviour) -> Answer | None:
    """Bodies as Google's are printed in issues and recorded by Firebase's SDKs."""
    match behaviour:
        case "wrong_key":
            reason = detail("ErrorInfo", reason="API_KEY_INVALID", domain="googleapis.com")
            shown = detail("DebugInfo", detail=f"Invalid API key: {KEY}")
            return refused(400, "INVALID_ARGUMENT", f"API key not valid: {KEY}.", reason, shown)
        case "unknown_model":
            return refused(404, "NOT_FOUND", "models/any is not found for API version v1beta.")
        case "rate_limited":
            quota = {"quotaId": "GenerateRequestsPerMinutePerProjectPerModel", "quotaValue": "10"}
            wait = detail("RetryInfo", retryDelay="2s")
            return refused(
                429, "RESOURCE_EXHAUSTED", "You exceeded it.", detail("QuotaFailure", violations=[quota]), wait
            )
        case "out_of_quota":
            return refused(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted. Please go to AI Studio.")
        case "too_long":
            message = "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576)."
            return refused(400, "INVALID_ARGUMENT", message)
        case "bad_request":
            return refused(400, "INVALID_ARGUMENT", f"Unknown name 'x' at 'contents[0]', said by {KEY}.")
        case "overloaded":
            return refused(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")
        case _:
            return None


VENDOR: Final = GoogleVendor()
