"""Rules of what was said and done: answers hold what the model said, steps and tools are not repeated, a stop stops."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from core.messages import Message, content_text
from tests.chaos.checker_history import ENDS, History, Rule, Violation, evidence
from tests.chaos.checker_log import Folds
from tests.chaos.checker_turns import Turns
from tests.chaos.history import ModelCall, Received

CLOSED_SLACK_NS: Final = 400_000_000
"""The fake provider, one process among many on this machine, sees a little later that a connection was closed."""
STOPPED_SLACK_NS: Final = 1_500_000_000
"""A turn may end by itself while its stop is on the way."""
_MARK_SLACK_NS: Final = 50_000_000
_BLANK_LINE: Final = "\n\n"
_FIRST_TOKEN: Final = re.compile(r".*?-(\d+)-0 ", re.DOTALL)


class Calls:
    """The model's calls by the message that they answer."""

    def __init__(self, history: History) -> None:
        self._history = history
        self.by_cid: dict[str, list[ModelCall]] = defaultdict(list)
        """By the first cid in the question: of merged messages all calls have the same first one."""
        cids: dict[str, list[str]] = defaultdict(list)
        for sent in history.sent:
            cid = sent.frame.get("cid")
            if sent.frame.get("type") == "message.send" and cid not in cids[sent.session]:
                cids[sent.session].append(str(cid))
        words = {session: _words(names) for session, names in cids.items() if names}
        for call in sorted(history.calls.values(), key=lambda call: call.call):
            pattern = words.get(call.session)
            found = pattern.search(call.question) if pattern is not None else None
            if found is not None:
                self.by_cid[found[0]].append(call)

    def of(self, cids: Sequence[str]) -> list[ModelCall]:
        """The calls that answer one of these cids."""
        return [call for cid in cids for call in self.by_cid.get(cid, [])]

    def text(self, call: int) -> str | None:
        """All that was said in a call; None while nothing is known of its end."""
        said = self._history.said.get(call)
        return None if said is None else "".join(said.tokens)


def _words(names: Sequence[str]) -> re.Pattern[str]:
    longest_first = sorted(names, key=len, reverse=True)
    return re.compile(r"(?<![\w-])(?:" + "|".join(map(re.escape, longest_first)) + r")(?![\w-])")


def judge_texts(history: History, folds: Folds, turns: Turns, violations: list[Violation]) -> None:
    """Judge all that this module names."""
    calls = Calls(history)
    for session, view in folds.last.items():
        cids: dict[str, list[str]] = defaultdict(list)
        for message in view.messages:
            if message.re is not None:
                cids[message.turn_id].append(message.re)
        for message in view.messages:
            if message.role == "assistant":
                own = {*cids[message.turn_id], *turns.cids[message.turn_id]}  # a long view is cut, also within a turn
                answer = _Answer(history, calls, message, calls.of(sorted(own)))
                violations += [
                    Violation(rule=Rule.TEXT, session=session, sentence=f"{message.message_id}: {sentence}")
                    for sentence in answer.problems()
                ]
    violations += [*_repeated_steps(history, calls), *_once(history, folds)]
    violations += [*_not_closed(history, calls, turns, folds), *_not_stopped(history, turns)]


