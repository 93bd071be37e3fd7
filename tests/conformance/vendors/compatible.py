"""A server that speaks Chat Completions as nobody does alone: every behaviour with another quirk that one was seen with.

Named beside each quirk is who has it; what is not here is as in OpenAI's own double.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from agent.providers.http import Timeouts
from agent.providers.openai import OpenAIProvider
from core.ports import Provider
from tests.agent.chat_server import Answer
from tests.conformance.vendors.openai import OpenAIVendor
from tests.conformance.vendors.vendor import KEY, Behaviour

_COMMENT: Final = b": OPENROUTER PROCESSING\r\n\r\n"
_DONE: Final = b"data: [DONE]\r\n\r\n"
_USAGE: Final = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}
_HUGE_PIECES: Final = 1024


class CompatibleVendor(OpenAIVendor):
    """The double. It takes the same tools as OpenAI."""

    name = "compatible"

    def provider(self, url: str, timeouts: Timeouts | None = None) -> Provider:
        return OpenAIProvider(api_key=KEY, base_url=url, name="compatible", timeouts=timeouts)

    def answer(self, behaviour: Behaviour) -> Answer | None:
        return _whole(behaviour) or _broken(behaviour) or _refused(behaviour)

    def answer_with_calls(self, calls: Sequence[tuple[str, dict[str, Any]]]) -> Answer:
        """vLLM: each call has index 0, later fragments have the id "" and the name null, and the finish is `stop`."""
        pieces = [_head()]
        for number, (name, arguments) in enumerate(calls):
            text = json.dumps(arguments)
            begun = {"index": 0, "id": f"chatcmpl-tool-{number}", "function": {"name": name, "arguments": text[:3]}}
            pieces += [_chunk(tool_calls=[begun]), _fragment(text[3:])]
        return Answer(pieces=[*pieces, _chunk(finish="stop", content=""), _last(), _DONE])


VENDOR: Final = CompatibleVendor()


def _whole(behaviour: Behaviour) -> Answer | None:
    match behaviour:
        case "text":  # OpenRouter: comments, usage beside a choice, a finish reason of the model's own
            end = {"native_finish_reason": "end_turn"}
            pieces = [
                _COMMENT,
                _chunk("Hello "),
                _COMMENT,
                _chunk("there."),
                _chunk("", finish="stop", **end, usage=_USAGE),
            ]
            return Answer(pieces=[*pieces, _DONE])
        case "reasoning":  # DeepSeek, Kimi: thoughts beside a content of null; usage so far on each chunk
            thoughts = [
                _chunk(None, reasoning_content=text, usage=_so_far(n)) for n, text in enumerate(("Let me ", "see."))
            ]
            return Answer(pieces=[*thoughts, _chunk("Four.", usage=_so_far(3)), _chunk(finish="stop"), _last(), _DONE])
        case "reasoning_call":  # DeepSeek, Kimi: thoughts that must come back with the call that they led to
            thoughts = [_chunk(None, reasoning_content=text) for text in ("Let me ", "see.")]
            called = {"index": 0, "id": "call_00_x", "function": {"name": "market", "arguments": "{}"}}
            return Answer(pieces=[*thoughts, _chunk(tool_calls=[called]), _chunk(finish="tool_calls"), _last(), _DONE])
        case "length":  # Mistral: a word of its own, usage on the chunk of the finish
            return Answer(pieces=[_chunk("Hello "), _chunk("", finish="model_length", usage=_USAGE), _DONE])
        case "filtered":  # Azure: the first chunk has no choice, only what the filter found in the prompt
            found = _event({"id": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]})
            return Answer(pieces=[found, _chunk("Hello "), _chunk(finish="content_filter"), _last(), _DONE])
        case "empty":  # Snowflake: no finish reason at all
            return Answer(pieces=[_chunk(""), _last(), _DONE])
        case "structured":  # Mistral: content as a list of parts
            parts = [[{"type": "text", "text": text}] for text in ('{"total"', ": 4}")]
            return Answer(pieces=[*(_chunk(part) for part in parts), _chunk(finish="stop"), _last(), _DONE])
        case "huge":
            text = "ação " * (1024 * 1024 // len("ação ".encode()) + 1)
            size = len(text) // _HUGE_PIECES + 1
            pieces = [_chunk(text[start : start + size]) for start in range(0, len(text), size)]
            return Answer(pieces=[*pieces, _chunk(finish="eos"), _last(), _DONE])
        case "no_usage":  # DeepSeek and others: null until there is some, and here there is none
            pieces = [_chunk("Hello ", usage=None), _chunk("there.", usage=None), _chunk(finish="stop", usage=None)]
            return Answer(pieces=[*pieces, _DONE])
        case "calls":
            return VENDOR.answer_with_calls([("sales_query", {"metrics": ["revenue"]}), ("market", {})])
        case _:
            return None


def _broken(behaviour: Behaviour) -> Answer | None:
    match behaviour:
        case "cut":
            return Answer(pieces=[_COMMENT, _chunk("Hello ")], ending="cut")
        case "cut_call":  # Mistral: a fragment with neither index nor type
            begun = {"id": "D681PevKs", "function": {"name": "sales_query", "arguments": '{"metr'}}
            return Answer(pieces=[_chunk(tool_calls=[begun]), _chunk(finish="length", usage=_USAGE), _DONE])
        case "hang":
            return Answer(pieces=[_COMMENT, _chunk("Hello ")], ending="hang")
        case "deaf":
            return Answer(deaf=True)
        case "garbage":  # a proxy's page
            return Answer(
                pieces=[b"<html><body>502 Bad Gateway</body></html>\n"], headers={"content-type": "text/html"}
            )
        case "error_in_stream":  # OpenRouter: an error beside a choice, with a status for a code
            error = {"code": 502, "message": f"Provider disconnected. {KEY}"}
            return Answer(pieces=[_chunk("Hello "), _chunk("", finish="error", error=error)])
        case _:
            return None


def _refused(behaviour: Behaviour) -> Answer | None:
    match behaviour:
        case "wrong_key":  # vLLM: an error that is a text
            return _error(401, {"error": "Unauthorized"})
        case "unknown_model":  # vLLM: no `error` around it, a status for a code
            return _error(404, {"object": "error", "message": "No such model.", "type": "NotFoundError", "code": 404})
        case "rate_limited":  # Groq
            said = {"message": "Rate limit reached.", "type": "tokens", "code": "rate_limit_exceeded"}
            return _error(429, {"error": said}, {"retry-after": "2"})
        case "out_of_quota":  # OpenRouter, DeepSeek, Hugging Face: a status of its own
            return _error(402, {"error": {"code": 402, "message": "Insufficient credits."}})
        case "too_long":  # llama.cpp
            said = {"code": 400, "message": "the request exceeds the available context size, try increasing it"}
            return _error(
                400, {"error": said | {"type": "exceed_context_size_error", "n_prompt_tokens": 9, "n_ctx": 8}}
            )
        case "bad_request":
            return _error(400, {"object": "error", "message": "Bad.", "type": "BadRequestError", "code": 400})
        case "overloaded":  # Hugging Face
            return _error(503, {"error": "The model is currently loading.", "estimated_time": 20.0})
        case "blocked":  # OpenRouter: moderation has the status of a key that may not
            found = {"reasons": ["violence"], "flagged_input": "...", "provider_name": "x", "model_slug": "m-1"}
            return _error(403, {"error": {"code": 403, "message": "Your input was flagged.", "metadata": found}})
        case _:
            return None


def _head() -> bytes:
    """Some send a first chunk with a role and nothing else."""
    return _chunk(role="assistant")


def _fragment(arguments: str) -> bytes:
    return _chunk(tool_calls=[{"index": 0, "id": "", "function": {"name": None, "arguments": arguments}}])


def _chunk(content: Any = "", *, finish: str | None = None, **more: Any) -> bytes:
    """A chunk with the role on each, as Ollama and vLLM send it; what belongs beside the choice goes there."""
    beside = {name: more.pop(name) for name in ("usage", "error", "x_groq") if name in more}
    choice: dict[str, Any] = {"index": 0, "finish_reason": finish}
    if "native_finish_reason" in more:
        choice["native_finish_reason"] = more.pop("native_finish_reason")
    choice["delta"] = {"role": "assistant", "content": content} | more
    return _event({"id": "gen-1", "object": "chat.completion.chunk", "model": "m-1", "choices": [choice]} | beside)


def _so_far(written: int) -> dict[str, int]:
    return {"prompt_tokens": 12, "completion_tokens": written, "total_tokens": 12 + written}


def _last() -> bytes:
    """Together, NVIDIA, DeepSeek: a last chunk without a choice."""
    return _event({"id": "gen-1", "object": "chat.completion.chunk", "model": "m-1", "choices": [], "usage": _USAGE})


def _event(value: Any) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\r\n\r\n"


def _error(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> Answer:
    sent = {"content-type": "application/json"} | (headers or {})
    return Answer(status=status, pieces=[json.dumps(body).encode()], headers=sent)
