"""One step's model call: stream, show, journal.

Which model is called, and what after it, is `agent/routing`'s; here is what each call leaves. A stream that broke is no
answer: what it showed is cut back before the next call, so that no text is ever stitched from two.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Final, assert_never

from loguru import logger

from agent.call_usage import CallUsage
from agent.context import build_messages, count_tokens
from agent.loop import CallModel, overspent
from agent.prompts import instructions, prompt_version
from agent.routing.chain import routed
from agent.routing.route import Route
from agent.run import Run
from core.errors import ProviderError, TurnLimit
from core.events import StepStarted
from core.measurements import ModelAnswered
from core.messages import ToolCall
from core.models import (
    CACHED,
    CallBegan,
    CallBroke,
    Caller,
    FinishReason,
    ModelEvent,
    ModelFinished,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    ToolCallReady,
    Usage,
    UsageReported,
)
from core.ports import RoutedProvider
from core.turns import ModelCalled, StepUse

_CHECK_CHARACTERS: Final = 2_000
"""How much output goes by between two looks at the limits in mid-stream."""


async def call_model(run: Run, instruction: CallModel) -> None:
    """Make the step's call, by the first model that answers. Raises ProviderError (nobody did) and TurnLimit.

    Leaving for whatever reason closes the provider's stream first.
    """
    assert run.route is not None  # a run without one has ended before its first step
    request = _request(run, instruction)
    base, call = run.feed.length, None
    try:
        async with _models(run, run.route, instruction).stream(request) as events:
            async for event in events:
                if isinstance(event, CallBegan):
                    call = await _begin(run, event, request, call)
                elif isinstance(event, CallBroke):
                    assert call is not None  # a call broke that began
                    call.book_broken("failed", event.code)
                    _tell(event.provider, event.model, event.error, event.status, next_is=event.next)
                    run.feed.reset(base, event.next)
                else:
                    assert call is not None  # what routes says first whom it calls
                    call.take(event)
    except BaseException as error:  # also a stop or a shutdown: what was used goes on the books; always raised on
        if call is not None:
            code = error.code if isinstance(error, ProviderError) else None
            call.book_broken("cancelled" if isinstance(error, asyncio.CancelledError) else "failed", code)
            if isinstance(error, ProviderError):
                _tell(call.provider, call.model, error.message, error.status, next_is="none")
        raise
    assert call is not None  # a chain calls somebody
    call.journal()


def _models(run: Run, route: Route, instruction: CallModel) -> RoutedProvider:
    """The models of the step; before its first step, a turn's whole answer may be known already."""
    if run.cache is not None and instruction.step == 1:
        return run.cache.around(routed(route))
    return routed(route)


async def _begin(run: Run, began: CallBegan, request: ModelRequest, last: _Call | None) -> _Call:
    """A model is about to be called: make sure that the turn is still ours, and say who answers. Raises StaleRun."""
    await run.feed.secure()
    call = _Call(run, began, request)
    if last is None or (last.provider, last.model) != (call.provider, call.model):
        run.feed.put_soon(call.step_started())
    run.feed.begin_step()
    return call


def _tell(provider: str, model: str, reason: str, status: int | None, *, next_is: str) -> None:
    logger.warning("model.failed", provider=provider, model=model, status=status, reason=reason, next=next_is)


