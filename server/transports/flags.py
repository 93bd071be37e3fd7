"""Feature flags by REST: see them, set them, take them back, and who changed them."""

from __future__ import annotations

from typing import Annotated, Final, get_args

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.errors import UserError
from core.flags import FlagEdit
from server.auth import Authenticator
from server.flags import AUDIT_MOST, AuditEntry, FlagAnswer, FlagBody, FlagService, Scope
from server.http import guarded, json_response, principal_of, read_json

AUDIT_DEFAULT: Final = 50
ATTRIBUTES: Final = ("user_id", "agent", "tier", "locale", "channel")
"""What is known of a turn, beside its tenant, when a flag is asked."""


class FlagsBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `PUT /api/v1/flags`: several flags by key, set together or not at all."""

    flags: Annotated[dict[str, FlagBody], Meta(min_length=1, max_length=64)]


class FlagsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Flags, by key."""

    flags: tuple[FlagAnswer, ...]


class AuditAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Changes, the newest first."""

    changes: tuple[AuditEntry, ...]


class FlagDoors:
    """The endpoints below `/api/v1/flags`; services only."""

    def __init__(self, service: FlagService, authenticator: Authenticator) -> None:
        self._service = service
        self._authenticator = authenticator

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("/api/v1/flags", guarded(self.list), methods=["GET"]),
            Route("/api/v1/flags", guarded(self.put_several), methods=["PUT"]),
            Route("/api/v1/flags/audit", guarded(self.audit), methods=["GET"]),
            Route("/api/v1/flags/{key}", guarded(self.get), methods=["GET"]),
            Route("/api/v1/flags/{key}", guarded(self.put), methods=["PUT"]),
            Route("/api/v1/flags/{key}", guarded(self.delete), methods=["DELETE"]),
        ]

    async def list(self, request: Request) -> Response:
        """Every flag."""
        principal = principal_of(self._authenticator, request)
        return json_response(FlagsAnswer(flags=tuple(self._service.all(principal))))

    async def get(self, request: Request) -> Response:
        """One flag, its version as ETag: `?user_id=&agent=&tier=&locale=&channel=` ask what it is for whom."""
        principal = principal_of(self._authenticator, request)
        whom = {name: request.query_params[name] for name in ATTRIBUTES if name in request.query_params}
        return _one(self._service.one(principal, request.path_params["key"], whom), "tenant")

    async def put(self, request: Request) -> Response:
        """Set one flag."""
        principal = principal_of(self._authenticator, request)
        scope = _scope(request)
        body = await read_json(request, FlagBody)
        edit = _edit(request.path_params["key"], body, _if_match(request))
        [flag] = await self._service.put(principal, scope, [edit])
        return _one(flag, scope)

    async def put_several(self, request: Request) -> Response:
        """Set several flags of one scope, all or none."""
        principal = principal_of(self._authenticator, request)
        scope = _scope(request)
        body = await read_json(request, FlagsBody)
        edits = [_edit(key, flag, None) for key, flag in body.flags.items()]
        return json_response(FlagsAnswer(flags=tuple(await self._service.put(principal, scope, edits))))

    async def delete(self, request: Request) -> Response:
        """Take a flag back: the next scope or the default holds again."""
        principal = principal_of(self._authenticator, request)
        scope = _scope(request)
        key = request.path_params["key"]
        return _one(await self._service.take_back(principal, scope, key, _if_match(request)), scope)

    async def audit(self, request: Request) -> Response:
        """Who changed what: `?key=&scope=&before_ms=&limit=50` (200 at most)."""
        principal = principal_of(self._authenticator, request)
        query = request.query_params
        before = query.get("before_ms")
        changes = await self._service.audit(
            principal,
            _scope(request),
            key=query.get("key") or None,
            before_ms=_count(before, "before_ms") if before else None,
            limit=_count(query.get("limit") or str(AUDIT_DEFAULT), "limit"),
        )
        return json_response(AuditAnswer(changes=tuple(changes)))


def _one(flag: FlagAnswer, scope: Scope) -> Response:
    version = flag.version if scope == "tenant" else flag.all_version
    return json_response(flag, headers={"ETag": f'"{version}"'})


def _edit(key: str, body: FlagBody, expected: int | None) -> FlagEdit:
    return FlagEdit(
        key=key,
        value=body.value,
        rules=body.rules,
        description=body.description,
        expected=body.version if body.version is not None else expected,
    )


def _scope(request: Request) -> Scope:
    scope = request.query_params.get("scope") or "tenant"
    if scope not in get_args(Scope):
        raise UserError("scope: tenant (your own flags) or all (the operator's).")
    return "all" if scope == "all" else "tenant"


def _if_match(request: Request) -> int | None:
    """The version of `If-Match: "<version>"`; None where there is none, or `*`."""
    text = request.headers.get("if-match", "*").strip().removeprefix("W/").strip('"')
    return None if text in ("", "*") else _count(text, "If-Match")


def _count(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16) or (name == "limit" and int(text) < 1):
        least = f"1 to {AUDIT_MOST}" if name == "limit" else "at least 0"
        raise UserError(f"{name}: a whole number, {least}.")
    return int(text)
