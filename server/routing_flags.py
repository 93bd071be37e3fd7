"""The catalogue of flags, with what the routing asks of their values: models that are served, policies that hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar

import msgspec

from agent.routing.policy import as_policy
from core.errors import UserError
from core.experiments import Experiment
from core.flag_catalog import Catalog, flag_catalog

CheckModels = Callable[[Iterable[str]], None]
"""Raises UserError for a `provider:model` that nobody here serves."""


class _NamesModels(Protocol):
    @property
    def models(self) -> tuple[str, ...]: ...


Named = TypeVar("Named", bound=_NamesModels)


def routing_catalog(check_models: CheckModels) -> Catalog:
    """All flags; what is set is checked here, so that a turn need not."""
    return flag_catalog(
        model=lambda name: check_models([name]),
        policy=_checked(as_policy, check_models),
        experiment=_checked(lambda value: msgspec.convert(value, Experiment), check_models),
    )


def _checked(read: Callable[[Any], Named], check_models: CheckModels) -> Callable[[Any], None]:
    """Look at an object of the routing's; an empty one stands for none."""

    def check(value: Any) -> None:
        if not isinstance(value, dict):
            raise UserError("an object is wanted.")
        if not value:
            return
        try:
            named = read(value)
        except (ValueError, msgspec.ValidationError) as error:
            raise UserError(f"{error}.") from error
        check_models(named.models)

    return check
