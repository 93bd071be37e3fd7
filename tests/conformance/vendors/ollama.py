"""Ollama's own API, as its documentation shows it: a line a piece, calls whole, English in place of error codes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from agent.providers.http import Timeouts
from agent.providers.ollama import OllamaProvider
from core.ports import Provider
from tests.agent.chat_server import Answer
from tests.conformance.vendors.vendor import KEY, Behaviour

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_HUGE_PIECES: Final = 1024
_TYPES: Final = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})


class OllamaVendor:
    """The double. Ollama wants no key, so KEY is the password of a proxy before it."""

    name = "ollama"

    def provider(self, url: str, timeouts: Timeouts | None = None) -> Provider:
        base_url = url.removesuffix("/v1").replace("://", f"://prosa:{KEY}@")
        return OllamaProvider(base_url=base_url, timeouts=timeouts)

    def answer(self, behaviour: Behaviour) -> Answer | None:
        return _whole(behaviour) or _broken(behaviour) or _refused(behaviour)

    def answer_with_calls(self, calls: Sequence[tuple[str, dict[str, Any]]]) -> Answer:
        """Each call on a line of its own, without an id, as before late 2025."""
        functions = [{"function": {"name": name, "arguments": arguments}} for name, arguments in calls]
        return _stream(*(_line("", tool_calls=[function]) for function in functions), _last())

    def tools_in(self, body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        tools = []
        for tool in body.get("tools", []):
            assert set(tool) == {"type", "function"}, tool
            assert tool["type"] == "function", tool
            function = tool["function"]
            assert set(function) <= {"name", "description", "parameters"}, function
            assert _NAME.fullmatch(function["name"]), function["name"]
            assert isinstance(function["description"], str), function
            parameters = function["parameters"]
            assert parameters.get("type") == "object", parameters
            for schema in parameters.get("properties", {}).values():
                _check_property(schema)
            tools.append((function["name"], parameters))
        assert len({name for name, _ in tools}) == len(tools), "two tools of one name"
        return tools


VENDOR: Final = OllamaVendor()


def _check_property(schema: dict[str, Any]) -> None:
    """What Ollama's Go types take (api.ToolProperty): a type is a name or a list of names, a description is a text."""
    kind = schema.get("type", [])
    names = [kind] if isinstance(kind, str) else kind
    assert isinstance(names, list), schema
    assert set(names) <= _TYPES, schema
    assert isinstance(schema.get("description", ""), str), schema
    assert isinstance(schema.get("enum", []), list), schema


def _whole(behaviour: Behaviour) -> Answer | None:
    match behaviour:
        case "text":
            return _stream(_line("Hello "), _line("there."), _last())
        case "reasoning":
            return _stream(_line("", thinking="Let me "), _line("", thinking="see."), _line("Four."), _last())
        case "reasoning_call":
            called = {"function": {"name": "market", "arguments": {}}}
            return _stream(_line("", thinking="Let me see."), _line("", tool_calls=[called]), _last())
        case "length":
            return _stream(_line("Hello "), _last(done_reason="length"))
        case "empty":
            return _stream(_last())
        case "structured":
            return _stream(_line('{"total"'), _line(": 4}"), _last())
        case "huge":
            text = "ação " * (1024 * 1024 // len("ação ".encode()) + 1)
            size = len(text) // _HUGE_PIECES + 1
            return _stream(*(_line(text[start : start + size]) for start in range(0, len(text), size)), _last())
        case "no_usage":
            return _stream(_line("Hello "), _line("there."), _last(prompt_eval_count=None, eval_count=None))
        case "calls":
            return VENDOR.answer_with_calls([("sales_query", {"metrics": ["revenue"]}), ("market", {})])
        case _:
            return None  # Ollama filters nothing


def _broken(behaviour: Behaviour) -> Answer | None:
    match behaviour:
        case "cut":
            return Answer(pieces=[_line("Hello ")], headers=_LINES, ending="cut")
        case "cut_call":  # a call is given once it is whole: of one that broke off nothing is seen
            return _stream(_line(""), _last(done_reason="length"))
        case "hang":
            return Answer(pieces=[_line("Hello ")], headers=_LINES, ending="hang")
        case "deaf":
            return Answer(deaf=True)
        case "garbage":
            return Answer(
                pieces=[b"<html><body>502 Bad Gateway</body></html>\n"], headers={"content-type": "text/html"}
            )
        case "error_in_stream":
            return _stream(
                _line("Hello "), _text({"error": f"an error was encountered while running the model: {KEY}"})
            )
        case _:
            return None


def _refused(behaviour: Behaviour) -> Answer | None:
    match behaviour:
        case "wrong_key":  # of the proxy
            return _error(401, "unauthorized")
        case "unknown_model":
            return _error(404, "model 'any' not found")
        case "rate_limited":  # of the proxy
            return _error(429, "too many requests", {"retry-after": "2"})
        case "too_long":
            return _error(400, "the request exceeds the available context size, try increasing it")
        case "bad_request":
            return _error(400, f"invalid option provided: {KEY}")
        case "overloaded":
            return _error(503, "server busy, please try again.  maximum pending requests exceeded")
        case _:
            return None  # no money, no filter


_LINES: Final = {"content-type": "application/x-ndjson"}


def _stream(*lines: bytes) -> Answer:
    return Answer(pieces=lines, headers=_LINES)


def _line(content: str, **message: Any) -> bytes:
    return _text({"model": "m-1", "message": {"role": "assistant", "content": content} | message, "done": False})


def _last(**values: Any) -> bytes:
    counts = {"total_duration": 4883583458, "prompt_eval_count": 12, "eval_count": 5, "done_reason": "stop"} | values
    told = {name: value for name, value in counts.items() if value is not None}
    return _text({"model": "m-1", "message": {"role": "assistant", "content": ""}, "done": True} | told)


def _text(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _error(status: int, words: str, headers: dict[str, str] | None = None) -> Answer:
    sent = {"content-type": "application/json"} | (headers or {})
    return Answer(status=status, pieces=[_text({"error": words})], headers=sent)
