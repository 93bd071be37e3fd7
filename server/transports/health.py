"""`/health` (the process is up), `/ready` (it can take a turn) and `/metrics`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.http import json_response

Check = Callable[[], Awaitable[dict[str, bool]]]


class Health:
    """Answers probes; asks nobody's credentials."""

    def __init__(self, *, node: str, check: Check, render_metrics: Callable[[], tuple[bytes, str]]) -> None:
        self._node = node
        self._check = check
        self._render_metrics = render_metrics

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("/health", self.health, methods=["GET"]),
            Route("/ready", self.ready, methods=["GET"]),
            Route("/metrics", self.metrics, methods=["GET"]),
        ]

    async def health(self, request: Request) -> Response:
        """The process is up."""
        return json_response({"status": "ok", "node": self._node})

    async def ready(self, request: Request) -> Response:
        """200 where a turn can be taken, else 503; both say what is there. SQL away does not make it unready."""
        checks = await self._check()
        ready = all(there for name, there in checks.items() if name != "sql")
        return json_response({"ready": ready, "checks": checks}, 200 if ready else 503)

    async def metrics(self, request: Request) -> Response:
        """Prometheus exposition."""
        body, content_type = self._render_metrics()
        return Response(body, headers={"Content-Type": content_type})
