"""What a turn does next, decided from its journal alone: no I/O, no clock, so a turn replays from what it wrote down.

    decide(results) ─▶ CallModel ─▶ the runner appends a ModelCalled ─▶ decide ...
                    ─▶ CallTools ─▶ one ToolReturned for each call   ─▶ decide ...
                    ─▶ AskApproval ─▶ the turn is parked; the answer is an ApprovalAnswered ─▶ decide ...
                    ─▶ Finish

The rules, in the order in which they are applied to the last model call:

1. No tool calls, or calls of a model that was offered no tools, or a filtered or failed answer: the turn ends
   with what was said. Nothing said: it fails.
2. Tokens or money spent: the turn fails with `budget_exceeded`.
3. Calls without a result: run them. More than `Limits.same_call` equal calls: `tool_loop`. Calls over
   `Limits.tool_calls` and calls that must not run again are refused, so each call has exactly one result.
   Calls that need somebody's yes come last and one by one: each is asked for, and run or refused as answered.
4. More than `Limits.corrections` steps with a bad call: `tool_failed`.
5. Otherwise the next model call. The last one allowed is made without tools, so that the model answers
   with what it has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from core.errors import ErrorCode
from core.messages import ToolCall
from core.models import FinishReason, ToolSpec
from core.turns import (
    ApprovalAnswered,
    ApprovalAsked,
    Approver,
    JournalEntry,
    Limits,
    ModelCalled,
    Outcome,
    StepUse,
    ToolBegun,
    ToolReturned,
)

BAD_CALL: Final = "invalid_request"
"""The code of a result that says that the call itself was wrong; it counts against `Limits.corrections`."""
OUTCOME_UNKNOWN: Final = "outcome_unknown"
CALL_LIMIT: Final = "limit_reached"
NOT_APPROVED: Final = "not_approved"
NEVER_RAN: Final = frozenset({BAD_CALL, CALL_LIMIT, NOT_APPROVED})
"""The codes of results of calls that were not run; these calls do not count against `Limits.tool_calls`."""


class CallModel(msgspec.Struct, frozen=True, kw_only=True):
    """Call the model. `step` counts from 1."""

    step: int
    offer_tools: bool


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why a call is answered without being run; `message` is for the model."""

    code: str
    message: str


