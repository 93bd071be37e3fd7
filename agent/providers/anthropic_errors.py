"""What went wrong at Anthropic, or who speaks its Messages API: its errors, read into those of `failures.py`.

An error is `{"type": "error", "error": {"type", "message", "details": {"error_code"}}, "request_id"}`, as the body of
an answer that is not 2xx or as an event of a stream whose status was 200.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from agent.providers.failures import (
    answered,
    blocked,
    broke_off,
    key_refused,
    model_unknown,
    out_of_money,
    retry_after_ms,
    too_long,
    word,
)
from core.errors import ProviderError

_MONEY: Final = frozenset(
    {
        "billing_error",
        "enforced_spend_limit_reached",
        "contract_spend_limit_reached",
        "linked_organization_spend_limit_reached",
        "user_profile_not_billable",
        "user_profile_billing_not_authorized",
    }
)
"""Types and error codes that no waiting heals, be their status 402, 400 or 429 (anthropic 2.12, types/shared)."""
_MONEY_WORDS: Final = ("credit balance is too low", "api usage limits")
"""Empty credit and a spend limit that the customer set come as invalid_request_error: only the words tell
(claude-code #867, #1047). Anthropic does not promise its wording; where it changes, the call is a bad request."""
_TOO_LONG_WORDS: Final = ("prompt is too long", "exceed context limit", "context window", "context size")
"""The last one is llama.cpp's, which speaks this API too."""
_BLOCKED_WORDS: Final = ("content filtering policy",)
_NOT_AGAIN: Final = frozenset(
    {
        "invalid_request_error",
        "authentication_error",
        "permission_error",
        "not_found_error",
        "request_too_large",
        "billing_error",
    }
)
"""Types of errors in a stream that another try meets again; overloaded, rate limit, API, timeout and new ones pass."""
_SHOULD_RETRY: Final[dict[str, bool]] = {"true": True, "false": False}
"""The header `x-should-retry`, which the vendor's SDKs obey before they look at the status."""


def error_of_status(provider: str, status: int, body: Any, headers: Mapping[str, str], model: str) -> ProviderError:
    """The error of an HTTP answer that is not 2xx. `body` is its JSON, or anything."""
    error = _inner(body)
    if (known := _by_code(provider, error, status)) is not None:
        return known
    if status in (401, 403):
        return key_refused(provider, status)
    if status == 404:
        return model_unknown(provider, model)
    if status == 413:
        return too_long(status)
    return answered(
        provider,
        status,
        _code(error),
        retryable=_SHOULD_RETRY.get(headers.get("x-should-retry", "")),
        retry_after_ms=retry_after_ms(headers),
    )


def error_in_stream(provider: str, body: Any, model: str) -> ProviderError:
    """The error that a stream of status 200 holds. It tells a type, and no status."""
    error = _inner(body)
    if (known := _by_code(provider, error, None)) is not None:
        return known
    match error.get("type"):
        case "authentication_error" | "permission_error":
            return key_refused(provider, None)
        case "not_found_error":
            return model_unknown(provider, model, None)
        case "request_too_large":
            return too_long()
        case kind:
            return broke_off(provider, _code(error), retryable=kind not in _NOT_AGAIN)


def are_thoughts_refused(status: int, body: Any) -> bool:
    """Whether a request was refused for the thoughts in it; the vendor tells that only in words.

    They are "Invalid `signature` in `thinking` block. The block is bound to a different conversation.", or that the
    blocks of the latest message cannot be modified.
    """
    text = str(_inner(body).get("message", "")).lower()
    return status == 400 and "thinking" in text and ("signature" in text or "cannot be modified" in text)


def _by_code(provider: str, error: Mapping[str, Any], status: int | None) -> ProviderError | None:
    code, text = _code(error), str(error.get("message", "")).lower()
    if code in _MONEY or error.get("type") in _MONEY or status == 402 or _says(text, _MONEY_WORDS):
        return out_of_money(provider, code or "billing_error", status=status)
    if error.get("type") == "invalid_request_error" or status == 400:
        if _says(text, _TOO_LONG_WORDS):
            return too_long(status)
        if _says(text, _BLOCKED_WORDS):
            return blocked(provider, status)
    return None


def _says(text: str, phrases: tuple[str, ...]) -> bool:
    return any(phrase in text for phrase in phrases)


def _inner(body: Any) -> Mapping[str, Any]:
    """The error's own object; a plain text is its message."""
    if isinstance(body, dict):
        inner = body.get("error", body)
        return inner if isinstance(inner, dict) else {"message": str(inner)}
    return {"message": body} if isinstance(body, str) else {}


def _code(error: Mapping[str, Any]) -> str:
    """The error code, which is narrower, else the type; the vendor's own words are left out."""
    details = error.get("details")
    code = word(details.get("error_code")) if isinstance(details, dict) else ""
    return code or word(error.get("type"))
