"""A/B experiments: which variant a user gets, by the hash of who they are. Pure; nothing is stored, so nodes agree.

Rendezvous hashing with weights (Thaler and Ravishankar 1998; weights as in Schindelhauer and Schomaker 2005): each
variant draws a number for the user, and the best wins. A user keeps the variant as long as the weights stay; where one
changes, only those move who have to.
"""

from __future__ import annotations

import hashlib
import math

import msgspec


class Variant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One arm. `models` are `provider:model`s in the order in which they are tried; none: what would answer anyhow."""

    name: str
    weight: float = 1.0
    """The share of users is weight over the sum of all; 0: nobody."""
    models: tuple[str, ...] = ()


class Experiment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An experiment over a tenant's users. Another `name` deals the users out anew."""

    name: str
    variants: tuple[Variant, ...]

    def __post_init__(self) -> None:
        """Raise ValueError for what cannot be dealt out."""
        if not self.name:
            raise ValueError("an experiment needs a name")
        if not self.variants or not any(variant.weight > 0 for variant in self.variants):
            raise ValueError("an experiment needs a variant whose weight is above 0")
        if any(not math.isfinite(variant.weight) or variant.weight < 0 for variant in self.variants):
            raise ValueError("a variant's weight is 0 or more")
        if len({variant.name for variant in self.variants}) < len(self.variants):
            raise ValueError("two variants of an experiment have the same name")

    @property
    def models(self) -> tuple[str, ...]:
        """All models that its variants name."""
        return tuple(dict.fromkeys(model for variant in self.variants for model in variant.models))


def variant_of(experiment: Experiment, tenant: str, user_id: str) -> Variant:
    """The variant of a user, the same on every node and at every time. About 1 µs a variant."""
    return max(
        (variant for variant in experiment.variants if variant.weight > 0),
        key=lambda variant: _draw(experiment.name, variant, tenant, user_id),
    )


def _draw(experiment: str, variant: Variant, tenant: str, user_id: str) -> float:
    """-weight / ln(u) with u uniform in (0, 1): the largest of several wins in proportion to the weights."""
    unit = f"{experiment}\0{variant.name}\0{tenant}\0{user_id}"
    digest = hashlib.blake2b(unit.encode(), digest_size=8).digest()
    uniform = ((int.from_bytes(digest, "big") >> 12) + 0.5) / 2.0**52  # exact: never 0 or 1
    return -variant.weight / math.log(uniform)
