"""The stage of the state machine: the real nodes, the rules, and what holds after each step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition

from core.errors import ProsaError
from core.turns import Principal, SessionRef
from memory.backends import Memory
from tests.conformance.kit import Reader
from tests.conformance.model_cluster import NODES, RUNNING_TURNS, Cluster, Moment, refusal
from tests.conformance.model_hands import Run
from tests.conformance.model_look import Look
from tests.conformance.model_parts import ENDS, Refused, Session
from tests.conformance.model_turns import Store
from tests.servers import RedisServer

Command = tuple[SessionRef, Principal, str, str]
"""Session, principal, cid and digest."""
OFTEN = {
    "submit": 4,
    "take_one": 3,
    "take_more": 5,
    "work": 9,
    "work_of_whoever": 4,
    "write_again": 4,
    "answer": 4,
    "renew": 3,
    "lease_runs_out_and_is_reaped": 3,
    "remember_this_moment": 2,
    "restart_redis_without_its_tail": 2,
}
"""How much more often these rules are taken than the others."""
nodes = st.sampled_from(NODES)


def one_of(what: str) -> st.SearchStrategy[Any]:
    """One of the things that the machine has of that kind; the newest is the simplest."""
    return st.runner().flatmap(lambda machine: st.sampled_from(list(reversed(getattr(machine, what)))))


def having(*what: str) -> Callable[[Any], Any]:
    """The rule needs one of each of these."""
    return precondition(lambda machine: all(getattr(machine, each) for each in what))


@dataclass
class Listener:
    """A reader on a node, and from where on it must hear a log of one life."""

    reader: Reader
    node: str
    session: SessionRef
    life: int
    after: int


class Stage(RuleBasedStateMachine):
    """See the module. A subclass says which server, how many partitions, and where to count what was done."""

    server: RedisServer
    partitions: int
    folder: Path
    activity: Counter[str]

    def __init__(self) -> None:
        super().__init__()
        # Of hypothesis' own: it leaves half of the rules out of each example, and takes the others alike. In few
        # examples too few turns would be accepted, run and ended; so all rules are in, some of them more often.
        rules = self._rules_strategy
        weighted = [rule for rule in rules.rules for _ in range(OFTEN.get(rule.function.__name__, 1))]
        rules._enabled_rules_strategy = st.sampled_from(weighted).filter(rules.is_valid)
        self.cluster = Cluster(self.server, self.partitions, self.folder)
        self.store = Store(RUNNING_TURNS)
        self.look = Look(self.cluster.client, self.cluster.keys)
        self.lives = 0
        self.moments: list[tuple[Store, Moment]] = []
        self.refs: list[SessionRef] = []
        """All sessions that there ever were, erased and forgotten ones too."""
        self.sent: list[Command] = []
        self.answered: list[tuple[Command, str, bool]] = []
        """Answers to approvals: with the approval, and whether it is approved."""
        self.turn_ids: list[tuple[SessionRef, str]] = []
        self.runs: list[Run] = []
        self.listeners: list[Listener] = []

    def teardown(self) -> None:
        """Close the nodes."""
        self.cluster.close()

    # ------------------------------------------------------------ what holds after each step

    @invariant()
    def all_holds(self) -> None:
        """Redis holds what the rules say, views are folds, readers heard all once, every turn has one end."""
        self.look.compare(self.store)
        self.count("steps")
        for session in self.store.sessions.values():
            if session.life == self.lives and not session.erased:
                ref = SessionRef(session_id=session.session_id, tenant=session.tenant, user_id=session.user_id)
                assert self.cluster.do(self.memory("one").sessions.view(ref)) == session.shown
            ends = Counter(event["turn_id"] for event in session.log if event["type"] in ENDS)
            assert max(ends.values(), default=0) <= 1
        self.listeners = [listener for listener in self.listeners if self._listens_on(listener)]

    def _listens_on(self, listener: Listener) -> bool:
        """Check what the reader was told; whether there is more to come."""
        session = self.store.sessions[listener.session.session_id]
        reader = listener.reader
        if session.erased:
            self.cluster.do(reader.until(lambda it: it.erased))
            return False
        if session.life != listener.life and session.life == self.lives:
            self.cluster.do(reader.until(lambda it: bool(it.epochs)))
            assert reader.epochs == [session.epoch]
            return False
        if session.life == self.lives:
            self._check_heard(listener, session)
        assert (reader.epochs, reader.erased) == ([], False)
        return True

    def _check_heard(self, listener: Listener, session: Session) -> None:
        head = len(session.log)
        if head > listener.after:
            self.cluster.do(listener.reader.until_seq(head))
        assert listener.reader.seqs == list(range(listener.after + 1, head + 1))
        assert listener.reader.types == [event["type"] for event in session.log[listener.after :]]

    # ------------------------------------------------------------ words

    @property
    def idle_refs(self) -> list[SessionRef]:
        """Sessions in which nothing runs or waits."""
        known = self.store.sessions
        return [ref for ref in self.refs if ref.session_id in known and not known[ref.session_id].current]

    @property
    def live_runs(self) -> list[Run]:
        """Runs that hold their turns, as far as the rules know."""
        return [run for run in self.runs if self._holds(run)]

    def _holds(self, run: Run) -> bool:
        session = self.store.sessions.get(run.session_id)
        return session is not None and (session.current, session.nonce) == (run.turn_id, run.turn.nonce)

    @property
    def runs_that_wrote(self) -> list[Run]:
        """Runs that made a write, refused ones too."""
        return [run for run in self.runs if run.writes]

    @property
    def ready_turns(self) -> list[str]:
        """Turns that wait for an executor."""
        return [turn_id for line in self.store.ready.values() for turn_id in line]

    @property
    def leased_turns(self) -> list[str]:
        """Turns under a lease."""
        return list(self.store.leases)

    @property
    def approval_ids(self) -> list[str]:
        """All approvals that were asked for."""
        return list(self.store.approvals)

    @property
    def pending_approvals(self) -> list[str]:
        """Those that wait for an answer."""
        return [approval.approval_id for approval in self.store.approvals.values() if approval.state == "pending"]

    @property
    def delivery_ids(self) -> list[str]:
        """All answers that are or were on their way out."""
        return list(self.store.deliveries)

    @property
    def leased_deliveries(self) -> list[str]:
        """Those that a bridge has."""
        return [each.delivery_id for each in self.store.deliveries.values() if each.place == "leased"]

    def session_of(self, turn_id: str) -> Session:
        """The session of a turn."""
        return self.store.sessions[self.store.turns[turn_id].session_id]

    def ref_of(self, turn_id: str) -> SessionRef:
        """How that session is named."""
        session = self.session_of(turn_id)
        return SessionRef(session_id=session.session_id, tenant=session.tenant, user_id=session.user_id)

    def memory(self, node: str) -> Memory:
        """That node's."""
        return self.cluster.nodes[node]

    def by_the_rules(self, step: Callable[[], Any]) -> Any:
        """What comes of a step by the rules; a refusal as its word."""
        try:
            return step()
        except Refused as refused:
            return str(refused)

    def really(self, step: Coroutine[Any, Any, Any]) -> Any:
        """What really comes of it, in the same words."""
        try:
            return self.cluster.do(step)
        except ProsaError as error:
            return str(refusal(error))

    def count(self, what: str) -> None:
        """Something was done: a test of nothing must not pass."""
        self.activity[what] += 1


def user(ref: SessionRef) -> Principal:
    """The session's user."""
    return Principal(tenant=ref.tenant, name=ref.user_id, user_id=ref.user_id)


def service(ref: SessionRef) -> Principal:
    """A service of the session's tenant."""
    return Principal(tenant=ref.tenant, name="key")
