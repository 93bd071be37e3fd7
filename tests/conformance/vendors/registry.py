"""The doubles that are there: every vendor's file of this folder that gives a `VENDOR`, or one class of a vendor."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType
from typing import Final, cast

from tests.conformance.vendors.vendor import Vendor

MODULES: Final = ("openai", "openai_responses", "anthropic", "google", "ollama", "compatible")
"""In the order in which docs/providers.md shows them."""
_PACKAGE: Final = "tests.conformance.vendors"


def _vendor(module: ModuleType) -> Vendor:
    given = getattr(module, "VENDOR", None)
    if given is None:
        own = [value for value in vars(module).values() if getattr(value, "__module__", "") == module.__name__]
        given = next(value for value in own if isinstance(value, type) and hasattr(value, "answer_with_calls"))()
    return cast(Vendor, given)


def _vendors() -> tuple[Vendor, ...]:
    names = [f"{_PACKAGE}.{module}" for module in MODULES]
    return tuple(_vendor(importlib.import_module(name)) for name in names if importlib.util.find_spec(name) is not None)


VENDORS: Final = _vendors()
