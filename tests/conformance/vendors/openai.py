"""OpenAI's Chat Completions, as their documentation and recorded streams show them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from agent.providers.http import Timeouts
from agent.providers.openai import OpenAIProvider
from core.ports import Provider
from tests.agent.chat_server import DONE, Answer, chunk, event
from tests.conformance.vendors.vendor import KEY, Behaviour

_USAGE: Final = {
    "prompt_tokens": 12,
    "completion_tokens": 5,
    "total_tokens": 17,
    "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 2, "audio_tokens": 0},
}
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_HUGE_PIECES: Final = 1024


class OpenAIVendor:
    """The double. Every error's message quotes the key, as the vendor's sometimes do."""

    name = "openai"

    def provider(self, url: str, timeouts: Timeouts | None = None) -> Provider:
        return OpenAIProvider(api_key=KEY, base_url=url, timeouts=timeouts)

    def answer(self, behaviour: Behaviour) -> Answer | None:
        return _whole(behaviour) or _broken(behaviour) or _refused(behaviour)

    def answer_with_calls(self, calls: Sequence[tuple[str, dict[str, Any]]]) -> Answer:
        pieces = [_first()]
        for index, (name, arguments) in enumerate(calls):
            text = json.dumps(arguments)
            call = {"index": index, "id": f"call_{index}", "type": "function"}
            pieces.append(chunk(tool_calls=[call | {"function": {"name": name, "arguments": ""}}]))
            pieces.extend(_arguments(index, part) for part in (text[:3], text[3:]) if part)
        return Answer(pieces=[*pieces, chunk(finish="tool_calls"), _usage(), DONE])

    def tools_in(self, body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        tools = []
        for tool in body.get("tools", []):
            assert tool["type"] == "function", tool
            function = tool["function"]
            assert set(function) <= {"name", "description", "parameters", "strict"}, function
            assert _NAME.fullmatch(function["name"]), function["name"]
            assert not function.get("strict"), "strict takes only schemas of which every field is required"
            tools.append((function["name"], function.get("parameters", {})))
        assert len({name for name, _ in tools}) == len(tools), "two tools of one name"
        return tools


VENDOR: Final = OpenAIVendor()


def _whole(behaviour: Behaviour) -> Answer | None:
    match behaviour:
        case "text":
            return _said("Hello ", "there.")
        case "length":
            return _said("Hello ", finish="length")
        case "filtered":
            return _said("Hello ", finish="content_filter")
        case "empty":
            return _said()
        case "structured":
            return _said('{"total"', ": 4}")
        case "huge":
            text = "ação " * (1024 * 1024 // len("ação ".encode()) + 1)
            size = len(text) // _HUGE_PIECES + 1
            return _said(*(text[start : start + size] for start in range(0, len(text), size)))
        case "no_usage":
            return Answer(pieces=[_first(), chunk("Hello "), chunk("there."), chunk(finish="stop"), DONE])
        case "calls":
            return VENDOR.answer_with_calls([("sales_query", {"metrics": ["revenue"]}), ("market", {})])
        case _:
            return None  # thoughts: Chat Completions give none


def _broken(behaviour: Behaviour) -> Answer | None:
    match behaviour:
        case "cut":
            return Answer(pieces=[_first(), chunk("Hello ")], ending="cut")
        case "cut_call":
            call = {"index": 0, "id": "call_0", "type": "function"}
            begun = chunk(tool_calls=[call | {"function": {"name": "sales_query", "arguments": ""}}])
            return Answer(pieces=[_first(), begun, _arguments(0, '{"metr'), chunk(finish="length"), _usage(), DONE])
        case "hang":
            return Answer(pieces=[_first(), chunk("Hello ")], ending="hang")
        case "deaf":
            return Answer(deaf=True)
        case "garbage":
            return Answer(
                pieces=[b"<html><body>502 Bad Gateway</body></html>\n"], headers={"content-type": "text/html"}
            )
        case "error_in_stream":
            error = {"type": "server_error", "code": "server_is_overloaded", "message": f"Overloaded. {KEY}"}
            return Answer(pieces=[_first(), chunk("Hello "), event({"error": error})])
        case _:
            return None


def _refused(behaviour: Behaviour) -> Answer | None:
    match behaviour:
        case "wrong_key":
            return _error(401, "invalid_request_error", "invalid_api_key")
        case "unknown_model":
            return _error(404, "invalid_request_error", "model_not_found")
        case "rate_limited":
            return _error(429, "requests", "rate_limit_exceeded", {"retry-after": "2"})
        case "out_of_quota":
            return _error(429, "insufficient_quota", "insufficient_quota", {"retry-after": "2"})
        case "too_long":
            return _error(400, "invalid_request_error", "context_length_exceeded")
        case "bad_request":
            return _error(400, "invalid_request_error", "unsupported_value")
        case "overloaded":
            return _error(503, "server_error", "server_is_overloaded")
        case "blocked":
            return _error(400, "invalid_request_error", "content_filter")
        case _:
            return None


def _first() -> bytes:
    return chunk(role="assistant", content="", refusal=None)


def _arguments(index: int, text: str) -> bytes:
    return chunk(tool_calls=[{"index": index, "function": {"arguments": text}}])


def _usage() -> bytes:
    return event({"id": "c1", "object": "chat.completion.chunk", "model": "m-1", "choices": [], "usage": _USAGE})


def _said(*texts: str, finish: str = "stop") -> Answer:
    return Answer(pieces=[_first(), *(chunk(text) for text in texts), chunk(finish=finish), _usage(), DONE])


def _error(status: int, kind: str, code: str, headers: dict[str, str] | None = None) -> Answer:
    error = {"message": f"No: {KEY}", "type": kind, "param": None, "code": code}
    sent = {"content-type": "application/json"} | (headers or {})
    return Answer(status=status, pieces=[json.dumps({"error": error}).encode()], headers=sent)
