"""Models by REST: which there are, which one a tenant selects, and how each does."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.ports import NodeStatuses
from server.auth import Authenticator
from server.http import guarded, json_response, principal_of, read_json
from server.model_offers import ModelOffer, ModelOffers, SelectBody
from server.model_statuses import ClusterStatuses
from server.sessions import require_service


class ModelsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What this server offers to the asking tenant, by name."""

    models: tuple[ModelOffer, ...]


class ModelStatusesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How the models do on each node: the one that answers as of now, the others as they said seconds ago."""

    nodes: tuple[NodeStatuses, ...]


class ModelDoors:
    """The endpoints below `/api/v1/models`; services only."""

    def __init__(self, offers: ModelOffers, statuses: ClusterStatuses, authenticator: Authenticator) -> None:
        self._offers = offers
        self._statuses = statuses
        self._authenticator = authenticator

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("/api/v1/models", guarded(self.models), methods=["GET"]),
            Route("/api/v1/models/select", guarded(self.select), methods=["POST"]),
            Route("/api/v1/models/status", guarded(self.status), methods=["GET"]),
        ]

    async def models(self, request: Request) -> Response:
        """What is offered."""
        principal = principal_of(self._authenticator, request)
        return json_response(ModelsAnswer(models=tuple(self._offers.all(principal))))

    async def select(self, request: Request) -> Response:
        """Set the flag `model`."""
        principal = principal_of(self._authenticator, request)
        return json_response(await self._offers.select(principal, await read_json(request, SelectBody)))

    async def status(self, request: Request) -> Response:
        """Calls, errors and times by node and model."""
        principal = principal_of(self._authenticator, request)
        require_service(principal, "see how models do")
        return json_response(ModelStatusesAnswer(nodes=tuple(await self._statuses.all())))
