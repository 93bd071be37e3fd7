"""What went wrong at OpenAI, or who speaks its dialect, as one ProviderError: what to tell, and whether to try again.

Messages are our own words: a vendor's may quote the key or the user's text. Its `code` is quoted, cut and cleaned.
"""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping
from typing import Any, Final

from core.errors import ProviderError

_MONEY: Final = frozenset({"insufficient_quota", "credit_balance_exhausted", "billing_hard_limit_reached"})
"""Codes of status 429 that no waiting heals: somebody has to pay (OpenAI's error codes, read 2026-10)."""
_TOO_LONG: Final = frozenset({"context_length_exceeded", "string_above_max_length", "request_too_large"})
_BLOCKED: Final = frozenset({"content_filter", "content_policy_violation"})
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{1,63}")
_RETRYABLE_STATUS: Final = frozenset({408, 409, 425, 429})
_RETRYABLE_CODES: Final = frozenset(
    {"rate_limit_exceeded", "slow_down", "server_error", "server_is_overloaded", "overloaded_error", "timeout"}
)


def error_of_status(provider: str, status: int, body: Any, headers: Mapping[str, str], model: str) -> ProviderError:
    """The error of an HTTP answer that is not 2xx. `body` is its JSON, or its `error` object, or anything."""
    error = _inner(body)
    code = _code(error)
    if status == 429 and code in _MONEY:
        return ProviderError(f"the account at {provider!r} is out of quota ({code})", retryable=False, status=status)
    if status in (401, 403):
        return ProviderError(
            f"the provider {provider!r} refuses the API key ({status})", retryable=False, status=status
        )
    if status == 404:
        return ProviderError(
            f"the provider {provider!r} knows no model {model!r} at its address", retryable=False, status=404
        )
    if (known := _by_code(provider, code, error, status)) is not None:
        return known
    retryable = status in _RETRYABLE_STATUS or status >= 500
    return ProviderError(
        f"the provider {provider!r} answered {status}{_detail(code, error)}",
        retryable=retryable,
        retry_after_ms=retry_after_ms(headers) if retryable else None,
        status=status,
    )


def error_in_stream(provider: str, body: Any) -> ProviderError:
    """The error that a stream of status 200 holds."""
    error = _inner(body)
    code = _code(error)
    if code in _MONEY:
        return ProviderError(f"the account at {provider!r} is out of quota ({code})", retryable=False)
    if (known := _by_code(provider, code, error, None)) is not None:
        return known
    status = _status(error)
    retryable = status is None or status in _RETRYABLE_STATUS or status >= 500 or code in _RETRYABLE_CODES
    detail = code or (str(status) if status else "no reason given")
    return ProviderError(
        f"the provider {provider!r} broke off its answer ({detail})", retryable=retryable, status=status
    )


def retry_after_ms(headers: Mapping[str, str]) -> int | None:
    """How long the vendor asks to wait: `retry-after-ms`, else `retry-after` in seconds or as a date.

    Values that are not positive are taken as absent: Azure once sent 0 and -1 (openai-dotnet #838).
    """
    milliseconds = _float(headers.get("retry-after-ms"))
    if milliseconds is None:
        seconds = _float(headers.get("retry-after"))
        milliseconds = seconds * 1000 if seconds is not None else _until_date_ms(headers.get("retry-after"))
    if milliseconds is None or not 0 < milliseconds < 86_400_000:
        return None
    return round(milliseconds)


def _by_code(provider: str, code: str, error: Mapping[str, Any], status: int | None) -> ProviderError | None:
    text = str(error.get("message", "")).lower()
    if code in _TOO_LONG or "maximum context length" in text or "context window" in text or status == 413:
        return ProviderError(
            "The conversation is longer than the model can read. Begin a new one, or ask for less at once.",
            code="context_overflow",
            retryable=False,
            status=status,
        )
    if code in _BLOCKED:
        return ProviderError(
            f"The provider {provider!r} blocked the request. Ask in other words.",
            code="content_blocked",
            retryable=False,
            status=status,
        )
    return None


def _inner(body: Any) -> Mapping[str, Any]:
    """The error's own object, however it is wrapped; a plain text is its message."""
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, dict):
        inner = body.get("error", body)
        return inner if isinstance(inner, dict) else {"message": str(inner)}
    return {"message": body} if isinstance(body, str) else {}


def _code(error: Mapping[str, Any]) -> str:
    """The first of code and type that is a word; cleaned, for it goes into messages."""
    for value in (error.get("code"), error.get("type")):
        if isinstance(value, str) and _WORD.fullmatch(value):
            return value
    return ""


def _detail(code: str, error: Mapping[str, Any]) -> str:
    """Code and parameter in brackets; the vendor's own words are left out."""
    param = error.get("param")
    named = param if isinstance(param, str) and _WORD.fullmatch(param) else ""
    words = ", ".join(word for word in (code, named) if word)
    return f" ({words})" if words else ""


def _status(error: Mapping[str, Any]) -> int | None:
    for name in ("status", "status_code", "code"):
        value = error.get(name)
        if isinstance(value, int | str) and str(value).isdecimal() and 400 <= int(value) < 600:
            return int(value)
    return None


def _float(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def _until_date_ms(text: str | None) -> float | None:
    """Milliseconds until an HTTP date. The machine's own clock is meant: the header is about real time."""
    parsed = email.utils.parsedate_tz(text) if text else None
    return (email.utils.mktime_tz(parsed) - time.time()) * 1000 if parsed is not None else None
