"""Sessions, messages, users and figures by REST."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.errors import UserError
from core.messages import Message
from core.ports import Books, Stats
from core.turns import TurnJournal
from core.wire.limits import HISTORY_LIMIT, user_id_problem
from server.auth import Authenticator
from server.http import guarded, json_response, principal_of, read_json
from server.sessions import Sessions

STATS_USERS_MOST: Final = 10_000
"""A larger `limit` of the figures is read as this."""


class SessionBody(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /api/v1/sessions`: `session_id` is an id of ours or the user's name for it (default `main`)."""

    user_id: str
    session_id: str | None = None


class SessionAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A session and where its log stands."""

    session_id: str
    user_id: str
    epoch: str
    seq: int


class MergeBody(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /api/v1/sessions/{session_id}/merge`: the session (`ses_...`) in which that one goes on."""

    into: str


class MergedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The session has ended; it goes on in `into`."""

    session_id: str
    into: str


class MessagesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Messages, oldest first; `more`: there are older ones."""

    messages: tuple[Message, ...]
    more: bool


class ForgottenAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The user is forgotten; so many sessions were erased."""

    user_id: str
    sessions_erased: int


class StatsAnswer(Stats, frozen=True, kw_only=True):
    """Figures of a tenant; money also in dollars."""

    cost_usd: float


class Rest:
    """The plain endpoints of `/api/v1`."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        authenticator: Authenticator,
        books: Books,
        replay: Callable[[TurnJournal], msgspec.Struct],
        public_config: dict[str, Any],
    ) -> None:
        self._replay = replay
        self._sessions = sessions
        self._authenticator = authenticator
        self._books = books
        self._public_config = public_config

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("/api/v1/sessions", guarded(self.open_session), methods=["POST"]),
            Route("/api/v1/sessions/{session_id}/messages", guarded(self.messages), methods=["GET"]),
            Route("/api/v1/sessions/{session_id}/merge", guarded(self.merge), methods=["POST"]),
            Route("/api/v1/turns/{turn_id}/journal", guarded(self.journal), methods=["GET"]),
            Route("/api/v1/users/{user_id}", guarded(self.forget_user), methods=["DELETE"]),
            Route("/api/v1/stats", guarded(self.stats), methods=["GET"]),
            Route("/api/v1/config", guarded(self.config), methods=["GET"]),
        ]

    async def open_session(self, request: Request) -> Response:
        """Find or make a user's session; answers with its id."""
        principal = principal_of(self._authenticator, request)
        body = await read_json(request, SessionBody)
        head = await self._sessions.open(principal, session=body.session_id, user_id=body.user_id)
        session = head.session
        answer = SessionAnswer(session_id=session.session_id, user_id=session.user_id, epoch=head.epoch, seq=head.seq)
        return json_response(answer)

    async def messages(self, request: Request) -> Response:
        """Messages of a session, oldest first: `?before=<message_id>&limit=50` (200 at most)."""
        principal = principal_of(self._authenticator, request)
        head = await self._sessions.find(principal, request.path_params["session_id"])
        limit = _count(request.query_params.get("limit"), HISTORY_LIMIT)
        before = request.query_params.get("before") or None
        messages, more = await self._sessions.history(head.session, before=before, limit=limit)
        return json_response(MessagesAnswer(messages=tuple(messages), more=more))

    async def merge(self, request: Request) -> Response:
        """Let a session go on in another one of the tenant (services)."""
        principal = principal_of(self._authenticator, request)
        session_id = request.path_params["session_id"]
        body = await read_json(request, MergeBody)
        await self._sessions.merge(principal, session_id, body.into)
        return json_response(MergedAnswer(session_id=session_id, into=body.into))

    async def journal(self, request: Request) -> Response:
        """All that a turn wrote down, and its replay: the same decisions and text, or the first difference."""
        principal = principal_of(self._authenticator, request)
        journal = await self._sessions.journal(principal, request.path_params["turn_id"])
        return json_response(self._replay(journal))

    async def forget_user(self, request: Request) -> Response:
        """Erase a user: sessions, memory, books."""
        principal = principal_of(self._authenticator, request)
        user_id = request.path_params["user_id"]
        if (problem := user_id_problem(user_id)) is not None:
            raise UserError(problem)
        sessions = await self._sessions.forget(principal, user_id)
        return json_response(ForgottenAnswer(user_id=user_id, sessions_erased=sessions))

    async def stats(self, request: Request) -> Response:
        """Tokens and cost a user, and mean, p50, p95, p99 of the times: `?since_ms=&user_id=&limit=100`."""
        principal = principal_of(self._authenticator, request)
        query = request.query_params
        since = query.get("since_ms")
        user_id = query.get("user_id") or None
        if user_id is not None and (problem := user_id_problem(user_id)) is not None:
            raise UserError(problem)
        figures = await self._books.stats(
            principal.tenant,
            since_ms=_count(since, 0) if since else None,
            user_id=user_id,
            limit=min(_count(query.get("limit"), 100), STATS_USERS_MOST),
        )
        fields = {name: getattr(figures, name) for name in figures.__struct_fields__}
        return json_response(StatsAnswer(**fields, cost_usd=figures.cost_microusd / 1_000_000))

    async def config(self, request: Request) -> Response:
        """What the page shows before anything was said: title, starters, whether this is the offline demo."""
        origin = request.headers.get("origin")
        headers = {"Vary": "Origin"}
        if origin is not None and self._authenticator.allows_origin(origin, request.headers.get("host")):
            headers["Access-Control-Allow-Origin"] = origin  # the widget asks from the sites that embed it
        return json_response(self._public_config, headers=headers)


def _count(text: str | None, default: int) -> int:
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise UserError("limit and since_ms are whole numbers of at least 0.")
    if default == HISTORY_LIMIT and int(text) < 1:
        raise UserError("limit: at least 1.")
    return int(text)
