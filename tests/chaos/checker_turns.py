"""Rules of turns, judged event by event against the fold before it; and of the messages that asked for them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from core.messages import Message, content_text
from core.view import SessionView
from tests.chaos.checker_history import ENDS, Frame, History, Rule, Violation, brief, evidence
from tests.chaos.checker_log import Folds, Place
from tests.chaos.history import Received, Sent

_OF_A_RUN: Final = (
    "step.started",
    "message.started",
    "tool.started",
    "tool.completed",
    "tool.failed",
    "approval.requested",
    "turn.waiting",
    "turn.resumed",
    "turn.recovered",
)
ANSWERED: Final = ("message.send", "turn.retry", "turn.cancel", "approval.respond", "feedback.create")


class Turns:
    """Sees each event of each log before it is folded."""

    def __init__(self, violations: list[Violation]) -> None:
        self._violations = violations
        self.ends: dict[str, list[Place]] = defaultdict(list)
        """By turn. More than one where Redis lost an end and the turn ended again in the next epoch."""
        self.starts: dict[str, list[Place]] = defaultdict(list)
        self.marks: dict[str, list[Place]] = defaultdict(list)
        """Where a run began: started, recovered, resumed."""
        self.cids: dict[str, list[str]] = defaultdict(list)
        """Of the messages that a turn answers."""
        self.texts: dict[str, list[str]] = defaultdict(list)
        """By message: what it said when it was completed."""
        self._ended: set[tuple[str, str]] = set()

    def before(self, place: Place, view: SessionView) -> None:
        """Judge an event; `view` is the fold of all before it."""
        kind = place.event["type"]
        match kind:
            case "message.created":
                self._created(place, view)
            case "turn.queued":
                if "retry_of" in place.event:
                    self.cids[place.event["turn_id"]] = list(self.cids[place.event["retry_of"]])
                if (place.epoch, place.event["turn_id"]) in self._ended:
                    self._broken(Rule.SILENCE, place, "its turn had ended")
            case "turn.started":
                self._started(place, view)
            case "message.delta" | "message.reset" | "message.completed":
                self._text(place, view)
            case _ if kind in ENDS:
                self._end(place, view)
            case _ if kind in _OF_A_RUN:
                self._of_a_run(place, view)
            case _:
                pass
        if kind in ("turn.started", "turn.recovered", "turn.resumed"):
            self.marks[place.event["turn_id"]].append(place)

    def _created(self, place: Place, view: SessionView) -> None:
        cid = place.event.get("re")
        if cid is not None:
            self.cids[place.event.get("turn_id", "")].append(cid)
        twin = next((message for message in view.messages if message.re == cid and cid is not None), None)
        if twin is not None:
            self._broken(Rule.ONE_MESSAGE, place, f"{twin.message_id} has that cid already")

    def _started(self, place: Place, view: SessionView) -> None:
        turn_id = place.event["turn_id"]
        if view.turn is not None:
            self._broken(Rule.ONE_AT_A_TIME, place, f"{view.turn.turn_id} had not ended")
        waiting = [queued.turn_id for queued in view.queue]
        if turn_id not in waiting:
            self._broken(Rule.ONE_END, place, "it was not waiting")
        elif turn_id != waiting[0]:
            self._broken(Rule.ORDER, place, f"{waiting[0]} was accepted before it")
        self.starts[turn_id].append(place)

    def _end(self, place: Place, view: SessionView) -> None:
        turn_id = place.event["turn_id"]
        current = view.turn.turn_id if view.turn is not None else None
        if turn_id != current and turn_id not in {queued.turn_id for queued in view.queue}:
            self._broken(Rule.ONE_END, place, "it neither ran nor waited")
        for message in view.messages:
            if message.turn_id == turn_id and message.status == "running":
                self._broken(Rule.MESSAGE_CLOSED, place, f"its message {message.message_id} was not completed")
        self.ends[turn_id].append(place)
        self._ended.add((place.epoch, turn_id))

    def _of_a_run(self, place: Place, view: SessionView) -> None:
        turn_id = place.event.get("turn_id")
        if turn_id is None:
            return
        self._must_run(place, view, turn_id)
        if place.event["type"] != "message.started":
            return
        shown = [m.message_id for m in view.messages if m.turn_id == turn_id and m.role == "assistant"]
        if shown:
            self._broken(Rule.ONE_MESSAGE, place, f"the turn has the message {shown[0]} already")

    def _must_run(self, place: Place, view: SessionView, turn_id: str) -> None:
        if view.turn is not None and view.turn.turn_id == turn_id:
            return
        if (place.epoch, turn_id) in self._ended:
            self._broken(Rule.SILENCE, place, "its turn had ended")
        else:
            current = view.turn.turn_id if view.turn is not None else "none"
            self._broken(Rule.ONE_AT_A_TIME, place, f"the turn that runs is {current}")

    def _text(self, place: Place, view: SessionView) -> None:
        event = place.event
        message = view.message(event["message_id"])
        if message is None:
            self._broken(Rule.OFFSET, place, "there is no such message")
            return
        self._must_run(place, view, message.turn_id)
        text = content_text(message.content)
        match event["type"]:
            case "message.delta" if event["off"] != len(text):
                self._broken(Rule.OFFSET, place, f"the message has {len(text)} characters")
            case "message.reset" if event["to"] > len(text):
                self._broken(Rule.OFFSET, place, f"the message has {len(text)} characters")
            case "message.completed":
                self._completed(place, message, text)
            case _:
                pass

    def _completed(self, place: Place, message: Message, text: str) -> None:
        self.texts[message.message_id].append(text)
        if message.status != "running":
            self._broken(Rule.HASH, place, "it was completed before")
        digest = hashlib.sha256(text.encode()).hexdigest()
        if (place.event["length"], place.event["sha256"]) != (len(text), digest):
            self._broken(Rule.HASH, place, f"the text has {len(text)} characters and the hash {digest[:12]}")

    def _broken(self, rule: Rule, place: Place, why: str) -> None:
        sentence = f"{brief(place.event)} in epoch {place.epoch}, but {why}"
        self._violations.append(Violation(rule=rule, session=place.session, sentence=sentence))


def judge_accepted(history: History, folds: Folds, turns: Turns, violations: list[Violation]) -> None:
    """Each command was answered; what was accepted is there, once, with one turn that ended."""
    answers: dict[str, list[Received]] = defaultdict(list)
    for entry in history.received:
        if entry.frame.get("type") in ("ok", "error", "history") and entry.frame.get("re") is not None:
            answers[entry.frame["re"]].append(entry)
    at_the_end = {entry.session for entry in history.shown}
    for cid, sent in _commands(history):
        oks = [entry.frame for entry in answers[cid] if entry.frame["type"] == "ok"]
        if not answers[cid] and sent.session in at_the_end:
            sentence = f"{sent.frame['type']} {cid} was never answered"
            violations.append(Violation(rule=Rule.UNANSWERED, session=sent.session, sentence=sentence))
        if oks and sent.frame["type"] in ("message.send", "turn.retry"):
            for rule, sentence in _accepted(history, folds, turns, sent, oks):
                violations.append(Violation(rule=rule, session=sent.session, sentence=sentence))


def _commands(history: History) -> Iterator[tuple[str, Sent]]:
    """The first sending of each command."""
    seen: set[str] = set()
    for sent in history.sent:
        cid = sent.frame.get("cid")
        if cid is not None and cid not in seen and sent.frame["type"] in ANSWERED:
            seen.add(cid)
            yield cid, sent


def _accepted(history: History, folds: Folds, turns: Turns, sent: Sent, oks: list[Frame]) -> Iterator[tuple[Rule, str]]:
    cid, session = sent.frame["cid"], sent.session
    many_epochs = len(history.epochs(session)) > 1
    turn_ids = {ok["turn_id"] for ok in oks}
    if len(turn_ids) > 1 and not many_epochs:
        yield Rule.ONE_MESSAGE, f"{cid} was accepted as {evidence(sorted(turn_ids))}"
    final = folds.last.get(session)
    if final is None:
        yield Rule.ACCEPTED, f"{cid} was accepted, and nothing is known of the session's end"
        return
    if sent.frame["type"] == "message.send":
        messages = [message for message in final.messages if message.re == cid]
        if not messages and not final.more:
            yield Rule.ACCEPTED, f"{cid} was accepted as {evidence(sorted(turn_ids))} and its message is gone"
        turn_ids = {message.turn_id for message in messages if message.turn_id}
    unfinished = _unfinished(final)
    for turn_id in turn_ids:
        if turn_id in unfinished:
            yield Rule.ONE_END, f"{turn_id}, which answers {cid}, has not ended"
        elif turn_id not in turns.ends and not many_epochs:
            yield Rule.ONE_END, f"{turn_id}, which answers {cid}, has no end"


def _unfinished(view: SessionView) -> set[str]:
    running = {view.turn.turn_id} if view.turn is not None else set()
    return running | {queued.turn_id for queued in view.queue}
