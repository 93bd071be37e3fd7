"""Prices come from the list, cached input at its own price, and from nowhere else."""

from __future__ import annotations

import pytest

from core.clock import FakeClock
from core.models import Usage
from metrics import pricing
from metrics.pricing import ListedPricing

USAGE = Usage(input=1_000_000, output=100_000, cached=400_000, reasoning=50_000, total=1_100_000)


@pytest.fixture
def prices() -> ListedPricing:
    return ListedPricing(FakeClock(1_790_000_000_000))


def test_cached_input_has_its_own_price(prices):
    # gpt-4o-mini: $0.15 a million input tokens, $0.075 cached, $0.60 output; reasoning is part of the output
    expected_microusd = 600_000 * 0.15 + 400_000 * 0.075 + 100_000 * 0.60

    assert prices.cost_microusd("openai", "gpt-4o-mini", USAGE) == expected_microusd


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        pytest.param("google", "gemini-2.5-flash", id="google"),
        pytest.param("anthropic", "claude-sonnet-4-5", id="anthropic"),
        pytest.param("groq", "llama-3.3-70b-versatile", id="groq"),
    ],
)
def test_listed_models_cost_something(prices, provider, model):
    assert prices.cost_microusd(provider, model, USAGE) > 0


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        pytest.param("offline", "gpt-4o-mini", id="offline_whatever_its_name"),
        pytest.param("scripted", "gpt-4o-mini", id="scripted"),
        pytest.param("ollama", "llama3.2", id="the_operators_own_machine"),
        pytest.param("openai", "my-own-finetune-7", id="unknown_model"),
        pytest.param("vllm", "gpt-4o-mini", id="unknown_provider"),
    ],
)
def test_what_is_free_or_unknown_costs_nothing(prices, provider, model):
    assert prices.cost_microusd(provider, model, USAGE) == 0


def test_misreported_tokens_are_cut_to_what_can_be(prices):
    cached_only = prices.cost_microusd("openai", "gpt-4o-mini", Usage(input=1_000_000, cached=1_000_000))

    assert prices.cost_microusd("openai", "gpt-4o-mini", Usage(input=1_000_000, cached=9_000_000)) == cached_only
    assert prices.cost_microusd("openai", "gpt-4o-mini", Usage(input=-5, output=-5, cached=-5)) == 0


def test_less_than_half_a_millionth_is_nothing_and_more_is_one(prices):
    assert prices.cost_microusd("openai", "gpt-4o-mini", Usage(input=3)) == 0
    assert prices.cost_microusd("openai", "gpt-4o-mini", Usage(input=4)) == 1


def test_names_that_callers_make_up_do_not_fill_the_memory(prices, monkeypatch):
    monkeypatch.setattr(pricing, "REMEMBERED", 3)

    costs = [prices.cost_microusd("openai", f"made-up-{number}", USAGE) for number in range(10)]

    assert costs == [0] * 10
    assert prices.cost_microusd("openai", "gpt-4o-mini", USAGE) > 0