class _Call:
    """One model call by one provider."""

    def __init__(self, run: Run, began: CallBegan, request: ModelRequest) -> None:
        assert request.caller is not None  # `_request` says whose it is
        self.provider, self.model = began.provider, began.model
        self._run, self._request, self._step = run, request, request.caller.step
        self._tenant = request.caller.tenant
        self._is_again = began.reason == CACHED
        self._used = CallUsage(self._input_tokens)
        self._clock = run.shared.clock
        self._began_s = self._clock.monotonic_s()
        self._ttft_ms: int | None = None
        self._texts: list[str] = []
        self._characters = 0
        self._next_check = _CHECK_CHARACTERS
        self._calls: list[ToolCall] = []
        self._finished: ModelFinished | None = None
        self._is_reported = self._is_booked = False

    def step_started(self) -> StepStarted:
        """The event that says who is called."""
        run = self._run
        named = run.agent.reveal != "title"
        return StepStarted(
            session_id=run.turn.session.session_id,
            ts=self._clock.now_ms(),
            turn_id=run.turn.input.turn_id,
            step=self._step,
            provider=self.provider if named else None,
            model=self.model if named else None,
            prompt_version=prompt_version(run.agent.instructions.id, run.agent.instructions.version),
            variant=run.route.variant if run.route is not None else None,
        )

    def take(self, event: ModelEvent) -> None:
        """Show and keep what came. Raises TurnLimit."""
        self._used.take(event)
        match event:
            case TextDelta(text=text):
                if self._ttft_ms is None:
                    self._ttft_ms = self._elapsed_ms()
                self._texts.append(text)
                self._run.feed.say(text)
                self._count(len(text))
            case ReasoningDelta(text=text):
                self._count(len(text))
            case ToolCallReady(call=call):
                self._calls.append(self._unique(call))
                self._count(len(call.arguments))
            case UsageReported():
                self._is_reported = True
            case ModelFinished():
                self._finished = event
            case _:
                assert_never(event)

    def _count(self, characters: int) -> None:
        """Hold the turn's limits in mid-stream, by estimate. Raises TurnLimit."""
        self._characters += characters
        if self._characters < self._next_check:
            return
        self._next_check = self._characters + _CHECK_CHARACTERS
        usage = self._used.usage
        end = overspent(
            self._run.usage.input + self._run.usage.output + usage.input + usage.output,
            self._run.cost_microusd + self._cost(usage),
            self._run.agent.limits,
        )
        if end is not None:
            raise TurnLimit(end.message, code=end.code)

    def _unique(self, call: ToolCall) -> ToolCall:
        """Ids are the vendor's, but for those that are empty, too long for another vendor, or used in this turn."""
        used = {earlier.call_id for entry in self._run.model_calls for earlier in entry.calls}
        used.update(earlier.call_id for earlier in self._calls)
        if call.call_id in used or not 0 < len(call.call_id) <= 64:
            call_id = self._run.shared.ids.new("call")
            return ToolCall(call_id=call_id, name=call.name, arguments=call.arguments, opaque=call.opaque)
        return call

    def _input_tokens(self) -> int:
        return count_tokens(self._request.messages, self._run.shared.counter)

    def _cost(self, usage: Usage) -> int:
        return self._run.shared.pricing.cost_microusd(self.provider, self.model, usage, tenant=self._tenant)

    def _is_priced(self) -> bool:
        return self._run.shared.pricing.is_known(self.provider, self.model, tenant=self._tenant)

    def _elapsed_ms(self) -> int:
        return round((self._clock.monotonic_s() - self._began_s) * 1000)

    def journal(self) -> None:
        """The call ended well: write it down."""
        assert self._finished is not None  # else the stream had been cut
        self._used.began = True
        run, usage, finished = self._run, self._used.usage, self._finished
        entry = ModelCalled(
            step=self._step,
            text="".join(self._texts),
            length=run.feed.length,
            calls=tuple(self._calls),
            finish_reason=finished.reason,
            usage=usage,
            cost_microusd=self._cost(usage),
            provider=self.provider,
            model=finished.model or self.model,
            duration_ms=self._elapsed_ms(),
            ttft_ms=self._ttft_ms,
            opaque=finished.opaque,
            context_size=len(self._request.messages),
            prompt=self._request.messages if run.shared.keep_prompt else (),
            estimated=self._used.is_estimate,
            priced=self._is_priced(),
            broken=tuple(run.broken),
        )
        run.broken.clear()
        run.record(entry)
        if self._calls:
            run.feed.put(journal=entry)
        else:  # the answer is whole: the turn's end follows, and one write holds both
            run.feed.put_last(entry)
        self._measure(finished.reason)

    def book_broken(self, reason: FinishReason, code: str | None) -> None:
        """The call ended otherwise: what it used goes on the books, once. `code`: the vendor's failure, if any."""
        if self._is_booked:
            return
        self._is_booked = True
        self._measure("cancelled" if code is None else "error", code)
        if self._characters == 0 and not self._is_reported:
            return  # refused before it began: nothing was used
        usage = self._used.usage
        self._run.broken.append(
            StepUse(
                step=self._step,
                provider=self.provider,
                model=self.model,
                usage=usage,
                cost_microusd=self._cost(usage),
                duration_ms=self._elapsed_ms(),
                ttft_ms=self._ttft_ms,
                finish_reason=reason,
                estimated=self._used.is_estimate,
                priced=self._is_priced(),
            )
        )

    def _measure(self, outcome: str, code: str | None = None) -> None:
        if self._is_again:
            return  # no model was called: its figures are not the cache's
        self._run.shared.measure.emit(
            ModelAnswered(
                provider=self.provider,
                model=self.model,
                outcome=outcome,
                duration_ms=self._elapsed_ms(),
                ttft_ms=self._ttft_ms,
                code=code,
            )
        )


def _request(run: Run, instruction: CallModel) -> ModelRequest:
    """The request, whose `model` is set for each model that is called."""
    shared, agent, session = run.shared, run.agent, run.turn.session
    today = shared.reference_date or _date(shared.clock.now_ms())
    messages = build_messages(
        instructions=instructions(
            agent.instructions.id, agent.instructions.version, today=today, language=agent.language
        ),
        history=run.history,
        turn=run.turn.input,
        results=run.results,
        window_tokens=agent.context_tokens,
        counter=shared.counter,
        offer_tools=instruction.offer_tools,
    )
    return ModelRequest(
        model="",
        messages=messages,
        tools=tuple(run.specs.values()) if instruction.offer_tools else (),
        max_output_tokens=agent.max_output_tokens,
        temperature=agent.temperature,
        locale=run.turn.input.locale,
        caller=Caller(
            tenant=session.tenant,
            user_id=session.user_id,
            session_id=session.session_id,
            turn_id=run.turn.input.turn_id,
            agent=agent.name,
            step=instruction.step,
        ),
    )


def _date(now_ms: int) -> dt.date:
    return dt.datetime.fromtimestamp(now_ms / 1000, tz=dt.UTC).date()
