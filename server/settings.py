"""Every setting, from the environment or `.env`, validated at start with one clear line per mistake."""

from __future__ import annotations

import datetime as dt
import ipaddress
import platform
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from core.budgets import BudgetLimits
from core.errors import SettingsError
from server.model_settings import ModelSettings, is_http, with_keys

Role = Literal["web", "worker"]


class Settings(ModelSettings):
    """What the operator may set. The names in the environment are these in upper case."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    host: str = Field("127.0.0.1", description="Address to listen on. Without API keys only a loopback address.")
    port: int = Field(8000, ge=1, le=65535, description="Port to listen on.")
    roles: Annotated[tuple[Role, ...], NoDecode] = Field(
        ("web", "worker"), description="What this process does: `web` holds connections, `worker` runs turns."
    )
    node: str = Field(
        default_factory=platform.node, description="This process's name in logs. Default: the host's name."
    )
    data_dir: Path = Field(
        Path("data"), description="Where SQLite, the embedded Valkey and the last market values live."
    )
    redis_url: str | None = Field(
        None, description="Redis >= 7.0 or Valkey, `redis://...` or `unix://...`. Unset: an embedded Valkey."
    )
    partitions: int = Field(
        1,
        ge=1,
        le=1024,
        description="Parts over which sessions are spread; all nodes must agree. 1 is right for one Redis.",
    )
    fsync_before_ok: bool = Field(
        False,
        description="Say `ok` to a message only once it is on Redis' disk: up to 2 s later where that is written each "
        "second. Needs Redis >= 7.2 or Valkey. Off: a crash of Redis itself takes back at most its last second.",
    )
    database_url: str | None = Field(
        None, description="The books: `sqlite:///...` or `postgresql://...`. Unset: SQLite in DATA_DIR."
    )
    prices_file: Path | None = Field(
        None, description="YAML or JSON with prices of your own, by model and tenant (`metrics/price_file.py`)."
    )
    budget_tenant_day_usd: float | None = Field(
        None,
        ge=0,
        le=1_000_000_000,
        description="US dollars that each tenant's model calls may cost in a day. Unset: no limit.",
    )
    budget_user_day_usd: float | None = Field(
        None,
        ge=0,
        le=1_000_000_000,
        description="US dollars that each user's model calls may cost in a day. Unset: no limit.",
    )
    budget_zone: str = Field(
        "UTC", description="Time zone whose midnight ends a budget's day, such as `America/Sao_Paulo`."
    )
    budget_unpriced: Literal["refuse", "allow"] = Field(
        "refuse", description="Calls of models whose price is not known, where a budget holds: `refuse` or `allow`."
    )
    agents_dir: Path = Field(Path("agents"), description="Folder of the agents' configuration, one YAML file each.")
    agent: str = Field("sales", description="The agent that answers where nothing else is asked for.")
    sales_database_url: str | None = Field(
        None,
        description="The sales data: `sqlite:///...` or `postgresql://...`; an empty database gets the demo data. "
        "Unset: the demo data in DATA_DIR.",
    )
    reference_date: dt.date | None = Field(
        None, description="What `today` is. Unset: 2017-12-31 for the demo data, the real day for your own."
    )
    market_base_url: str = Field(
        "https://api.bcb.gov.br", description="Where rates come from: the API of Brazil's central bank."
    )
    market_allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        ("api.bcb.gov.br",), description="Hosts (comma list) that the market tool may call."
    )
    market_timeout_s: float = Field(5.0, gt=0, le=60, description="Seconds that a market request may take.")
    market_cache_s: float = Field(900.0, ge=0, description="Seconds for which a market value is not asked for again.")
    bootstrap_api_keys: Annotated[tuple[tuple[str, SecretStr], ...], NoDecode] = Field(
        (), description="Service keys made at start: `tenant=secret`, a comma list; a secret has 16 characters or more."
    )
    operator_tenant: str = Field(
        "default", description="The tenant whose keys may set the feature flags of all tenants."
    )
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Web origins (comma list) that may connect besides the server's own."
    )
    worker_concurrency: int = Field(256, ge=1, le=10_000, description="Turns that this process runs at once.")
    tenant_turns: int = Field(128, ge=1, description="Turns that one tenant may have running at once, on all nodes.")
    chat_wait_s: float = Field(50.0, gt=0, le=300, description="Seconds that POST /chat waits before it answers 202.")
    drain_s: float = Field(
        10.0, ge=0, le=600, description="Seconds that running turns get to end when stopping; a second signal hurries."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least level that is logged.")
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="`auto`: text on a terminal, JSON elsewhere."
    )
    log_prompts: Literal["off", "masked", "full"] = Field(
        "masked",
        description="Users' words in the line `turn.completed`: `off`, `masked` (and cut to 500 characters) or `full`.",
    )

    @field_validator("roles", "market_allowed_hosts", "allowed_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("roles")
    @classmethod
    def _some_role(cls, value: tuple[Role, ...]) -> tuple[Role, ...]:
        if not value:
            raise ValueError("name at least one of web, worker")
        return value

    @field_validator("bootstrap_api_keys", mode="before")
    @classmethod
    def _keys(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        pairs = [part.strip().partition("=") for part in value.split(",") if part.strip()]
        for tenant, separator, secret in pairs:
            if not separator or (not tenant.isidentifier() and not tenant.replace("-", "_").isidentifier()):
                raise ValueError("write tenant=secret, a comma list; a tenant is letters, digits, _ and -")
            if len(secret) < 16:
                raise ValueError(f"the secret of tenant {tenant!r} is shorter than 16 characters; make a longer one")
        if len({secret for _, _, secret in pairs}) < len(pairs):
            raise ValueError("two keys have the same secret; each key needs one of its own")
        return tuple((tenant, SecretStr(secret)) for tenant, _, secret in pairs)

    @field_validator("allowed_origins")
    @classmethod
    def _whole_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if not is_http(origin) or urlsplit(origin).path.strip("/"):
                raise ValueError(f"{origin!r} is no web origin; write scheme and host, such as https://www.example.com")
        return value

    @field_validator("operator_tenant")
    @classmethod
    def _one_tenant(cls, value: str) -> str:
        if not value.replace("-", "_").isidentifier():
            raise ValueError("write one tenant's name: letters, digits, _ and -")
        return value

    @field_validator("budget_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError("there is no such time zone; write a name such as America/Sao_Paulo, or UTC") from error
        return value

    @field_validator("market_base_url")
    @classmethod
    def _market_http_url(cls, value: str) -> str:
        if not is_http(value):
            raise ValueError("write an address that begins with http:// or https://")
        return value

    @model_validator(mode="after")
    def _market_host_is_allowed(self) -> Self:
        host = urlsplit(self.market_base_url).hostname
        if host not in self.market_allowed_hosts:
            raise ValueError(f"MARKET_ALLOWED_HOSTS: the host of MARKET_BASE_URL, {host!r}, is not in it; add it")
        return self

    @field_validator(
        "redis_url",
        "database_url",
        "sales_database_url",
        "reference_date",
        "prices_file",
        "budget_tenant_day_usd",
        "budget_user_day_usd",
        mode="before",
    )
    @classmethod
    def _blank_is_unset(cls, value: Any) -> Any:
        return None if value == "" else value

    @property
    def is_development(self) -> bool:
        """No keys are configured: anyone is anyone, on loopback only."""
        return not self.bootstrap_api_keys

    @property
    def budget_limits(self) -> BudgetLimits:
        """What every tenant and user may spend in a day, where nothing else is said of them."""
        return BudgetLimits(
            tenant_day_microusd=_microusd(self.budget_tenant_day_usd),
            user_day_microusd=_microusd(self.budget_user_day_usd),
            zone=self.budget_zone,
        )

    @property
    def books_url(self) -> str:
        """The URL of the books' database."""
        return self.database_url or f"sqlite:///{self.data_dir / 'prosa.db'}"

    @property
    def sales_url(self) -> str:
        """The URL of the sales data's database."""
        return self.sales_database_url or f"sqlite:///{self.data_dir / 'sales.db'}"


