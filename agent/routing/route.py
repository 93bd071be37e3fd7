"""What the router decided about a turn."""

from __future__ import annotations

import msgspec

from agent.routing.fallback import Candidate


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """Which models answer a turn, in the order in which they are tried, and why these."""

    candidates: tuple[Candidate, ...]
    reason: str = "default"
    """A few words with `:` and `=`, for the books: `caller`, `flag:model`, `policy:seed/short`, ..."""
    experiment: str | None = None
    variant: str | None = None
    """The experiment and its variant that this turn is part of."""
