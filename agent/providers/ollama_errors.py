"""What went wrong at Ollama: a sentence of English in `error`, read into the errors of `failures.py`.

Ollama gives no codes, so its words are looked at (server/routes.go, sched.go and llm/server.go of 0.12 and later), and
never repeated: they may quote what was asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from agent.providers.failures import answered, broke_off, key_refused, model_unknown, retry_after_ms, too_long
from core.errors import ProviderError

_TOO_LONG: Final = ("context length", "context size", "context window")
_TOO_LARGE: Final = ("more system memory", "out of memory", "requires more")


def error_of_status(provider: str, status: int, body: bytes, headers: Mapping[str, str], model: str) -> ProviderError:
    """The error of an HTTP answer that is not 2xx."""
    said = _words(body)
    if status in (401, 403):
        return key_refused(provider, status)
    if status == 404:
        return _not_pulled(provider, model) if "not found" in said else model_unknown(provider, model)
    if (known := _by_words(provider, said, status, model)) is not None:
        return known
    return answered(provider, status, retry_after_ms=retry_after_ms(headers))


def error_in_stream(provider: str, said: Any, model: str) -> ProviderError:
    """The error that a line of a stream of status 200 holds."""
    return _by_words(provider, str(said).lower(), None, model) or broke_off(provider, "an error of its own")


def _by_words(provider: str, said: str, status: int | None, model: str) -> ProviderError | None:
    if "does not support tools" in said:
        return ProviderError(
            f"the model {model!r} of {provider!r} cannot call tools; choose one that can, or an agent without tools",
            retryable=False,
            status=status,
        )
    if any(words in said for words in _TOO_LONG):
        return too_long(status)
    if any(words in said for words in _TOO_LARGE):
        return ProviderError(
            f"the model {model!r} needs more memory than the machine of {provider!r} has; "
            "choose a smaller one, or a smaller OLLAMA_CONTEXT_TOKENS",
            retryable=False,
            status=status,
        )
    return None


def _not_pulled(provider: str, model: str) -> ProviderError:
    return ProviderError(
        f"the provider {provider!r} knows no model {model!r} yet: run `ollama pull {model}` on its machine",
        retryable=False,
        status=404,
    )


def _words(body: bytes) -> str:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body.decode(errors="replace").lower()
    return str(value.get("error", "") if isinstance(value, dict) else value).lower()
