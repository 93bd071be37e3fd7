"""The rules of turns in plain Python: what the scripts of `memory/queue` come to, without keys, bytes or time.

    queued ──took──▶ running ──end──▶ completed | failed | cancelled
       ▲               │  │                ▲
       └─reap, release─┘  └─park─▶ parked ─┘ cancel
                ready ◀── answer, expire, superseded

Methods are named as those of `core.ports` and change the store, or raise `Refused`. Copying a store is how the machine
remembers a moment to fall back to.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from core.turns import ApprovalAnswered, ApprovalAsked, JournalEntry, ModelCalled
from tests.conformance.model_parts import Approval, Delivery, Event, Refused, Session, Turn
from tests.conformance.model_sessions import Sessions

WAITING_AT_MOST = 8
MESSAGES_AT_MOST = 32
OWN_CHANNEL = "web"


class Hand(NamedTuple):
    """By what a run's write is known: a turn, and which run of it wrote which batch to which life of the log."""

    turn_id: str
    session_id: str
    nonce: str
    epoch: str
    batch: int


class Message(NamedTuple):
    """What a user says, or (`retry_of`) the wish to have a turn done again."""

    turn_id: str
    message_id: str
    channel: str
    on_busy: str = "queue"
    retry_of: str | None = None


class Store(Sessions):
    """See the module."""

    # ------------------------------------------------------------ commands of users

    def submit(self, session_id: str, key: tuple[str, str], digest: str, message: Message) -> dict[str, Any]:
        """Accept a message, once a cid. Gives the reply."""
        session = self.enter(session_id)
        if (kept := self._remembered(session, key, digest)) is not None:
            return {**kept, "duplicate": True}
        if session.moved:
            raise Refused("moved")
        host = self._host(session, message)
        self._check_room(session, message, host)
        current = self.turns.get(session.current)
        if message.on_busy == "interrupt" and current is not None and current.state != "queued":
            self.cancel(session_id, current.turn_id, "interrupt")
        seq = len(session.log) + 1
        ahead = self._ahead(session) - (host is not None)
        turn = host or Turn(
            message.turn_id, session_id, session.tenant, message.channel, [], seq, self.life, message.retry_of
        )
        turn.message_ids.append(message.message_id)
        queued = {"turn_id": turn.turn_id, "message_ids": list(turn.message_ids), "position": ahead}
        if message.retry_of is None:
            created = {"turn_id": turn.turn_id, "message_id": message.message_id, "channel": message.channel}
            session.say("message.created", **created, content="oi", re=key[1])
            session.say("turn.queued", **queued)
        else:
            session.say("turn.queued", **queued, retry_of=message.retry_of)
        if host is None:
            self.turns[turn.turn_id] = turn
            session.latest = turn.turn_id
            session.inbox.append(turn.turn_id)
            self._next(session)
        self._supersede(session)
        reply = {"message_id": message.message_id, "turn_id": turn.turn_id, "seq": seq, "position": ahead}
        session.replies[key] = (digest, reply)
        return {**reply, "duplicate": False}

    def _host(self, session: Session, message: Message) -> Turn | None:
        """The last waiting turn, where it never ran and the message may join it."""
        last = session.inbox[-1] if session.inbox else session.current
        if message.on_busy != "merge" or message.retry_of is not None or not last:
            return None
        turn = self.turns[last]
        alike = turn.state == "queued" and turn.retry_of is None and turn.channel == message.channel
        return turn if alike and len(turn.message_ids) < MESSAGES_AT_MOST else None

    def _check_room(self, session: Session, message: Message, host: Turn | None) -> None:
        ahead = self._ahead(session)
        if message.retry_of is not None:
            again = self.turns.get(message.retry_of)
            if again is None or again.session_id != session.session_id:
                raise Refused("not_found")
            if session.latest != message.retry_of or ahead > 0:
                raise Refused("busy")
        elif host is None:
            first_waits = session.current != "" and self.turns[session.current].state == "queued"
            full = len(session.inbox) + first_waits >= WAITING_AT_MOST
            if full or (message.on_busy == "reject" and ahead > 0):
                raise Refused("busy")

    def _supersede(self, session: Session) -> None:
        """Who was asked says something else instead: that declines it."""
        current = self.turns.get(session.current)
        if current is not None and current.state == "parked":
            approval = self.approvals[current.approval_id]
            if approval.approver == "user":
                self._resolve(approval, "superseded", approved=False, by="superseded")

    def seen(self, session_id: str, key: tuple[str, str], digest: str) -> dict[str, Any] | None:
        """The remembered reply of a cid, or None."""
        return self._remembered(self.enter(session_id), key, digest)

    def remember(self, session_id: str, key: tuple[str, str], digest: str, code: str) -> None:
        """Keep a refusal as the reply of a cid, unless there is a reply."""
        session = self.enter(session_id)
        if self._remembered(session, key, digest) is None:
            session.replies[key] = (digest, code)

    def _remembered(self, session: Session, key: tuple[str, str], digest: str) -> dict[str, Any] | None:
        kept_digest, reply = session.replies.get(key, (digest, {}))
        if kept_digest != digest:
            raise Refused("idempotency_conflict")
        if isinstance(reply, str):
            raise Refused(reply, duplicate=True)
        return reply or None

    def cancel(self, session_id: str, turn_id: str, by: str) -> str:
        """End what nobody runs, here and now; tell the run of what runs. Gives the state afterwards."""
        turn = self.turns.get(turn_id)
        if turn is None or turn.session_id != session_id:
            raise Refused("not_found")
        session = self.enter(session_id)
        if turn.state == "running":
            turn.cancelled_by = turn.cancelled_by or by
        elif not turn.ended:
            events, leaves_history = turn.ending
            session.log += events
            if turn.state == "queued" and turn.retry_of is not None and session.latest == turn_id:
                session.latest = turn.retry_of
            session.say("turn.cancelled", turn_id=turn_id, by=by)
            if leaves_history:
                session.history.append(turn_id)
            if turn.approval_id:
                self.approvals[turn.approval_id].state = "cancelled"
            self._close(session, turn, "cancelled")
        return turn.state

    # ------------------------------------------------------------ taking

    def takeable(self) -> int:
        """How many turns may be taken now."""
        return sum(
            min(len(turns), max(0, self.running_turns - self._leased(partition, tenant)))
            for (partition, tenant), turns in self.ready.items()
        )

    def took(self, turn_id: str, nonce: str, node: str) -> Turn:
        """A run begins; the turn must be the first that is ready of its tenant, and the tenant below its cap."""
        turn = self.turns[turn_id]
        session = self.enter(turn.session_id)
        line = self.ready[session.partition, turn.tenant]
        assert line[0] == turn_id, f"{turn_id} was taken before {line[0]}"
        assert self._leased(session.partition, turn.tenant) < self.running_turns, "the tenant is at its cap"
        assert session.current == turn_id, f"{turn_id} runs beside {session.current}"
        del line[0]
        session.fence, session.nonce, session.batch = session.fence + 1, nonce, 0
        self.leases[turn_id] = 0
        counts, turn.resumed = not turn.resumed, False
        turn.state, turn.node = "running", node
        if counts:
            turn.attempt, turn.runs = turn.attempt + 1, turn.runs + 1
            self._say_run(session, turn)
        return turn

    def _say_run(self, session: Session, turn: Turn) -> None:
        if turn.runs == 1:
            session.say("turn.started", turn_id=turn.turn_id, attempt=1)
        else:
            steps = sum(isinstance(entry, ModelCalled) for entry in turn.journal)
            session.say("turn.recovered", turn_id=turn.turn_id, attempt=turn.runs, from_step=steps + 1)

    # ------------------------------------------------------------ a run's writes

    def append(self, hand: Hand, events: list[Event], journal: list[JournalEntry]) -> str | None:
        """The last batch again changes nothing, the next one is applied, any other is refused."""
        session = self.enter(hand.session_id)
        turn = self._own(session, hand)
        if hand.batch != session.batch:
            self._check_batch(session, hand)
            session.log += events
            session.batch = hand.batch
            turn.journal += journal
        return turn.cancelled_by or None

    def park(
        self, hand: Hand, events: list[Event], asked: ApprovalAsked, ending: tuple[list[Event], bool]
    ) -> str | None:
        """Let go of the turn until the approval is answered; a cancelled one is told so, and nothing is written."""
        session = self.enter(hand.session_id)
        parked = self.turns.get(hand.turn_id)
        if not self._holds(session, hand) and parked is not None and parked.parked_by == (hand.nonce, hand.batch):
            return None
        turn = self._own(session, hand)
        self._check_batch(session, hand)
        if turn.cancelled_by:
            return turn.cancelled_by
        session.log += events
        session.nonce = ""
        turn.journal.append(asked)
        turn.state, turn.approval_id, turn.ending = "parked", asked.approval_id, ending
        turn.parked_by = (hand.nonce, hand.batch)
        self.approvals[asked.approval_id] = Approval(
            asked.approval_id, turn.turn_id, asked.approver, asked.step, asked.call_id
        )
        self.unqueue(turn)
        return None

    def end(self, hand: Hand, events: list[Event], outcome: str, answer: Delivery | None, *, history: bool) -> None:
        """A run's last write; the session's next turn is ready with it, and the answer on its way out."""
        session = self.enter(hand.session_id)
        ended = self.turns.get(hand.turn_id)
        if ended is not None and ended.ended_by == (hand.nonce, hand.batch):
            return
        turn = self._own(session, hand)
        self._check_batch(session, hand)
        session.log += events
        turn.ended_by = (hand.nonce, hand.batch)
        if history:
            session.history.append(hand.turn_id)
        if answer is not None and answer.channel != OWN_CHANNEL:
            self.deliveries[answer.delivery_id] = answer
        self._close(session, turn, outcome)

    def _holds(self, session: Session, hand: Hand) -> bool:
        return (session.current, session.nonce) == (hand.turn_id, hand.nonce)

    def _own(self, session: Session, hand: Hand) -> Turn:
        """The turn, which is that run's to write."""
        if not self._holds(session, hand):
            raise Refused("stale")
        return self.turns[hand.turn_id]

    def _check_batch(self, session: Session, hand: Hand) -> None:
        """A log that began anew, or that knows fewer batches than the run has made, was rolled back."""
        if session.epoch != hand.epoch or hand.batch != session.batch + 1:
            raise Refused("stale")

    # ------------------------------------------------------------ leases

    def renew(self, hand: Hand) -> bool:
        """Whether the turn is that run's still; one whose lease ran out, but that nobody took, is so again."""
        session = self.sessions.get(hand.session_id)
        if session is None or not self._holds(session, hand):
            return False
        self.unqueue(self.turns[hand.turn_id])
        self.leases[hand.turn_id] = 0
        return True

    def run_out(self, turn_id: str) -> int:
        """The turn's lease is over from now on; leases that ran out earlier are reaped earlier. Gives the moment."""
        self.leases[turn_id] = 1 + max(self.leases.values())
        return self.leases[turn_id]

    def reap(self) -> int:
        """Turns whose leases ran out are ready again, before all others; gives how many."""
        dead = sorted((moment, turn_id) for turn_id, moment in self.leases.items() if moment > 0)
        for _, turn_id in dead:
            self._ready_first(self.turns[turn_id])
        return len(dead)

    def release(self, hand: Hand) -> None:
        """A run gives its turn back, and does not count; nothing where it is not that run's."""
        try:
            session = self.enter(hand.session_id)
            turn = self._own(session, hand)
        except Refused:
            return
        session.nonce = ""
        turn.attempt -= 1
        if turn.turn_id in self.leases:
            self._ready_first(turn)

    def release_node(self, node: str, leases: list[str]) -> int:
        """A node died: its turns are ready before all others; `leases` is the order in which they are found."""
        dead = [turn_id for turn_id in leases if self.turns[turn_id].node == node]
        for turn_id in dead:
            self._ready_first(self.turns[turn_id])
        return len(dead)

    # ------------------------------------------------------------ approvals

    def answer(
        self,
        session_id: str,
        key: tuple[str, str],
        digest: str,
        approval_id: str,
        *,
        approved: bool,
        by: str,
        **said: str,
    ) -> tuple[str, bool]:
        """The first answer wins, unless the time was over; gives the state, and whether the cid was answered before."""
        session = self.enter(session_id)
        if (kept := self._remembered(session, key, digest)) is not None:
            return kept["state"], True
        approval = self.approvals.get(approval_id)
        if approval is None or self.turns[approval.turn_id].session_id != session_id:
            raise Refused("not_found")
        if approval.state == "pending" and approval.over:
            self._resolve(approval, "expired", approved=False, by="timeout")
        elif approval.state == "pending":
            self._resolve(approval, "approved" if approved else "declined", approved=approved, by=by, **said)
        session.replies[key] = (digest, {"state": approval.state})
        return approval.state, False

    def time_is_over(self, approval_id: str) -> int:
        """Nobody answered that approval in time; gives the moment."""
        self.approvals[approval_id].over = 1 + max(approval.over for approval in self.approvals.values())
        return self.approvals[approval_id].over

    def expire(self) -> int:
        """Approvals whose time is over are declined; sessions of another life come last. Gives how many."""
        over = [approval for approval in self.approvals.values() if approval.state == "pending" and approval.over]

        def turn_to_come(approval: Approval) -> tuple[bool, int]:
            session = self.sessions[self.turns[approval.turn_id].session_id]
            return session.life != self.life, approval.over

        for approval in sorted(over, key=turn_to_come):
            self._resolve(approval, "expired", approved=False, by="timeout")
        return len(over)

    def _resolve(self, approval: Approval, state: str, *, approved: bool, by: Any, **said: str) -> None:
        """The parked turn goes on, before all others of its tenant."""
        turn = self.turns[approval.turn_id]
        session = self.enter(turn.session_id)
        session.say("approval.resolved", approval_id=approval.approval_id, approved=approved, by=by)
        session.say("turn.resumed", approval_id=approval.approval_id, turn_id=turn.turn_id)
        turn.journal.append(
            ApprovalAnswered(
                step=approval.step,
                call_id=approval.call_id,
                approval_id=approval.approval_id,
                approved=approved,
                by=by,
                **said,
            )
        )
        approval.state = state
        turn.state, turn.resumed, turn.approval_id, turn.ending = "running", True, "", ([], False)
        self._ready_first(turn)

    # ------------------------------------------------------------ what all of them do

    def _ahead(self, session: Session) -> int:
        return len(session.inbox) + (session.current != "")

    def _leased(self, partition: int, tenant: str) -> int:
        turns = [self.turns[turn_id] for turn_id in self.leases]
        return sum(turn.tenant == tenant and self._partition(turn) == partition for turn in turns)

    def _partition(self, turn: Turn) -> int:
        return self.sessions[turn.session_id].partition

    def _next(self, session: Session) -> None:
        """Where nothing runs, what waits longest is the session's current turn, and ready."""
        if session.current == "" and session.inbox:
            session.current = session.inbox.pop(0)
            self.ready.setdefault((session.partition, session.tenant), []).append(session.current)

    def _ready_first(self, turn: Turn) -> None:
        self.unqueue(turn)
        self.ready.setdefault((self._partition(turn), turn.tenant), []).insert(0, turn.turn_id)

    def _close(self, session: Session, turn: Turn, outcome: str) -> None:
        """A turn's one end: on the books, off the queue, and the next one ready."""
        turn.state, turn.approval_id = outcome, ""
        self.outbox.setdefault(session.partition, []).append((turn.turn_id, outcome, session.session_id))
        self.unqueue(turn)
        if session.current == turn.turn_id:
            session.current, session.nonce = "", ""
        else:
            session.inbox.remove(turn.turn_id)
        self._next(session)