class _Answer:
    """An assistant's message against the calls of its turn."""

    def __init__(self, history: History, calls: Calls, message: Message, own: list[ModelCall]) -> None:
        self._history, self._calls, self._message = history, calls, message
        self._own = {call.call: call for call in own}
        self._whole = message.status == "complete"

    def problems(self) -> Iterator[str]:
        text = content_text(self._message.content)
        parts = text.split(_BLANK_LINE) if text else []
        steps: list[int] = []
        for index, part in enumerate(parts):
            whole = self._whole or index + 1 < len(parts)
            call = self._call_of(part, whole=whole)
            if call is None:
                yield f"the part {_ends(part)} is not what a call of this turn said from its beginning"
                return
            if problem := self._differs(call, part, whole=whole):
                yield problem
            if steps and call.step <= steps[-1]:
                yield f"call {call.call} of step {call.step} stands after step {steps[-1]}"
            steps.append(call.step)
        if self._whole:
            yield from self._unsaid(set(steps))

    def _call_of(self, part: str, *, whole: bool) -> ModelCall | None:
        found = _FIRST_TOKEN.match(part)
        if found is not None:
            return self._own.get(int(found[1]))
        if whole:
            return None
        return next((call for call in self._own.values() if (self._calls.text(call.call) or "").startswith(part)), None)

    def _differs(self, call: ModelCall, part: str, *, whole: bool) -> str:
        said = self._calls.text(call.call)
        if said is None:
            return f"nothing is known of the end of call {call.call}"
        if not said.startswith(part):
            same = next(
                (i for i, (a, b) in enumerate(zip(said, part, strict=False)) if a != b), min(len(said), len(part))
            )
            return f"call {call.call} said {_ends(said[same:])} from {same} on, and shown is {_ends(part[same:])}"
        if not whole:
            return ""
        if part != said:
            return f"of call {call.call} {len(said) - len(part)} of {len(said)} characters are missing"
        return "" if self._history.said[call.call].whole else f"call {call.call} was cut and counts as whole"

    def _unsaid(self, steps: set[int]) -> Iterator[str]:
        by_step: dict[int, list[ModelCall]] = defaultdict(list)
        for call in self._own.values():
            said = self._history.said.get(call.call)
            if said is not None and said.whole and call.fault is None:
                by_step[call.step].append(call)
        for step, calls in by_step.items():
            if step not in steps and all(self._calls.text(call.call) for call in calls):
                yield f"nothing of step {step} is shown"


def _ends(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:30]}...{text[-30:]}")


def _repeated_steps(history: History, calls: Calls) -> Iterator[Violation]:
    """A step that begins after a later one began was finished before: a step is journalled before the next begins."""
    retries: dict[str, list[int]] = defaultdict(list)
    for sent in history.sent:
        if sent.frame.get("type") == "turn.retry":
            retries[sent.session].append(sent.at_ns)
    for cid, own in calls.by_cid.items():
        furthest: ModelCall | None = None
        for call in own:
            if furthest is not None:
                between = (furthest.at_ns, call.at_ns)
                again = any(between[0] <= at_ns <= between[1] for at_ns in retries[call.session])
                if again or history.restarted_between(*between):
                    furthest = None
            if furthest is not None and call.step < furthest.step:
                sentence = f"{cid}: call {call.call} does step {call.step} after call {furthest.call} began step {furthest.step}"
                yield Violation(rule=Rule.REPEATED_STEP, session=call.session, sentence=sentence)
            elif furthest is None or call.step > furthest.step:
                furthest = call


def _once(history: History, folds: Folds) -> Iterator[Violation]:
    """A call of a `once` tool leaves one row, and a message one; more only by an approval, or what Redis forgot."""
    by_call = Counter((row.session, row.call_id.rsplit(":")[-1]) for row in history.tool_rows)
    by_note = Counter((row.session, row.note) for row in history.tool_rows)
    forgiven = len(history.restarts_ns())
    approved = _approved(history, folds)
    started: set[tuple[str, str]] = set()
    completed: set[tuple[str, str]] = set()
    for place in folds.places:
        match place.event["type"]:
            case "tool.started" if place.event.get("effect") == "once":
                started.add((place.session, place.event["call_id"]))
            case "tool.completed":
                completed.add((place.session, place.event["call_id"]))
            case _:
                pass
    for (session, call_id), count in by_call.items():
        if count > 1 + forgiven:
            yield Violation(rule=Rule.ONCE, session=session, sentence=f"{call_id} left {count} rows")
    for (session, note), count in by_note.items():
        if count > 1 + forgiven + approved[session]:
            yield Violation(rule=Rule.ONCE, session=session, sentence=f"{note!r} left {count} rows")
    if history.tool_rows:
        for session, call_id in sorted(completed & started):
            if (session, call_id) not in by_call:
                yield Violation(rule=Rule.ONCE, session=session, sentence=f"{call_id} completed and left no row")


