"""What went wrong at OpenAI, or who speaks its dialect: its errors, read into those of `failures.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from agent.providers.failures import (
    answered,
    blocked,
    broke_off,
    is_retryable,
    key_refused,
    model_unknown,
    out_of_money,
    retry_after_ms,
    too_long,
    word,
)
from core.errors import ProviderError

_MONEY: Final = frozenset({"insufficient_quota", "credit_balance_exhausted", "billing_hard_limit_reached"})
"""Codes of status 429 that no waiting heals: somebody has to pay (OpenAI's error codes, read 2026-10)."""
_TOO_LONG: Final = frozenset(
    {"context_length_exceeded", "string_above_max_length", "request_too_large", "exceed_context_size_error"}
)
"""The last one is llama.cpp's."""
_BLOCKED: Final = frozenset({"content_filter", "content_policy_violation"})
_RETRYABLE_CODES: Final = frozenset(
    {"rate_limit_exceeded", "slow_down", "server_error", "server_is_overloaded", "overloaded_error", "timeout"}
)


def error_of_status(provider: str, status: int, body: Any, headers: Mapping[str, str], model: str) -> ProviderError:
    """The error of an HTTP answer that is not 2xx. `body` is its JSON, or its `error` object, or anything."""
    error = _inner(body)
    code = _code(error)
    if status == 402 or (status == 429 and code in _MONEY):
        return out_of_money(provider, code or str(status), status=status)
    if status == 403 and _was_flagged(error):
        return blocked(provider, status)
    if status == 404 or code == "model_not_found":  # 400 from the Responses API, 403 where a project may not use it
        return model_unknown(provider, model, status)
    if status in (401, 403):
        return key_refused(provider, status)
    if (known := _by_code(provider, code, error, status)) is not None:
        return known
    return answered(provider, status, _detail(code, error), retry_after_ms=retry_after_ms(headers))


def error_in_stream(provider: str, body: Any) -> ProviderError:
    """The error that a stream of status 200 holds."""
    error = _inner(body)
    code = _code(error)
    if code in _MONEY:
        return out_of_money(provider, code)
    if (known := _by_code(provider, code, error, None)) is not None:
        return known
    status = _status(error)
    unknown = status is None and not code.startswith("invalid_")
    retryable = unknown or (status is not None and is_retryable(status)) or code in _RETRYABLE_CODES
    return broke_off(provider, code or (str(status) if status else ""), retryable=retryable, status=status)


def is_reasoning_refused(body: Any) -> bool:
    """Whether the body of a status 400 says that encrypted reasoning cannot be read, or not be asked for."""
    error = _inner(body)
    return _code(error) == "invalid_encrypted_content" or "encrypted content" in str(error.get("message", "")).lower()


def _by_code(provider: str, code: str, error: Mapping[str, Any], status: int | None) -> ProviderError | None:
    text = str(error.get("message", "")).lower()
    if code in _TOO_LONG or "maximum context length" in text or "context window" in text or status == 413:
        return too_long(status)
    if code in _BLOCKED:
        return blocked(provider, status)
    return None


def _inner(body: Any) -> Mapping[str, Any]:
    """The error's own object, however it is wrapped; a plain text is its message."""
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, dict):
        inner = body.get("error", body)
        return inner if isinstance(inner, dict) else {"message": str(inner)}
    return {"message": body} if isinstance(body, str) else {}


def _was_flagged(error: Mapping[str, Any]) -> bool:
    """OpenRouter's moderation: 403, and what was found (openrouter.ai/docs, errors)."""
    metadata = error.get("metadata")
    return isinstance(metadata, dict) and "flagged_input" in metadata


def _code(error: Mapping[str, Any]) -> str:
    """The first of code and type that is a word."""
    return word(error.get("code")) or word(error.get("type"))


def _detail(code: str, error: Mapping[str, Any]) -> str:
    """Code and parameter; the vendor's own words are left out."""
    return ", ".join(part for part in (code, word(error.get("param"))) if part)


def _status(error: Mapping[str, Any]) -> int | None:
    for name in ("status", "status_code", "code"):
        value = error.get(name)
        if isinstance(value, int | str) and str(value).isdecimal() and 400 <= int(value) < 600:
            return int(value)
    return None
