"""What the HTTP transports share: reading a body under a cap, answering, and errors as JSON."""

from __future__ import annotations

import functools
import math
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar
from weakref import WeakSet

import msgspec
from loguru import logger
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from core.errors import HTTP_STATUS, BackendError, ProsaError, UserError
from core.turns import Principal
from core.wire.limits import forbidden_character
from server.auth import Authenticator

BODY_BYTES: Final = 1024 * 1024
"""A REST body may have 1 MiB (protocol.md, Frames)."""

Body = TypeVar("Body")
Handler = Callable[[Request], Awaitable[Response]]
_ENCODER: Final = msgspec.json.Encoder()
_GUARDED: Final[WeakSet[Handler]] = WeakSet()


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What stands under `error` where a request failed."""

    code: str
    message: str
    retryable: bool
    turn_id: str | None = None
    session_id: str | None = None
    """With `moved`: where the session goes on."""


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with JSON."""
    content = body if isinstance(body, bytes) else _ENCODER.encode(body)
    return Response(content, status, headers, media_type="application/json")


def error_response(error: ProsaError) -> Response:
    """Answer with `{"error": {"code", "message", "retryable"}}` (`moved`: and "session_id") and the code's status."""
    status = getattr(error, "status", None) or HTTP_STATUS[error.code]
    headers = {}
    if error.retry_after_ms is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_ms / 1000)))
    elif status in (429, 503):
        headers["Retry-After"] = "1"
    body = ErrorBody(code=error.code, message=error.message, retryable=error.retryable, session_id=error.moved_to)
    return json_response({"error": body}, status, headers)


def guarded(handler: Handler) -> Handler:
    """Translate errors into answers, so that bad input never gives a 5xx and no trace leaves the server."""

    @functools.wraps(handler)
    async def guard(request: Request) -> Response:
        try:
            return await handler(request)
        except ProsaError as error:
            if isinstance(error, BackendError):
                logger.warning("request.failed", path=request.url.path, reason=error.message)
            return error_response(error)
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception:  # noqa: BLE001 - the outer edge of a request
            logger.exception("request.failed", path=request.url.path)
            return error_response(BackendError("Something went wrong on our side; try again."))

    _GUARDED.add(guard)
    return guard


def is_guarded(handler: object) -> bool:
    """Whether that is what `guarded` gave: nothing but a cancellation comes out of it."""
    return handler in _GUARDED


async def read_body(request: Request) -> bytes:
    """Read a JSON body. Raises UserError: 415 where it is not `application/json`, 413 over 1 MiB."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise UserError("Send the body as `Content-Type: application/json`.", status=415)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_BYTES:
            raise UserError("The body is larger than 1 MiB; send less.", code="too_large")
    return bytes(body)


def decode_body(body: bytes, kind: type[Body]) -> Body:
    """Decode a body as `kind`. Raises UserError: 400 where it is not JSON, 422 where a field is missing or wrong."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UserError("The body is not valid JSON.", status=400) from None
    if not isinstance(value, dict):
        raise UserError("The body must be a JSON object.")
    if (place := _forbidden_place(value, kind)) is not None:
        raise UserError(f"{place} must hold neither NUL nor lone surrogates.")
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise UserError(_sentence(str(error))) from None


def _forbidden_place(value: dict[str, Any], kind: Any) -> str | None:
    """Where a NUL or a lone surrogate stands: in a field of the body by its name, else as the wire would say."""
    known = [name for name in kind.__struct_encode_fields__ if forbidden_character(value.get(name)) is not None]
    return known[0] if known else forbidden_character(value)


async def read_json(request: Request, kind: type[Body]) -> Body:
    """Read and decode a body; raises as `read_body` and `decode_body`."""
    return decode_body(await read_body(request), kind)


def _sentence(reason: str) -> str:
    """Msgspec's words name the field and the types, never the value: `Expected `str`, got `int` - at `$.message``."""
    text, _, place = reason.partition(" - at ")
    field = place.strip("`").removeprefix("$.")
    return f"{field}: {text}." if field and field != "$" else f"{text}."


def require_origin(authenticator: Authenticator, request: Request) -> None:
    """Refuse browser pages of other sites. Raises UserError `unauthorized`, status 403."""
    if not authenticator.allows_origin(request.headers.get("origin"), request.headers.get("host")):
        raise UserError("Requests from this web origin are not allowed.", code="unauthorized", status=403)


def principal_of(authenticator: Authenticator, request: Request) -> Principal:
    """Who asks. Raises UserError `unauthorized`."""
    require_origin(authenticator, request)
    return authenticator.require(request.headers.get("authorization"))