class PlannedCall(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call to answer: run it, or answer it with its refusal. `spec` is None for a name that nobody knows."""

    call: ToolCall
    spec: ToolSpec | None = None
    refusal: Refusal | None = None
    arguments: str | None = None
    """JSON that the approver put in the place of the model's arguments."""


class CallTools(msgspec.Struct, frozen=True, kw_only=True):
    """Answer tool calls: group after group, the calls of a group at the same time."""

    step: int
    groups: tuple[tuple[PlannedCall, ...], ...]


class AskApproval(msgspec.Struct, frozen=True, kw_only=True):
    """Ask whether a call may run, and park the turn until that is answered.

    A call with wrong arguments is not asked for: it is answered with what is wrong (`BAD_CALL`).
    """

    step: int
    call: ToolCall
    spec: ToolSpec
    approver: Approver


class Finish(msgspec.Struct, frozen=True, kw_only=True):
    """End the turn. `code` and `message` are set where it failed; `finish_reason` is that of the message."""

    outcome: Outcome
    finish_reason: FinishReason
    code: ErrorCode | None = None
    message: str = ""
    retryable: bool = False


Instruction = CallModel | CallTools | AskApproval | Finish


def decide(
    results: Sequence[JournalEntry],
    limits: Limits,
    specs: Mapping[str, ToolSpec],
    approvals: Mapping[str, Approver] | None = None,
) -> Instruction:
    """Say what comes next after `results`, the turn's whole journal in order.

    `approvals`: which tools need whose yes before they run; the names of tools that are not in `specs` mean nothing.
    """
    calls = [entry for entry in results if isinstance(entry, ModelCalled)]
    if not calls:
        return _next_model_call(1, results, limits)
    last = calls[-1]
    if not last.calls or last.step >= limits.steps or last.finish_reason not in ("stop", "length"):
        return _answer(last)
    if spent := _overspent(calls, limits):
        return spent
    if pending := _pending(last, results):
        return _answer_calls(last, pending, results, limits, specs, approvals or {})
    if _bad_steps(results) > limits.corrections:
        return _failed("tool_failed", "The model called a tool wrongly too often. Ask in other words.")
    return _next_model_call(last.step + 1, results, limits)


def failed_by(code: ErrorCode, message: str, *, retryable: bool) -> Finish:
    """End a turn badly for a reason outside of the loop, such as a provider's failure."""
    return Finish(outcome="failed", finish_reason="failed", code=code, message=message, retryable=retryable)


def overspent(tokens: int, cost_microusd: int, limits: Limits) -> Finish | None:
    """The end of a turn that used more than it may; None while it may go on. Also used in mid-stream, on estimates."""
    if tokens > limits.tokens:
        return _failed("budget_exceeded", f"The turn used more than its {limits.tokens} tokens. Ask for less at once.")
    if cost_microusd > limits.cost_microusd:
        return _failed("budget_exceeded", "The turn cost more than it may. Ask for less at once.")
    return None


def _failed(code: ErrorCode, message: str) -> Finish:
    return failed_by(code, message, retryable=False)


def _overspent(calls: Sequence[ModelCalled], limits: Limits) -> Finish | None:
    uses: list[ModelCalled | StepUse] = [*calls, *(use for call in calls for use in call.broken)]
    tokens = sum(use.usage.input + use.usage.output for use in uses)
    return overspent(tokens, sum(use.cost_microusd for use in uses), limits)


def _next_model_call(step: int, results: Sequence[JournalEntry], limits: Limits) -> CallModel:
    offer = step < limits.steps and _calls_run(results) < limits.tool_calls
    return CallModel(step=step, offer_tools=offer)


def _answer(last: ModelCalled) -> Finish:
    if last.finish_reason in ("failed", "cancelled"):
        return failed_by("provider_unavailable", "The model broke off its answer. Try again.", retryable=True)
    if last.length > 0:
        return Finish(outcome="completed", finish_reason=last.finish_reason)
    if last.finish_reason == "filtered":
        return _failed("content_blocked", "The model's provider blocked the answer. Ask in other words.")
    if last.calls:
        return _failed("tool_loop", f"The turn reached its {last.step} steps without an answer. Ask for less at once.")
    if last.finish_reason == "length":
        return _failed(
            "budget_exceeded", "The model used up its output tokens without an answer. Ask for less at once."
        )
    return failed_by("provider_unavailable", "The model gave an empty answer. Try again.", retryable=True)


def _pending(last: ModelCalled, results: Sequence[JournalEntry]) -> list[ToolCall]:
    returned = {entry.call_id for entry in results if isinstance(entry, ToolReturned) and entry.step == last.step}
    return [call for call in last.calls if call.call_id not in returned]


def unanswered(results: Sequence[JournalEntry]) -> tuple[ApprovalAsked, ...]:
    """The approvals that were asked for and not answered.

    A run finds one only where the log lost what came after it: nobody can answer it any more, so `decide` asks anew.
    """
    answered = {entry.approval_id for entry in results if isinstance(entry, ApprovalAnswered)}
    return tuple(entry for entry in results if isinstance(entry, ApprovalAsked) and entry.approval_id not in answered)


def _answer_calls(
    last: ModelCalled,
    pending: Sequence[ToolCall],
    results: Sequence[JournalEntry],
    limits: Limits,
    specs: Mapping[str, ToolSpec],
    approvals: Mapping[str, Approver],
) -> CallTools | AskApproval | Finish:
    if repeated := _repeated(results, limits.same_call):
        return _failed("tool_loop", f"The model called {repeated!r} again and again with the same arguments.")
    room = limits.tool_calls - _calls_run(results)
    begun_once = {
        entry.call_id
        for entry in results
        if isinstance(entry, ToolBegun) and entry.step == last.step and entry.effect == "once"
    }
    planned: list[PlannedCall] = []
    to_ask: list[AskApproval] = []
    for call in pending:
        refusal = _refusal(call, begun=call.call_id in begun_once, room=room, cut=last.finish_reason == "length")
        room -= refusal is None
        spec, approver = specs.get(call.name), approvals.get(call.name)
        if refusal is not None or spec is None:
            planned.append(PlannedCall(call=call, spec=spec, refusal=refusal))
        elif answer := _approval(last.step, call, results):  # it counts, also where nobody need be asked any more
            planned.append(_answered(call, spec, answer))
        elif approver is not None:
            to_ask.append(AskApproval(step=last.step, call=call, spec=spec, approver=approver))
        else:
            planned.append(PlannedCall(call=call, spec=spec))
    return CallTools(step=last.step, groups=_groups(planned)) if planned else to_ask[0]


def _approval(step: int, call: ToolCall, results: Sequence[JournalEntry]) -> ApprovalAnswered | None:
    """The answer that counts for a call: the last one, whichever asking it was given to."""
    for entry in reversed(results):
        if isinstance(entry, ApprovalAnswered) and (entry.step, entry.call_id) == (step, call.call_id):
            return entry
    return None


def _answered(call: ToolCall, spec: ToolSpec, answer: ApprovalAnswered) -> PlannedCall:
    if answer.approved:
        return PlannedCall(call=call, spec=spec, arguments=answer.arguments)
    return PlannedCall(call=call, spec=spec, refusal=Refusal(code=NOT_APPROVED, message=_why_not(answer)))


def _why_not(answer: ApprovalAnswered) -> str:
    reason = answer.reason or ""
    stop = "" if reason.endswith((".", "!", "?")) else "."
    said = f" The reason given: {reason}{stop}" if reason else ""
    why = {
        "timeout": "Nobody allowed this call in time, so it was not run.",
        "superseded": "The user wrote something else instead of allowing this call, so it was not run.",
        "user": f"The user did not allow this call, so it was not run.{said}",
        "operator": f"An operator did not allow this call, so it was not run.{said}",
    }
    return f"{why[answer.by]} Do not repeat it unless the user asks for it again; tell the user that it was not done."


def _refusal(call: ToolCall, *, begun: bool, room: int, cut: bool) -> Refusal | None:
    if begun:
        return Refusal(
            code=OUTCOME_UNKNOWN,
            message="This call was begun and then interrupted: whether it took effect is unknown. "
            "Do not repeat it; tell the user that its outcome is unknown.",
        )
    if cut and not call.arguments.strip():
        return Refusal(code=BAD_CALL, message="The arguments were cut off by the output limit. Call again, with less.")
    if room <= 0:
        return Refusal(
            code=CALL_LIMIT, message="No more tool calls are allowed in this turn. Answer with what you have."
        )
    return None


def _groups(planned: Sequence[PlannedCall]) -> tuple[tuple[PlannedCall, ...], ...]:
    """Neighbours that may run together form a group; a call whose tool says `parallel=False` is alone in its own."""
    groups: list[list[PlannedCall]] = []
    open_group = False
    for call in planned:
        parallel = call.spec is None or call.spec.parallel
        if parallel and open_group:
            groups[-1].append(call)
        else:
            groups.append([call])
        open_group = parallel
    return tuple(tuple(group) for group in groups)


def _calls_run(results: Sequence[JournalEntry]) -> int:
    return sum(isinstance(entry, ToolReturned) and entry.code not in NEVER_RAN for entry in results)


def _bad_steps(results: Sequence[JournalEntry]) -> int:
    return len({entry.step for entry in results if isinstance(entry, ToolReturned) and entry.code == BAD_CALL})


def _repeated(results: Sequence[JournalEntry], allowed: int) -> str | None:
    """The name of a tool asked for over `allowed` times with equal arguments.

    Calls that never ran do not count, but for those that somebody did not allow: who is asked must not be pestered.
    """
    not_run = {
        (entry.step, entry.call_id)
        for entry in results
        if isinstance(entry, ToolReturned) and entry.code in (BAD_CALL, CALL_LIMIT)
    }
    seen: dict[tuple[str, str], int] = {}
    for entry in results:
        if not isinstance(entry, ModelCalled):
            continue
        for call in entry.calls:
            if (entry.step, call.call_id) in not_run:
                continue
            key = (call.name, _canonical(call.arguments))
            seen[key] = seen.get(key, 0) + 1
            if seen[key] > allowed:
                return call.name
    return None


def _canonical(arguments: str) -> str:
    """The same text for the same arguments, however spaced and ordered; what is not JSON stands for itself."""
    try:
        return json.dumps(json.loads(arguments or "{}"), sort_keys=True)
    except ValueError:
        return arguments.strip()
