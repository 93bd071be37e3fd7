"""Those who serve models, each built from the settings by its own function: `wiring.py`'s part for models.

A provider that is not set up is not there, and its module is not loaded: vendors' modules cost a start its time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from loguru import logger
from pydantic import SecretStr

from core.errors import SettingsError
from core.ids import Ids
from core.ports import Embedder, Provider
from server.model_settings import CompatibleServer, ModelSettings, ollama_url
from server.settings import is_loopback

if TYPE_CHECKING:
    from agent.providers.http import Timeouts

_NOBODY_PAYS: Final = {"organization": "", "project": ""}
"""Who pays at OpenAI is nothing to others."""
Builder = Callable[[ModelSettings, "Timeouts"], Provider]


def build_providers(settings: ModelSettings, ids: Ids) -> dict[str, Provider]:
    """The providers that the settings set up, by the name before the colon of `provider:model`."""
    from agent.providers.offline import OfflineProvider

    builders: dict[str, Builder] = {name: build for name, build in BUILDERS.items() if name not in settings.missing}
    for server in settings.llm_providers:
        builders[server.name] = partial(_compatible, server)
    providers: dict[str, Provider] = {"offline": OfflineProvider(ids=ids)}
    if builders:
        timeouts = _timeouts(settings)
        providers |= {name: build(settings, timeouts) for name, build in builders.items()}
    return providers


def build_embedder(settings: ModelSettings) -> Embedder | None:
    """Who makes vectors of questions; None where EMBEDDINGS_MODEL is unset. Raises SettingsError."""
    if settings.embeddings_model is None:
        return None
    provider, _, model = settings.embeddings_model.partition(":")
    if provider in settings.missing:
        raise SettingsError(f"EMBEDDINGS_MODEL: the provider {provider!r} is not set up; {settings.missing[provider]}.")
    places = {server.name: _place(server) for server in settings.llm_providers}
    places["openai"] = {"api_key": _secret(settings.openai_api_key), **_address(settings.openai_base_url)}
    places["ollama"] = {"api_key": "", "base_url": f"{ollama_url(settings.ollama_host)}/v1", **_NOBODY_PAYS}
    if provider not in places:
        known = ", ".join(sorted(places))
        raise SettingsError(
            f"EMBEDDINGS_MODEL: the provider {provider!r} makes no vectors here; choose one of {known}."
        )
    from agent.providers.embeddings import OpenAIEmbedder

    return OpenAIEmbedder(
        model=model,
        provider=provider,
        dimensions=settings.embeddings_dimensions or 0,
        timeouts=_timeouts(settings),
        **places[provider],
    )


def _place(server: CompatibleServer) -> dict[str, Any]:
    return {"api_key": _secret(server.api_key), "base_url": server.base_url, **_NOBODY_PAYS}


def _timeouts(settings: ModelSettings) -> Timeouts:
    from agent.providers.http import Timeouts

    return Timeouts(
        connect_s=settings.llm_connect_s,
        first_token_s=settings.llm_first_token_s,
        between_tokens_s=settings.llm_between_tokens_s,
        total_s=settings.llm_total_s,
    )


def _openai(settings: ModelSettings, timeouts: Timeouts) -> Provider:
    from agent.providers.openai import OpenAIProvider

    return OpenAIProvider(
        api_key=_secret(settings.openai_api_key), timeouts=timeouts, **_address(settings.openai_base_url)
    )


def _openai_responses(settings: ModelSettings, timeouts: Timeouts) -> Provider:
    from agent.providers.openai_responses import OpenAIResponsesProvider

    return OpenAIResponsesProvider(
        api_key=_secret(settings.openai_api_key), timeouts=timeouts, **_address(settings.openai_base_url)
    )


def _google(settings: ModelSettings, timeouts: Timeouts) -> Provider:
    from agent.providers.google import GoogleProvider

    return GoogleProvider(
        api_key=_secret(settings.google_key), timeouts=timeouts, **_address(settings.google_gemini_base_url)
    )


def _anthropic(settings: ModelSettings, timeouts: Timeouts) -> Provider:
    from agent.providers.anthropic import AnthropicProvider

    return AnthropicProvider(
        api_key=_secret(settings.anthropic_api_key), timeouts=timeouts, **_address(settings.anthropic_base_url)
    )


def _ollama(settings: ModelSettings, timeouts: Timeouts) -> Provider:
    from agent.providers.ollama import OllamaProvider

    return OllamaProvider(
        base_url=ollama_url(settings.ollama_host), context_tokens=settings.ollama_context_tokens, timeouts=timeouts
    )


def _compatible(server: CompatibleServer, _: ModelSettings, timeouts: Timeouts) -> Provider:
    from agent.providers.openai import OpenAIProvider

    if server.api_key is None and not is_loopback(urlsplit(server.base_url).hostname or ""):
        logger.warning("provider.without_key", provider=server.name, note=f"if it wants one, set {server.key_name}")
    return OpenAIProvider(
        api_key=_secret(server.api_key),
        base_url=server.base_url,
        name=server.name,
        timeouts=timeouts,
        **_NOBODY_PAYS,
    )


BUILDERS: dict[str, Builder] = {
    "openai": _openai,
    "openai-responses": _openai_responses,
    "google": _google,
    "anthropic": _anthropic,
    "ollama": _ollama,
}


def _secret(key: SecretStr | None) -> str:
    return key.get_secret_value() if key is not None else ""


def _address(base_url: str | None) -> dict[str, Any]:
    """The argument, where the operator set one; else the provider's own default stands."""
    return {"base_url": base_url} if base_url is not None else {}
