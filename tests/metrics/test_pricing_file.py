"""Prices of one's own: a tenant's before those of all, these before the list's; mistakes are said in one line."""

from __future__ import annotations

import pytest

from core.clock import FakeClock
from core.errors import SettingsError
from core.models import Usage
from metrics.price_file import load_prices, parse_prices
from metrics.pricing import ListedPricing

PRICES = """
prices:
  "openai:gpt-4o-mini": {input: 1.0, cached: 0.1, output: 8.5}
  "openai:gpt-4o*": {input: 100, output: 100}
  "vllm:*": {input: 0, output: 0}
  "ollama:big": {input: 0.5, output: 0.5}
tenants:
  acme:
    "OpenAI:*": {input: 2, output: 16, reasoning: 20}
"""
MILLION = Usage(input=1_000_000, output=1_000_000, cached=500_000, reasoning=250_000)


@pytest.fixture
def prices() -> ListedPricing:
    return ListedPricing(FakeClock(1_790_000_000_000), parse_prices(PRICES, source="prices"))


def test_the_first_name_that_fits_counts(prices):
    assert prices.cost_microusd("openai", "gpt-4o-mini", MILLION) == 500_000 + 50_000 + 8_500_000


def test_a_pattern_stands_for_models_of_that_form(prices):
    assert prices.cost_microusd("openai", "gpt-4o-2024-11-20", Usage(input=10)) == 1_000


def test_the_list_counts_where_nothing_fits(prices):
    listed = ListedPricing(FakeClock(1_790_000_000_000))

    assert prices.cost_microusd("openai", "gpt-5", MILLION) == listed.cost_microusd("openai", "gpt-5", MILLION) > 0


def test_a_tenants_own_prices_go_first_and_are_no_others(prices):
    own = prices.cost_microusd("openai", "gpt-4o-mini", MILLION, tenant="acme")

    assert own == 2_000_000 + 12_000_000 + 5_000_000  # cached as input, reasoning at its own
    assert prices.cost_microusd("openai", "gpt-4o-mini", MILLION, tenant="other") == 9_050_000


def test_an_own_server_is_free_and_known_to_be(prices):
    assert prices.is_known("vllm", "llama")
    assert prices.cost_microusd("vllm", "llama", MILLION) == 0


def test_what_is_free_by_default_may_be_given_a_price(prices):
    assert prices.cost_microusd("ollama", "big", Usage(input=2_000_000)) == 1_000_000
    assert prices.cost_microusd("ollama", "small", Usage(input=2_000_000)) == 0


def test_cases_do_not_matter(prices):
    assert prices.cost_microusd("OpenAI", "GPT-4o-mini", MILLION) == 9_050_000


def test_json_is_read_too():
    found = parse_prices('{"prices": {"a:*": {"input": 1, "output": "0.25"}}}', source="prices")

    assert ListedPricing(FakeClock(), found).cost_microusd("a", "b", Usage(output=8)) == 2


def test_an_empty_file_changes_nothing():
    assert not parse_prices("", source="prices").has_own("acme")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("prices: [", "not YAML", id="not_yaml"),
        pytest.param("prices: {'gpt-5': {input: 1, output: 1}}", "'gpt-5' is not written as provider:model", id="name"),
        pytest.param("prices: {'a:b': {input: 1}}", "output", id="a_price_is_missing"),
        pytest.param("prices: {'a:b': {input: 1, output: 1, outptu: 1}}", "outptu", id="a_word_that_means_nothing"),
        pytest.param("prices: {'a:b': {input: -1, output: 1}}", "a:b: input is -1", id="negative"),
        pytest.param("prices: {'a:b': {input: .nan, output: 1}}", "input is NaN", id="no_number"),
        pytest.param("prices: {'a:b': {input: .inf, output: 1}}", "input is Infinity", id="no_end"),
        pytest.param("price: {}", "price", id="a_section_that_means_nothing"),
        pytest.param("tenants: {acme: {'x': {input: 1, output: 1}}}", "tenants.acme: 'x'", id="a_tenants"),
    ],
)
def test_a_mistake_is_said_in_one_line_that_names_it(text, said):
    with pytest.raises(SettingsError) as error:
        parse_prices(text, source="PRICES_FILE 'p.yaml'")

    assert said in error.value.message
    assert error.value.message.startswith("PRICES_FILE 'p.yaml': ")
    assert "\n" not in error.value.message


def test_a_file_is_read(tmp_path):
    file = tmp_path / "prices.yaml"
    file.write_text(PRICES)

    assert load_prices(file).has_own("acme")


def test_a_file_that_is_not_there_is_said_so(tmp_path):
    with pytest.raises(SettingsError, match=r"^PRICES_FILE 'prices.yaml' cannot be read: No such file"):
        load_prices(tmp_path / "prices.yaml")


def test_a_file_that_is_no_text_is_said_so(tmp_path):
    (tmp_path / "prices.yaml").write_bytes(b"\xff\xfe")

    with pytest.raises(SettingsError, match="UTF-8"):
        load_prices(tmp_path / "prices.yaml")
