"""How a turn ends: its last events, what it leaves for the next turn's context, and its line on the books."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from agent.approval_step import once_calls
from agent.context import question, step_messages
from agent.feed import BLANK_LINE
from agent.loop import NEVER_RAN, OUTCOME_UNKNOWN, Finish
from agent.run import Run
from core.events import Event, ToolFailed, TurnCancelled, TurnCompleted, TurnEnd, TurnFailed
from core.ids import trace_id
from core.messages import AssistantMessage, Message, MessageStatus, ModelMessage, ToolMessage
from core.models import Usage
from core.turns import HistoryEntry, ParkedEnding, ToolBegun, ToolReturned, ToolUse, TurnRecord

CancelledBy = Literal["user", "interrupt", "operator", "erasure"]

_CUT_RESULT = "The turn ended before this call gave a result."
_UNKNOWN_RESULT = "The turn ended while this call ran: whether it took effect is unknown. Do not repeat it unasked."
_NO_ANSWER = "[The answer failed and nothing was given.]"
_STOPPED = "[The user stopped the answer before it began.]"
_STOPPED_MIDWAY = "[The user stopped the answer here.]"


def closing_events(run: Run, finish: Finish, by: CancelledBy) -> list[Event]:
    """What closes the turn: running tools, then the message, then the turn itself, the last event."""
    events: list[Event] = [_tool_cut(run, call_id, began_ms) for call_id, began_ms in run.open_calls.items()]
    completed = run.feed.completed(finish.finish_reason)
    if completed is not None:
        events.append(completed)
    events.append(_turn_end(run, finish, by))
    return events


def _tool_cut(run: Run, call_id: str, began_ms: int) -> ToolFailed:
    now_ms, unknown = run.shared.clock.now_ms(), call_id in _begun_once(run)
    return ToolFailed(
        session_id=run.turn.session.session_id,
        ts=now_ms,
        turn_id=run.turn.input.turn_id,
        call_id=call_id,
        code=OUTCOME_UNKNOWN if unknown else "cancelled",
        message="The turn ended first; whether this took effect is unknown." if unknown else "The turn ended first.",
        duration_ms=now_ms - began_ms,
    )


def _turn_end(run: Run, finish: Finish, by: CancelledBy) -> TurnEnd:
    session_id, turn_id, now_ms = run.turn.session.session_id, run.turn.input.turn_id, run.shared.clock.now_ms()
    usage = run.usage
    named = run.agent.reveal != "title"
    cost_usd = run.cost_microusd / 1_000_000 if named else None
    match finish.outcome:
        case "completed":
            provider, model = served_by(run)
            return TurnCompleted(
                session_id=session_id,
                ts=now_ms,
                turn_id=turn_id,
                message_id=run.feed.message_id,
                usage=usage,
                cost_usd=cost_usd,
                duration_ms=duration_ms(run),
                ttft_ms=ttft_ms(run),
                model=model if named else None,
                provider=provider if named else None,
                from_cache=run.cache is not None and run.cache.state in ("hit", "near"),
                steps=len(run.model_calls),
                tools=tuple(use.name for use in tool_uses(run)),
            )
        case "failed":
            return TurnFailed(
                session_id=session_id,
                ts=now_ms,
                turn_id=turn_id,
                code=finish.code or "internal",
                message=finish.message,
                retryable=finish.retryable,
                usage=usage,
                cost_usd=cost_usd,
            )
        case "cancelled":
            return TurnCancelled(
                session_id=session_id, ts=now_ms, turn_id=turn_id, by=by, usage=usage, cost_usd=cost_usd
            )


def history_entry(run: Run, finish: Finish) -> HistoryEntry:
    """The turn for later contexts, valid for every vendor.

    Each tool call has exactly one result (a synthetic one where it was cut), and the last message is the
    assistant's and not empty; what was stopped is marked.
    """
    messages: list[ModelMessage] = [question(run.turn.input)]
    steps = step_messages(run.results)
    if finish.outcome == "completed" and steps and isinstance(steps[-1], AssistantMessage) and steps[-1].content:
        # An answer may come with calls that nobody offered and nobody ran: they are no part of it.
        steps[-1] = msgspec.structs.replace(
            steps[-1], tool_calls=(), opaque=None if steps[-1].tool_calls else steps[-1].opaque
        )
    messages += _with_all_results(steps, _begun_once(run))
    cancelled = finish.outcome == "cancelled"
    if partial := _unfinished_text(run):
        messages.append(AssistantMessage(content=partial, cancelled=cancelled))
    last = messages[-1]
    if isinstance(last, AssistantMessage) and last.content:
        if cancelled:
            messages[-1] = msgspec.structs.replace(last, cancelled=True)
    else:
        stopped = _STOPPED_MIDWAY if run.feed.length else _STOPPED
        messages.append(AssistantMessage(content=stopped if cancelled else _NO_ANSWER))
    return HistoryEntry(
        turn_id=run.turn.input.turn_id,
        messages=tuple(messages),
        retry_of=run.turn.input.retry_of,
        once_calls=once_calls(run),
    )


def parked_ending(run: Run) -> ParkedEnding:
    """How the turn ends if it is cancelled while nobody runs it: as it would if it were cancelled now."""
    finish = Finish(outcome="cancelled", finish_reason="cancelled")
    return ParkedEnding(
        completed=run.feed.completed("cancelled"),
        history=history_entry(run, finish),
        record=turn_record(run, finish),
        shows_cost=run.agent.reveal != "title",
    )


def _with_all_results(messages: Sequence[ModelMessage], begun_once: frozenset[str]) -> list[ModelMessage]:
    answered = {message.call_id for message in messages if isinstance(message, ToolMessage)}
    whole: list[ModelMessage] = []
    for message in messages:
        if isinstance(message, AssistantMessage) and not message.content and not message.tool_calls:
            continue  # a step that said nothing: some vendors refuse an empty message
        whole.append(message)
        if isinstance(message, AssistantMessage):
            whole.extend(
                ToolMessage(
                    call_id=call.call_id,
                    name=call.name,
                    content=_UNKNOWN_RESULT if call.call_id in begun_once else _CUT_RESULT,
                    failed=True,
                )
                for call in message.tool_calls
                if call.call_id not in answered
            )
    return whole


def _begun_once(run: Run) -> frozenset[str]:
    """The calls of tools of effect `once` that were begun and gave no result: nobody knows what they did."""
    returned = {entry.call_id for entry in run.results if isinstance(entry, ToolReturned)}
    return frozenset(
        entry.call_id
        for entry in run.results
        if isinstance(entry, ToolBegun) and entry.effect == "once" and entry.call_id not in returned
    )


def _unfinished_text(run: Run) -> str:
    """What was shown of a step that did not end."""
    calls = run.model_calls
    return run.feed.text[calls[-1].length if calls else 0 :].removeprefix(BLANK_LINE)


def turn_record(run: Run, finish: Finish) -> TurnRecord:
    """The turn for the books."""
    turn = run.turn
    provider, model = served_by(run)
    calls = run.model_calls
    return TurnRecord(
        turn_id=turn.input.turn_id,
        session_id=turn.session.session_id,
        tenant=turn.session.tenant,
        user_id=turn.session.user_id,
        channel=turn.input.channel,
        agent=turn.input.agent,
        outcome=finish.outcome,
        code=finish.code,
        message=finish.message or None,
        retryable=finish.retryable,
        provider=provider,
        model=model,
        usage=run.usage,
        cost_microusd=run.cost_microusd,
        ttft_ms=ttft_ms(run),
        duration_ms=duration_ms(run),
        accepted_ms=turn.input.accepted_ms,
        ended_ms=run.shared.clock.now_ms(),
        attempts=turn.attempt,
        steps=tuple(run.uses),
        tools=tool_uses(run),
        messages=(*turn.input.messages, *_shown_message(run, finish)),
        retry_of=turn.input.retry_of,
        context_size=calls[-1].context_size if calls else 0,
        route=run.route.reason if run.route is not None else None,
        experiment=run.route.experiment if run.route is not None else None,
        variant=run.route.variant if run.route is not None else None,
        cache=run.cache.state if run.cache is not None else None,
        saved_microusd=run.cache.saved_microusd if run.cache is not None else 0,
        trace_id=trace_id(turn.input.turn_id),
    )


def _shown_message(run: Run, finish: Finish) -> tuple[Message, ...]:
    if run.feed.message_id is None:
        return ()
    statuses: dict[str, MessageStatus] = {"completed": "complete", "failed": "failed", "cancelled": "cancelled"}
    return (
        Message(
            message_id=run.feed.message_id,
            turn_id=run.turn.input.turn_id,
            role="assistant",
            content=run.feed.text,
            channel=run.turn.input.channel,
            ts=run.feed.first_delta_ms or run.shared.clock.now_ms(),
            status=statuses[finish.outcome],
        ),
    )


def tool_uses(run: Run) -> tuple[ToolUse, ...]:
    """The tool calls that ran, in the order in which they ended."""
    return tuple(
        ToolUse(
            call_id=entry.call_id,
            step=entry.step,
            name=entry.name,
            failed=entry.failed,
            code=entry.code,
            duration_ms=entry.duration_ms,
        )
        for entry in run.results
        if isinstance(entry, ToolReturned) and entry.code not in NEVER_RAN
    )


def served_by(run: Run) -> tuple[str | None, str | None]:
    """Provider and model of the last call; before any, of the one that would be called."""
    if uses := run.uses:
        return uses[-1].provider, uses[-1].model
    if run.route is not None:
        first = run.route.candidates[0]
        return first.provider.name, first.model
    return None, None


def duration_ms(run: Run) -> int:
    """From the message's acceptance until now."""
    return max(0, run.shared.clock.now_ms() - run.turn.input.accepted_ms)


def ttft_ms(run: Run) -> int | None:
    """From the message's acceptance to the first text shown; None where none was."""
    if run.feed.first_delta_ms is None:
        return None
    return max(0, run.feed.first_delta_ms - run.turn.input.accepted_ms)


def total_tokens(usage: Usage) -> int:
    """All tokens, where a provider reports no total."""
    return usage.total or usage.input + usage.output
