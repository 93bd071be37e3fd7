"""What the operator may say about models, and which one answers by default."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.clock import SystemClock
from core.errors import SettingsError
from core.models import Usage
from metrics.pricing import ListedPricing
from server.model_settings import DEFAULT_MODELS, ollama_url
from server.settings import Settings, load_settings

OPENAI, GOOGLE, ANTHROPIC = {"openai_api_key": "a"}, {"gemini_api_key": "b"}, {"anthropic_api_key": "c"}


@pytest.fixture(autouse=True)
def no_keys_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' settings are theirs alone."""
    for name in [*Settings.model_fields, "GROQ_API_KEY"]:
        monkeypatch.delenv(name.upper(), raising=False)


def settings(**values: object) -> Settings:
    return load_settings(**{"_env_file": None, **values})


@pytest.mark.parametrize(
    ("keys", "vendor"),
    [
        pytest.param({}, "offline", id="none"),
        pytest.param(ANTHROPIC, "anthropic", id="anthropic"),
        pytest.param(GOOGLE | ANTHROPIC, "google", id="google_before_anthropic"),
        pytest.param({"google_api_key": "b"} | ANTHROPIC, "google", id="googles_other_name"),
        pytest.param(OPENAI | GOOGLE | ANTHROPIC, "openai", id="openai_before_both"),
        pytest.param({"openai_api_key": " "} | GOOGLE, "google", id="a_blank_key_is_none"),
        pytest.param({"openai_base_url": "http://127.0.0.1:1/v1"}, "offline", id="an_address_alone_names_no_model"),
        pytest.param({"ollama_host": "127.0.0.1"}, "offline", id="ollama_has_no_model_of_its_own"),
    ],
)
def test_the_first_vendor_with_a_key_answers_by_default(keys: dict[str, str], vendor: str) -> None:
    assert settings(**keys).model.partition(":")[0] == vendor


@pytest.mark.parametrize(("vendor", "model"), DEFAULT_MODELS.items())
def test_what_a_default_model_costs_is_known(vendor: str, model: str) -> None:
    usage = Usage(input=1_000_000, output=1_000_000, total=2_000_000)
    assert 0 < ListedPricing(SystemClock()).cost_microusd(vendor, model, usage) <= 5_000_000


@pytest.mark.parametrize(
    ("model", "variable"),
    [
        ("openai:gpt-5-mini", "OPENAI_API_KEY"),
        ("openai-responses:gpt-5-mini", "OPENAI_API_KEY"),
        ("google:gemini-3.8-flash", "GEMINI_API_KEY"),
        ("anthropic:claude-haiku-5-5", "ANTHROPIC_API_KEY"),
    ],
)
@pytest.mark.parametrize("setting", ["llm_model", "llm_fallbacks"])
def test_a_model_whose_vendor_has_no_key_is_refused_with_the_variable_to_set(
    setting: str, model: str, variable: str
) -> None:
    with pytest.raises(SettingsError, match=f"{setting.upper()} is '{model}': set {variable}"):
        settings(**{setting: model})


def test_a_model_of_ollama_needs_nothing_else() -> None:
    assert "ollama" not in settings(llm_model="ollama:qwen3").missing
    assert "ollama" not in settings(llm_fallbacks="ollama:qwen3").missing
    assert "OLLAMA_HOST" in settings().missing["ollama"]


def test_keys_are_preferred_under_the_name_that_only_gemini_has() -> None:
    key = settings(gemini_api_key="gemini", google_api_key="maps").google_key
    assert key is not None
    assert key.get_secret_value() == "gemini"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        (None, "http://127.0.0.1:11434"),
        ("10.0.0.7", "http://10.0.0.7:11434"),
        ("gpu.internal:8080", "http://gpu.internal:8080"),
        (":9000", "http://127.0.0.1:9000"),
        ("0.0.0.0:11434", "http://127.0.0.1:11434"),
        ("[::1]:5000", "http://[::1]:5000"),
        ("[::1]", "http://[::1]:11434"),
        ("http://gpu.internal", "http://gpu.internal"),
        ("https://user:pass@gpu.example/ollama/", "https://user:pass@gpu.example/ollama"),
    ],
)
def test_the_host_of_ollama_is_read_as_ollama_reads_it(host: str | None, url: str) -> None:
    assert ollama_url(host) == url


# ---------------------------------------------------------------- compatible servers


def test_servers_are_declared_by_name_and_address() -> None:
    servers = settings(
        llm_providers="groq=https://api.groq.com/openai/v1, vllm-a=http://10.0.0.7:8000/v1,"
    ).llm_providers
    assert [(server.name, server.base_url, server.key_name) for server in servers] == [
        ("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
        ("vllm-a", "http://10.0.0.7:8000/v1", "VLLM_A_API_KEY"),
    ]


def test_their_keys_come_from_the_environment_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "LLM_PROVIDERS=groq=https://g.example/v1,mistral=https://m.example/v1\nGROQ_API_KEY=f\nMISTRAL_API_KEY=f\n"
    )
    monkeypatch.setenv("GROQ_API_KEY", "e")

    servers = load_settings(_env_file=str(file)).llm_providers

    assert [server.api_key and server.api_key.get_secret_value() for server in servers] == ["e", "f"]


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        pytest.param("https://host/v1", "name=https://host/v1", id="no_name"),
        pytest.param("Groq=https://host/v1", "a-z", id="a_name_in_capitals"),
        pytest.param("openai=https://host/v1", "built in", id="a_built_in_name"),
        pytest.param("offline=https://host/v1", "built in", id="the_demos_name"),
        pytest.param("a=https://host/v1,a=https://other/v1", "twice", id="a_name_twice"),
        pytest.param("a=host/v1", "http://", id="an_address_without_scheme"),
        pytest.param("a=http://host:port/v1", "http://", id="a_port_that_is_none"),
    ],
)
def test_a_wrong_declaration_is_one_line(declared: str, words: str) -> None:
    with pytest.raises(SettingsError, match=f"LLM_PROVIDERS: .*{words}") as refused:
        settings(llm_providers=declared)
    assert len(refused.value.message.splitlines()) == 1


@pytest.mark.parametrize("name", ["llm_providers", "ollama_host", "anthropic_base_url", "google_gemini_base_url"])
def test_an_address_is_not_repeated_in_the_line(name: str) -> None:
    with pytest.raises(SettingsError) as refused:
        settings(**{name: "ftp://user:canary@host:1"})
    assert "canary" not in refused.value.message
    assert name.upper() in refused.value.message
