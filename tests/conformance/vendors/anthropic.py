"""Anthropic's Messages API, as its server speaks it (platform.claude.com/docs, and the types of the SDK, 2.12)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from agent.providers.anthropic import AnthropicProvider
from agent.providers.http import Timeouts
from tests.agent.chat_server import Answer
from tests.conformance.vendors.vendor import KEY, Behaviour

MODEL = "claude-sonnet-4-5-20250929"
HUGE = "ação " * 175_000
"""1 MiB of UTF-8."""
_PIECE = 1_000
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def event(kind: str, **fields: Any) -> bytes:
    """One event, by its name and again in its data."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind} | fields)}\n\n".encode()


PING = event("ping")


def start(usage: dict[str, Any] | None = None) -> bytes:
    message: dict[str, Any] = {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }
    if usage is None:
        usage = {
            "input_tokens": 6,
            "cache_creation_input_tokens": 2,
            "cache_read_input_tokens": 4,
            "output_tokens": 1,
        }
    return event("message_start", message=message | ({"usage": usage} if usage else {}))


def begin(index: int, **block: Any) -> bytes:
    return event("content_block_start", index=index, content_block=block)


def delta(index: int, kind: str, **fields: Any) -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind} | fields)


def stop(index: int) -> bytes:
    return event("content_block_stop", index=index)


def text(index: int, *pieces: str) -> list[bytes]:
    """A text's block, whole."""
    parts = [delta(index, "text_delta", text=piece) for piece in pieces]
    return [begin(index, type="text", text=""), PING, *parts, stop(index)]


def thinking(index: int, *pieces: str, signature: str = "EqQBCkYIBxgCKkA=") -> list[bytes]:
    """A thought's block, whole."""
    parts = [delta(index, "thinking_delta", thinking=piece) for piece in pieces]
    signed = delta(index, "signature_delta", signature=signature)
    return [begin(index, type="thinking", thinking="", signature=""), *parts, signed, stop(index)]


