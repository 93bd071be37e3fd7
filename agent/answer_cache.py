"""Answers that are given again: looked for before a turn's first model call, kept at its end.

    first step ─▶ TurnCache.around(chain) ─ found ──▶ the answer, as if a model had said it, for nothing
                                          └ not ───▶ the chain; at the turn's end: kept, if it rests on nothing else

What an answer depends on is its digest: the request as it is built (instructions with their date, history, question,
tools, models), the version of the tools' data, and whose question it is. While a question is being answered here, the
same one waits for that answer instead of asking a model a second time. Where the agent opts in, a question in other
words is looked for next (`semantic/near_answers.py`).
"""

from __future__ import annotations

import asyncio
import hashlib
import unicodedata
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
from loguru import logger

from agent.loop import Finish
from agent.routing.route import Route
from agent.run import Run
from agent.settings import AgentConfig, CacheSettings
from core.errors import BackendError, ToolError
from core.messages import ModelMessage, UserMessage
from core.models import (
    CACHED,
    CallBegan,
    ModelFinished,
    ModelRequest,
    RoutedEvent,
    TextDelta,
    ToolCallReady,
    ToolSpec,
    Usage,
    UsageReported,
)
from core.ports import AnswerCache, CachedAnswer, CacheScope, Flags, RoutedProvider, Tools
from core.turns import TakenTurn, ToolReturned

if TYPE_CHECKING:
    from agent.semantic.near_answers import NearAnswers, NearTurn

_FORM: Final = 2
"""Counted up where the digest is made otherwise: what was kept before is then found no more."""
_OWN: Final = "own"
"""Is told to those who wait where the answer will not be for them: each asks for itself, none waits for another."""
_ENDS: Final = " \t\n?!.…"


_Given = CachedAnswer | Literal["own"] | None
"""What those who wait get; None: the run broke off, and one of them asks the model."""


class AnswerCaching:
    """The cache as all runs of a process share it, with the questions that are being answered now.

    The flag `cache` switches it off, for whom it says.
    """

    def __init__(
        self, cache: AnswerCache, tools: Tools, flags: Flags | None = None, near: NearAnswers | None = None
    ) -> None:
        self.cache, self.tools, self.near, self._flags = cache, tools, near, flags
        self.answering: dict[tuple[CacheScope, str], asyncio.Future[_Given]] = {}

    def turn(self, turn: TakenTurn, agent: AgentConfig, route: Route) -> TurnCache | None:
        """The turn's way past the cache; None where its answer is its own.

        An answer that is asked for again (`retry_of`) is wanted anew; pictures behind a URL may change.
        """
        asked = turn.input
        has_parts = not isinstance(asked.content, str) and any(part.type != "text" for part in asked.content)
        if agent.cache is None or asked.retry_of is not None or has_parts or not self._is_on(turn, agent):
            return None
        scope = CacheScope(tenant=turn.session.tenant, user_id=turn.session.user_id, shared=agent.cache.public)
        models = tuple(f"{one.provider.name}:{one.model}" for one in route.candidates)
        return TurnCache(self, scope, agent.cache, models)

    def _is_on(self, turn: TakenTurn, agent: AgentConfig) -> bool:
        if self._flags is None:
            return True
        session, asked = turn.session, turn.input
        context = {
            "tenant": session.tenant,
            "user_id": session.user_id,
            "agent": agent.name,
            "locale": asked.locale or "",
            "channel": asked.channel,
        }
        return self._flags.boolean("cache", {**context, "tier": self._flags.text("tier", context)})


