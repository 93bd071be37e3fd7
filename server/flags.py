"""Who may see and set which feature flags: what the REST endpoints do.

A service's key reads and sets its own tenant's flags. Those of all tenants are the operator's: whoever has a key of
the tenant that OPERATOR_TENANT names. What a tenant sets for itself wins over what holds for all; so a few flags, by
which the operator protects itself, are set for all tenants only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from core.errors import UserError
from core.flag_catalog import Catalog, FlagKind, KnownFlag, check_edit, known_flag
from core.flags import ALL_TENANTS, Flag, FlagContext, FlagEdit, Reason, Rule
from core.ports import FlagBooks, Flags, FlagStore
from core.turns import Principal
from server.sessions import require_service

Scope = Literal["tenant", "all"]
"""`tenant`: the asking key's own; `all`: what holds for every tenant."""
AUDIT_MOST: Final = 200


class FlagBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a flag is to be: its `value`, and `rules` that are tried before it; at least one of them.

    `version` (or the header `If-Match`) is the version that is replaced, 0 for none: another one is answered with 409.
    """

    value: Any = None
    rules: tuple[Rule, ...] = ()
    description: str = ""
    version: Annotated[int, Meta(ge=0)] | None = None


class SetFlag(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody has set."""

    value: Any = None
    rules: tuple[Rule, ...] = ()
    description: str = ""
    version: int
    updated_ms: int
    updated_by: str


class FlagAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A flag as the asking tenant sees it."""

    key: str
    kind: FlagKind
    description: str
    reader: str
    operator_only: bool
    """Set for all tenants only."""
    default: Any
    """Where nobody has set anything."""
    value: Any
    """What is in force for whom was asked; else for the tenant, as far as that depends on the tenant only."""
    reason: Reason
    """`STATIC`: set so; `TARGETING_MATCH`, `SPLIT`: by a rule; `DEFAULT`: by none."""
    variant: str | None
    """Of the rule, where it has one."""
    version: int
    """Of the tenant's own flag, for the next change; 0: it was never set."""
    own: SetFlag | None
    all: SetFlag | None = None
    """What holds for all tenants; shown to the operator."""
    all_version: int | None = None


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A change: who, when, what it was and what it is."""

    key: str
    scope: Scope
    by: str
    tenant: str
    ts: int
    version: int
    before: SetFlag | None
    after: SetFlag | None


class FlagService:
    """See the module."""

    def __init__(
        self, catalog: Catalog, flags: Flags, store: FlagStore, books: FlagBooks, operator_tenant: str
    ) -> None:
        self._catalog = catalog
        self._flags = flags
        self._store = store
        self._books = books
        self._operator_tenant = operator_tenant

    def all(self, principal: Principal) -> Sequence[FlagAnswer]:
        """Every flag, by key. Raises UserError `unauthorized`."""
        require_service(principal, "see and set flags")
        return [self._answer(principal, self._catalog[key]) for key in sorted(self._catalog)]

    def one(self, principal: Principal, key: str, whom: FlagContext | None = None) -> FlagAnswer:
        """One flag, as it is for `whom` (attributes; the tenant is the principal's). Raises as `all`; `not_found`."""
        require_service(principal, "see and set flags")
        return self._answer(principal, known_flag(self._catalog, key), whom)

    async def put(self, principal: Principal, scope: Scope, edits: Sequence[FlagEdit]) -> Sequence[FlagAnswer]:
        """Set flags, all or none. Raises UserError (409 for another version), BackendError."""
        place = self._place(principal, scope)
        for edit in edits:
            check_edit(self._catalog, edit)
            _require_settable(self._catalog[edit.key], scope)
            if edit.value is None and not edit.rules:
                raise UserError(f"{edit.key}: give a value or rules; DELETE takes the flag back.")
        await self._store.change(place, edits, principal)
        return [self.one(principal, edit.key) for edit in edits]

    async def take_back(self, principal: Principal, scope: Scope, key: str, expected: int | None) -> FlagAnswer:
        """Set a flag to nothing, so that the next scope or the default holds again. Raises as `put`."""
        place = self._place(principal, scope)
        _require_settable(known_flag(self._catalog, key), scope)
        await self._store.change(place, [FlagEdit(key=key, expected=expected)], principal)
        return self.one(principal, key)

    async def audit(
        self, principal: Principal, scope: Scope, *, key: str | None, before_ms: int | None, limit: int
    ) -> Sequence[AuditEntry]:
        """Who changed what, the newest first. It comes from SQL, so a change is here about a second later."""
        place = self._place(principal, scope)
        if key is not None:
            known_flag(self._catalog, key)
        changes = await self._books.audit(place, key=key, before_ms=before_ms, limit=min(limit, AUDIT_MOST))
        return [
            AuditEntry(
                key=change.after.key,
                scope=scope,
                by=change.by,
                tenant=change.tenant,
                ts=change.ts,
                version=change.after.version,
                before=_shown(change.before),
                after=_shown(change.after),
            )
            for change in changes
        ]

    def _place(self, principal: Principal, scope: Scope) -> str:
        require_service(principal, "see and set flags")
        if scope == "tenant":
            return principal.tenant
        if not self._is_operator(principal):
            raise UserError(
                "Flags of all tenants are the operator's: a key of the tenant named by OPERATOR_TENANT is needed.",
                code="unauthorized",
                status=403,
            )
        return ALL_TENANTS

    def _is_operator(self, principal: Principal) -> bool:
        return principal.is_service and principal.tenant == self._operator_tenant

    def _answer(self, principal: Principal, known: KnownFlag, whom: FlagContext | None = None) -> FlagAnswer:
        own = self._store.of(principal.tenant).get(known.key)
        of_all = self._store.of(ALL_TENANTS).get(known.key) if self._is_operator(principal) else None
        found = self._flags.details(known.key, {**(whom or {}), "tenant": principal.tenant})
        return FlagAnswer(
            key=known.key,
            kind=known.kind,
            description=known.description,
            reader=known.reader,
            operator_only=known.operator_only,
            default=known.default,
            value=found.value,
            reason=found.reason,
            variant=found.variant,
            version=0 if own is None else own.version,
            own=_shown(own),
            all=_shown(of_all),
            all_version=(0 if of_all is None else of_all.version) if self._is_operator(principal) else None,
        )


def _require_settable(known: KnownFlag, scope: Scope) -> None:
    if known.operator_only and scope == "tenant":
        raise UserError(
            f"{known.key} is the operator's to set, for all tenants (`?scope=all`) or by rules over `tenant` for some.",
            code="unauthorized",
            status=403,
        )


def _shown(flag: Flag | None) -> SetFlag | None:
    if flag is None or not flag.is_set:
        return None
    return SetFlag(
        value=flag.value,
        rules=flag.rules,
        description=flag.description,
        version=flag.version,
        updated_ms=flag.updated_ms,
        updated_by=flag.updated_by,
    )
