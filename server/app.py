"""The ASGI application: routes of all transports, in one list."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.types import ASGIApp

from server.http import ErrorBody, json_response


def make_app(routes: Iterable[BaseRoute], websocket: ASGIApp | None) -> Starlette:
    """Put the routes together. Without `websocket` (a worker) there is no `/ws`."""
    every = [*routes]
    if websocket is not None:
        every.append(WebSocketRoute("/ws", endpoint=websocket))
    return Starlette(routes=every, exception_handlers={HTTPException: _http_error})


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    words = {404: "There is nothing at this address.", 405: "This address does not take that method."}
    code = "not_found" if status == 404 else "invalid_request"
    body = ErrorBody(code=code, message=words.get(status, "The request could not be served."), retryable=False)
    return json_response({"error": body}, status, dict(getattr(error, "headers", None) or {}))
