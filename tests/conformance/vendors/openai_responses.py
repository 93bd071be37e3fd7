"""OpenAI's Responses API, as their documentation and recorded streams show it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from agent.providers.http import Timeouts
from agent.providers.openai_responses import OpenAIResponsesProvider
from core.ports import Provider
from tests.agent.chat_server import Answer
from tests.conformance.vendors.vendor import KEY, Behaviour

_USAGE: Final = {
    "input_tokens": 12,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 5,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 17,
}
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ENCRYPTED: Final = "gAAAAABoyXvxI6jwG5j6rvTGC7PD6JN5758K"
_HUGE_PIECES: Final = 1024


class OpenAIResponsesVendor:
    """The double. Every stream is as the vendor's: created, items added and done, and the end with all of it again."""

    name = "openai-responses"

    def provider(self, url: str, timeouts: Timeouts | None = None) -> Provider:
        return OpenAIResponsesProvider(api_key=KEY, base_url=url, timeouts=timeouts)

    def answer(self, behaviour: Behaviour) -> Answer | None:
        return _whole(behaviour) or _broken(behaviour) or _refused(behaviour)

    def answer_with_calls(self, calls: Sequence[tuple[str, dict[str, Any]]]) -> Answer:
        stream = _Stream()
        for number, (name, arguments) in enumerate(calls):
            stream.call(f"call_{number}", name, json.dumps(arguments))
        return stream.ended()

    def tools_in(self, body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        assert body["store"] is False
        tools = []
        for tool in body.get("tools", []):
            assert tool["type"] == "function", tool
            assert set(tool) <= {"type", "name", "description", "parameters", "strict"}, tool
            assert _NAME.fullmatch(tool["name"]), tool["name"]
            assert tool["strict"] is False, "strict is this API's default, and takes only schemas of required fields"
            tools.append((tool["name"], tool["parameters"]))
        assert len({name for name, _ in tools}) == len(tools), "two tools of one name"
        return tools


VENDOR: Final = OpenAIResponsesVendor()


class _Stream:
    """The events of one response as they come to be."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._output: list[dict[str, Any]] = []
        self._put("response.created", response=self._response("in_progress"))
        self._put("response.in_progress", response=self._response("in_progress"))

    def message(self, *texts: str) -> None:
        item = {"type": "message", "id": f"msg_{len(self._output)}", "role": "assistant"}
        where = self._added(item | {"status": "in_progress", "content": []})
        part = where | {"content_index": 0}
        self._put("response.content_part.added", **part, part={"type": "output_text", "text": "", "annotations": []})
        for text in texts:
            self._put("response.output_text.delta", **part, delta=text, logprobs=[])
        whole = "".join(texts)
        self._put("response.output_text.done", **part, text=whole, logprobs=[])
        content = {"type": "output_text", "text": whole, "annotations": []}
        self._put("response.content_part.done", **part, part=content)
        self._done(item | {"status": "completed", "content": [content]})

    def reasoning(self, text: str) -> None:
        item = {"type": "reasoning", "id": f"rs_{len(self._output)}", "encrypted_content": "gAAAAAearlier"}
        where = self._added(item | {"summary": []}) | {"summary_index": 0}
        self._put("response.reasoning_summary_part.added", **where, part={"type": "summary_text", "text": ""})
        for piece in (text[:4], text[4:]):
            self._put("response.reasoning_summary_text.delta", **where, delta=piece)
        self._put("response.reasoning_summary_text.done", **where, text=text)
        self._done(item | {"encrypted_content": _ENCRYPTED, "summary": [{"type": "summary_text", "text": text}]})

    def call(self, call_id: str, name: str, arguments: str, *, status: str = "completed") -> None:
        item = {"type": "function_call", "id": f"fc_{len(self._output)}", "call_id": call_id, "name": name}
        where = self._added(item | {"arguments": "", "status": "in_progress"})
        for piece in (arguments[:3], arguments[3:]):
            self._put("response.function_call_arguments.delta", **where, delta=piece)
        if status == "completed":
            self._put("response.function_call_arguments.done", **where, arguments=arguments)
        self._done(item | {"arguments": arguments, "status": status})

    def ended(self, incomplete: str | None = None, *, usage: bool = True) -> Answer:
        status = "incomplete" if incomplete else "completed"
        details = {"reason": incomplete} if incomplete else None
        response = self._response(status) | {"incomplete_details": details, "usage": _USAGE if usage else None}
        self._put(f"response.{status}", response=response)
        return Answer(pieces=self._pieces)

    def begun(self, *texts: str) -> list[bytes]:
        """The pieces up to the text, of a message that does not end."""
        item = {"type": "message", "id": "msg_0", "role": "assistant", "status": "in_progress", "content": []}
        part = self._added(item) | {"content_index": 0}
        for text in texts:
            self._put("response.output_text.delta", **part, delta=text)
        return self._pieces

    def failed(self, code: str) -> Answer:
        message = f"Our servers are overloaded. {KEY}"
        self._put("error", error={"type": code, "code": code, "message": message, "param": None})
        self._put("response.failed", response=self._response("failed") | {"error": {"code": code, "message": message}})
        return Answer(pieces=self._pieces)

    def _added(self, item: dict[str, Any]) -> dict[str, Any]:
        self._put("response.output_item.added", output_index=len(self._output), item=item)
        return {"item_id": item["id"], "output_index": len(self._output)}

    def _done(self, item: dict[str, Any]) -> None:
        self._put("response.output_item.done", output_index=len(self._output), item=item)
        self._output.append(item)

    def _response(self, status: str) -> dict[str, Any]:
        response = {"id": "resp_1", "object": "response", "created_at": 1_743_082_658, "status": status}
        return response | {"error": None, "model": "m-1-2026-01-01", "output": list(self._output), "usage": None}

    def _put(self, kind: str, **values: Any) -> None:
        data = json.dumps({"type": kind, "sequence_number": len(self._pieces)} | values)
        self._pieces.append(f"event: {kind}\ndata: {data}\n\n".encode())


def _whole(behaviour: Behaviour) -> Answer | None:
    match behaviour:
        case "text":
            return _said("Hello ", "there.")
        case "reasoning":
            stream = _Stream()
            stream.reasoning("Let me see.")
            stream.message("Four.")
            return stream.ended()
        case "reasoning_call":
            stream = _Stream()
            stream.reasoning("Let me see.")
            stream.call("call_0", "market", "{}")
            return stream.ended()
        case "length":
            return _said("Hello ", incomplete="max_output_tokens")
        case "filtered":
            return _said("Hello ", incomplete="content_filter")
        case "empty":
            return _said()
        case "structured":
            return _said('{"total"', ": 4}")
        case "huge":
            text = "ação " * (1024 * 1024 // len("ação ".encode()) + 1)
            size = len(text) // _HUGE_PIECES + 1
            return _said(*(text[start : start + size] for start in range(0, len(text), size)))
        case "no_usage":
            stream = _Stream()
            stream.message("Hello ", "there.")
            return stream.ended(usage=False)
        case "calls":
            return VENDOR.answer_with_calls([("sales_query", {"metrics": ["revenue"]}), ("market", {})])
        case _:
            return None


def _broken(behaviour: Behaviour) -> Answer | None:
    match behaviour:
        case "cut":
            return Answer(pieces=_Stream().begun("Hello "), ending="cut")
        case "cut_call":
            stream = _Stream()
            stream.call("call_0", "sales_query", '{"metr', status="incomplete")
            return stream.ended("max_output_tokens")
        case "hang":
            return Answer(pieces=_Stream().begun("Hello "), ending="hang")
        case "deaf":
            return Answer(deaf=True)
        case "garbage":
            return Answer(
                pieces=[b"<html><body>502 Bad Gateway</body></html>\n"], headers={"content-type": "text/html"}
            )
        case "error_in_stream":
            stream = _Stream()
            stream.begun("Hello ")
            return stream.failed("server_is_overloaded")
        case _:
            return None


def _refused(behaviour: Behaviour) -> Answer | None:
    match behaviour:
        case "wrong_key":
            return _error(401, "invalid_request_error", "invalid_api_key")
        case "unknown_model":
            return _error(400, "invalid_request_error", "model_not_found", param="model")
        case "rate_limited":
            return _error(429, "tokens", "rate_limit_exceeded", headers={"retry-after-ms": "2000"})
        case "out_of_quota":
            return _error(429, "insufficient_quota", "insufficient_quota")
        case "too_long":
            return _error(400, "invalid_request_error", "context_length_exceeded", param="input")
        case "bad_request":
            return _error(400, "invalid_request_error", "unsupported_parameter", param="temperature")
        case "overloaded":
            return _error(503, "server_error", "server_is_overloaded")
        case "blocked":
            return _error(400, "invalid_request_error", "content_policy_violation")
        case _:
            return None


def _said(*texts: str, incomplete: str | None = None) -> Answer:
    stream = _Stream()
    stream.message(*texts)
    return stream.ended(incomplete)


def _error(
    status: int, kind: str, code: str, *, param: str | None = None, headers: dict[str, str] | None = None
) -> Answer:
    error = {"message": f"No: {KEY}", "type": kind, "param": param, "code": code}
    sent = {"content-type": "application/json"} | (headers or {})
    return Answer(status=status, pieces=[json.dumps({"error": error}).encode()], headers=sent)
