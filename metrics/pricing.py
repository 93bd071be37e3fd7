"""What tokens cost (`core.ports.Pricing`): own prices first, then the list that genai-prices ships. No network.

Source of the list: https://github.com/pydantic/genai-prices, in the version that requirements.txt pins; it ages with
it. Prices of audio, pictures, searches and of writing to a vendor's cache are not in `Usage`, so they are not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from genai_prices.data_snapshot import DataSnapshot, get_snapshot
from genai_prices.types import TieredPrices

from core.clock import Clock
from core.models import Usage
from metrics.price_file import PriceOverrides
from metrics.tariff import FREE, Rates, Tariff

FREE_PROVIDERS: Final = frozenset({"offline", "scripted", "ollama"})
"""Who charges nothing: our own, and what runs on the operator's machine."""
ALIASES: Final[Mapping[str, str]] = {
    "openai-responses": "openai",
    "gemini": "google",
    "google-vertex": "google",
    "vertex": "google",
    "bedrock": "aws",
    "xai": "x-ai",
    "grok": "x-ai",
    "moonshot": "moonshotai",
    "kimi": "moonshotai",
}
"""Names of providers that the list has under another: the same prices."""
REMEMBERED: Final = 1_000
"""Models whose tariff is remembered; callers may name models, so it is bounded."""
_REMEMBERED_MS: Final = 60_000
"""Some vendors are cheaper at night: what the list says is asked for again each minute."""


class ListedPricing:
    """Prices of now, by own rules and the list. A cost takes about 2 µs, once a minute and model about 20."""

    def __init__(self, clock: Clock, overrides: PriceOverrides | None = None) -> None:
        self._clock = clock
        self._overrides = overrides or PriceOverrides()
        self._prices: DataSnapshot = get_snapshot()  # reads the list now (0.2 s) and not in the first turn
        self._found: dict[tuple[str, str, str | None], tuple[int, Tariff | None]] = {}

    def cost_microusd(self, provider: str, model: str, usage: Usage, *, tenant: str | None = None) -> int:
        """The price in millionths of a dollar; 0 where the model costs nothing or its price is not known."""
        tariff = self._tariff(provider, model, tenant)
        return 0 if tariff is None else tariff.cost_microusd(usage)

    def is_known(self, provider: str, model: str, *, tenant: str | None = None) -> bool:
        """Whether there is a price, 0 included."""
        return self._tariff(provider, model, tenant) is not None

    def _tariff(self, provider: str, model: str, tenant: str | None) -> Tariff | None:
        now_ms = self._clock.now_ms()
        key = (provider, model, tenant if self._overrides.has_own(tenant) else None)
        known = self._found.get(key)
        if known is not None and now_ms < known[0]:
            return known[1]
        if len(self._found) >= REMEMBERED:
            self._found.clear()
        tariff = self._look_up(provider, model, tenant, now_ms)
        self._found[key] = now_ms + _REMEMBERED_MS, tariff
        return tariff

    def _look_up(self, provider: str, model: str, tenant: str | None, now_ms: int) -> Tariff | None:
        own = self._overrides.find(provider, model, tenant)
        if own is not None:
            return own
        if provider in FREE_PROVIDERS:
            return FREE
        try:
            _, product = self._prices.find_provider_model(model, None, ALIASES.get(provider, provider), None)
        except LookupError:
            return None
        return _listed(product.get_prices(datetime.fromtimestamp(now_ms / 1000, UTC)))


def _listed(price: Any) -> Tariff | None:
    """A tariff of the list's prices; None where it has none for tokens and none for requests."""
    names = ("input_mtok", "output_mtok", "cache_read_mtok", "output_reasoning_mtok", "requests_kcount")
    prices = [getattr(price, name) for name in names]
    if prices[0] is None and prices[1] is None and prices[4] is None:
        return None
    starts = {tier.start for one in prices if isinstance(one, TieredPrices) for tier in one.tiers}
    return Tariff(
        base=_rates(prices, 0),
        above=tuple((start, _rates(prices, start + 1)) for start in sorted(starts, reverse=True)),
    )


def _rates(prices: list[Any], input_tokens: int) -> Rates:
    """The rates of a call with so much input: crossing a tier's start changes the price of all of its tokens."""
    plain, output, cached, reasoning, request = (_at(price, input_tokens) for price in prices)
    return Rates.of(
        input=plain or Decimal(0),
        output=output or Decimal(0),
        cached=cached,
        reasoning=reasoning,
        request=(request or Decimal(0)) / 1_000,
    )


def _at(price: Any, input_tokens: int) -> Decimal | None:
    if not isinstance(price, TieredPrices):
        return None if price is None else Decimal(price)
    passed = [tier.price for tier in price.tiers if input_tokens > tier.start]
    return Decimal(passed[-1] if passed else price.base)
