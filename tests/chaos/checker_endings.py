"""Rules of sessions that end: an erased one leaves nothing, a merged one goes on in another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tests.chaos.cast import AGAIN
from tests.chaos.checker_bridges import TAKEN_BACK_NS
from tests.chaos.checker_history import History, Rule, Violation, brief, evidence, is_event
from tests.chaos.history import Connected, Entry, Erased, Merged, ModelCall, Received

_CLOSED: Final = 4504
_NOTICED_NS: Final = 15_000_000_000
"""A worker that was stopped notices only when it goes on."""


def judge_erasures(history: History, violations: list[Violation]) -> None:
    """Whoever was to be erased is, everywhere, and begins anew."""
    planned = {name for plan in history.plans for name in plan.leavers}
    done = {entry.session for entry in history.erased}
    violations += [
        Violation(rule=Rule.ERASED, session=name, sentence="it was never erased") for name in sorted(planned - done)
    ]
    for erased in history.erased:
        if history.restarted_between(erased.at_ns, erased.at_ns + TAKEN_BACK_NS):
            continue  # Redis may have forgotten that it was erased
        sentences = [
            *_told(history, erased),
            *_left(history, erased),
            *_anew(history, erased),
            *_asked_on(history, erased),
        ]
        violations += [Violation(rule=Rule.ERASED, session=erased.session, sentence=sentence) for sentence in sentences]


def _told(history: History, erased: Erased) -> Iterator[str]:
    """Each device was told, and no connection that was made later gave it anything."""
    had: set[str] = set()
    told: set[str] = set()
    ended: set[str] = set()
    fresh: set[tuple[str, int]] = set()
    for entry in _of(history, erased):
        match entry:
            case Connected(up=True) if entry.at_ns > erased.at_ns:
                fresh.add((entry.device, entry.connection))
            case Connected(code=code) if code == _CLOSED:
                told.add(entry.device)
            case Received(frame={"type": "session.opened"}) | Received(frame={"type": "session.snapshot"}):
                had.add(entry.device)
                if (entry.device, entry.connection) in fresh:
                    yield f"{entry.device} was given a {entry.frame['type']} on a connection made after the end"
            case Received(frame={"type": "error", "code": "not_found"}):
                told.add(entry.device)
            case Received(frame={"type": "session.erased"}):
                told.add(entry.device)
                ended.add(entry.device)
            case Received() if is_event(entry.frame) and entry.device in ended:
                yield f"{entry.device} was told of the end, and then {brief(entry.frame)}"
            case _:
                pass
    if silent := sorted(had - told):
        yield f"{evidence(silent)} had it open and was told nothing"


def _of(history: History, erased: Erased) -> Iterator[Entry]:
    """What was written down of the session itself."""
    return (entry for entry in history.forgotten if getattr(entry, "session", None) == erased.session)


def _left(history: History, erased: Erased) -> Iterator[str]:
    """No word of it is left; SQL may hold one for a while where the session is swept again."""
    for left in history.remains:
        if left.session == erased.session and left.redis:
            yield f"Redis still holds words of it under {evidence(left.redis)}"
        if left.session == erased.session and left.sql and not left.to_be_swept:
            yield f"SQL still holds words of it in {evidence(left.sql)}, and nobody will look again"


def _anew(history: History, erased: Erased) -> Iterator[str]:
    """The first that the user is shown after it is nothing."""
    again = erased.session + AGAIN
    snapshots = (entry for entry in history.received if entry.frame.get("type") == "session.snapshot")
    first = next((entry.frame for entry in snapshots if entry.session == again), None)
    if first is not None and first.get("messages"):
        yield f"who came back was shown {len(first['messages'])} messages"


def _asked_on(history: History, erased: Erased) -> Iterator[str]:
    """The model is asked nothing more for it, and what it was asked is called off."""
    last_ns = erased.at_ns + _NOTICED_NS
    run_end_ns = history.entries[-1].at_ns
    for entry in _of(history, erased):
        if isinstance(entry, ModelCall):
            said = history.said.get(entry.call)
            if max(entry.at_ns, said.at_ns if said is not None else run_end_ns) > last_ns:
                yield f"call {entry.call} of the model went on long after it"


def judge_merges(history: History, violations: list[Violation]) -> None:
    """Whatever was to be merged is; its log ends with that, and who goes on sending is told where to."""
    planned = {name for plan in history.plans for name in plan.merges}
    done = {entry.session for entry in history.merged}
    violations += [
        Violation(rule=Rule.MERGED, session=name, sentence="it was never merged") for name in sorted(planned - done)
    ]
    for merged in history.merged:
        sentences = [*_log_ended(history, merged), *_moved(history, merged)]
        violations += [Violation(rule=Rule.MERGED, session=merged.session, sentence=sentence) for sentence in sentences]
        if merged.name_stands_for != merged.into_id:
            sentence = f"its name leads to {merged.name_stands_for}, not to {merged.into_id}"
            violations.append(Violation(rule=Rule.MERGED, session=merged.session, sentence=sentence))


def _log_ended(history: History, merged: Merged) -> Iterator[str]:
    """`session.merged` is the log's last event, in its epoch and for ever."""
    ends: dict[str, int] = {}
    epochs = history.epochs(merged.session)
    for epoch in epochs:
        log = history.logs.get((merged.session, epoch), {})
        for seq, event in log.items():
            if event["type"] == "session.merged":
                ends[epoch] = seq
                if event["into"] != merged.into_id:
                    yield f"its log says that it goes on in {event['into']}, not in {merged.into_id}"
        if epoch in ends and max(log) > ends[epoch]:
            yield f"after its end came {brief(log[max(log)])}"
    if not ends:
        yield "its log does not say so"
        return
    for epoch in epochs[epochs.index(list(ends)[-1]) + 1 :]:
        if later := history.logs.get((merged.session, epoch)):
            yield f"after its end an epoch began with {brief(later[min(later)])}"


def _moved(history: History, merged: Merged) -> Iterator[str]:
    """What is sent later is refused with the address of the session in which it goes on."""
    earlier = {sent.frame.get("cid") for sent in history.sent if sent.at_ns <= merged.at_ns}
    later = {
        sent.frame["cid"]
        for sent in history.sent
        if sent.session == merged.session and sent.frame["type"] == "message.send" and sent.frame["cid"] not in earlier
    }
    refused = 0
    for entry in history.received:
        if entry.frame.get("re") not in later:
            continue
        if (entry.frame.get("code"), entry.frame.get("session_id")) == ("moved", merged.into_id):
            refused += 1
        elif entry.frame["type"] != "error" or not entry.frame["retryable"]:
            yield f"{entry.frame['re']}, which was sent later, was answered {brief(entry.frame)}"
    if not refused:
        yield "nobody was told that it has moved"
