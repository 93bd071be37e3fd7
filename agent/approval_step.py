"""A tool call that needs somebody's yes: what is asked, and what is written when the turn is parked for the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

from agent.loop import BAD_CALL, AskApproval, CallTools, PlannedCall, Refusal, unanswered
from agent.run import Run
from agent.tool_step import call_tools
from core.errors import ToolError
from core.events import ApprovalRequested, ApprovalResolved, Event, TurnResumed, TurnWaiting
from core.turns import ApprovalAsked, Approver, HistoryEntry, ToolBegun

_Why = Literal["policy", "again"]
_REASONS: Final[dict[_Why, dict[str, str]]] = {
    "policy": {
        "en": "This action needs approval before it is done.",
        "pt": "Esta ação precisa de aprovação antes de ser feita.",
        "es": "Esta acción necesita aprobación antes de hacerse.",
    },
    "again": {
        "en": "This action was already begun for the answer that is being replaced; doing it again may double it.",
        "pt": "Esta ação já foi iniciada na resposta que está sendo refeita; repeti-la pode duplicá-la.",
        "es": "Esta acción ya se inició en la respuesta que se está rehaciendo; repetirla puede duplicarla.",
    },
}


def begun_before(history: Sequence[HistoryEntry], retry_of: str | None) -> tuple[str, ...]:
    """The tools of effect `once` that were begun in the turn that is done again, or in those that it did again."""
    return next((entry.once_calls for entry in history if retry_of and entry.turn_id == retry_of), ())


def once_calls(run: Run) -> tuple[str, ...]:
    """What this turn leaves for the next one that does it again: the `once` tools begun in it or before it."""
    begun = [entry.name for entry in run.results if isinstance(entry, ToolBegun) and entry.effect == "once"]
    return tuple(dict.fromkeys((*begun_before(run.history, run.turn.input.retry_of), *begun)))


def approvals_of(run: Run) -> dict[str, Approver]:
    """Which tools need whose yes in this turn: those of the agent, and in a retry those that were begun before."""
    again = begun_before(run.history, run.turn.input.retry_of)
    return {**dict.fromkeys(again, "user"), **run.agent.approvals}


async def asked_arguments(run: Run, instruction: AskApproval) -> dict[str, Any] | None:
    """The arguments to be shown. None: they are wrong, nobody is asked, and the model was told.

    Raises BackendError.
    """
    call = instruction.call
    try:
        return run.shared.tools.check(call.name, call.arguments)
    except ToolError as error:
        refusal = Refusal(code=BAD_CALL, message=error.message)
        planned = PlannedCall(call=call, spec=instruction.spec, refusal=refusal)
        await call_tools(run, CallTools(step=instruction.step, groups=((planned,),)))
        return None


def question(run: Run, instruction: AskApproval, arguments: dict[str, Any]) -> tuple[list[Event], ApprovalAsked]:
    """What asks: its events, the last of which parks the turn, and its journal entry.

    The arguments are shown whatever the agent's reveal policy says: nobody can allow what they cannot see.
    """
    now_ms, locale = run.shared.clock.now_ms(), run.turn.input.locale
    session_id, turn_id = run.turn.session.session_id, run.turn.input.turn_id
    asked = ApprovalAsked(
        step=instruction.step,
        call_id=instruction.call.call_id,
        name=instruction.call.name,
        approval_id=run.shared.ids.new("apr"),
        approver=instruction.approver,
        expires_ms=now_ms + round(run.agent.approval_timeout_s * 1000),
    )
    requested = ApprovalRequested(
        session_id=session_id,
        ts=now_ms,
        turn_id=turn_id,
        approval_id=asked.approval_id,
        call_id=asked.call_id,
        name=asked.name,
        title=instruction.spec.title_for(locale),
        arguments=arguments,
        reason=_reason("policy" if asked.name in run.agent.approvals else "again", locale),
        approver=asked.approver,
        expires_at=asked.expires_ms,
    )
    waiting = TurnWaiting(session_id=session_id, ts=now_ms, turn_id=turn_id, approval_id=asked.approval_id)
    return [requested, waiting], asked


def void_lost_approvals(run: Run) -> None:
    """Take back what was asked by an earlier run and can no longer be answered; `decide` asks anew."""
    session_id, turn_id = run.turn.session.session_id, run.turn.input.turn_id
    for asked in unanswered(run.results):
        now_ms = run.shared.clock.now_ms()
        run.feed.put(
            ApprovalResolved(
                session_id=session_id, ts=now_ms, approval_id=asked.approval_id, approved=False, by="superseded"
            ),
            TurnResumed(session_id=session_id, ts=now_ms, turn_id=turn_id, approval_id=asked.approval_id),
        )


def _reason(why: _Why, locale: str | None) -> str:
    texts = _REASONS[why]
    return texts.get((locale or "").partition("-")[0].lower(), texts["en"])
