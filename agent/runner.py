"""Runs a turn: does what the loop decides, writes down each step before the next, and ends it exactly once.

    TakenTurn ─▶ Runner.run ─▶ call_model / call_tools, until decide says Finish ─▶ TurnWriter.end
                                                     or says AskApproval ────────▶ TurnWriter.park

What can stop a run in between: the user (turn.cancelled), the turn's time (turn.failed), a stale lease or a lost
backend (nothing is written, another run goes on), a shutdown (CancelledError: nothing is written either).
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, assert_never

from loguru import logger

from agent.approval_step import approvals_of, asked_arguments, question, void_lost_approvals
from agent.budget import TokenCounter
from agent.ending import CancelledBy, closing_events, history_entry, parked_ending, total_tokens, turn_record
from agent.feed import Feed
from agent.later import Later
from agent.loop import AskApproval, CallModel, CallTools, Finish, decide, failed_by
from agent.model_step import call_model
from agent.replay import take_over
from agent.run import Caching, ChooseModels, Collaborators, Run
from agent.settings import AgentConfig, allowed_tools
from agent.ticker import Ticker
from agent.tool_step import call_tools
from core.clock import Clock
from core.errors import BackendError, ProsaError, ProviderError
from core.ids import Ids
from core.measurements import Measure, NoMeasure, TurnEnded
from core.messages import content_text
from core.ports import Pricing, Tools, TurnWriter
from core.turns import HistoryEntry, TakenTurn, TurnRecord
from core.view import SessionView

ATTEMPTS: Final = 3
"""A turn whose run died that often is not tried again."""

_SAY_S: Final = 0.005
"""The line that says that a turn began is written so much later: it takes as long as all else that is done before the
model is asked (docs/performance.md), for which a user waits."""

_CANCELLED: Final = Finish(outcome="cancelled", finish_reason="cancelled")
_Asking = tuple[AskApproval, dict[str, Any]]
"""A call that waits for a yes, with its checked arguments."""

OnCancel = Callable[[str, Callable[[str], None] | None], None]
"""`TurnQueue.on_cancel`: (turn_id, what to call with who cancelled; None: stop listening)."""


def _no_model(error: ProviderError, agent: AgentConfig) -> Finish:
    """The end of a turn that no model answered, in words for whoever reads the log.

    Who serves the model is left out where the agent's policy leaves it out of the other events.
    """
    if error.code != "provider_unavailable":  # it says already what to do
        return failed_by(error.code, error.message, retryable=error.retryable)
    what = "the model could not answer" if agent.reveal == "title" else error.message.rstrip(".")
    advice = "Try again in a moment." if error.retryable else "The operator has to look at it."
    return failed_by(error.code, f"{what[:1].upper()}{what[1:]}. {advice}", retryable=error.retryable)


def _never_cancelled(turn_id: str, call: Callable[[str], None] | None) -> None:
    """Nobody tells of a cancellation; an append still may."""


def _hidden(text: str) -> str | None:
    """No prompt in the log."""
    return None


class Runner:
    """Runs turns of any agent. One per process; `run` may be called for many turns at once.

    `reference_date` is what "today" is for the agents (None: the clock's day, UTC). `mask` makes a user's text fit
    for the log, or withholds it (None). `keep_prompt` journals what each step sent, for `TurnStatus.prompt`.
    `caching` knows answers that may be given again.
    """

    def __init__(
        self,
        *,
        agents: Mapping[str, AgentConfig],
        tools: Tools,
        choose_models: ChooseModels,
        pricing: Pricing,
        clock: Clock,
        ids: Ids,
        measure: Measure | None = None,
        counter: TokenCounter | None = None,
        reference_date: dt.date | None = None,
        on_cancel: OnCancel = _never_cancelled,
        mask: Callable[[str], str | None] = _hidden,
        keep_prompt: bool = True,
        caching: Caching | None = None,
    ) -> None:
        self._agents = agents
        self._on_cancel, self._mask = on_cancel, mask
        self._shared = Collaborators(
            tools=tools,
            choose_models=choose_models,
            pricing=pricing,
            clock=clock,
            ids=ids,
            measure=measure or NoMeasure(),
            counter=counter or TokenCounter(),
            ticker=Ticker(),
            reference_date=reference_date,
            keep_prompt=keep_prompt,
            caching=caching,
        )

    async def run(
        self,
        turn: TakenTurn,
        writer: TurnWriter,
        *,
        history: Sequence[HistoryEntry] = (),
        shown: SessionView | None = None,
    ) -> TurnRecord | None:
        """Run a taken turn to its end, or until it waits for an approval.

        Gives its record; None where it is parked, or another run goes on with it.

        `history`: `SessionStore.history`. `shown`: `SessionStore.view`, needed where `attempt` or `runs` of the
        turn is not 1 or its journal is not empty. Raises CancelledError (a shutdown, after at most 2 s of cleanup),
        and nothing else but a writer's own faults.
        """
        with logger.contextualize(session_id=turn.session.session_id, turn_id=turn.input.turn_id):
            execution = _Execution(turn, writer, self._shared)
            self._on_cancel(turn.input.turn_id, execution.cancel)
            try:
                record = await execution.run(self._agents, history, shown)
            except BackendError as error:
                logger.warning("run.left", reason=type(error).__name__, detail=error.message, attempt=turn.attempt)
                return None
            finally:
                self._on_cancel(turn.input.turn_id, None)
                execution.say_begun()
            if record is not None:
                self._report(turn, record, execution.began_ms)
            return record

    def _report(self, turn: TakenTurn, record: TurnRecord, began_ms: int) -> None:
        queued_ms = max(0, began_ms - turn.input.accepted_ms)
        self._shared.measure.emit(TurnEnded(record=record, queued_ms=queued_ms))
        logger.bind(
            user_id=record.user_id,
            prompt=self._mask(content_text(turn.input.content)),
            tokens_used=total_tokens(record.usage),
            time_ms=record.duration_ms,
            queued_ms=queued_ms,
            ttft_ms=record.ttft_ms,
            tool_called=[use.name for use in record.tools],
            model=record.model,
            provider=record.provider,
            route=record.route,
            variant=record.variant,
            cost_usd=record.cost_microusd / 1_000_000,
            outcome=record.outcome,
            code=record.code,
            attempt=record.attempts,
        ).info("turn.completed" if record.outcome == "completed" else f"turn.{record.outcome}")


class _Execution:
    """One call of `Runner.run`: what can stop it, and its way to the end."""

    def __init__(self, turn: TakenTurn, writer: TurnWriter, shared: Collaborators) -> None:
        self.began_ms = shared.clock.now_ms()
        self._turn, self._writer, self._shared = turn, writer, shared
        self._cancelled_by: CancelledBy | None = turn.cancelled_by
        self._scope: asyncio.Timeout | None = None
        self.say_begun: Callable[[], None] = _nothing
        """Write now that the turn began, unless that is written."""

    def cancel(self, by: str) -> None:
        """Somebody stops the turn: what runs is broken off now. The first one counts."""
        if self._cancelled_by is None:
            self._cancelled_by = _cancelled_by(by)
            self._interrupt()

    def _interrupt(self) -> None:
        """Break off the work, not the task: the work's time is over now."""
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(asyncio.get_running_loop().time())

    async def run(
        self, agents: Mapping[str, AgentConfig], history: Sequence[HistoryEntry], shown: SessionView | None
    ) -> TurnRecord | None:
        """Work, then end; None: the turn is parked. Raises BackendError where the run may not or cannot write."""
        turn = self._turn
        feed = Feed(
            turn=turn,
            writer=self._writer,
            clock=self._shared.clock,
            ids=self._shared.ids,
            ticker=self._shared.ticker,
            on_cancel=self.cancel,
            on_failure=self._interrupt,
        )
        async with feed:
            run, problem = await self._prepare(agents, history, feed)
            self.say_begun = _said_later(turn, len(run.model_calls))
            if turn.attempt > 1 or turn.runs > 1 or turn.journal:
                take_over(feed, turn.input.turn_id, turn.journal, shown, goes_on=problem is None)
                void_lost_approvals(run)
            try:
                outcome = problem or await self._work(run)
                if not isinstance(outcome, Finish):
                    if await self._park(run, *outcome):
                        return None
                    outcome = _CANCELLED
                return await self._end(run, outcome)
            finally:
                if run.cache is not None:
                    run.cache.leave()

    async def _prepare(
        self, agents: Mapping[str, AgentConfig], history: Sequence[HistoryEntry], feed: Feed
    ) -> tuple[Run, Finish | None]:
        """The run's state, and why it must not even begin."""
        turn, problem = self._turn, None
        agent = agents.get(turn.input.agent)
        run = Run(
            turn=turn,
            agent=agent or next(iter(agents.values())),
            route=None,
            specs={},
            history=history,
            feed=feed,
            shared=self._shared,
            results=list(turn.journal),
        )
        run.approvals = approvals_of(run)
        if self._cancelled_by is not None:
            problem = _CANCELLED
        elif turn.attempt > ATTEMPTS:
            problem = failed_by("internal", "The answer broke off too often. Try again.", retryable=True)
        elif agent is None:
            problem = failed_by("not_found", f"There is no agent {turn.input.agent!r}.", retryable=False)
        else:
            try:
                run.route = await self._shared.choose_models(turn, agent)
                run.specs = allowed_tools(agent, self._shared.tools.specs())
                if self._shared.caching is not None:
                    run.cache = self._shared.caching.turn(turn, agent, run.route)
            except BackendError:
                raise
            except ProsaError as error:
                problem = failed_by(error.code, error.message, retryable=error.retryable)
            except Exception:  # noqa: BLE001 - as in `_work`: every turn ends, also by a bug
                logger.exception("turn.crashed")
                problem = failed_by("internal", "Something went wrong on our side. Try again.", retryable=True)
        return run, problem

    async def _work(self, run: Run) -> Finish | _Asking:
        """Do what the loop decides until it says how the turn ends or what it waits for, or something else ends it.

        The time that a turn is parked is none of its duration: each run has the whole of it.
        """
        limit_s = run.agent.limits.duration_s
        scope = asyncio.timeout(limit_s)
        try:
            async with scope:
                self._scope = scope
                if self._cancelled_by is not None or run.feed.failure is not None:
                    self._interrupt()  # it came before the work began
                return await self._follow_the_loop(run)
        except TimeoutError:
            if run.feed.failure is not None:
                raise run.feed.failure from None
            if self._cancelled_by is not None:
                return _CANCELLED
            if not scope.expired():
                logger.exception("turn.crashed")
                return failed_by("internal", "Something went wrong on our side. Try again.", retryable=True)
            return failed_by(
                "provider_unavailable", f"The answer took longer than {limit_s:g} s. Try again.", retryable=True
            )
        except BackendError:
            raise
        except ProviderError as error:
            return _no_model(error, run.agent)
        except ProsaError as error:
            return failed_by(error.code, error.message, retryable=error.retryable)
        except Exception:  # noqa: BLE001 - the run's outer edge: every turn ends, also by a bug
            logger.exception("turn.crashed")
            return failed_by("internal", "Something went wrong on our side. Try again.", retryable=True)
        finally:
            self._scope = None

    async def _follow_the_loop(self, run: Run) -> Finish | _Asking:
        while True:
            await asyncio.sleep(0)  # a stop that was asked for meanwhile strikes here, also where nothing else waits
            instruction = decide(run.results, run.agent.limits, run.specs, run.approvals)
            match instruction:
                case CallModel():
                    await call_model(run, instruction)
                case CallTools():
                    await call_tools(run, instruction)
                case AskApproval():
                    arguments = await asked_arguments(run, instruction)
                    if arguments is not None:
                        return instruction, arguments
                case Finish():
                    return instruction
                case _:
                    assert_never(instruction)

    async def _park(self, run: Run, instruction: AskApproval, arguments: dict[str, Any]) -> bool:
        """Parking is one write, and this run's last; False: the turn was cancelled first, and is to be ended.

        Raises BackendError.
        """
        left, journal = await run.feed.finish()
        if journal:
            await self._writer.append(left, journal)
            left = []
        if self._cancelled_by is None:
            events, asked = question(run, instruction, arguments)
            by = await self._writer.park([*left, *events], asked, parked_ending(run))
            if by is None:
                logger.info("turn.parked", name=asked.name, approver=asked.approver, approval_id=asked.approval_id)
                return True
            self._cancelled_by = by
        run.feed.put(*left)
        return False

    async def _end(self, run: Run, finish: Finish) -> TurnRecord:
        """The end is one write. Raises BackendError."""
        left, journal = await run.feed.finish()
        record = turn_record(run, finish)
        events = [*left, *closing_events(run, finish, self._cancelled_by or "user")]
        await self._writer.end(events, history_entry(run, finish), record, journal)
        if run.cache is not None:
            await run.cache.keep(run, finish)
        return record


def _nothing() -> None:
    """The run has not come so far that something is to be said."""


def _said_later(turn: TakenTurn, steps_done: int) -> Callable[[], None]:
    line = partial(logger.info, "turn.started", agent=turn.input.agent, attempt=turn.attempt, steps_done=steps_done)
    return Later(_SAY_S, line).now


def _cancelled_by(by: str) -> CancelledBy:
    match by:
        case "interrupt" | "operator" | "erasure":
            return by
        case _:
            return "user"
