"""The ASGI application: routes of all transports, in one list."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from server.http import ErrorBody, Handler, is_guarded, json_response


class App(Starlette):
    """Starlette's routes, and `/ws` before all of Starlette: its layers hold 4 KB of each idle WebSocket.

    A request by the very path and method of a route without parameters goes straight to the route's handler, which
    answers for its own errors (`server.http.guarded`): Starlette's layers cost more than most handlers.
    """

    def __init__(self, routes: Iterable[BaseRoute], websocket: ASGIApp | None) -> None:
        routes = [*routes]
        super().__init__(routes=routes, exception_handlers={HTTPException: _http_error})
        self._websocket = websocket
        self._handlers: dict[tuple[str, str], Handler] = {
            (method, route.path): route.endpoint
            for route in routes
            if isinstance(route, Route) and "{" not in route.path and is_guarded(route.endpoint)
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        is_websocket = scope["type"] == "websocket" and scope["path"] == "/ws"
        if self._websocket is not None and is_websocket:
            await self._websocket(scope, receive, send)
            return
        handler = None
        if scope["type"] == "http" and not scope.get("root_path"):
            handler = self._handlers.get((scope["method"], scope["path"]))
        if handler is None:
            await super().__call__(scope, receive, send)
            return
        response = await handler(Request(scope, receive, send))
        await response(scope, receive, send)


def make_app(routes: Iterable[BaseRoute], websocket: ASGIApp | None) -> Starlette:
    """Put the routes together. Without `websocket` (a worker) there is no `/ws`."""
    return App(routes, websocket)


async def _http_error(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    words = {404: "There is nothing at this address.", 405: "This address does not take that method."}
    code = "not_found" if status == 404 else "invalid_request"
    body = ErrorBody(code=code, message=words.get(status, "The request could not be served."), retryable=False)
    return json_response({"error": body}, status, dict(getattr(error, "headers", None) or {}))
