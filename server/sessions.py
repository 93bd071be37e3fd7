"""What can be done with a session, the same for every transport: open, send, retry, cancel, read, judge, forget.

Transports translate their wire into these calls and UserError into their kind of answer.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Final, Literal

import msgspec

from agent.settings import AgentConfig
from core.clock import Clock
from core.errors import UserError
from core.ids import Ids
from core.measurements import Measure, TurnRejected
from core.messages import Content, Message, joined_content
from core.ports import (
    Accepted,
    Books,
    Deliveries,
    EventLog,
    Feedbacks,
    SessionHead,
    SessionStore,
    Submission,
    Tools,
    TurnQueue,
    TurnStatus,
)
from core.turns import FeedbackRecord, OnBusy, Principal, SessionRef, TurnInput, TurnJournal, TurnState
from core.wire.limits import HISTORY_LIMIT, HISTORY_LIMIT_MOST, user_id_problem
from server.approvals import Approvals
from server.content import check_content
from server.remembering import remembering
from server.replaced import replacing

_SESSION_ID: Final = re.compile(r"ses_[0-9a-z]{26}")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ID: Final = re.compile(r"[!-~]{1,128}")


class Sessions:
    """The commands of the protocol, checked for who asks."""

    def __init__(
        self,
        *,
        store: SessionStore,
        log: EventLog,
        queue: TurnQueue,
        feedbacks: Feedbacks,
        deliveries: Deliveries,
        books: Books,
        tools: Tools,
        clock: Clock,
        ids: Ids,
        measure: Measure,
        agents: Mapping[str, AgentConfig],
        default_agent: str,
    ) -> None:
        self.store = store
        self.log = log
        self.queue = queue
        self.deliveries = deliveries
        self.approvals = Approvals(queue, tools)
        self._feedbacks = feedbacks
        self._books = books
        self._clock = clock
        self._ids = ids
        self._measure = measure
        self._agents = agents
        self._default_agent = default_agent

    async def open(
        self, principal: Principal, *, session: str | None = None, user_id: str | None = None
    ) -> SessionHead:
        """Find or make a session: by its id (`ses_...`), by the user's name for it, or the user's `main`.

        Raises UserError `invalid_request` where no user is named, `not_found` for what is not the principal's.
        """
        user_id = _user(principal, user_id)
        if session is not None and _SESSION_ID.fullmatch(session):
            head = await self.find(principal, session)
            if user_id is not None and head.session.user_id != user_id:
                raise _no_session()
            return head
        if session is not None and not _NAME.fullmatch(session):
            raise UserError("session_id: 1 to 64 of A-Z a-z 0-9 _ - are allowed.")
        if user_id is None:
            raise UserError("user_id is missing: say which user talks.")
        if (problem := user_id_problem(user_id)) is not None:
            raise UserError(problem)
        head = await self.store.open(principal.tenant, user_id, session)
        if principal.user_id not in (
            None,
            head.session.user_id,
        ):  # it was merged into another user's: for services only
            raise _no_session()
        return head

    async def find(self, principal: Principal, session_id: str) -> SessionHead:
        """Find a session by its id. Raises UserError `not_found`, in the same words whatever the reason."""
        if not _SESSION_ID.fullmatch(session_id):
            raise _no_session()
        try:
            return await self.store.find(principal, session_id)
        except UserError as error:
            raise _no_session() from error

    async def send(
        self,
        principal: Principal,
        session: SessionRef,
        *,
        cid: str,
        digest: str,
        content: Content,
        channel: str,
        agent: str | None = None,
        model: str | None = None,
        on_busy: OnBusy = "queue",
        locale: str | None = None,
        can_repeat: bool = True,
    ) -> Accepted:
        """Accept a message: when this returns it is in the log and will be answered once.

        Raises UserError as `TurnQueue.submit` does, and `not_found` for an agent that does not exist. A refusal that is
        not retryable is remembered under the cid, unless `can_repeat` says that nobody knows the cid.
        """
        async with remembering(self.queue, session, principal, cid, digest) if can_repeat else nullcontext():
            turn = self._turn(content, channel, cid, agent, model, locale)
            return await self._submit(principal, session, cid, digest, turn, on_busy)

    def _turn(
        self,
        content: Content,
        channel: str,
        cid: str,
        agent: str | None,
        model: str | None,
        locale: str | None,
    ) -> TurnInput:
        """The turn that a message asks for. Raises UserError."""
        agent = agent or self._default_agent
        if agent not in self._agents:
            raise UserError(f"There is no agent {agent!r}.", code="not_found")
        check_content(content, images=self._agents[agent].images)
        now_ms = self._clock.now_ms()
        turn_id, message_id = self._ids.new("turn"), self._ids.new("msg")
        message = Message(
            message_id=message_id,
            turn_id=turn_id,
            role="user",
            content=content,
            channel=channel,
            ts=now_ms,
            status="complete",
            re=cid,
        )
        return TurnInput(
            turn_id=turn_id,
            message_ids=(message_id,),
            content=content,
            channel=channel,
            agent=agent,
            model=model,
            locale=locale,
            accepted_ms=now_ms,
            messages=(message,),
        )

    async def retry(
        self,
        principal: Principal,
        session: SessionRef,
        *,
        cid: str,
        digest: str,
        turn_id: str,
        locale: str | None = None,
    ) -> Accepted:
        """Answer the session's last user message again, in a new turn. Raises UserError `busy`, `not_found`."""
        if (seen := await self._seen(session, principal, cid, digest)) is not None:
            return seen
        async with remembering(self.queue, session, principal, cid, digest):
            turn = await self._turn_again(principal, session, turn_id, locale)
            return await self._submit(principal, session, cid, digest, turn, "queue")

    async def _turn_again(
        self, principal: Principal, session: SessionRef, turn_id: str, locale: str | None
    ) -> TurnInput:
        """The turn that answers a turn's message again. Raises UserError `busy`, `not_found`."""
        status = await self.turn(principal, turn_id)
        if status.session.session_id != session.session_id:
            raise _no_turn()
        view = await self.store.view(session)
        asked = [m for m in view.messages if m.turn_id == turn_id and m.role == "user"]
        if not asked:  # it was done again, or lies far back
            raise UserError("Only the session's last turn can be done again.", code="busy", retryable=True)
        return TurnInput(
            turn_id=self._ids.new("turn"),
            message_ids=tuple(message.message_id for message in asked),
            content=joined_content([message.content for message in asked]),
            channel=asked[-1].channel,
            agent=status.record.agent if status.record is not None else self._default_agent,
            locale=locale,
            accepted_ms=self._clock.now_ms(),
            retry_of=turn_id,
            messages=tuple(asked),
        )

    async def cancel(self, principal: Principal, session: SessionRef, turn_id: str) -> TurnState:
        """Stop a turn; gives the state that it is in. Raises UserError `not_found`."""
        return await self.queue.cancel(session, turn_id, "user")

    async def turn(self, principal: Principal, turn_id: str) -> TurnStatus:
        """Where a turn is. Raises UserError `not_found`, in the same words whatever the reason."""
        if not _ID.fullmatch(turn_id):
            raise _no_turn()
        try:
            return await self.queue.status(principal, turn_id)
        except UserError as error:
            record = await self._books.turn(principal.tenant, turn_id)
            if record is None or principal.user_id not in (None, record.user_id):
                raise _no_turn() from error
        session = SessionRef(session_id=record.session_id, tenant=record.tenant, user_id=record.user_id)
        return TurnStatus(session=session, turn_id=turn_id, state=record.outcome, record=record)

    async def history(
        self, session: SessionRef, *, before: str | None = None, limit: int = HISTORY_LIMIT
    ) -> tuple[list[Message], bool]:
        """Up to `limit` messages before a message (None: the newest), oldest first, and whether there are more.

        What SQL does not have yet comes from the live view. Raises UserError `not_found` for an unknown message.
        """
        if before is not None and not _ID.fullmatch(before):
            raise UserError("There is no such message in this session.", code="not_found")
        limit = min(limit, HISTORY_LIMIT_MOST)
        view = await self.store.view(session)
        live = list(view.messages)
        shown = [message.message_id for message in live]
        if before in shown:
            live = live[: shown.index(before)]
        elif before is not None:
            live = []
        stored, more = await self._stored(session, before, limit, is_live=before in shown)
        left = {before, *(message.message_id for message in live)}
        older = [message for message in stored if message.message_id not in left]
        ordered = list(heapq.merge(older, live, key=_place))  # each keeps the log's order
        return replacing(ordered, view.messages)[-limit:], more or len(ordered) > limit

    async def _stored(
        self, session: SessionRef, before: str | None, limit: int, *, is_live: bool
    ) -> tuple[Sequence[Message], bool]:
        """What SQL has before a message. Where the message is too new for SQL, all that SQL has is older."""
        try:
            return await self._books.messages(session, before=before, limit=limit)
        except UserError:
            if not is_live:
                raise
        return await self._books.messages(session, before=None, limit=limit)

    async def judge(
        self,
        principal: Principal,
        session: SessionRef,
        *,
        cid: str,
        digest: str,
        message_id: str,
        score: Literal[-1, 1],
        comment: str | None,
    ) -> bool:
        """Keep what a user thinks of an answer; gives whether the cid was known. Raises UserError `not_found`."""
        if await self.queue.seen(session, principal, cid, digest) is not None:
            return True
        record = FeedbackRecord(
            session_id=session.session_id,
            tenant=session.tenant,
            user_id=session.user_id,
            message_id=message_id,
            score=score,
            comment=comment,
            by=principal.name,
            ts=self._clock.now_ms(),
        )
        async with remembering(self.queue, session, principal, cid, digest):
            return await self._feedbacks.put(session, principal, cid, digest, record)

    async def merge(self, principal: Principal, session_id: str, into: str) -> None:
        """Let a session go on in another (services). Raises UserError as `SessionStore.merge` does."""
        require_service(principal, "merge sessions")
        source = await self.find(principal, session_id)
        target = await self.find(principal, into)
        await self.store.merge(source.session, target.session)

    async def journal(self, principal: Principal, turn_id: str) -> TurnJournal:
        """All that a turn wrote down, private parts too (services). Raises UserError `not_found`."""
        require_service(principal, "read a turn's journal")
        if not _ID.fullmatch(turn_id):
            raise _no_turn()
        return await self.queue.journal(principal, turn_id)

    async def forget(self, principal: Principal, user_id: str) -> int:
        """Erase a user everywhere; gives how many sessions they had. Final."""
        if principal.user_id not in (None, user_id):
            raise UserError("There is no such user.", code="not_found")
        erased = await self.store.erase(principal.tenant, user_id)
        await self._books.erase(principal.tenant, user_id)
        return len(erased)

    async def _submit(
        self, principal: Principal, session: SessionRef, cid: str, digest: str, turn: TurnInput, on_busy: OnBusy
    ) -> Accepted:
        submission = Submission(
            session=session, principal=principal, cid=cid, digest=digest, input=turn, on_busy=on_busy
        )
        try:
            return await self.queue.submit(submission)
        except UserError as error:
            self._measure.emit(TurnRejected(code=error.code))
            raise

    async def _seen(self, session: SessionRef, principal: Principal, cid: str, digest: str) -> Accepted | None:
        reply = await self.queue.seen(session, principal, cid, digest)
        if reply is None:
            return None
        return msgspec.structs.replace(msgspec.convert(reply, Accepted, strict=False), duplicate=True)


def _place(message: Message) -> tuple[int, bool]:
    """Where a message belongs. A question goes before an answer of the same millisecond: an answer may be that fast."""
    return message.ts, message.role == "assistant"


def require_service(principal: Principal, what: str) -> None:
    """Refuse whoever is not a service. Raises UserError `unauthorized`."""
    if not principal.is_service:
        raise UserError(f"Only a service, with its API key, may {what}.", code="unauthorized")


def _no_session() -> UserError:
    return UserError("There is no such session.", code="not_found")


def _no_turn() -> UserError:
    return UserError("There is no such turn.", code="not_found")


def _user(principal: Principal, user_id: str | None) -> str | None:
    if principal.user_id is None:
        return user_id
    if user_id not in (None, principal.user_id):
        raise UserError("There is no such user.", code="not_found")
    return principal.user_id
