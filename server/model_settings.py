"""The settings of those who serve models: keys, addresses, time limits, and which model answers by default.

A part of `settings.py`, which reads them. Whoever is built from them is in `vendors.py`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode

DEFAULT_MODELS: Final = {
    "openai": "gpt-5-mini",
    "google": "gemini-3.5-flash-lite",
    "anthropic": "claude-haiku-5-5",
}
"""What answers where LLM_MODEL is unset, of the first of these vendors that has a key: one of its cheaper models, which
genai-prices 0.2.3 lists and does not call deprecated."""
BUILT_IN: Final = frozenset({*DEFAULT_MODELS, "openai-responses", "ollama", "offline", "scripted"})
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}")


class CompatibleServer(NamedTuple):
    """A server that speaks OpenAI's Chat Completions, under a name of the operator's."""

    name: str
    base_url: str
    api_key: SecretStr | None = None

    @property
    def key_name(self) -> str:
        """The variable that holds its key, such as GROQ_API_KEY."""
        return f"{self.name.upper().replace('-', '_')}_API_KEY"


class ModelSettings(BaseSettings):
    """What the operator may set about models."""

    llm_model: str | None = Field(
        None,
        description="`provider:model`. Unset: a cheaper model of the first vendor with a key ("
        + ", ".join(f"`{vendor}:{model}`" for vendor, model in DEFAULT_MODELS.items())
        + "), else the offline demo.",
    )
    llm_fallbacks: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="`provider:model`s (comma list) that are tried in order where the first cannot answer."
    )
    llm_providers: Annotated[tuple[CompatibleServer, ...], NoDecode] = Field(
        (),
        description="Servers that speak OpenAI's Chat Completions (vLLM, Groq, Mistral, LM Studio...): "
        "`name=https://host/v1`, a comma list. A model of theirs is `name:model`, their key `<NAME>_API_KEY`.",
    )
    openai_api_key: SecretStr | None = Field(
        None, description="Key for OpenAI or a compatible server: `openai:model`, or `openai-responses:model`."
    )
    openai_base_url: str | None = Field(
        None, description="Base URL of an OpenAI-compatible server. Default: OpenAI's own."
    )
    gemini_api_key: SecretStr | None = Field(None, description="Key for Google's Gemini API: `google:model`.")
    google_api_key: SecretStr | None = Field(None, description="The same, where GEMINI_API_KEY is unset.")
    google_gemini_base_url: str | None = Field(
        None, description="Base URL of a server that speaks the Gemini API. Default: Google's own."
    )
    anthropic_api_key: SecretStr | None = Field(None, description="Key for Anthropic: `anthropic:model`.")
    anthropic_base_url: str | None = Field(
        None, description="Base URL of a server that speaks Anthropic's Messages. Default: Anthropic's own."
    )
    ollama_host: str | None = Field(
        None,
        description="Where Ollama listens, such as `127.0.0.1:11434`: `ollama:model`. Unset: there, but only for "
        "models that LLM_MODEL or LLM_FALLBACKS names.",
    )
    ollama_context_tokens: int = Field(
        24_576,
        ge=512,
        le=2_000_000,
        description="Context with which Ollama loads a model (`num_ctx`). Its own default may be 4096, too short for "
        "instructions, tools, history and answer; more takes more memory.",
    )
    embeddings_model: str | None = Field(
        None,
        description="`provider:model` that tells how near questions are, for agents with `cache.semantic`: of "
        "`openai`, `ollama` or a server of `LLM_PROVIDERS`, such as `openai:text-embedding-3-small`.",
    )
    embeddings_dimensions: int | None = Field(
        None,
        ge=16,
        le=4096,
        description="Numbers in a vector, for models that can be asked for fewer. Unset: as many as the model gives.",
    )
    llm_connect_s: float = Field(5.0, gt=0, le=60, description="Seconds in which a vendor must take a connection.")
    llm_first_token_s: float = Field(
        45.0,
        gt=0,
        le=600,
        description="Seconds until a model's first token; a local model that is loaded first may need more.",
    )
    llm_between_tokens_s: float = Field(
        30.0, gt=0, le=600, description="Seconds that a model may pause between two tokens."
    )
    llm_total_s: float = Field(
        300.0, gt=0, le=3600, description="Seconds that one answer of a model may take, whatever comes."
    )

    @field_validator("llm_fallbacks", mode="before")
    @classmethod
    def _split_fallbacks(cls, value: Any) -> Any:
        return _parts(value) if isinstance(value, str) else value

    @field_validator("llm_providers", mode="before")
    @classmethod
    def _servers(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        servers = tuple(_server(part) for part in _parts(value))
        names = [server.name for server in servers]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the name {name!r} is there twice; give each server its own")
        return servers

    @field_validator("openai_base_url", "google_gemini_base_url", "anthropic_base_url")
    @classmethod
    def _http_url(cls, value: str | None) -> str | None:
        if value is not None and not is_http(value):
            raise ValueError("write an address that begins with http:// or https://")
        return value

    @field_validator("ollama_host")
    @classmethod
    def _ollama_address(cls, value: str | None) -> str | None:
        if value is not None and not is_http(ollama_url(value)):
            raise ValueError("write a host and port such as 127.0.0.1:11434, or an address that begins with http://")
        return value

    @field_validator("embeddings_model")
    @classmethod
    def _embeddings_are_whole(cls, value: str | None) -> str | None:
        provider, colon, model = (value or "").partition(":")
        if value is not None and not (provider and colon and model):
            raise ValueError("write provider:model, such as openai:text-embedding-3-small")
        return value

    @field_validator(
        "llm_model",
        "embeddings_model",
        "embeddings_dimensions",
        "openai_api_key",
        "openai_base_url",
        "gemini_api_key",
        "google_api_key",
        "google_gemini_base_url",
        "anthropic_api_key",
        "anthropic_base_url",
        "ollama_host",
        mode="before",
    )
    @classmethod
    def _blank_model_setting_is_unset(cls, value: Any) -> Any:
        return None if isinstance(value, str) and not value.strip() else value

    @property
    def google_key(self) -> SecretStr | None:
        """The key for Google: GEMINI_API_KEY before GOOGLE_API_KEY, which other services of Google's share."""
        return self.gemini_api_key or self.google_api_key

    @property
    def model(self) -> str:
        """`provider:model` to use by default."""
        if self.llm_model is not None:
            return self.llm_model
        keys = {"openai": self.openai_api_key, "google": self.google_key, "anthropic": self.anthropic_api_key}
        for vendor, model in DEFAULT_MODELS.items():
            if keys[vendor] is not None:
                return f"{vendor}:{model}"
        return "offline:offline-demo"

    @property
    def models_named(self) -> tuple[tuple[str, str], ...]:
        """The models that these settings name, each with the setting that does."""
        return (("LLM_MODEL", self.model), *(("LLM_FALLBACKS", model) for model in self.llm_fallbacks))

    @property
    def uses_ollama(self) -> bool:
        """Whether Ollama may be asked: it has no key that would say so."""
        return self.ollama_host is not None or any(model.startswith("ollama:") for _, model in self.models_named)

    @property
    def missing(self) -> Mapping[str, str]:
        """The built-in providers that are not set up, each with what to do about it."""
        openai = "set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own"
        wanted = {
            "openai": (self.openai_api_key or self.openai_base_url, openai),
            "openai-responses": (self.openai_api_key or self.openai_base_url, openai),
            "google": (self.google_key or self.google_gemini_base_url, "set GEMINI_API_KEY (or GOOGLE_API_KEY)"),
            "anthropic": (self.anthropic_api_key or self.anthropic_base_url, "set ANTHROPIC_API_KEY"),
            "ollama": (self.uses_ollama, "set OLLAMA_HOST, such as 127.0.0.1:11434"),
        }
        return {provider: todo for provider, (there, todo) in wanted.items() if not there}


