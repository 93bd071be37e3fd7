"""Our whole-number tariffs say what the list's own calculation says, for every model and tier of the list."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from genai_prices import Usage as ListUsage
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import TieredPrices

from core.clock import FakeClock
from core.models import Usage
from metrics.pricing import ALIASES, FREE_PROVIDERS, ListedPricing
from metrics.tariff import Rates, Tariff

NOW_MS = 1_790_000_000_000
NOW = datetime.fromtimestamp(NOW_MS / 1000, UTC)
USAGES = [
    Usage(input=1, output=1),
    Usage(input=1_234, output=567, cached=1_000),
    Usage(input=200_000, output=90_001, cached=3),
    Usage(input=200_001, output=90_001, cached=200_001),
    Usage(input=1_500_000, output=0),
    Usage(input=900, output=4_000, reasoning=3_500),
]


def listed() -> list[Any]:
    """Every model of the list with a price for tokens, by its seller."""
    return [
        pytest.param(seller, product, id=f"{seller.id}:{product.id}")
        for seller in get_snapshot().providers
        for product in seller.models
        if seller.id in {"openai", "google", "anthropic", "x-ai", "perplexity", "deepseek", "mistral", "groq"}
        and product.get_prices(NOW).output_mtok is not None
        and product.get_prices(NOW).input_mtok is not None
        and product.is_match(product.id)  # some ids stand for names that they are not themselves
    ]


def by_the_list(seller: Any, product: Any, usage: Usage) -> int:
    priced = ListUsage(input_tokens=usage.input, cache_read_tokens=usage.cached, output_tokens=usage.output)
    if usage.reasoning:
        priced.output_reasoning_tokens = usage.reasoning
    price = product.calc_price(priced, seller, genai_request_timestamp=NOW).total_price
    return int((Decimal(price) * 1_000_000).to_integral_value(ROUND_HALF_UP))


@pytest.mark.parametrize(("seller", "product"), listed())
def test_a_cost_is_that_of_the_lists_own_calculation(seller, product):
    prices = ListedPricing(FakeClock(NOW_MS))

    ours = [prices.cost_microusd(seller.id, product.id, usage) for usage in USAGES]

    assert ours == [by_the_list(seller, product, usage) for usage in USAGES]


def test_the_list_has_tiers_and_reasoning_prices_to_be_right_about():
    prices = [product.get_prices(NOW) for param in listed() for product in (param.values[1],)]

    assert any(isinstance(price.input_mtok, TieredPrices) for price in prices)
    assert any(price.output_reasoning_mtok is not None for price in prices)


def test_the_price_of_now_counts_though_an_older_one_is_remembered():
    clock = FakeClock(1_735_689_600_000)  # 2025-01-01, before and after o3's price was cut
    prices, usage = ListedPricing(clock), Usage(input=1_000_000)
    before = prices.cost_microusd("openai", "o3", usage)

    clock.advance(365 * 86_400)

    assert prices.cost_microusd("openai", "o3", usage) < before


@pytest.mark.parametrize(("alias", "name", "model"), [
    ("openai-responses", "openai", "gpt-5-mini"),
    ("gemini", "google", "gemini-2.5-flash"),
    ("vertex", "google", "gemini-2.5-flash"),
    ("xai", "x-ai", "grok-4"),
    ("kimi", "moonshotai", "kimi-k2-0905-preview"),
    ("bedrock", "aws", "amazon.nova-pro-v1:0"),
])  # fmt: skip
def test_a_provider_under_another_name_has_the_same_prices(alias, name, model):
    prices, usage = ListedPricing(FakeClock(NOW_MS)), Usage(input=5_000, output=5_000)

    assert prices.cost_microusd(alias, model, usage) == prices.cost_microusd(name, model, usage) > 0


def test_every_alias_stands_for_a_provider_of_the_list():
    assert set(ALIASES.values()) <= {seller.id for seller in get_snapshot().providers}


@pytest.mark.parametrize("provider", sorted(FREE_PROVIDERS))
def test_what_is_free_is_known_to_be(provider):
    assert ListedPricing(FakeClock(NOW_MS)).is_known(provider, "whatever")


@pytest.mark.parametrize(("provider", "model"), [("openai", "my-finetune-7"), ("vllm", "gpt-4o-mini")])
def test_what_is_not_on_the_list_is_not_known(provider, model):
    assert not ListedPricing(FakeClock(NOW_MS)).is_known(provider, model)


def test_reasoning_is_output_unless_it_has_a_price_of_its_own():
    usage = Usage(output=1_000, reasoning=400)
    same = Tariff(base=Rates.of(input=Decimal(1), output=Decimal(8)))
    own = Tariff(base=Rates.of(input=Decimal(1), output=Decimal(8), reasoning=Decimal(3)))

    assert same.cost_microusd(usage) == 8_000
    assert own.cost_microusd(usage) == 600 * 8 + 400 * 3
