"""One step's tool calls: checked, run under their limits, journalled; each ends in exactly one result for the model."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
from loguru import logger

from agent.loop import BAD_CALL, OUTCOME_UNKNOWN, CallTools, PlannedCall, Refusal
from agent.run import Run
from core.errors import BackendError, ToolError
from core.events import ToolCompleted, ToolFailed, ToolStarted
from core.measurements import ToolRan
from core.models import ToolSpec
from core.ports import ToolContext, ToolOutcome
from core.turns import ToolBegun, ToolReturned

SUMMARY_CHARACTERS: Final = 300
"""The longest summary or failure that an event shows (protocol.md, events)."""
_RESULT_BYTES: Final = 32 * 1024
"""A larger result is left out of the event; the model has it in full."""
_GRACE_S: Final = 5.0
"""How much longer than its own limit a tool may take before the runner gives it up."""

_UNKNOWN: Final = " Whether it took effect is unknown. Do not call it again; tell the user."


async def call_tools(run: Run, instruction: CallTools) -> None:
    """Answer every call. Raises BackendError where the journal cannot be written; a tool's failure is a result."""
    for group in instruction.groups:
        try:
            async with asyncio.TaskGroup() as tasks:
                for planned in group:
                    tasks.create_task(_Answer(run, instruction.step, planned).give(), name=f"tool {planned.call.name}")
        except* BackendError as errors:
            raise _first(errors) from None


def _first(errors: BaseExceptionGroup[BackendError]) -> BackendError:
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


