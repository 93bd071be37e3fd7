"""What went wrong at Gemini: error bodies (google.rpc.Status) and finish reasons, read into those of `failures.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from agent.providers.failures import (
    answered,
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

_KEY_REASONS: Final = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_SERVICE_BLOCKED"})
"""Reasons of an ErrorInfo, which comes with status 400 (Firebase's recorded answers, unary-failure-api-key)."""
_MONEY_REASONS: Final = frozenset({"BILLING_DISABLED"})
_MONEY_WORDS: Final = ("credits are depleted", "spending cap", "spend cap")
"""In messages of status 429 whose details name no quota (openclaw #80451, dyad #3626)."""
_TOO_LONG: Final = re.compile(r"exceeds the maximum number of (?:input )?tokens|payload size exceeds|context window")
_NO_ALLOWANCE: Final = re.compile(r"\blimit: 0\b")
_RETRY_IN: Final = re.compile(r"retry in (\d+(?:\.\d+)?)(ms|s)\b")
_DELAY: Final = re.compile(r"(\d+(?:\.\d+)?)s")
_LONGEST_WAIT_MS: Final = 86_400_000
_RETRYABLE: Final = frozenset(
    {"RESOURCE_EXHAUSTED", "UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED", "ABORTED", "UNKNOWN"}
)

_CALL_REASONS: Final = frozenset(
    {"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE"}
)
_BROKEN_REASONS: Final = frozenset({"OTHER", "IMAGE_OTHER", "NO_IMAGE"})
_FINAL_REASONS: Final = frozenset({"MISSING_THOUGHT_SIGNATURE", "PUP_LIMITED_DISABLED"})
"""The same request, or the same account, would get the same again."""


def error_of_status(provider: str, status: int, body: Any, headers: Mapping[str, str], model: str) -> ProviderError:
    """The error of an HTTP answer that is not 2xx. `body` is its JSON, perhaps in an array, or its text."""
    error = _inner(body)
    reasons = {word(detail.get("reason")) for detail in _details(error, "ErrorInfo")}
    if reasons & _MONEY_REASONS:
        return out_of_money(provider, min(reasons & _MONEY_REASONS), status=status)
    if "SERVICE_DISABLED" in reasons:
        return answered(provider, status, "switch the Gemini API on in the key's project", retryable=False)
    if status in (401, 403) or reasons & _KEY_REASONS:
        return key_refused(provider, status)
    if status == 404:
        return model_unknown(provider, model)
    if (known := _known(provider, error, status)) is not None:
        return known
    wait_ms = _wait_ms(error) or retry_after_ms(headers)
    return answered(provider, status, word(error.get("status")), retry_after_ms=wait_ms)


def are_signatures_refused(status: int, body: Any) -> bool:
    """Whether Google refuses the thought signatures that it got, or that it did not get.

    It says "Corrupted thought signature." (gemini-cli #13467), "Invalid thought signature.", "Thought signature is not
    valid" (9router #301), or "Function call is missing a thought_signature".
    """
    text = str(_inner(body).get("message", "")).lower().replace("_", " ")
    return status == 400 and "thought signature" in text


def error_in_stream(provider: str, body: Any) -> ProviderError:
    """The error that a stream of status 200 holds."""
    error = _inner(body)
    code = error.get("code")
    status = code if isinstance(code, int) and 400 <= code < 600 else None
    if (known := _known(provider, error, status)) is not None:
        return known
    name = word(error.get("status"))
    retryable = is_retryable(status) if status is not None else not name or name in _RETRYABLE
    failure = broke_off(provider, name or str(status or ""), retryable=retryable, status=status)
    failure.retry_after_ms = _wait_ms(error) if retryable else None
    return failure


def error_of_finish(provider: str, reason: str) -> ProviderError | None:
    """The error that a finish reason stands for; None where it ends an answer."""
    if reason in _CALL_REASONS:
        return ProviderError(
            f"the model at {provider!r} called a tool in a way that cannot be read ({reason}). Ask again, or for less."
        )
    if reason in _BROKEN_REASONS:
        return broke_off(provider, reason)
    if reason in _FINAL_REASONS:
        return broke_off(provider, reason, retryable=False)
    return None


def _known(provider: str, error: Mapping[str, Any], status: int | None) -> ProviderError | None:
    """What more waiting does not heal: too long a prompt, an account that is out of quota."""
    text = str(error.get("message", ""))
    if status == 413 or _TOO_LONG.search(text):
        return too_long(status)
    if status == 429 or error.get("status") == "RESOURCE_EXHAUSTED":
        spent = _spent(error, text)
        return out_of_money(provider, spent, status=status) if spent else None
    return None


def _spent(error: Mapping[str, Any], text: str) -> str:
    """The quota that is used up for the day, or was never given; empty where waiting helps."""
    for failure in _details(error, "QuotaFailure"):
        for violation in _objects(failure.get("violations")):
            quota = word(violation.get("quotaId"))
            per_day = "PerDay" in quota or "per_day" in str(violation.get("quotaMetric"))
            if per_day or str(violation.get("quotaValue")) == "0":
                return quota or "no quota"
    if _NO_ALLOWANCE.search(text):
        return "no quota"
    return "billing" if any(words in text for words in _MONEY_WORDS) else ""


def _wait_ms(error: Mapping[str, Any]) -> int | None:
    """How long Google asks to wait: RetryInfo's `retryDelay` (`46s`), else what is said (`retry in 20.04s`)."""
    for info in _details(error, "RetryInfo"):
        if found := _DELAY.fullmatch(str(info.get("retryDelay"))):
            return _bounded_ms(float(found[1]) * 1000)
    if found := _RETRY_IN.search(str(error.get("message", ""))):
        return _bounded_ms(float(found[1]) * (1 if found[2] == "ms" else 1000))
    return None


def _bounded_ms(milliseconds: float) -> int | None:
    return round(milliseconds) if 0 < milliseconds < _LONGEST_WAIT_MS else None


def _details(error: Mapping[str, Any], kind: str) -> Iterator[Mapping[str, Any]]:
    """The details of a google.rpc kind, such as `RetryInfo`."""
    for detail in _objects(error.get("details")):
        if str(detail.get("@type", "")).endswith(f"google.rpc.{kind}"):
            yield detail


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _inner(body: Any) -> Mapping[str, Any]:
    """The error's own object, however it is wrapped; a plain text is its message."""
    if isinstance(body, list) and body:
        body = body[0]
    if isinstance(body, dict):
        inner = body.get("error", body)
        return inner if isinstance(inner, dict) else {"message": str(inner)}
    return {"message": body} if isinstance(body, str) else {}
