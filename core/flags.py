"""Feature flags: what one is, and what it says of a context. Pure: no clock, no I/O.

    context ──▶ the tenant's own flag ──says nothing──▶ the flag of all tenants ──says nothing──▶ the default
                  │ rules in order, the first that holds; then its value
                  ▼
                Evaluation(value, reason, variant)

Which flags there are is in `core/flag_catalog.py`; Redis holds the live ones (`memory/flags`), SQL the lasting ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Annotated, Any, Final, Literal, assert_never

import msgspec
from msgspec import Meta

Operator = Literal["equals", "in", "starts_with"]
Reason = Literal["STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT"]
"""The words of the OpenFeature specification (section 1.4, resolution reasons)."""
FlagContext = Mapping[str, str]
"""Of whom a flag is asked: `tenant`, and as far as they are known `user_id`, `agent`, `tier`, `locale`, `channel`."""

ALL_TENANTS: Final = "*"
"""The scope of flags that hold for every tenant; no tenant is named so."""

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$(?!\n)")]
Variant = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.:-]{1,64}$(?!\n)")]
Word = Annotated[str, Meta(max_length=256)]
Version = Annotated[int, Meta(ge=0)]


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a context must be like: its `attribute` equals the value, is among the values, or starts with one."""

    attribute: Name
    operator: Operator = "equals"
    values: Annotated[tuple[Word, ...], Meta(min_length=1, max_length=256)]


class Rule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A value for those of whom all conditions hold, or for a percentage of them."""

    when: Annotated[tuple[Condition, ...], Meta(max_length=16)] = ()
    value: Any
    variant: Variant | None = None
    """A name for who gets this value. Needed with a percentage: people are spread by it, so it outlives reordering."""
    percent: Annotated[float, Meta(ge=0, le=100)] = 100.0
    """Of those who come to this rule (whom no earlier one took), by a consistent hash."""
    by: Name = "user_id"
    """The attribute that is hashed. A context without it does not come under a percentage."""


class Flag(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A flag as somebody has set it, for one tenant or for all. Objects in it are shared: never change one."""

    scope: str
    """A tenant, or ALL_TENANTS."""
    key: str
    version: int
    """Greater with each change; not a count: it follows the clock, so that it also grows over a loss of Redis."""
    value: Any = None
    """None: none of its own; where no rule holds the next scope is asked."""
    rules: tuple[Rule, ...] = ()
    description: str = ""
    updated_ms: int
    updated_by: str
    """The principal: the key's name."""

    @property
    def is_set(self) -> bool:
        """Whether it says anything; one that was taken back stays as a version that says nothing."""
        return self.value is not None or bool(self.rules)


class FlagEdit(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants a flag to be."""

    key: str
    value: Any = None
    rules: tuple[Rule, ...] = ()
    description: str = ""
    expected: int | None = None
    """The version that is to be replaced (0: none yet); None: whichever is there."""


class FlagChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="flag"):
    """A change on its way to SQL: the flag as it is now, and the audit of who made it so."""

    tenant: str
    """Whose key it was."""
    by: str
    ts: int
    before: Flag | None = None
    after: Flag


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """What a flag says of a context. `version` is that of the flag which said it, 0 for a default."""

    value: Any
    reason: Reason
    variant: str | None = None
    version: int = 0


def evaluate(flag: Flag, context: FlagContext) -> Evaluation | None:
    """What one flag says of a context; None: nothing. Takes microseconds: a hash for each rule with a percentage."""
    for rule in flag.rules:
        if all(_holds(condition, context) for condition in rule.when):
            if rule.percent >= 100:
                return _says(flag, rule.value, "TARGETING_MATCH", rule.variant)
            if _is_among(flag.key, rule, context):
                return _says(flag, rule.value, "SPLIT", rule.variant)
    if flag.value is None:
        return None
    return _says(flag, flag.value, "DEFAULT" if flag.rules else "STATIC")


def share(*parts: str) -> float:
    """Where these words fall in [0, 1): the same everywhere and for ever, evenly spread, one microsecond."""
    digest = blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) / 2**53  # the 53 bits that a float holds exactly: never 1.0


def _says(flag: Flag, value: Any, reason: Reason, variant: str | None = None) -> Evaluation:
    return Evaluation(value=value, reason=reason, variant=variant, version=flag.version)


def _holds(condition: Condition, context: FlagContext) -> bool:
    value = context.get(condition.attribute)
    if value is None:
        return False
    match condition.operator:
        case "equals" | "in":
            return value in condition.values
        case "starts_with":
            return value.startswith(condition.values)
        case _:
            assert_never(condition.operator)


def _is_among(key: str, rule: Rule, context: FlagContext) -> bool:
    """Each rule spreads people independently of the others: a greater percentage moves only those whom it takes."""
    value = context.get(rule.by)
    if value is None:
        return False
    return share(key, rule.variant or "", context.get("tenant", ""), value) * 100 < rule.percent


class FlagSnapshot:
    """All flags as a node knows them. It only ever learns: of two versions of a flag the greater one stays.

    So a Redis that has lost something takes nothing back here, whatever order news come in.
    """

    def __init__(self) -> None:
        self._scopes: dict[str, dict[str, Flag]] = {}

    def join(self, flags: Iterable[Flag]) -> frozenset[str]:
        """Take over what is newer; gives the keys of which something changed."""
        changed = set()
        for flag in flags:
            known = self._scopes.setdefault(flag.scope, {})
            if flag.version > _version(known.get(flag.key)):
                known[flag.key] = flag
                changed.add(flag.key)
        return frozenset(changed)

    def newer_than(self, scope: str, flags: Iterable[Flag]) -> Sequence[Flag]:
        """What is known of a scope and is missing among these, or older there."""
        theirs = {flag.key: flag.version for flag in flags}
        return [flag for flag in self.of(scope).values() if flag.version > theirs.get(flag.key, 0)]

    def of(self, scope: str) -> Mapping[str, Flag]:
        """The flags of a scope by key, those that were taken back included."""
        return self._scopes.get(scope, {})

    @property
    def scopes(self) -> frozenset[str]:
        """Every scope of which a flag is known."""
        return frozenset(self._scopes)

    def is_set(self, key: str, tenant: str) -> bool:
        """Whether anybody has set the flag, for that tenant or for all."""
        own, of_all = self.of(tenant).get(key), self.of(ALL_TENANTS).get(key)
        return (own is not None and own.is_set) or (of_all is not None and of_all.is_set)

    def evaluate(self, key: str, context: FlagContext) -> Evaluation | None:
        """What the tenant's own flag says of a context, else that of all tenants; None: neither says anything."""
        for scope in (context.get("tenant", ALL_TENANTS), ALL_TENANTS):
            flag = self.of(scope).get(key)
            if flag is not None and (found := evaluate(flag, context)) is not None:
                return found
        return None


def _version(flag: Flag | None) -> int:
    return 0 if flag is None else flag.version
