"""One step's model call: stream, show, journal. What breaks off is tried again, within bounds.

A stream that broke is no answer: what it showed is cut back before the next try, so that no text is ever stitched from
two calls.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Final, assert_never

from loguru import logger

from agent.budget import estimate_tokens
from agent.context import build_messages, count_tokens
from agent.loop import CallModel, overspent
from agent.prompts import instructions, prompt_version
from agent.run import ModelChoice, Run
from core.errors import ProviderError, TurnLimit
from core.events import StepStarted
from core.measurements import ModelAnswered
from core.messages import ToolCall
from core.models import (
    FinishReason,
    ModelFinished,
    ModelRequest,
    ReasoningDelta,
    TextDelta,
    ToolCallReady,
    Usage,
    UsageReported,
)
from core.turns import ModelCalled, StepUse

TRIES: Final = 3
"""How often one model is called for a step, where its failure is retryable."""
_BACKOFF_S: Final = 0.5
_LONGEST_BACKOFF_S: Final = 8.0
"""A vendor that asks for a longer wait is not waited for: the next model is tried, or the turn fails retryably."""
_CHECK_CHARACTERS: Final = 2_000
"""How much output goes by between two looks at the limits in mid-stream."""


async def call_model(run: Run, instruction: CallModel) -> None:
    """Make the step's call, by the first model that answers. Raises ProviderError (nobody did) and TurnLimit."""
    base = run.feed.length
    for index, choice in enumerate(run.choices):
        try:
            await _call_with_retries(run, choice, instruction, base)
            return
        except ProviderError as error:
            if index + 1 == len(run.choices):
                raise
            logger.warning("model.failed_over", step=instruction.step, provider=choice.provider.name, code=error.code)
            run.feed.reset(base, "failover")


async def _call_with_retries(run: Run, choice: ModelChoice, instruction: CallModel, base: int) -> None:
    for attempt in range(1, TRIES + 1):
        await run.feed.secure()
        call = _Call(run, choice, instruction)
        if attempt == 1:
            run.feed.put_soon(call.step_started())
        try:
            await call.stream()
            return
        except ProviderError as error:
            wait_s = _backoff_s(attempt, error.retry_after_ms)
            logger.warning(
                "model.failed",
                step=instruction.step,
                provider=choice.provider.name,
                model=choice.model,
                status=error.status,
                reason=error.message,
                attempt=attempt,
            )
            if not error.retryable or attempt == TRIES or wait_s > _LONGEST_BACKOFF_S:
                raise
        await asyncio.sleep(wait_s)
        run.feed.reset(base, "recovery")


def _backoff_s(attempt: int, retry_after_ms: int | None) -> float:
    if retry_after_ms is not None:
        return retry_after_ms / 1000
    return _BACKOFF_S * 2.0 ** (attempt - 1)