def with_keys(servers: Sequence[CompatibleServer], env_file: str | Path | None) -> tuple[CompatibleServer, ...]:
    """The servers with their keys, from the environment or else from that file."""
    if not servers:
        return ()
    known = {**(dotenv_values(env_file, encoding="utf-8") if env_file is not None else {}), **os.environ}
    return tuple(
        server._replace(api_key=SecretStr(key)) if (key := (known.get(server.key_name) or "").strip()) else server
        for server in servers
    )


def ollama_url(host: str | None) -> str:
    """The address of what OLLAMA_HOST says, as Ollama's own client reads it: port 11434 unless a scheme is written.

    An address to listen on everywhere (`0.0.0.0`) is this machine.
    """
    scheme, separator, rest = (host or "").strip().rpartition("://")
    rest = rest.rstrip("/")
    if rest.startswith(":") and rest[1:].isdecimal():
        rest = f"127.0.0.1{rest}"
    url = urlsplit(f"{scheme or 'http'}://{rest or '127.0.0.1'}")
    try:
        port = url.port
    except ValueError:
        return ""
    place = url.netloc
    if port is None and not separator:
        place = f"{place.rstrip(':')}:11434"
    place = place.replace("0.0.0.0", "127.0.0.1", 1).replace("[::]", "[::1]", 1)
    return f"{url.scheme}://{place}{url.path}"


def is_http(url: str) -> bool:
    """Whether that is a whole address of HTTP."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is none, an IPv6 address without its end
        return False


def _server(text: str) -> CompatibleServer:
    """One `name=address`. Raises ValueError, without the address: it may hold a password."""
    name, equals, base_url = (part.strip() for part in text.partition("="))
    if not (equals and _NAME.fullmatch(name)):
        raise ValueError("write name=https://host/v1, a comma list; a name is up to 32 of a-z, 0-9, _ and -")
    if name in BUILT_IN:
        raise ValueError(f"the name {name!r} is built in; choose another, such as {name}-2")
    if not is_http(base_url):
        raise ValueError(f"the address of {name!r} must begin with http:// or https://")
    return CompatibleServer(name, base_url)


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
