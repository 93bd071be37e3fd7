"""What executors do, living ones and zombies, as rules of the state machine."""

from __future__ import annotations

from itertools import product

from hypothesis import strategies as st
from hypothesis.stateful import rule

from core.ports import TurnWriter
from core.turns import TakenTurn
from memory.queue.codec import taken_of
from memory.scripts import TAKE
from tests.conformance.model_cluster import LEASE_MS, NODES, RUNNING_TURNS
from tests.conformance.model_hands import Run, Write, said
from tests.conformance.model_look import without_prompt
from tests.conformance.model_stage import Stage, having, nodes, one_of

WORK = ("say", "again", "think", "completed", "ask the user", "failed", "ask an operator")
some_work = st.lists(st.sampled_from(WORK), max_size=4)
some_runs = st.runner().flatmap(lambda machine: st.lists(st.sampled_from(machine.runs), min_size=1, unique_by=id))


class Executors(Stage):
    """See the module."""

    # ------------------------------------------------------------ taking

    @having("ready_turns")
    @rule(node=nodes)
    def take_one(self, node: str) -> None:
        """Take the next turn."""
        self._take(node, 1)

    @having("ready_turns")
    @rule(node=nodes, limit=st.sampled_from([2, 9]), reply_is_lost=st.booleans(), work=some_work)
    def take_more(self, node: str, limit: int, reply_is_lost: bool, work: list[str]) -> None:
        """Take several, ask again where the reply was lost, and begin to work."""
        taken = self._take(node, limit)
        if reply_is_lost and taken:
            self._ask_again(node, taken[0], taken)
        for run, what in product(self.runs[len(self.runs) - len(taken) :], work):
            self._do(run, what)

    def _take(self, node: str, limit: int) -> list[TakenTurn]:
        takeable = min(limit, self.store.takeable())
        met_another_life = any(self.session_of(turn_id).life != self.lives for turn_id in self.ready_turns)
        taken = list(self.cluster.do(self.memory(node).queue.take(limit)))
        assert (min(takeable, 1) if met_another_life else takeable) <= len(taken) <= takeable
        for turn in taken:
            self._check_taken(node, turn)
            self.runs.append(Run(len(self.runs) + 1, node, turn, self.memory(node).queue.writer(turn)))
        return taken

    def _check_taken(self, node: str, taken: TakenTurn) -> None:
        turn = self.store.took(taken.input.turn_id, taken.nonce, node)
        session = self.session_of(turn.turn_id)
        self.look.compare_epoch(session, taken.epoch)
        assert (taken.attempt, taken.fence) == (turn.attempt, session.fence)
        assert (taken.cancelled_by or "") == turn.cancelled_by
        assert list(taken.input.message_ids) == turn.message_ids
        assert list(taken.journal) == [without_prompt(entry) for entry in turn.journal]
        self.count("runs" if turn.runs == 1 else "recoveries")

    def _ask_again(self, node: str, first: TakenTurn, taken: list[TakenTurn]) -> None:
        """The same call, to the partition of the first one: the same turns, and no more."""
        partition = self.cluster.keys.of(first.session.session_id)
        call, _, _ = first.nonce.rpartition(".")
        reply = self.cluster.do(
            self.memory(node).database.call(TAKE, partition, 1, LEASE_MS, RUNNING_TURNS, node, f"{call}.0")
        )
        told = [taken_of(item) for item in reply[2:]]
        mine = [turn for turn in taken if turn.nonce.startswith(f"{call}.")]
        assert told == [turn for turn in mine if self.cluster.keys.of(turn.session.session_id) == partition]

    # ------------------------------------------------------------ writing

    @having("live_runs")
    @rule(run=one_of("live_runs"), work=some_work)
    def work(self, run: Run, work: list[str]) -> None:
        """Go on with a turn."""
        for what in work:
            self._do(run, what)

    @having("runs")
    @rule(run=one_of("runs"), what=st.sampled_from(WORK))
    def work_of_whoever(self, run: Run, what: str) -> None:
        """Also of a run whose turn is another's, has ended, or never was."""
        self._do(run, what)

    def _do(self, run: Run, what: str) -> None:
        turn = self.store.turns.get(run.turn_id)
        match what:
            case "say" | "think":
                session = self.store.sessions.get(run.session_id)
                is_begun = session is not None and session.shown.message(run.message_id) is not None
                steps, text = (1, "") if what == "think" else (0, "a")
                self._write(run, run.next_write(text=text, steps=steps, message_is_begun=is_begun))
            case "again":
                for write in run.writes[-1:]:
                    self._make(run, write)
            case "ask the user" | "ask an operator":
                approver = "user" if what == "ask the user" else "operator"
                self._write(run, run.parking_write(self.cluster.ids.new("apr"), approver))
            case _:
                outcome = "cancelled" if turn is not None and turn.cancelled_by else what
                self._write(run, run.last_write(outcome))

    @having("runs_that_wrote")
    @rule(run=one_of("runs_that_wrote"), back=st.integers(0, 3))
    def write_again(self, run: Run, back: int) -> None:
        """As a node does whose reply was lost; with `back` it is not the last write."""
        self._make(run, run.writes[max(0, len(run.writes) - 1 - back)])

    def _write(self, run: Run, write: Write) -> None:
        writer = self._make(run, write)
        if writer is not None:
            run.writer, run.batch = writer, write.batch

    def _make(self, run: Run, write: Write) -> TurnWriter | None:
        """Write by the rules and really; gives the writer afterwards, None where nothing was written."""
        expected = self.by_the_rules(lambda: self._by_the_rules(run, write))
        reply = self.really(write.make(run))
        if isinstance(reply, str):
            assert reply == expected
            self.count("writes refused")
            return None
        writer, cancelled_by = reply
        assert cancelled_by == expected
        self.count("writes")
        return None if write.asked is not None and cancelled_by else writer

    def _by_the_rules(self, run: Run, write: Write) -> str | None:
        hand, events = run.hand(write.batch), [said(event) for event in write.events]
        if write.asked is not None:
            asked, ending = write.asked
            return self.store.park(hand, events, asked, ([said(ending.completed)], True))
        if write.outcome is None:
            return self.store.append(hand, events, write.journal)
        completed = write.outcome == "completed"
        self.store.end(hand, events, write.outcome, run.answer() if completed else None, history=completed)
        return None

    # ------------------------------------------------------------ leases

    @having("runs")
    @rule(node=nodes, some=some_runs)
    def renew(self, node: str, some: list[Run]) -> None:
        """Renew leases, of zombies too."""
        expected = [run.turn_id for run in some if not self.store.renew(run.hand())]
        stale = self.cluster.do(self.memory(node).queue.renew([run.turn for run in some]))
        assert sorted(stale) == sorted(expected)

    @having("leased_turns")
    @rule(turn_id=one_of("leased_turns"))
    def lease_runs_out(self, turn_id: str) -> None:
        """Nobody renewed it."""
        moment = self.store.run_out(turn_id)
        self.cluster.end_lease(self.store.turns[turn_id].session_id, turn_id, moment)

    @rule(node=nodes)
    def reap(self, node: str) -> None:
        """Look for leases that ran out."""
        assert self.cluster.do(self.memory(node).queue.reap()) == self.store.reap()

    @having("leased_turns")
    @rule(turn_id=one_of("leased_turns"), node=nodes)
    def lease_runs_out_and_is_reaped(self, turn_id: str, node: str) -> None:
        """Both at once."""
        self.lease_runs_out(turn_id)
        self.reap(node)

    @having("runs")
    @rule(run=one_of("runs"))
    def release(self, run: Run) -> None:
        """A drain."""
        self.store.release(run.hand())
        self.cluster.do(self.memory(run.node).queue.release(run.turn))

    @rule(node=nodes, dead=st.sampled_from(NODES))
    def node_dies(self, node: str, dead: str) -> None:
        """Somebody noticed it."""
        expected = self.store.release_node(dead, self.cluster.leases())
        assert self.cluster.do(self.memory(node).queue.release_node(dead)) == expected

    @having("pending_approvals")
    @rule(approval_id=one_of("pending_approvals"))
    def approval_runs_out(self, approval_id: str) -> None:
        """Nobody answered in time."""
        turn_id = self.store.approvals[approval_id].turn_id
        moment = self.store.time_is_over(approval_id)
        self.cluster.end_approval(self.ref_of(turn_id).session_id, turn_id, approval_id, moment)

    @rule(node=nodes)
    def expire(self, node: str) -> None:
        """Look for approvals whose time is over."""
        assert self.cluster.do(self.memory(node).queue.expire()) == self.store.expire()