class TurnCache:
    """One turn's lookup and what it leaves. `state` is None until its first step asked."""

    def __init__(
        self, shared: AnswerCaching, scope: CacheScope, settings: CacheSettings, models: Sequence[str]
    ) -> None:
        self._shared, self._scope, self._settings, self._models = shared, scope, settings, tuple(models)
        self._digest = ""
        self._generation: str | None = None
        self._mine: asyncio.Future[_Given] | None = None
        self._near: NearTurn | None = None
        self.state: Literal["hit", "near", "miss"] | None = None
        self.saved_microusd = 0

    def around(self, inner: RoutedProvider) -> RoutedProvider:
        """The chain, with the cache before it."""
        return Cached(inner, self)

    async def look_up(self, request: ModelRequest) -> CachedAnswer | None:
        """The answer to give; None: this turn is to find it, and others wait for it."""
        try:
            version = await self._shared.tools.data_version(spec.name for spec in request.tools if spec.cacheable)
            self._digest = digest_of(request, self._models, version)
            self._near = self._near_turn(request, version)
            answer, is_near = await self._find()
        except (BackendError, ToolError) as error:
            logger.warning("cache.away", detail=error.message)
            self._give(_OWN)
            return None
        self.state = "miss" if answer is None else "near" if is_near else "hit"
        if answer is not None:
            self.saved_microusd = answer.cost_microusd
        return answer

    async def _find(self) -> tuple[CachedAnswer | None, bool]:
        """The answer, and whether it was given to a question in other words."""
        answering, key, is_near = self._shared.answering, (self._scope, self._digest), False
        while (under_way := answering.get(key)) is not None:
            given = await asyncio.shield(under_way)
            if given is not None:
                return (None if given == _OWN else given), False
        self._mine = answering[key] = asyncio.get_running_loop().create_future()
        found = await self._shared.cache.get(self._scope, self._digest)
        self._generation, answer = found.generation, found.answer
        if answer is None and self._near is not None:
            answer = await self._near.find()
            is_near = answer is not None
        if answer is not None:
            self._give(answer)
        return answer, is_near

    def _near_turn(self, request: ModelRequest, version: str) -> NearTurn | None:
        asked = request.messages[-1]
        if self._shared.near is None or self._settings.semantic is None or not isinstance(asked, UserMessage):
            return None
        rest = msgspec.structs.replace(asked, content="")
        others = msgspec.structs.replace(request, messages=(*request.messages[:-1], rest))
        digest = digest_of(others, self._models, version)
        return self._shared.near.turn(self._scope, self._settings, asked.content, digest)

    async def watch(
        self, events: AsyncIterator[RoutedEvent], tools: Sequence[ToolSpec]
    ) -> AsyncGenerator[RoutedEvent, None]:
        """The events, and a look at them: once they ask for a tool that is not cacheable nobody need wait."""
        cacheable = {spec.name for spec in tools if spec.cacheable}
        async for event in events:
            if isinstance(event, ToolCallReady) and event.call.name not in cacheable:
                self._give(_OWN)
            yield event

    async def keep(self, run: Run, finish: Finish) -> None:
        """The turn has ended: keep its answer, where it rests on nothing that the digest does not hold."""
        if self.state != "miss" or finish.outcome != "completed":
            return
        if not is_cacheable(run, finish):
            self._give(_OWN)
            return
        last = run.model_calls[-1]
        answer = CachedAnswer(
            text=run.feed.text,
            provider=last.provider,
            model=last.model,
            cost_microusd=run.cost_microusd,
            turn_id=run.turn.input.turn_id,
        )
        self._give(answer)
        try:
            await self._shared.cache.put(self._scope, self._digest, answer, self._settings.ttl_s, self._generation)
        except BackendError as error:
            logger.warning("cache.away", detail=error.message)
            return
        if self._near is not None:
            await self._near.keep(self._digest, self._settings.ttl_s)

    def leave(self) -> None:
        """The run is over, however: who waits for its answer waits no longer."""
        self._give(None)

    def _give(self, answer: _Given) -> None:
        mine, self._mine = self._mine, None
        if mine is not None:
            del self._shared.answering[self._scope, self._digest]
            mine.set_result(answer)


class Cached:
    """The cache before a chain of models: what is found is given as that model's answer, with no tokens used."""

    def __init__(self, inner: RoutedProvider, turn: TurnCache) -> None:
        self.name = inner.name
        self._inner, self._turn = inner, turn

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncIterator[AsyncIterator[RoutedEvent]]:
        """Look, then call if nothing was found."""
        answer = await self._turn.look_up(request)
        if answer is not None:
            yield _again(answer)
            return
        async with (
            self._inner.stream(request) as events,
            aclosing(self._turn.watch(events, request.tools)) as watched,
        ):
            yield watched

    async def close(self) -> None:
        """Close the chain."""
        await self._inner.close()


async def _again(answer: CachedAnswer) -> AsyncIterator[RoutedEvent]:
    yield CallBegan(provider=answer.provider, model=answer.model, reason=CACHED)
    yield TextDelta(text=answer.text)
    yield UsageReported(usage=Usage())
    yield ModelFinished(reason="stop", model=answer.model)


def is_cacheable(run: Run, finish: Finish) -> bool:
    """Whether the answer is whole, and every tool result in it comes from data whose version is known."""
    if finish.outcome != "completed" or finish.finish_reason != "stop" or not run.feed.length:
        return False
    results = [entry for entry in run.results if isinstance(entry, ToolReturned)]
    return all(not entry.failed and (spec := run.specs.get(entry.name)) and spec.cacheable for entry in results)


def digest_of(request: ModelRequest, models: Sequence[str], data_version: str) -> str:
    """The SHA-256 of what the answer depends on, in hex. About 50 µs for a request of 12,000 tokens."""
    parts: list[Any] = [
        _FORM,
        models,
        [_normalised(message) if message is request.messages[-1] else message for message in request.messages],
        [(spec.name, spec.description, spec.parameters) for spec in request.tools],
        request.output_schema,
        request.max_output_tokens,
        request.temperature,
        (request.locale or "").partition("-")[0],
        request.caller.agent if request.caller is not None else "",
        data_version,
    ]
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def _normalised(message: ModelMessage) -> ModelMessage:
    """The question without what does not change it: case, how letters are composed, spaces, and marks at its end."""
    if not isinstance(message, UserMessage):
        return message
    plain = " ".join(unicodedata.normalize("NFC", message.content).casefold().split()).rstrip(_ENDS)
    return msgspec.structs.replace(message, content=plain)
