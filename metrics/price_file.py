"""Prices of one's own (PRICES_FILE): what was agreed with a vendor, what an own server costs, what one tenant pays.

    prices:                       # for all; dollars a million tokens
      "openai:gpt-5*": {input: 1.0, cached: 0.1, output: 8.0}
      "vllm:*": {input: 0, output: 0}
    tenants:
      acme:
        "openai:*": {input: 2.0, output: 16.0, reasoning: 20.0}

A name is `provider:model` with `*` and `?`, in whatever case; the first that fits counts, a tenant's own before those
of all, and these before the list. JSON is YAML too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec
import yaml

from core.errors import SettingsError
from metrics.tariff import Rates, Tariff


class _Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    input: Decimal
    output: Decimal
    cached: Decimal | None = None
    reasoning: Decimal | None = None


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    prices: dict[str, _Price] = {}
    tenants: dict[str, dict[str, _Price]] = {}


_Patterns = Sequence[tuple[str, Tariff]]


class PriceOverrides:
    """Prices that go before the list's."""

    def __init__(self, for_all: _Patterns = (), of_tenants: Mapping[str, _Patterns] | None = None) -> None:
        self._for_all = for_all
        self._of_tenants = of_tenants or {}

    def has_own(self, tenant: str | None) -> bool:
        """Whether a tenant has prices of its own."""
        return tenant in self._of_tenants

    def find(self, provider: str, model: str, tenant: str | None) -> Tariff | None:
        """The tariff of the first name that fits; None: the list's counts."""
        name = f"{provider}:{model}".lower()
        for pattern, tariff in (*self._of_tenants.get(tenant or "", ()), *self._for_all):
            if fnmatchcase(name, pattern):
                return tariff
        return None


def load_prices(file: Path) -> PriceOverrides:
    """Read the file. Raises SettingsError with one line that says what is wrong."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"PRICES_FILE {file.name!r} cannot be read: {reason}") from error
    return parse_prices(text, source=f"PRICES_FILE {file.name!r}")


def parse_prices(text: str, *, source: str) -> PriceOverrides:
    """The prices of a text in YAML. Raises SettingsError that names `source`."""
    try:
        data: Any = yaml.safe_load(text)
        found = msgspec.convert({} if data is None else data, _File)
    except yaml.YAMLError as error:
        raise SettingsError(f"{source}: not YAML: {' '.join(str(error).split())}") from error
    except msgspec.ValidationError as error:
        raise SettingsError(f"{source}: {error}") from error
    return PriceOverrides(
        _patterns(found.prices, source, "prices"),
        {tenant: _patterns(prices, source, f"tenants.{tenant}") for tenant, prices in found.tenants.items()},
    )


def _patterns(prices: Mapping[str, _Price], source: str, where: str) -> list[tuple[str, Tariff]]:
    return [
        (_pattern(name, source, where), _tariff(price, f"{source}: {where}: {name}")) for name, price in prices.items()
    ]


def _pattern(name: str, source: str, where: str) -> str:
    provider, colon, model = name.partition(":")
    if not (provider and colon and model):
        raise SettingsError(f"{source}: {where}: {name!r} is not written as provider:model, such as openai:gpt-5*")
    return name.lower()


def _tariff(price: _Price, where: str) -> Tariff:
    for field in price.__struct_fields__:
        value = getattr(price, field)
        if value is not None and not (value.is_finite() and value >= 0):
            raise SettingsError(f"{where}: {field} is {value}, wanted are dollars a million tokens, 0 or more")
    return Tariff(base=Rates.of(input=price.input, output=price.output, cached=price.cached, reasoning=price.reasoning))
