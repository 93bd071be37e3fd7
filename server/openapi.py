"""The OpenAPI 3.1 document of the HTTP endpoints, built from the types that the handlers read and answer with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from agent.replay_journal import JournalDocument
from core.errors import HTTP_STATUS
from core.wire.frames import DeliveryReady, History, Ok
from server.commands import ServiceCommand, SessionCommand
from server.flags import FlagAnswer, FlagBody
from server.http import ErrorBody
from server.model_offers import SelectBody
from server.transports.cache import ClearedAnswer
from server.transports.chat import ChatAnswer, ChatBody, ChatPending
from server.transports.flags import ATTRIBUTES, AuditAnswer, FlagsAnswer, FlagsBody
from server.transports.models import ModelsAnswer, ModelStatusesAnswer
from server.transports.rest import (
    ForgottenAnswer,
    MergeBody,
    MergedAnswer,
    MessagesAnswer,
    SessionAnswer,
    SessionBody,
    StatsAnswer,
)

Method = Literal["get", "post", "put", "delete"]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One operation. `answers` maps a status to a type, or to a media type's name where it is no JSON of ours."""

    method: Method
    path: str
    summary: str
    answers: dict[int, Any]
    body: Any = None
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    is_public: bool = False


_SCOPE: Final = {"scope": "`tenant`: your own (default); `all`: what holds for every tenant, the operator's."}
_IF_MATCH: Final = {"If-Match": "The version that is replaced; 409 where it is another."}
_COMMANDS: Final = SessionCommand | ServiceCommand

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    Endpoint(
        method="post",
        path="/chat",
        summary="Say something and wait for the whole answer; 202 after 50 s, or where it waits for an approval.",
        body=ChatBody,
        answers={200: ChatAnswer, 202: ChatPending},
        headers={"Idempotency-Key": "A repeated request with the same key joins the same turn."},
    ),
    Endpoint(
        method="post",
        path="/chat/stream",
        summary="The same as Server-Sent Events: the turn's events, then `chat.result`.",
        body=ChatBody,
        answers={200: "text/event-stream"},
        headers={"Idempotency-Key": "A repeated request with the same key joins the same turn."},
    ),
    Endpoint(
        method="get",
        path="/api/v1/turns/{turn_id}",
        summary="Where a turn is; waits for its end for up to `wait_s` seconds.",
        answers={200: ChatAnswer, 202: ChatPending},
        query={"wait_s": "Seconds to wait, 0 to 50; default 0."},
    ),
    Endpoint(
        method="post",
        path="/api/v1/sessions",
        summary="Find or make a user's session.",
        body=SessionBody,
        answers={200: SessionAnswer},
    ),
    Endpoint(
        method="get",
        path="/api/v1/sessions/{session_id}/events",
        summary="A session's log as Server-Sent Events, a snapshot first.",
        answers={200: "text/event-stream"},
        headers={"Last-Event-ID": "`<epoch>:<seq>`: go on after that event."},
    ),
    Endpoint(
        method="post",
        path="/api/v1/sessions/{session_id}/commands",
        summary="Do one command of the protocol.",
        body=_COMMANDS,
        answers={200: Ok | History | tuple[DeliveryReady | Ok, ...], 204: None},
    ),
    Endpoint(
        method="get",
        path="/api/v1/sessions/{session_id}/messages",
        summary="Messages of a session, oldest first.",
        answers={200: MessagesAnswer},
        query={"before": "A message id: only what is older.", "limit": "1 to 200; default 50."},
    ),
    Endpoint(
        method="post",
        path="/api/v1/sessions/{session_id}/merge",
        summary="Let a session go on in another one of the tenant; its log ends.",
        body=MergeBody,
        answers={200: MergedAnswer},
    ),
    Endpoint(
        method="get",
        path="/api/v1/turns/{turn_id}/journal",
        summary="All that a turn wrote down, and its replay: the same decisions and text, or the first difference.",
        answers={200: JournalDocument},
    ),
    Endpoint(
        method="delete",
        path="/api/v1/users/{user_id}",
        summary="Forget a user: sessions, memory, books. Final.",
        answers={200: ForgottenAnswer},
    ),
    Endpoint(
        method="post",
        path="/api/v1/cache/clear",
        summary="Forget all cached answers of the tenant.",
        answers={200: ClearedAnswer},
    ),
    Endpoint(
        method="get",
        path="/api/v1/stats",
        summary="Tokens and cost a user; mean, p50, p95 and p99 of the times; what the cache saved.",
        answers={200: StatsAnswer},
        query={
            "since_ms": "Unix milliseconds: only turns that ended later.",
            "user_id": "Only this user.",
            "limit": "How many users; default 100.",
        },
    ),
    Endpoint(
        method="get",
        path="/api/v1/flags",
        summary="Every feature flag: what it is, what is in force, what is set.",
        answers={200: FlagsAnswer},
    ),
    Endpoint(
        method="put",
        path="/api/v1/flags",
        summary="Set several flags of one scope, all or none.",
        body=FlagsBody,
        answers={200: FlagsAnswer},
        query=_SCOPE,
    ),
    Endpoint(
        method="get",
        path="/api/v1/flags/audit",
        summary="Who changed which flag, when, and what it was before; the newest first.",
        answers={200: AuditAnswer},
        query={
            "key": "Only this flag.",
            "before_ms": "Unix milliseconds: only what is older.",
            "limit": "1 to 200; default 50.",
        }
        | _SCOPE,
    ),
    Endpoint(
        method="get",
        path="/api/v1/flags/{key}",
        summary="One flag, and what is in force for whom it is asked; `ETag` is its version.",
        answers={200: FlagAnswer},
        query=dict.fromkeys(ATTRIBUTES, "What is known of the turn, for the rules."),
    ),
    Endpoint(
        method="put",
        path="/api/v1/flags/{key}",
        summary="Set a flag: in force on every node at once, without a restart.",
        body=FlagBody,
        answers={200: FlagAnswer},
        query=_SCOPE,
        headers=_IF_MATCH,
    ),
    Endpoint(
        method="delete",
        path="/api/v1/flags/{key}",
        summary="Take a flag back: what holds for all tenants, or the default, is in force again.",
        answers={200: FlagAnswer},
        query=_SCOPE,
        headers=_IF_MATCH,
    ),
    Endpoint(
        method="get",
        path="/api/v1/models",
        summary="The models that this server is set up to use, with price, default and switched-off ones.",
        answers={200: ModelsAnswer},
    ),
    Endpoint(
        method="post",
        path="/api/v1/models/select",
        summary="Select the tenant's model, or that of one user or agent: sets the flag `model`.",
        body=SelectBody,
        answers={200: FlagAnswer},
    ),
    Endpoint(
        method="get",
        path="/api/v1/models/status",
        summary="How each model does on each node: breaker, calls, errors, time to the first token.",
        answers={200: ModelStatusesAnswer},
    ),
    Endpoint(
        method="get",
        path="/api/v1/config",
        summary="What the page shows before anything was said.",
        answers={200: dict[str, Any]},
        is_public=True,
    ),
    Endpoint(method="get", path="/health", summary="The process is up.", answers={200: dict[str, str]}, is_public=True),
    Endpoint(
        method="get",
        path="/ready",
        summary="200 where a turn can be taken, else 503.",
        answers={200: dict[str, Any], 503: dict[str, Any]},
        is_public=True,
    ),
    Endpoint(
        method="get", path="/metrics", summary="Prometheus exposition.", answers={200: "text/plain"}, is_public=True
    ),
)


