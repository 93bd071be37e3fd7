"""`POST /chat` and `POST /chat/stream`: one message in, its whole answer out, whichever node runs the turn."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Final, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from core.clock import Clock
from core.errors import HTTP_STATUS, BackendError, ProsaError, UserError
from core.ids import Ids
from core.messages import AssistantMessage, ModelMessage, SystemMessage, ToolMessage, UserMessage, content_text
from core.ports import Accepted, SessionHead, TurnStatus
from core.turns import Principal, TurnRecord
from core.wire.codec import encode_ok
from server.auth import Authenticator
from server.cursor import Cursor
from server.http import ErrorBody, error_response, guarded, json_response, principal_of, read_json
from server.leaving import Leaving
from server.sessions import Sessions
from server.sse import AWAY_S, EventStreamResponse, is_set, split, sse
from server.turn_wait import ENDED, SETTLED, SETTLING, TurnWait

KEY_CHARACTERS: Final = 255
"""An Idempotency-Key may have so many."""


Role = Literal["system", "user", "assistant", "tool"]
_ROLES: Final[dict[type[ModelMessage], Role]] = {
    SystemMessage: "system",
    UserMessage: "user",
    AssistantMessage: "assistant",
    ToolMessage: "tool",
}


class ChatBody(msgspec.Struct, frozen=True, kw_only=True):
    """The body of `POST /chat`."""

    user_id: str
    message: str
    session_id: str | None = None
    agent: str | None = None
    model: str | None = None


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was sent to the model."""

    role: Role
    content: str


class ChatAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `POST /chat`. `context_size`: how many messages the model was sent; `memory`: which."""

    response: str
    model: str | None
    tokens_used: int
    context_size: int
    memory: tuple[Remembered, ...]
    turn_id: str
    session_id: str
    state: Literal["completed", "cancelled"]
    provider: str | None
    cost_usd: float
    time_ms: int
    tools_called: tuple[str, ...]
    cached: bool


class ChatPending(msgspec.Struct, frozen=True, kw_only=True):
    """The turn goes on: ask `GET /api/v1/turns/{turn_id}?wait_s=`."""

    turn_id: str
    session_id: str
    state: Literal["queued", "running", "parked"]


class Chat:
    """The simple door."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        authenticator: Authenticator,
        clock: Clock,
        ids: Ids,
        wait_s: float,
        check_model: Callable[[str], object],
        leaving: Leaving,
    ) -> None:
        self._sessions = sessions
        self._authenticator = authenticator
        self._clock = clock
        self._ids = ids
        self.wait_s = wait_s
        self._check_model = check_model
        self._leaving = leaving

    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("/chat", guarded(self.chat), methods=["POST"]),
            Route("/chat/stream", guarded(self.stream), methods=["POST"]),
            Route("/api/v1/turns/{turn_id}", guarded(self.turn), methods=["GET"]),
        ]

    async def chat(self, request: Request) -> Response:
        """Wait for the turn and answer with it; 202 after `CHAT_WAIT_S` s, at an approval, or where this node stops."""
        principal = principal_of(self._authenticator, request)
        started_s = self._clock.monotonic_s()
        body = await read_json(request, ChatBody)
        head = await self._open(principal, body)
        async with TurnWait(self._sessions.log, head.session, self._leaving) as wait:
            accepted = await self._submit(principal, head, body, request)
            status = await wait.until_ended(
                self._sessions, principal, accepted.turn_id, self.wait_s, is_new=not accepted.duplicate
            )
        return _answer(status, round((self._clock.monotonic_s() - started_s) * 1000))

    async def turn(self, request: Request) -> Response:
        """Go on waiting for a turn, beyond where it is parked: `?wait_s=` (0 to 50 seconds, default 0)."""
        principal = principal_of(self._authenticator, request)
        turn_id = request.path_params["turn_id"]
        wait_s = _seconds(request.query_params.get("wait_s", "0"), self.wait_s)
        status = await self._sessions.turn(principal, turn_id)
        if status.state not in ENDED and wait_s > 0:
            async with TurnWait(self._sessions.log, status.session, self._leaving) as wait:
                parked = status.state == "parked"
                status = await wait.until_ended(self._sessions, principal, turn_id, wait_s, was_parked=parked)
        return _answer(status, None)

    async def stream(self, request: Request) -> Response:
        """The turn's events as Server-Sent Events, then one `chat.result` with what `POST /chat` answers."""
        principal = principal_of(self._authenticator, request)
        body = await read_json(request, ChatBody)
        head = await self._open(principal, body)
        wake = asyncio.Event()
        cursor = Cursor(head.session, self._sessions.log, self._sessions.store, wake.set)
        try:
            await cursor.open(with_snapshot=False)
            accepted = await self._submit(principal, head, body, request)
        except BaseException:
            cursor.close()
            raise
        events = self._events(principal, cursor, wake, accepted)
        return EventStreamResponse(events, cursor.close)

    async def _events(
        self, principal: Principal, cursor: Cursor, wake: asyncio.Event, accepted: Accepted
    ) -> AsyncIterator[bytes]:
        started_s = self._clock.monotonic_s()
        part = _Part(accepted)
        self._leaving.watch(wake)
        try:
            yield sse("ok", _accepted(accepted))
            # a repetition may be of a turn that ended before; of a new one every event comes, and the end as one
            ask, status = accepted.duplicate, None
            while status is None or not (status.state in SETTLED or self._leaving.begun):
                if not (ask or cursor.has_work or await is_set(wake)):
                    yield b":\n\n"
                wake.clear()
                if cursor.erased:
                    raise UserError("There is no such turn.", code="not_found")
                try:
                    _, payloads = await cursor.next_payloads()
                    for event in part.events(payloads):
                        yield event
                    if ask or part.settled or not payloads or self._leaving.begun:
                        status = await self._sessions.turn(principal, accepted.turn_id)
                    ask = False
                except BackendError:  # Redis is away: the turn is kept, and the stream goes on when it is back
                    if self._leaving.begun:
                        raise
                    ask = True
                    yield b":\n\n"
                    await is_set(wake, AWAY_S)
            answer = _answer(status, round((self._clock.monotonic_s() - started_s) * 1000))
            yield sse("error" if answer.status_code >= 400 else "chat.result", bytes(answer.body))
        except ProsaError as error:
            yield sse("error", bytes(error_response(error).body))
        finally:
            self._leaving.unwatch(wake)
            cursor.close()

    async def _open(self, principal: Principal, body: ChatBody) -> SessionHead:
        if body.model is not None:
            self._check_model(body.model)
        return await self._sessions.open(principal, session=body.session_id, user_id=body.user_id)

    async def _submit(self, principal: Principal, head: SessionHead, body: ChatBody, request: Request) -> Accepted:
        key = request.headers.get("idempotency-key")
        if key is not None and not 1 <= len(key) <= KEY_CHARACTERS:
            raise UserError(f"Idempotency-Key: 1 to {KEY_CHARACTERS} characters are allowed.")
        cid = self._ids.new("cid") if key is None else f"key_{hashlib.sha256(key.encode()).hexdigest()[:56]}"
        return await self._sessions.send(
            principal,
            head.session,
            cid=cid,
            can_repeat=key is not None,
            digest=hashlib.sha256(msgspec.json.encode(body)).hexdigest(),
            content=body.message,
            channel="api",
            agent=body.agent,
            model=body.model,
            locale=request.headers.get("accept-language", "").partition(",")[0].partition(";")[0][:35] or None,
        )


