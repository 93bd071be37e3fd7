"""Replays a turn's journal offline: whether the loop decides the same, and what was shown is the journal's text.

    curl .../api/v1/turns/turn_.../journal | python -m agent.replay_journal -

reads the JSON of that address (`JournalDocument`), prints each entry with what was decided before it, and exits with
1 at the first difference, 2 where the JSON cannot be read. Nothing is called and nothing is written.

What cannot be replayed: that a user stopped the turn, and that a provider, a tool or a limit in mid-stream failed it.
Such an end may stand at any point of a journal; where the loop itself had ended the turn, it must have ended so.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from agent.loop import (
    BAD_CALL,
    OUTCOME_UNKNOWN,
    AskApproval,
    CallModel,
    CallTools,
    Finish,
    Instruction,
    PlannedCall,
    decide,
    unanswered,
)
from agent.replay import journalled_text
from agent.settings import AgentConfig, allowed_tools
from core.messages import content_text
from core.models import ToolSpec
from core.turns import (
    ApprovalAnswered,
    ApprovalAsked,
    Approver,
    JournalEntry,
    ModelCalled,
    ToolBegun,
    ToolReturned,
    TurnJournal,
    TurnRecord,
    TurnState,
)

_BROKE_OFF: Final = "internal"
"""The code of a turn that was given up after too many runs: it may follow any decision, also that of a good end."""


class Replayed(msgspec.Struct, frozen=True, kw_only=True):
    """A point of the journal: what was decided there, and what was written down."""

    decided: str
    written: str


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. `text`, `length` (code points) and `sha256` are those of the journal's message."""

    same: bool
    difference: str | None
    """The first one, in a sentence."""
    decisions: tuple[Replayed, ...]
    text: str
    length: int
    sha256: str


class JournalDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What `GET /api/v1/turns/{turn_id}/journal` answers: all that a replay needs, and the replay itself.

    `agent` and `tools` are those of the server at the time of asking; `agent` is None where it has no such agent now.
    """

    turn_id: str
    state: TurnState
    journal: TurnJournal
    agent: AgentConfig | None
    tools: tuple[ToolSpec, ...]
    replay: Replay


def document(journal: TurnJournal, agent: AgentConfig | None, specs: Iterable[ToolSpec]) -> JournalDocument:
    """The answer for a journal. `specs`: of all tools of the server (`Tools.specs`)."""
    tools = tuple(specs)
    return JournalDocument(
        turn_id=journal.input.turn_id,
        state=journal.state,
        journal=journal,
        agent=agent,
        tools=tools,
        replay=replay(journal, agent, tools),
    )


def replay(journal: TurnJournal, agent: AgentConfig | None, specs: Iterable[ToolSpec]) -> Replay:
    """Go through the journal; pure. Without an agent nothing can be decided, which is a difference."""
    text = journalled_text(journal.entries)
    decisions: tuple[Replayed, ...] = ()
    if agent is None:
        difference: str | None = f"There is no agent {journal.input.agent!r} here, so nothing can be decided."
    else:
        replayer = _Replayer(journal, agent, specs)
        difference = replayer.run() or _of_the_text(text, journal.record)
        decisions = tuple(replayer.decisions)
    return Replay(
        same=difference is None,
        difference=difference,
        decisions=decisions,
        text=text,
        length=len(text),
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )


class _Replayer:
    """One way through a journal."""

    def __init__(self, journal: TurnJournal, agent: AgentConfig, specs: Iterable[ToolSpec]) -> None:
        self.decisions: list[Replayed] = []
        self._journal, self._agent = journal, agent
        self._specs = allowed_tools(agent, specs)
        self._approvals = _approvals(journal, agent)
        self._done: list[JournalEntry] = []
        self._decided: Instruction = self._decide()

    def run(self) -> str | None:
        """The first difference, or None."""
        for entry in self._journal.entries:
            difference = self._take(entry)
            if difference is not None:
                return f"Entry {len(self._done) + 1} ({_named(entry)}): {difference}"
            self._done.append(entry)
        return _of_the_end(self._decide(), self._journal.record)

    def _take(self, entry: JournalEntry) -> str | None:
        """Check an entry against the decision in force, which holds until all that it asked for is written down.

        Another run may have decided anew in between: then the entry must be what is decided now.
        """
        if isinstance(entry, ApprovalAnswered):
            known = entry.approval_id in {asked.approval_id for asked in unanswered(self._done)}
            self.decisions.append(Replayed(decided="wait for the answer", written=_named(entry)))
            return None if known else "it answers what nobody had asked."
        if not _is_under_way(self._decided, self._done):
            self._decided = self._decide()
        difference = _of_entry(entry, self._decided, self._done)
        if difference is not None:
            anew = self._decide()
            difference = _of_entry(entry, anew, self._done)
            self._decided = anew
        self.decisions.append(Replayed(decided=_said(self._decided), written=_named(entry)))
        return difference

    def _decide(self) -> Instruction:
        return decide(self._done, self._agent.limits, self._specs, self._approvals)


def _approvals(journal: TurnJournal, agent: AgentConfig) -> dict[str, Approver]:
    """The agent's, and in a retry those that were asked for: what the turn before had begun is not in this journal."""
    asked: dict[str, Approver] = {}
    if journal.input.retry_of is not None:
        asked = {entry.name: entry.approver for entry in journal.entries if isinstance(entry, ApprovalAsked)}
    return {**asked, **agent.approvals}


