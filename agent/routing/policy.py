"""Rules that choose models by what is known of a turn: `agents/policies/*.yaml`, or the flag `policy`. Pure.

The first rule all of whose conditions hold decides; where none does, the agent's own model answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml

from core.errors import SettingsError


class When(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Conditions, all of which must hold; what is not named is not asked."""

    tiers: tuple[str, ...] = ()
    """One of these is the user's tier: what the flag `tier` says of tenant and user, `free` by default."""
    languages: tuple[str, ...] = ()
    """The message's language, as the first part of a BCP 47 tag: what the client said, else as the text reads."""
    channels: tuple[str, ...] = ()
    min_characters: int | None = None
    max_characters: int | None = None
    """Of the message's text, both inclusive."""
    tools: bool | None = None
    """Whether the agent may call tools."""
    images: bool | None = None
    """Whether the message has pictures."""
    budget_left_below_usd: float | None = None
    """Less than that is left of the day's tightest budget; never holds where there is no budget."""


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is called where the conditions hold."""

    name: str
    models: tuple[str, ...]
    """`provider:model`s in the order in which they are tried."""
    when: When = When()
    ceiling_usd: float | None = None
    """What one model call may cost at most: its context, and all the output that the agent allows. Models whose
    list price makes it more are passed over."""


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules in order. `name` goes into the reason."""

    name: str
    rules: tuple[Rule, ...]

    def __post_init__(self) -> None:
        """Raise ValueError for rules that choose nothing."""
        for rule in self.rules:
            if not rule.models:
                raise ValueError(f"the rule {rule.name!r} names no model")

    @property
    def models(self) -> tuple[str, ...]:
        """All models that it may choose."""
        return tuple(dict.fromkeys(model for rule in self.rules for model in rule.models))

    @property
    def asks_language(self) -> bool:
        """Whether some rule depends on the language."""
        return any(rule.when.languages for rule in self.rules)

    @property
    def asks_budget(self) -> bool:
        """Whether some rule depends on what is left of the budget."""
        return any(rule.when.budget_left_below_usd is not None for rule in self.rules)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a turn before its first call."""

    tier: str
    characters: int
    channel: str
    has_tools: bool
    has_images: bool = False
    language: str | None = None
    budget_left_microusd: int | None = None
    """None: no budget applies."""


def rule_for(policy: Policy, facts: Facts) -> Rule | None:
    """The first rule that holds."""
    return next((rule for rule in policy.rules if holds(rule.when, facts)), None)


def holds(when: When, facts: Facts) -> bool:
    """Whether all conditions hold."""
    return (
        (not when.tiers or facts.tier in when.tiers)
        and (not when.languages or facts.language in when.languages)
        and (not when.channels or facts.channel in when.channels)
        and (when.min_characters is None or facts.characters >= when.min_characters)
        and (when.max_characters is None or facts.characters <= when.max_characters)
        and when.tools in (None, facts.has_tools)
        and when.images in (None, facts.has_images)
        and (when.budget_left_below_usd is None or _is_below(facts.budget_left_microusd, when.budget_left_below_usd))
    )


def _is_below(left_microusd: int | None, bound_usd: float) -> bool:
    return left_microusd is not None and left_microusd < bound_usd * 1_000_000


def as_policy(value: Any) -> Policy:
    """A policy of plain values, such as a flag's. Raises ValueError that says what is wrong."""
    try:
        return msgspec.convert(value, Policy)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


def load_policies(folder: Path) -> Mapping[str, Policy]:
    """Read `*.yaml` of a folder, by name; none where it is not there. Raises SettingsError."""
    return {policy.name: policy for policy in _read(sorted(folder.glob("*.yaml")))}


def _read(paths: Iterable[Path]) -> Iterable[Policy]:
    for path in paths:
        try:
            policy = as_policy(yaml.safe_load(path.read_text(encoding="utf-8")))
        except (yaml.YAMLError, ValueError) as error:
            raise SettingsError(f"policies/{path.name}: {' '.join(str(error).split())}") from error
        if policy.name != path.stem:
            raise SettingsError(
                f"policies/{path.name}: its name is {policy.name!r}; the file's and the name must agree"
            )
        yield policy
