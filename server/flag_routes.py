"""The endpoints of flags and models, put together from their ports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from starlette.routing import BaseRoute

from agent.routing.policy import Policy
from agent.settings import AgentConfig
from core.flag_catalog import Catalog
from core.ports import FlagBooks, Flags, FlagStore, Pricing
from server.auth import Authenticator
from server.flags import FlagService
from server.model_offers import ModelOffers
from server.model_statuses import ClusterStatuses
from server.settings import Settings
from server.transports.flags import FlagDoors
from server.transports.models import ModelDoors


def flag_routes(
    settings: Settings,
    authenticator: Authenticator,
    *,
    catalog: Catalog,
    flags: Flags,
    store: FlagStore,
    books: FlagBooks,
    agents: Mapping[str, AgentConfig],
    policies: Mapping[str, Policy],
    check_model: Callable[[str], Any],
    pricing: Pricing,
    statuses: ClusterStatuses,
) -> list[BaseRoute]:
    """`/api/v1/flags` and `/api/v1/models` with all below them. `check_model` as in `ModelOffers`."""
    service = FlagService(catalog, flags, store, books, settings.operator_tenant)
    offers = ModelOffers(
        default=settings.model,
        fallbacks=settings.llm_fallbacks,
        agents=agents,
        policies=policies,
        check=check_model,
        pricing=pricing,
        flags=flags,
        store=store,
        service=service,
    )
    return [
        *FlagDoors(service, authenticator).routes(),
        *ModelDoors(offers, statuses, authenticator).routes(),
    ]
