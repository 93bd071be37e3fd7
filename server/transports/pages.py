"""The chat page, the widget's script and the documents of the API: files, under a strict content policy."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.http import json_response

CONTENT_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; "
    "font-src 'self'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)


class Pages:
    """Serves `static/`."""

    def __init__(self, folder: Path, documents: Mapping[str, Callable[[], bytes]]) -> None:
        """`documents`: by name, what makes it; called once, when it is first asked for (about 30 ms)."""
        self._folder = folder
        self._documents = {name: lru_cache(make) for name, make in documents.items()}

    def routes(self) -> list[BaseRoute]:
        """What it answers. `documents` are served as JSON under `/docs/<name>`."""
        return [
            Route("/", self._file("index.html"), methods=["GET"]),
            Route("/widget.js", self._file("dist/widget.js"), methods=["GET"]),
            Route("/docs", self._file("docs/index.html"), methods=["GET"]),
            Route("/docs/api", self._file("docs/api.html"), methods=["GET"]),
            Route("/docs/live", self._file("docs/live.html"), methods=["GET"]),
            Route("/docs/{name}.json", self.document, methods=["GET"]),
            Mount("/static/docs", _Policed(StaticFiles(directory=self._folder / "docs"))),
            Mount("/static", _Policed(StaticFiles(directory=self._folder / "assets"))),
        ]

    async def document(self, request: Request) -> Response:
        """The OpenAPI or AsyncAPI document."""
        document = self._documents.get(request.path_params["name"])
        if document is None:
            return json_response(
                {"error": {"code": "not_found", "message": "No such document.", "retryable": False}}, 404
            )
        return Response(document(), media_type="application/json")

    def _file(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        path = self._folder / name
        headers = {
            "Content-Security-Policy": CONTENT_POLICY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-cache",
        }
        if name.endswith(".js"):
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"  # the widget is for other sites' pages

        async def serve(request: Request) -> Response:
            return FileResponse(path, headers=headers)

        return serve


class _Policed:
    """Adds the headers that every file needs."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"content-security-policy", CONTENT_POLICY.encode()),
                    (b"x-content-type-options", b"nosniff"),
                    (b"cache-control", b"no-cache"),
                ]
            await send(message)

        await self._app(scope, receive, with_headers)