class _Part:
    """What of a session's log belongs to one turn."""

    def __init__(self, accepted: Accepted) -> None:
        self.settled = False
        """Whether the turn's end was among the events."""
        self._marks = {accepted.turn_id.encode(), accepted.message_id.encode()}

    def events(self, payloads: list[bytes]) -> Iterator[bytes]:
        """The turn's events, as Server-Sent Events."""
        for payload in payloads:
            for event in split(payload):
                if any(mark in event.raw for mark in self._marks):
                    if event.message_id is not None:
                        self._marks.add(event.message_id.encode())
                    self.settled = self.settled or event.type in SETTLING
                    yield sse(event.type, event.raw)


def _answer(status: TurnStatus, time_ms: int | None) -> Response:
    record = status.record
    match status.state:
        case "queued" | "running" | "parked":
            pending = ChatPending(turn_id=status.turn_id, session_id=status.session.session_id, state=status.state)
            return json_response(pending, 202)
        case "failed" if record is not None:
            return _failure(record)
        case "completed" | "cancelled" | "failed" if record is not None:
            return json_response(_result(status, record, record.duration_ms if time_ms is None else time_ms))
        case _:
            raise BackendError("The turn has ended and its record is not there; try again.")


def _result(status: TurnStatus, record: TurnRecord, time_ms: int) -> ChatAnswer:
    said = [message for message in record.messages if message.role == "assistant"]
    memory = tuple([Remembered(role=_ROLES[type(message)], content=message.content) for message in status.prompt])
    return ChatAnswer(
        response=content_text(said[-1].content) if said else "",
        model=record.model,
        tokens_used=record.usage.total,
        context_size=len(memory) or record.context_size,
        memory=memory,
        turn_id=record.turn_id,
        session_id=record.session_id,
        state="cancelled" if record.outcome == "cancelled" else "completed",
        provider=record.provider,
        cost_usd=record.cost_microusd / 1_000_000,
        time_ms=time_ms,
        tools_called=tuple(tool.name for tool in record.tools),
        cached=record.cache in ("hit", "near"),
    )


def _failure(record: TurnRecord) -> Response:
    code = record.code if record.code in HTTP_STATUS else "internal"
    message = record.message or "The turn failed; try again."
    body = ErrorBody(code=code, message=message, retryable=record.retryable, turn_id=record.turn_id)
    return json_response({"error": body}, HTTP_STATUS[code])


def _accepted(accepted: Accepted) -> bytes:
    result = msgspec.structs.asdict(accepted)
    del result["duplicate"]
    return encode_ok(accepted.turn_id, result, duplicate=accepted.duplicate)


def _seconds(text: str, most: float) -> float:
    try:
        return max(0.0, min(float(text), most))
    except ValueError:
        raise UserError("wait_s: write a number of seconds.") from None