class _Answer:
    """The way of one call to its result."""

    def __init__(self, run: Run, step: int, planned: PlannedCall) -> None:
        self._run, self._step, self._call = run, step, planned.call
        self._spec, self._refusal = planned.spec, planned.refusal
        self._edited = planned.arguments
        self._clock = run.shared.clock
        self._began_s = self._clock.monotonic_s()

    async def give(self) -> None:
        """Check, run, journal. A call that is not run is answered with what is wrong with it."""
        if self._refusal is not None:
            if self._refusal.code != OUTCOME_UNKNOWN:
                self._run.feed.put(self._started(None))
            self._failed(self._refusal)
            return
        try:
            spec, arguments = self._checked()
        except ToolError as error:
            self._run.feed.put(self._started(None))
            self._failed(Refusal(code=BAD_CALL, message=error.message))
            return
        await self._begin(spec, arguments)
        try:
            outcome = await self._execute(spec, arguments)
        except ToolError as error:
            self._failed(Refusal(code=error.code, message=error.message))
        except TimeoutError:
            advice = _UNKNOWN if spec.effect == "once" else ""
            self._failed(Refusal(code="timeout", message=f"The tool did not answer in {spec.timeout_s:g} s.{advice}"))
        except asyncio.CancelledError:
            raise
        except Exception:  # noqa: BLE001 - the task's outer edge: a tool's bug is the tool's failure, not the turn's
            logger.exception("tool.crashed", name=self._call.name)
            advice = _UNKNOWN if spec.effect == "once" else " Do not call it again."
            self._failed(Refusal(code="internal", message=f"The tool failed by a fault of its own.{advice}"))
        else:
            self._completed(spec, outcome)

    def _checked(self) -> tuple[ToolSpec, dict[str, Any]]:
        if self._spec is None:
            known = ", ".join(self._run.specs) or "none"
            raise ToolError(f"There is no tool {self._call.name!r}. The tools are: {known}.")
        return self._spec, self._run.shared.tools.check(self._call.name, self._edited or self._call.arguments)

    async def _begin(self, spec: ToolSpec, arguments: dict[str, Any]) -> None:
        """Show the call; where a second run could do harm, it is in the journal before it begins."""
        self._run.open_calls[self._call.call_id] = self._clock.now_ms()
        if spec.effect == "read":
            self._run.feed.put(self._started(arguments))
            return
        entry = ToolBegun(step=self._step, call_id=self._call.call_id, name=self._call.name, effect=spec.effect)
        self._run.record(entry)
        self._run.feed.put(self._started(arguments), journal=entry)
        await self._run.feed.flush()

    async def _execute(self, spec: ToolSpec, arguments: dict[str, Any]) -> ToolOutcome:
        turn = self._run.turn
        context = ToolContext(
            tenant=turn.session.tenant,
            user_id=turn.session.user_id,
            session_id=turn.session.session_id,
            turn_id=turn.input.turn_id,
            call_id=self._call.call_id,
            idempotency_key=f"{turn.input.turn_id}:{self._call.call_id}",
            locale=turn.input.locale,
        )
        async with asyncio.timeout(spec.timeout_s + _GRACE_S):
            return await self._run.shared.tools.call(self._call.name, arguments, context)

    def _completed(self, spec: ToolSpec, outcome: ToolOutcome) -> None:
        reveal = self._run.agent.reveal
        entry = self._returned(content=_cut(outcome.content, spec.output_cap), summary=outcome.summary, code=None)
        event = ToolCompleted(
            session_id=self._run.turn.session.session_id,
            ts=self._clock.now_ms(),
            turn_id=self._run.turn.input.turn_id,
            call_id=self._call.call_id,
            summary=spec.title_for(self._run.turn.input.locale)
            if reveal == "title"
            else outcome.summary[:SUMMARY_CHARACTERS],
            duration_ms=entry.duration_ms,
            result=_small(outcome.result) if reveal == "full" else None,
        )
        self._end(event, entry)

    def _failed(self, refusal: Refusal) -> None:
        entry = self._returned(content=refusal.message, summary=refusal.message, code=refusal.code)
        shown = "The tool could not answer." if self._run.agent.reveal == "title" else refusal.message
        event = ToolFailed(
            session_id=self._run.turn.session.session_id,
            ts=self._clock.now_ms(),
            turn_id=self._run.turn.input.turn_id,
            call_id=self._call.call_id,
            code=refusal.code,
            message=shown[:SUMMARY_CHARACTERS],
            duration_ms=entry.duration_ms,
        )
        self._end(event, entry)

    def _end(self, event: ToolCompleted | ToolFailed, entry: ToolReturned) -> None:
        run = self._run
        run.open_calls.pop(self._call.call_id, None)
        run.record(entry)
        run.feed.put(event, journal=entry)
        run.shared.measure.emit(ToolRan(name=self._name(), failed=entry.failed, duration_ms=entry.duration_ms))
        logger.info(
            "tool.ended", name=self._name(), failed=entry.failed, code=entry.code, duration_ms=entry.duration_ms
        )

    def _returned(self, *, content: str, summary: str, code: str | None) -> ToolReturned:
        return ToolReturned(
            step=self._step,
            call_id=self._call.call_id,
            name=self._call.name,
            content=content if self._edited is None else f"{content}\n\n{_edited_note(self._edited)}",
            summary=summary[:SUMMARY_CHARACTERS],
            failed=code is not None,
            code=code,
            duration_ms=round((self._clock.monotonic_s() - self._began_s) * 1000),
        )

    def _started(self, arguments: dict[str, Any] | None) -> ToolStarted:
        return ToolStarted(
            session_id=self._run.turn.session.session_id,
            ts=self._clock.now_ms(),
            turn_id=self._run.turn.input.turn_id,
            call_id=self._call.call_id,
            step=self._step,
            name=self._call.name,
            title=self._spec.title_for(self._run.turn.input.locale) if self._spec is not None else self._call.name,
            arguments=arguments if self._run.agent.reveal == "full" else None,
            effect=self._spec.effect if self._spec is not None else "read",
        )

    def _name(self) -> str:
        """The tool's name for measurements: what a model made up would make a new label each time."""
        return self._call.name if self._spec is not None else "unknown"


def _edited_note(arguments: str) -> str:
    """What tells the model that its call, which stays in the history as it made it, ran otherwise."""
    return f"[The call was allowed with other arguments, and these were used in place of yours: {arguments}]"


def _cut(content: str, cap: int) -> str:
    if len(content) <= cap:
        return content
    return f"{content[:cap]}\n[Cut here: {len(content) - cap} more characters. Ask for less at once.]"


def _small(result: Any) -> Any:
    return result if len(msgspec.json.encode(result)) <= _RESULT_BYTES else None