def call(index: int, name: str, arguments: dict[str, Any]) -> list[bytes]:
    """A call's block, whole; the first piece of its input is empty, and the only one where it has none."""
    written = json.dumps(arguments) if arguments else ""
    pieces = ["", written[: len(written) // 2], written[len(written) // 2 :]] if written else [""]
    parts = [delta(index, "input_json_delta", partial_json=piece) for piece in pieces]
    return [begin(index, type="tool_use", id=f"toolu_{index:02}", name=name, input={}), *parts, stop(index)]


def end(reason: str = "end_turn", *, output: int | None = 5, thought: int = 0, **more: Any) -> list[bytes]:
    """The message's end. `output`: None tells no usage."""
    usage: dict[str, Any] = {"output_tokens": output}
    if thought:
        usage["output_tokens_details"] = {"thinking_tokens": thought}
    told = {"usage": usage} if output is not None else {}
    ending = {"stop_reason": reason, "stop_sequence": None} | more
    return [event("message_delta", delta=ending, **told), event("message_stop")]


def error(kind: str, message: str, **details: Any) -> dict[str, Any]:
    """An error's body."""
    inner = {"type": kind, "message": message} | ({"details": details} if details else {})
    return {"type": "error", "error": inner, "request_id": "req_01"}


def refused(status: int, body: dict[str, Any], **headers: str) -> Answer:
    sent = {"content-type": "application/json", "request-id": "req_01"} | headers
    return Answer(status=status, pieces=[json.dumps(body).encode()], headers=sent)


class AnthropicVendor:
    name = "anthropic"

    def provider(self, url: str, timeouts: Timeouts | None = None) -> AnthropicProvider:
        return AnthropicProvider(api_key=KEY, base_url=url, timeouts=timeouts)

    def answer(self, behaviour: Behaviour) -> Answer | None:
        match behaviour:
            case "reasoning_call":
                called = call(1, "market", {})
                return Answer(pieces=[start(), *thinking(0, "Let me see."), *called, *end("tool_use", thought=2)])
            case "cut":
                return Answer(pieces=[start(), *text(0, "Hello ")[:-1]], ending="cut")
            case "hang":
                return Answer(pieces=[start(), *text(0, "Hello ")[:-1]], ending="hang")
            case "deaf":
                return Answer(deaf=True)
            case "garbage":
                return Answer(pieces=[b"\x00\x01 no protocol \xff\n\n"])
            case _:
                pass
        pieces = self._stream(behaviour)
        return Answer(pieces=pieces) if pieces is not None else self._refusal(behaviour)

    def answer_with_calls(self, calls: Sequence[tuple[str, dict[str, Any]]]) -> Answer:
        blocks = [piece for index, (name, arguments) in enumerate(calls) for piece in call(index, name, arguments)]
        return Answer(pieces=[start(), *blocks, *end("tool_use")])

    def tools_in(self, body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        tools = []
        for tool in body.get("tools", []):
            schema = tool["input_schema"]
            assert _NAME.fullmatch(tool["name"]), tool["name"]
            assert schema["type"] == "object"
            assert not {"anyOf", "oneOf", "allOf"} & schema.keys()
            assert set(tool) <= {"name", "description", "input_schema"}
            tools.append((tool["name"], schema))
        names = [name for name, _ in tools]
        assert len(set(names)) == len(names)
        return tools

    def _stream(self, behaviour: Behaviour) -> list[bytes] | None:
        match behaviour:
            case "text":
                return [start(), *text(0, "Hello ", "there."), *end(thought=2)]
            case "reasoning":
                return [start(), *thinking(0, "Let me ", "see."), *text(1, "Four."), *end(thought=2)]
            case "length":
                return [start(), *text(0, "Hello "), *end("max_tokens")]
            case "filtered":
                details = {"type": "refusal", "category": None, "explanation": None}
                return [start(), *text(0, "Hello "), *end("refusal", stop_details=details)]
            case "empty":
                return [start(), *end()]
            case "calls":
                calls = [*call(0, "sales_query", {"metrics": ["revenue"]}), PING, *call(1, "market", {})]
                return [start(), *calls, *end("tool_use")]
            case "structured":
                return [start(), *text(0, '{"total"', ": 4}"), *end()]
            case "huge":
                pieces = [HUGE[at : at + _PIECE] for at in range(0, len(HUGE), _PIECE)]
                return [start(), *text(0, *pieces), *end()]
            case "no_usage":
                return [start({}), *text(0, "Hello ", "there."), *end(output=None)]
            case "cut_call":
                return [start(), *call(0, "sales_query", {"metrics": ["revenue"]})[:-2], *end("max_tokens")]
            case "error_in_stream":
                overloaded = error("overloaded_error", "Overloaded")
                return [start(), *text(0, "Hello ")[:-1], event("error", **overloaded)]
            case _:
                return None

    def _refusal(self, behaviour: Behaviour) -> Answer:
        match behaviour:
            case "wrong_key":
                return refused(401, error("authentication_error", f"invalid x-api-key {KEY}"))
            case "unknown_model":
                return refused(404, error("not_found_error", "model: m-0"))
            case "rate_limited":
                limit = error("rate_limit_error", "This request would exceed your rate limit.")
                return refused(429, limit, **{"retry-after": "2", "x-should-retry": "true"})
            case "out_of_quota":
                spent = error(
                    "rate_limit_error", "The spend limit is reached.", error_code="enforced_spend_limit_reached"
                )
                return refused(429, spent)
            case "too_long":
                return refused(
                    400, error("invalid_request_error", "prompt is too long: 207791 tokens > 200000 maximum")
                )
            case "bad_request":
                return refused(400, error("invalid_request_error", f"messages.0: {KEY} is not expected"))
            case "overloaded":
                return refused(529, error("overloaded_error", "Overloaded"))
            case "blocked":
                return refused(400, error("invalid_request_error", "Output blocked by content filtering policy"))
            case _:
                raise AssertionError(f"nobody knows what the vendor does for {behaviour!r}")


VENDOR = AnthropicVendor()