def _is_under_way(decided: Instruction, done: Sequence[JournalEntry]) -> bool:
    """Whether some of the calls of a decision have results and others not, or are begun."""
    if not isinstance(decided, CallTools) or not done or isinstance(done[-1], ModelCalled | ApprovalAnswered):
        return False
    return bool(_open_calls(decided, done))


def _open_calls(decided: CallTools, done: Sequence[JournalEntry]) -> tuple[PlannedCall, ...]:
    """The calls of the first group that has some without a result."""
    returned = {entry.call_id for entry in done if isinstance(entry, ToolReturned) and entry.step == decided.step}
    groups = (tuple(one for one in group if one.call.call_id not in returned) for group in decided.groups)
    return next((group for group in groups if group), ())


def _of_entry(entry: JournalEntry, decided: Instruction, done: Sequence[JournalEntry]) -> str | None:
    """How an entry differs from what was decided; None: it does not."""
    match entry, decided:
        case ModelCalled(), CallModel(step=step) if entry.step == step:
            length = len(journalled_text([*done, entry]))
            return None if entry.length == length else f"the message is {length} long, not {entry.length}."
        case ApprovalAsked(), AskApproval():
            same = (entry.step, entry.call_id, entry.name) == (decided.step, decided.call.call_id, decided.call.name)
            return None if same and entry.approver == decided.approver else _instead(decided)
        case ToolReturned(), AskApproval() if entry.code == BAD_CALL and entry.call_id == decided.call.call_id:
            return None  # wrong arguments: nobody was asked
        case ToolBegun() | ToolReturned(), CallTools(step=step) if entry.step == step:
            planned = next((one for one in _open_calls(decided, done) if one.call.call_id == entry.call_id), None)
            if planned is None or planned.call.name != entry.name:
                return _instead(decided)
            return _of_begin(entry, planned, done) if isinstance(entry, ToolBegun) else _of_result(entry, planned, done)
        case _:
            return _instead(decided)


def _of_begin(entry: ToolBegun, planned: PlannedCall, done: Sequence[JournalEntry]) -> str | None:
    if entry.effect == "once" and _is_begun(entry, done):
        return "a tool of effect once was begun a second time."
    if planned.refusal is not None:
        return f"the call was refused ({planned.refusal.code}) and must not begin."
    if planned.spec is None or planned.spec.effect != entry.effect:
        return f"the tool's effect is {planned.spec.effect if planned.spec else 'not known'}, not {entry.effect}."
    return None


def _of_result(entry: ToolReturned, planned: PlannedCall, done: Sequence[JournalEntry]) -> str | None:
    if planned.refusal is not None and planned.refusal.code != OUTCOME_UNKNOWN:
        expected = planned.refusal.code
        return None if entry.code == expected else f"the call was refused ({expected}), and ended with {entry.code}."
    quiet = planned.spec is None or planned.spec.effect == "read" or entry.code == BAD_CALL
    return None if quiet or _is_begun(entry, done) else "the tool ran without having been begun in the journal."