class _Call:
    """One model call by one provider."""

    def __init__(self, run: Run, choice: ModelChoice, instruction: CallModel) -> None:
        self._run, self._choice, self._step = run, choice, instruction.step
        self._request = _request(run, choice, instruction)
        self._input_tokens: int | None = None  # not counted where the provider reports it
        self._clock = run.shared.clock
        self._began_s = self._clock.monotonic_s()
        self._ttft_ms: int | None = None
        self._texts: list[str] = []
        self._characters = 0
        self._next_check = _CHECK_CHARACTERS
        self._calls: list[ToolCall] = []
        self._usage: Usage | None = None
        self._finished: ModelFinished | None = None

    def step_started(self) -> StepStarted:
        """The event that says who is called."""
        run = self._run
        named = run.agent.reveal != "title"
        return StepStarted(
            session_id=run.turn.session.session_id,
            ts=self._clock.now_ms(),
            turn_id=run.turn.input.turn_id,
            step=self._step,
            provider=self._choice.provider.name if named else None,
            model=self._choice.model if named else None,
            prompt_version=prompt_version(run.agent.instructions.id, run.agent.instructions.version),
            variant=self._choice.variant,
        )

    async def stream(self) -> None:
        """Call, show what comes, journal the end. Leaving for whatever reason closes the provider's stream first."""
        run = self._run
        run.feed.begin_step()
        try:
            async with self._choice.provider.stream(self._request) as events:
                async for event in events:
                    self._take(event)
            if self._finished is None:
                raise ProviderError(f"the provider {self._choice.provider.name!r} ended its stream without a finish")
        except BaseException as error:  # also a stop or a shutdown: what was used goes on the books; always raised on
            self._book_broken("cancelled" if isinstance(error, asyncio.CancelledError) else "failed")
            raise
        self._journal(self._finished)

    def _take(self, event: TextDelta | ReasoningDelta | ToolCallReady | UsageReported | ModelFinished) -> None:
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
            case UsageReported(usage=usage):
                self._usage = usage
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
        usage = self._settled()
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

    def _settled(self) -> Usage:
        """The usage as reported; before that, or without that, an estimate."""
        output = estimate_tokens(self._characters)
        if self._usage is not None and (self._finished is not None or self._usage.output >= output):
            return self._usage
        if self._input_tokens is None:
            self._input_tokens = count_tokens(self._request.messages, self._run.shared.counter)
        return Usage(input=self._input_tokens, output=output, total=self._input_tokens + output)

    def _cost(self, usage: Usage) -> int:
        return self._run.shared.pricing.cost_microusd(self._choice.provider.name, self._choice.model, usage)

    def _elapsed_ms(self) -> int:
        return round((self._clock.monotonic_s() - self._began_s) * 1000)

    def _journal(self, finished: ModelFinished) -> None:
        run, usage = self._run, self._settled()
        entry = ModelCalled(
            step=self._step,
            text="".join(self._texts),
            length=run.feed.length,
            calls=tuple(self._calls),
            finish_reason=finished.reason,
            usage=usage,
            cost_microusd=self._cost(usage),
            provider=self._choice.provider.name,
            model=finished.model or self._choice.model,
            duration_ms=self._elapsed_ms(),
            ttft_ms=self._ttft_ms,
            opaque=finished.opaque,
            context_size=len(self._request.messages),
            prompt=self._request.messages if run.shared.keep_prompt else (),
            broken=tuple(run.broken),
        )
        run.broken.clear()
        run.record(entry)
        if self._calls:
            run.feed.put(journal=entry)
        else:  # the answer is whole: the turn's end follows, and one write holds both
            run.feed.put_last(entry)
        self._measure(finished.reason)

    def _book_broken(self, reason: FinishReason) -> None:
        self._measure("error" if reason == "failed" else reason)
        if self._characters == 0 and self._usage is None:
            return  # refused before it began: nothing was used
        usage = self._settled()
        self._run.broken.append(
            StepUse(
                step=self._step,
                provider=self._choice.provider.name,
                model=self._choice.model,
                usage=usage,
                cost_microusd=self._cost(usage),
                duration_ms=self._elapsed_ms(),
                ttft_ms=self._ttft_ms,
                finish_reason=reason,
            )
        )

    def _measure(self, outcome: str) -> None:
        self._run.shared.measure.emit(
            ModelAnswered(
                provider=self._choice.provider.name,
                model=self._choice.model,
                outcome=outcome,
                duration_ms=self._elapsed_ms(),
                ttft_ms=self._ttft_ms,
            )
        )


def _request(run: Run, choice: ModelChoice, instruction: CallModel) -> ModelRequest:
    shared, agent = run.shared, run.agent
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
        model=choice.model,
        messages=messages,
        tools=tuple(run.specs.values()) if instruction.offer_tools else (),
        max_output_tokens=agent.max_output_tokens,
        temperature=agent.temperature,
        locale=run.turn.input.locale,
    )


def _date(now_ms: int) -> dt.date:
    return dt.datetime.fromtimestamp(now_ms / 1000, tz=dt.UTC).date()
