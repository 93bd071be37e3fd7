"""A route as one provider: its candidates in order, each tried again where that may help."""

from __future__ import annotations

from agent.routing.fallback import Candidate, Fallback
from agent.routing.retry import Retrying
from agent.routing.route import Route
from core.ports import RoutedProvider


def routed(route: Route) -> RoutedProvider:
    """The chain of a route."""
    return Fallback(
        [
            Candidate(provider=Retrying(candidate.provider, reason=route.reason), model=candidate.model)
            for candidate in route.candidates
        ]
    )