def _is_begun(entry: ToolBegun | ToolReturned, done: Sequence[JournalEntry]) -> bool:
    return any(isinstance(one, ToolBegun) and (one.step, one.call_id) == (entry.step, entry.call_id) for one in done)


def _of_the_end(decided: Instruction, record: TurnRecord | None) -> str | None:
    """How the turn's end differs from the last decision."""
    if record is None or record.outcome == "cancelled" or record.code == _BROKE_OFF:
        return None
    if not isinstance(decided, Finish):
        return f"The turn completed, where the loop would {_said(decided)}." if record.outcome == "completed" else None
    if (decided.outcome, decided.code) != (record.outcome, record.code):
        return f"The turn ended {_ended(record.outcome, record.code)}, where the loop would {_said(decided)}."
    return None


def _of_the_text(text: str, record: TurnRecord | None) -> str | None:
    """How the message on the books differs from the journal's: a turn that broke off may have shown more."""
    if record is None:
        return None
    shown = next((content_text(one.content) for one in record.messages if one.role == "assistant"), "")
    if shown == text or (record.outcome != "completed" and shown.startswith(text)):
        return None
    at = next((index for index, (one, other) in enumerate(zip(shown, text, strict=False)) if one != other), None)
    where = min(len(shown), len(text)) if at is None else at
    return f"The message on the books is not the journal's: they differ from character {where} on."


def _instead(decided: Instruction) -> str:
    return f"the loop would {_said(decided)}."


def _said(decided: Instruction) -> str:
    match decided:
        case CallModel():
            return f"call the model (step {decided.step}{'' if decided.offer_tools else ', without tools'})"
        case CallTools():
            calls = (one for group in decided.groups for one in group)
            named = ", ".join(f"{one.call.name}{f' ({one.refusal.code})' if one.refusal else ''}" for one in calls)
            return f"answer the calls of step {decided.step}: {named}"
        case AskApproval():
            return f"ask the {decided.approver} to allow {decided.call.name} (step {decided.step})"
        case Finish():
            return f"end the turn, {_ended(decided.outcome, decided.code)}"


def _ended(outcome: str, code: str | None) -> str:
    return outcome if code is None else f"{outcome} ({code})"


def _named(entry: JournalEntry) -> str:
    match entry:
        case ModelCalled():
            return f"model called, step {entry.step}, {entry.finish_reason}, {len(entry.calls)} calls"
        case ToolBegun():
            return f"{entry.name} begun, step {entry.step}"
        case ToolReturned():
            return f"{entry.name} returned, step {entry.step}, {entry.code or 'well'}"
        case ApprovalAsked():
            return f"{entry.name} asked for, step {entry.step}"
        case ApprovalAnswered():
            return f"{'approved' if entry.approved else 'not approved'} by {entry.by}, step {entry.step}"


def report(found: JournalDocument, result: Replay) -> str:
    """The replay for a terminal: a line a decision, the text's sum, and what came of it."""
    points = [f"{number:3}. {point.decided}  ->  {point.written}" for number, point in enumerate(result.decisions, 1)]
    text = f"{found.turn_id} ({found.state}): {result.length} characters, sha256 {result.sha256}"
    return "\n".join((*points, text, result.difference or "The same decisions, the same text.", ""))


def main(arguments: Sequence[str]) -> int:
    """Replay a document from a file, or from standard input (`-`); gives the exit code, see the module's docstring."""
    if len(arguments) != 1:
        sys.stderr.write("Usage: python -m agent.replay_journal FILE|-\n")
        return 2
    try:
        data = sys.stdin.buffer.read() if arguments[0] == "-" else Path(arguments[0]).read_bytes()
        found = msgspec.json.decode(data, type=JournalDocument)
    except (OSError, msgspec.DecodeError) as error:
        sys.stderr.write(f"This is no turn's journal: {error}\n")
        return 2
    result = replay(found.journal, found.agent, found.tools)
    sys.stdout.write(report(found, result))
    return 0 if result.same else 1


if __name__ == "__main__":  # pragma: no cover - the shell's way in
    sys.exit(main(sys.argv[1:]))