def openapi(version: str) -> dict[str, Any]:
    """Build the document. The same input gives the same document."""
    kinds = [kind for endpoint in ENDPOINTS for kind in (endpoint.body, *endpoint.answers.values()) if _is_type(kind)]
    schemas, components = msgspec.json.schema_components(
        [*kinds, ErrorBody], ref_template="#/components/schemas/{name}"
    )
    schemas, components = msgspec.json.decode(msgspec.json.encode((schemas, components)))  # defaults may be tuples
    places = iter(schemas)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method] = _operation(endpoint, places)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Prosa",
            "version": version,
            "description": "Conversations with a sales assistant. The live protocol is in the AsyncAPI document.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {"Error": _error_response()},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "A service key."}},
        },
    }


def _operation(endpoint: Endpoint, places: Any) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "operationId": f"{endpoint.method}{''.join(part.strip('{}').title() for part in endpoint.path.split('/'))}",
        "parameters": _parameters(endpoint),
        "security": [] if endpoint.is_public else [{"key": []}, {}],
    }
    if endpoint.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": next(places)}}}
    responses = {str(status): _answer(kind, places) for status, kind in endpoint.answers.items()}
    if not endpoint.is_public:
        responses["default"] = {"$ref": "#/components/responses/Error"}
    operation["responses"] = responses
    return operation


def _answer(kind: Any, places: Any) -> dict[str, Any]:
    if kind is None:
        return {"description": "Done; nothing to say."}
    if isinstance(kind, str):
        return {"description": "A stream or text.", "content": {kind: {"schema": {"type": "string"}}}}
    return {"description": "Done.", "content": {"application/json": {"schema": next(places)}}}


def _parameters(endpoint: Endpoint) -> list[dict[str, Any]]:
    in_path = [part.strip("{}") for part in endpoint.path.split("/") if part.startswith("{")]
    text = {"type": "string"}
    return [
        *({"name": name, "in": "path", "required": True, "schema": text} for name in in_path),
        *(
            {"name": name, "in": "query", "description": about, "schema": text}
            for name, about in endpoint.query.items()
        ),
        *(
            {"name": name, "in": "header", "description": about, "schema": text}
            for name, about in endpoint.headers.items()
        ),
    ]


def _error_response() -> dict[str, Any]:
    codes = ", ".join(f"{code} {status}" for code, status in sorted(HTTP_STATUS.items()))
    return {
        "description": f"It failed: 400 not JSON, 415 wrong content type, and by code: {codes}.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["error"],
                    "properties": {"error": {"$ref": "#/components/schemas/ErrorBody"}},
                }
            }
        },
    }


def _is_type(kind: Any) -> bool:
    return kind is not None and not isinstance(kind, str)
