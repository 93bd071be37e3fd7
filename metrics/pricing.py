"""What tokens cost (`core.ports.Pricing`), from the price list that genai-prices ships. Nothing goes over the network.

Source of the prices: https://github.com/pydantic/genai-prices, in the version
that requirements.txt pins; they age with it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from genai_prices import Usage as PricedUsage
from genai_prices.data_snapshot import DataSnapshot, get_snapshot

from core.clock import Clock
from core.models import Usage

FREE: Final = frozenset({"offline", "scripted", "ollama"})
"""Providers that charge nothing: our own, and what runs on the operator's machine."""
REMEMBERED: Final = 1_000
"""Model names whose place in the list is remembered; callers may name models, so it is bounded."""


class ListedPricing:
    """Prices by the list, those of today, with cached input at its own price. A call costs about 50 µs."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._prices: DataSnapshot = get_snapshot()  # reads the list now (0.2 s) and not in the first turn
        self._found: dict[tuple[str, str], tuple[Any, Any] | None] = {}

    def cost_microusd(self, provider: str, model: str, usage: Usage) -> int:
        """The price in millionths of a dollar; 0 where the model costs nothing or is not on the list."""
        listed = None if provider in FREE else self._find(provider, model)
        if listed is None:
            return 0
        seller, product = listed
        cost = product.calc_price(
            _priced(usage), seller, genai_request_timestamp=datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC)
        )
        return int((Decimal(cost.total_price) * 1_000_000).to_integral_value(ROUND_HALF_UP))

    def _find(self, provider: str, model: str) -> tuple[Any, Any] | None:
        key = (provider, model)
        if key not in self._found:
            if len(self._found) >= REMEMBERED:
                self._found.clear()
            self._found[key] = self._look_up(provider, model)
        return self._found[key]

    def _look_up(self, provider: str, model: str) -> tuple[Any, Any] | None:
        try:
            return self._prices.find_provider_model(model, None, provider, None)
        except LookupError:
            return None


def _priced(usage: Usage) -> PricedUsage:
    """Our tokens in the list's words; what a provider misreports (more cached than input) is cut to what can be."""
    whole = max(usage.input, 0)
    return PricedUsage(
        input_tokens=whole,
        cache_read_tokens=min(max(usage.cached, 0), whole),
        output_tokens=max(usage.output, 0),
    )
