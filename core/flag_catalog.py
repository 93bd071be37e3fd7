"""Which flags there are, as data: an unknown key or a value of the wrong kind is refused with a sentence.

A flag that nobody reads would look as if it did something: a new one is an entry here and the code that reads it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, assert_never

from core.errors import UserError
from core.flags import FlagEdit

FlagKind = Literal["boolean", "string", "number", "object"]
"""`object` is a JSON object or a list, as OpenFeature has it."""
Check = Callable[[Any], object]
"""Looks at a value of the right kind. Raises UserError that says what is wrong with it."""

VALUE_CHARACTERS: Final = 16_384
"""A value may be so long as JSON."""
VALUE_DEPTH: Final = 32
RULES_MOST: Final = 64
DESCRIPTION_CHARACTERS: Final = 1_000
_EXPECTED: Final[Mapping[FlagKind, str]] = {
    "boolean": "true or false",
    "string": "a string",
    "number": "a number",
    "object": "an object or a list",
}


@dataclass(frozen=True, kw_only=True)
class KnownFlag:
    """An entry of the catalogue. `reader` says who heeds the flag; a `default` of None is no value at all."""

    key: str
    kind: FlagKind
    default: Any
    description: str
    reader: str
    check: Check | None = None
    operator_only: bool = False
    """Set for all tenants only (by rules over `tenant` for some), because no tenant may lift it for itself."""


Catalog = Mapping[str, KnownFlag]


def flag_catalog(*, model: Check, policy: Check | None = None, experiment: Check | None = None) -> Catalog:
    """All flags by key. `model` looks at one name `provider:model`; the others at an object (default: any object)."""
    models = _each(model)
    known = (
        KnownFlag(
            key="model",
            kind="string",
            default="",
            description="`provider:model` that answers in place of the agent's and the server's; empty: those.",
            reader="routing",
            check=lambda value: model(value) if value else None,
        ),
        KnownFlag(
            key="fallbacks",
            kind="object",
            default=None,
            description="`provider:model`s, in order, that are tried where the first cannot answer, in place of the "
            "agent's and the server's; an empty list: none.",
            reader="routing",
            check=models,
        ),
        KnownFlag(
            key="disabled_models",
            kind="object",
            default=[],
            description="`provider:model`s that are not called any more: the switch that ends the use of one.",
            reader="routing",
            check=models,
            operator_only=True,
        ),
        KnownFlag(
            key="policy",
            kind="object",
            default={},
            description="How the model of a step is chosen; empty: as the server is set up.",
            reader="routing",
            check=policy or _object,
        ),
        KnownFlag(
            key="experiment",
            kind="object",
            default={},
            description="Variants of which each user gets one; empty: none.",
            reader="routing",
            check=experiment or _object,
        ),
        KnownFlag(
            key="tier",
            kind="string",
            default="free",
            description="The plan of a tenant or user, to which rules of other flags may refer.",
            reader="routing and budgets",
            check=_not_blank,
        ),
        KnownFlag(
            key="budget_tenant_day_usd",
            kind="number",
            default=-1,
            description="US dollars that a tenant may spend on models a day; -1: what the server is set to.",
            reader="budgets",
            check=_amount,
            operator_only=True,
        ),
        KnownFlag(
            key="budget_user_day_usd",
            kind="number",
            default=-1,
            description="US dollars that one user may cost a day; -1: what the server is set to.",
            reader="budgets",
            check=_amount,
        ),
        KnownFlag(
            key="cache",
            kind="boolean",
            default=True,
            description="Whether answers may come from the cache of answers.",
            reader="routing",
        ),
    )
    return {flag.key: flag for flag in known}


def known_flag(catalog: Catalog, key: str) -> KnownFlag:
    """The catalogue's entry. Raises UserError `not_found` with all that there are."""
    known = catalog.get(key)
    if known is None:
        raise UserError(f"There is no such flag; there are: {', '.join(sorted(catalog))}.", code="not_found")
    return known


def check_edit(catalog: Catalog, edit: FlagEdit) -> None:
    """Whether a flag may be set to that. Raises UserError `not_found` (the key) or `invalid_request`."""
    known = known_flag(catalog, edit.key)
    if len(edit.rules) > RULES_MOST:
        raise UserError(f"rules: at most {RULES_MOST}, got {len(edit.rules)}.")
    if len(edit.description) > DESCRIPTION_CHARACTERS:
        raise UserError(f"description: at most {DESCRIPTION_CHARACTERS} characters, got {len(edit.description)}.")
    if edit.value is not None:
        _check_value(known, edit.value, "value")
    for number, rule in enumerate(edit.rules):
        _check_value(known, rule.value, f"rules[{number}].value")
        if rule.percent < 100 and rule.variant is None:
            raise UserError(f"rules[{number}].variant: a rule with a percentage needs a name, by which it spreads.")
        for condition in rule.when:
            if condition.operator == "equals" and len(condition.values) != 1:
                raise UserError(f"rules[{number}].when: `equals` takes one value; write `in` for several.")
    variants = [rule.variant for rule in edit.rules if rule.percent < 100]
    if len(set(variants)) < len(variants):
        raise UserError("rules: two rules with a percentage have the same variant; each needs a name of its own.")


def _check_value(known: KnownFlag, value: Any, place: str) -> None:
    if not _is_of_kind(value, known.kind):
        raise UserError(f"{place}: {known.key} takes {_EXPECTED[known.kind]}.")
    if _is_too_deep(value) or len(json.dumps(value)) > VALUE_CHARACTERS:
        raise UserError(f"{place}: at most {VALUE_CHARACTERS} characters of JSON, {VALUE_DEPTH} levels deep.")
    if known.check is not None:
        try:
            known.check(value)
        except UserError as error:
            raise UserError(f"{place}: {error.message}") from error


def _is_of_kind(value: Any, kind: FlagKind) -> bool:
    match kind:
        case "boolean":
            return isinstance(value, bool)
        case "string":
            return isinstance(value, str)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        case "object":
            return isinstance(value, dict | list)
        case _:
            assert_never(kind)


def _is_too_deep(value: Any) -> bool:
    level: list[Any] = [value]
    for _ in range(VALUE_DEPTH):
        level = [child for item in level for child in _children(item)]
        if not level:
            return False
    return True


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _each(check: Check) -> Check:
    def check_all(value: Any) -> None:
        if not isinstance(value, Sequence) or not all(isinstance(item, str) for item in value):
            raise UserError("a list of strings `provider:model` is wanted.")
        for item in value:
            check(item)

    return check_all


def _object(value: Any) -> None:
    if not isinstance(value, dict):
        raise UserError("an object is wanted.")


def _not_blank(value: Any) -> None:
    if not str(value).strip() or len(value) > 64:
        raise UserError("1 to 64 characters are wanted.")


def _amount(value: Any) -> None:
    if value != -1 and not 0 <= value <= 1_000_000:
        raise UserError("-1 (no limit) or 0 to 1000000 US dollars.")
