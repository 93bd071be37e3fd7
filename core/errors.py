"""Every error that Prosa raises, by who must act.

    ProsaError
    ├── UserError            the caller: a wrong request                (code, 4xx)
    ├── ProviderError        the vendor of a model                     (retryable or not)
    │   └── StreamCut        the stream ended with no finish           (retryable)
    ├── ToolError            goes back to the model as a tool result
    ├── TurnLimit            a limit of the turn was reached           (code)
    ├── BackendError         Redis or SQL is away or refuses           (retryable)
    │   ├── StaleRun         this run's writes are refused: another executor goes on, or the log is another
    │   └── SessionErased    the user asked to be forgotten
    ├── ProtocolError        the peer broke the wire
    └── SettingsError        the operator: a wrong setting, said in one line

What crosses the wire is `code`, `message` and `retryable`; `message` never holds a trace, a path, a
secret or a user's text.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

ErrorCode = Literal[
    "invalid_request",
    "unauthorized",
    "not_found",
    "busy",
    "moved",
    "rate_limited",
    "budget_exceeded",
    "context_overflow",
    "tool_loop",
    "tool_failed",
    "provider_unavailable",
    "content_blocked",
    "idempotency_conflict",
    "window_closed",
    "too_large",
    "internal",
]
ERROR_CODES: Final[tuple[str, ...]] = get_args(ErrorCode)

HTTP_STATUS: Final[dict[str, int]] = {
    "invalid_request": 422,
    "unauthorized": 401,
    "not_found": 404,
    "busy": 429,
    "moved": 409,
    "rate_limited": 429,
    "budget_exceeded": 402,
    "context_overflow": 413,
    "tool_loop": 502,
    "tool_failed": 502,
    "provider_unavailable": 502,
    "content_blocked": 422,
    "idempotency_conflict": 409,
    "window_closed": 409,
    "too_large": 413,
    "internal": 503,
}
"""The HTTP status of each code where there is no WebSocket (protocol.md, Without WebSocket)."""


class ProsaError(Exception):
    """Root of the tree. `code`, `message` and `retryable` are what a client may be told."""

    code: ErrorCode = "internal"
    retryable: bool = False

    def __init__(
        self,
        message: str,
        *,
        code: ErrorCode | None = None,
        retryable: bool | None = None,
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_ms = retry_after_ms
        self.moved_to: str | None = None
        """With code `moved`: the session in which this one goes on."""
        self.duplicate = False
        """The remembered answer to a command that was refused before, under the same cid."""
        if code is not None:
            self.code = code
        if retryable is not None:
            self.retryable = retryable


class UserError(ProsaError):
    """The request is wrong; the caller corrects it. `status` overrides the code's HTTP status (400 for bad JSON)."""

    code: ErrorCode = "invalid_request"

    def __init__(
        self,
        message: str,
        *,
        code: ErrorCode | None = None,
        retryable: bool | None = None,
        retry_after_ms: int | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message, code=code, retryable=retryable, retry_after_ms=retry_after_ms)
        self.status = status


class ProviderError(ProsaError):
    """A model's vendor failed. Try again where `retryable`; else look at key, model name and quota."""

    code: ErrorCode = "provider_unavailable"
    retryable = True

    def __init__(
        self,
        message: str,
        *,
        code: ErrorCode | None = None,
        retryable: bool | None = None,
        retry_after_ms: int | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(message, code=code, retryable=retryable, retry_after_ms=retry_after_ms)
        self.status = status


class StreamCut(ProviderError):
    """The provider's stream ended with neither a finish reason nor an error: what came is not a whole answer."""


class ToolError(ProsaError):
    """A tool could not do what was asked. The message is written for the model, which may correct its call."""

    code: ErrorCode = "tool_failed"


class TurnLimit(ProsaError):
    """The turn reached one of its limits (steps, tool calls, seconds, tokens, cost)."""


class BackendError(ProsaError):
    """Redis or SQL cannot be reached or refuses. Accepted work is kept; try again."""

    code: ErrorCode = "internal"
    retryable = True


class StaleRun(BackendError):
    """This run no longer owns its turn, or its log was rolled back: stop, write nothing more."""


class SessionErased(BackendError):
    """The session's user was forgotten; nothing may be written for it."""

    code: ErrorCode = "not_found"
    retryable = False


class ProtocolError(ProsaError):
    """The peer broke the wire protocol. `close_code` is what the connection is closed with."""

    code: ErrorCode = "invalid_request"

    def __init__(self, message: str, *, close_code: int) -> None:
        super().__init__(message)
        self.close_code = close_code


class SettingsError(ProsaError):
    """A setting is wrong or something that the server needs is missing; the message says what to do."""
