"""What the operator says about money."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.budgets import BudgetLimits
from core.errors import SettingsError
from server.settings import Settings, load_settings
from server.wiring import build


def loaded(**settings: Any) -> Settings:
    return load_settings(_env_file=None, **settings)


def test_without_a_word_there_is_no_limit() -> None:
    assert loaded().budget_limits == BudgetLimits()


def test_dollars_become_micro_dollars() -> None:
    settings = loaded(budget_tenant_day_usd="50", budget_user_day_usd="0.333333", budget_zone="America/Sao_Paulo")

    assert settings.budget_limits == BudgetLimits(
        tenant_day_microusd=50_000_000, user_day_microusd=333_333, zone="America/Sao_Paulo"
    )


def test_nothing_at_all_may_be_the_limit_and_an_empty_setting_is_none() -> None:
    limits = loaded(budget_tenant_day_usd="0", budget_user_day_usd="", prices_file="").budget_limits

    assert (limits.tenant_day_microusd, limits.user_day_microusd) == (0, None)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        pytest.param("budget_zone", "Brazil/Nowhere", "BUDGET_ZONE: there is no such time zone", id="zone"),
        pytest.param("budget_zone", "/etc/passwd", "BUDGET_ZONE: there is no such time zone", id="a_path"),
        pytest.param("budget_user_day_usd", "-1", "BUDGET_USER_DAY_USD: ", id="below_nothing"),
        pytest.param("budget_tenant_day_usd", "much", "BUDGET_TENANT_DAY_USD: ", id="no_number"),
        pytest.param("budget_tenant_day_usd", "inf", "BUDGET_TENANT_DAY_USD: ", id="no_end"),
        pytest.param("budget_tenant_day_usd", "nan", "BUDGET_TENANT_DAY_USD: ", id="not_a_number"),
        pytest.param("budget_unpriced", "perhaps", "BUDGET_UNPRICED: ", id="unpriced"),
    ],
)
def test_a_mistake_is_said_in_one_line(name: str, value: str, said: str) -> None:
    with pytest.raises(SettingsError) as error:
        loaded(**{name: value})

    assert error.value.message.startswith(said)
    assert "\n" not in error.value.message


async def test_a_mistake_in_the_prices_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text("prices: {'gpt-5': {input: 1, output: 1}}")
    settings = loaded(data_dir=tmp_path, prices_file=tmp_path / "prices.yaml")

    with pytest.raises(SettingsError, match=r"^PRICES_FILE 'prices.yaml': prices: 'gpt-5' is not written as"):
        async with build(settings):
            pass