def _approved(history: History, folds: Folds) -> dict[str, int]:
    """How many approvals were given in each session; also those that lie before all views of their epoch."""
    folded = {(place.session, place.epoch, place.seq): place.event for place in folds.places}
    logged = {(*key, seq): event for key, log in history.logs.items() for seq, event in log.items()}
    given = [
        place
        for place, event in (logged | folded).items()
        if event["type"] == "approval.resolved" and event["approved"]
    ]
    return Counter(session for session, _, _ in given)


def _not_closed(history: History, calls: Calls, turns: Turns, folds: Folds) -> Iterator[Violation]:
    """The calls of the run that was stopped ended before `turn.cancelled` was seen."""
    for turn_id, ends in turns.ends.items():
        end = ends[-1]
        if end.event["type"] != "turn.cancelled":
            continue
        began = [mark.at_ns for mark in turns.marks[turn_id] if mark.epoch == end.epoch]
        view = folds.last.get(end.session)
        if not began or view is None:
            continue
        cids = [message.re for message in view.messages if message.turn_id == turn_id and message.re is not None]
        for call in calls.of(cids):
            said = history.said.get(call.call)
            if not began[-1] - _MARK_SLACK_NS <= call.at_ns <= end.at_ns:
                continue
            if said is None or said.at_ns > end.at_ns + CLOSED_SLACK_NS:
                late = "never" if said is None else f"{(said.at_ns - end.at_ns) / 1e6:.0f} ms later"
                sentence = f"{turn_id} was cancelled, and call {call.call} was closed {late}"
                yield Violation(rule=Rule.PROVIDER_CLOSED, session=end.session, sentence=sentence)


def _not_stopped(history: History, turns: Turns) -> Iterator[Violation]:
    """A turn that ran when its stop was answered ends as cancelled, but for one that was about to end anyway."""
    asked = {sent.frame["cid"]: sent.frame["turn_id"] for sent in history.sent if sent.frame["type"] == "turn.cancel"}
    answered: dict[str, Received] = {}
    for entry in history.received:
        cid = str(entry.frame.get("re"))
        if cid in asked and entry.frame["type"] == "ok" and entry.frame.get("state") == "running":
            answered.setdefault(cid, entry)
    for cid, entry in answered.items():
        ends = turns.ends.get(asked[cid], [])
        if not ends or history.restarted_between(entry.at_ns, ends[-1].at_ns):
            continue
        end = ends[-1]
        if end.event["type"] != "turn.cancelled" and end.at_ns > entry.at_ns + STOPPED_SLACK_NS:
            late_ms = (end.at_ns - entry.at_ns) / 1e6
            sentence = f"{asked[cid]} was stopped by {cid} and {ENDS[end.event['type']]} {late_ms:.0f} ms later"
            yield Violation(rule=Rule.STOP, session=entry.session, sentence=sentence)


def judge_canaries(history: History, violations: list[Violation]) -> None:
    """Nobody, and no model for them, is sent a word that only another session's answers hold; merged ones are one."""
    if not history.canaries:
        return
    pattern = re.compile("|".join(re.escape(word) for word in sorted(history.canaries.values(), key=len, reverse=True)))
    for entry in history.received:
        foreign = {word for word in pattern.findall(str(entry.frame)) if word != history.canaries.get(entry.session)}
        if foreign:
            sentence = f"{entry.device} was sent {evidence(sorted(foreign))} in a {entry.frame.get('type')}"
            violations.append(Violation(rule=Rule.FOREIGN, session=entry.session, sentence=sentence))
    owners = {word: session for session, word in history.canaries.items()}
    merges = {(source, into) for plan in history.plans for source, into in plan.merges.items()}
    for call in history.calls.values():
        known = (owners.get(word, call.session) for word in call.words)
        strangers = {owner for owner in known if owner != call.session and (owner, call.session) not in merges}
        if strangers:
            sentence = f"call {call.call} was sent words of {evidence(sorted(strangers))}"
            violations.append(Violation(rule=Rule.FOREIGN, session=call.session, sentence=sentence))
