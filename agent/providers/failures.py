"""What can go wrong at a vendor, as one ProviderError each: what to tell people, and whether to try again.

Every vendor's own module reads its errors and says here which one it is. Messages are our own words: a vendor's may
quote the key or the user's text. A vendor's code is quoted, cleaned (`word`).
"""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping
from typing import Any, Final

from core.errors import ProviderError

RETRYABLE_STATUS: Final = frozenset({408, 409, 425, 429})
"""Besides all from 500 on."""
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{1,63}")
_LONGEST_WAIT_MS: Final = 86_400_000


def out_of_money(provider: str, reason: str, *, status: int | None = None) -> ProviderError:
    """No waiting heals it: somebody has to pay."""
    return ProviderError(f"the account at {provider!r} is out of quota ({reason})", retryable=False, status=status)


def key_refused(provider: str, status: int | None) -> ProviderError:
    """The API key is wrong, or may not do this."""
    shown = f" ({status})" if status is not None else ""
    return ProviderError(f"the provider {provider!r} refuses the API key{shown}", retryable=False, status=status)


def model_unknown(provider: str, model: str, status: int | None = 404) -> ProviderError:
    """There is no such model, or no such address."""
    return ProviderError(
        f"the provider {provider!r} knows no model {model!r} at its address", retryable=False, status=status
    )


def too_long(status: int | None = None) -> ProviderError:
    """The context is longer than the model reads."""
    return ProviderError(
        "The conversation is longer than the model can read. Begin a new one, or ask for less at once.",
        code="context_overflow",
        retryable=False,
        status=status,
    )


def blocked(provider: str, status: int | None = None) -> ProviderError:
    """The vendor's filter did not let the request through."""
    return ProviderError(
        f"The provider {provider!r} blocked the request. Ask in other words.",
        code="content_blocked",
        retryable=False,
        status=status,
    )


def answered(
    provider: str, status: int, detail: str = "", *, retryable: bool | None = None, retry_after_ms: int | None = None
) -> ProviderError:
    """Any other answer that is not 2xx. `retryable`: by default, what the status says."""
    again = is_retryable(status) if retryable is None else retryable
    return ProviderError(
        f"the provider {provider!r} answered {status}{f' ({detail})' if detail else ''}",
        retryable=again,
        retry_after_ms=retry_after_ms if again else None,
        status=status,
    )


def broke_off(provider: str, detail: str, *, retryable: bool = True, status: int | None = None) -> ProviderError:
    """An error in a stream whose status was 200."""
    return ProviderError(
        f"the provider {provider!r} broke off its answer ({detail or 'no reason given'})",
        retryable=retryable,
        status=status,
    )


def is_retryable(status: int) -> bool:
    """Whether a status is worth another try."""
    return status in RETRYABLE_STATUS or status >= 500


def word(value: Any) -> str:
    """A vendor's code, where it is one word of up to 64 plain characters; else nothing: it goes into messages."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""


def retry_after_ms(headers: Mapping[str, str]) -> int | None:
    """How long the vendor asks to wait: `retry-after-ms`, else `retry-after` in seconds or as a date.

    Values that are not positive are taken as absent: Azure once sent 0 and -1 (openai-dotnet #838).
    """
    milliseconds = _float(headers.get("retry-after-ms"))
    if milliseconds is None:
        seconds = _float(headers.get("retry-after"))
        milliseconds = seconds * 1000 if seconds is not None else _until_date_ms(headers.get("retry-after"))
    if milliseconds is None or not 0 < milliseconds < _LONGEST_WAIT_MS:
        return None
    return round(milliseconds)


def _float(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def _until_date_ms(text: str | None) -> float | None:
    """Milliseconds until an HTTP date. The machine's own clock is meant: the header is about real time."""
    parsed = email.utils.parsedate_tz(text) if text else None
    return (email.utils.mktime_tz(parsed) - time.time()) * 1000 if parsed is not None else None