def load_settings(**overrides: Any) -> Settings:
    """Read the settings. Raises SettingsError with one line per mistake."""
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        raise SettingsError("\n".join(_line(problem) for problem in error.errors())) from error
    if settings.is_development and not is_loopback(settings.host):
        raise SettingsError(
            f"HOST is {settings.host!r} but no API keys are set: without keys Prosa listens on loopback only. "
            "Set BOOTSTRAP_API_KEYS=tenant=secret, or HOST=127.0.0.1."
        )
    for name, model in settings.models_named:
        provider, colon, rest = model.partition(":")
        if not (provider and colon and rest):
            raise SettingsError(f"{name}: {model!r} is not of the form provider:model, such as openai:gpt-5-mini.")
        if (todo := settings.missing.get(provider)) is not None:
            raise SettingsError(f"{name} is {model!r}: {todo}.")
    env_file = overrides.get("_env_file", Settings.model_config.get("env_file"))
    return settings.model_copy(update={"llm_providers": with_keys(settings.llm_providers, env_file)})


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _microusd(usd: float | None) -> int | None:
    return None if usd is None else round(usd * 1_000_000)


def _line(problem: Any) -> str:
    name = ".".join(str(part) for part in problem["loc"][:1]).upper()
    reason = problem["msg"].removeprefix("Value error, ")
    if not name:  # a rule about several settings names them itself
        return str(reason)
    secret = any(part in name for part in ("KEY", "URL", "HOST", "PROVIDERS"))  # an address may hold a password
    seen = "" if secret else f" (it is {problem.get('input')!r})"
    return f"{name}: {reason}{seen}"


def settings_table() -> str:
    """The settings as a Markdown table, for the README."""
    rows = ["| setting | default | what it is |", "|---|---|---|"]
    fields = Settings.model_fields.items()
    for name, field in sorted(fields, key=lambda item: item[0] in ModelSettings.model_fields):  # these come last
        default = "" if field.is_required() or field.default_factory is not None else _shown(field.default)
        rows.append(f"| `{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows)


def _shown(value: Any) -> str:
    if value is None or value == ():
        return ""
    return f"`{','.join(value) if isinstance(value, tuple) else value}`"


if __name__ == "__main__":
    print(settings_table())  # noqa: T201
