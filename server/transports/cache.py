"""The cache of answers by REST."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.ports import AnswerCache
from server.auth import Authenticator
from server.http import guarded, json_response, principal_of
from server.sessions import require_service


class ClearedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """All cached answers of this tenant are forgotten, on all nodes."""

    tenant: str


class Cache:
    """`POST /api/v1/cache/clear`."""

    def __init__(self, authenticator: Authenticator, answers: AnswerCache) -> None:
        self._authenticator, self._answers = authenticator, answers

    def routes(self) -> list[Route]:
        """What it answers."""
        return [Route("/api/v1/cache/clear", guarded(self.clear), methods=["POST"])]

    async def clear(self, request: Request) -> Response:
        """Forget all cached answers of the tenant (services)."""
        principal = principal_of(self._authenticator, request)
        require_service(principal, "clear the cache")
        await self._answers.clear(principal.tenant)
        return json_response(ClearedAnswer(tenant=principal.tenant))
