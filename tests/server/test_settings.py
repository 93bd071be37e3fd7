"""What settings may not be, each said in one line that names the setting."""

from __future__ import annotations

import pytest

from core.errors import SettingsError
from server.settings import load_settings


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        pytest.param(
            {"bootstrap_api_keys": "acme=0123456789abcdef,globex=0123456789abcdef"}, "same secret", id="shared_secret"
        ),
        pytest.param({"bootstrap_api_keys": "acme"}, "tenant=secret", id="key_without_secret"),
        pytest.param({"allowed_origins": "www.example.com"}, "ALLOWED_ORIGINS", id="origin_without_scheme"),
        pytest.param({"allowed_origins": "https://a.example/page"}, "ALLOWED_ORIGINS", id="origin_with_a_path"),
        pytest.param({"openai_base_url": "foo"}, "OPENAI_BASE_URL", id="address_without_scheme"),
        pytest.param(
            {"market_base_url": "https://other.example"}, "MARKET_ALLOWED_HOSTS", id="market_host_not_allowed"
        ),
        pytest.param({"llm_model": "openai"}, "LLM_MODEL", id="model_without_provider"),
        pytest.param({"roles": ""}, "ROLES", id="no_role"),
    ],
)
def test_a_setting_that_cannot_be_right_is_one_line_that_names_it(settings: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words) as refused:
        load_settings(_env_file=None, **settings)
    assert len(refused.value.message.splitlines()) == 1


def test_a_secret_is_never_repeated_in_the_line() -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(_env_file=None, bootstrap_api_keys="acme=short-secret")
    assert "short-secret" not in refused.value.message


def test_a_tenant_may_have_several_keys() -> None:
    settings = load_settings(_env_file=None, bootstrap_api_keys="acme=0123456789abcdef,acme=fedcba9876543210")
    assert [tenant for tenant, _ in settings.bootstrap_api_keys] == ["acme", "acme"]
