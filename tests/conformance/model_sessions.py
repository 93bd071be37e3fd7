"""The rules of sessions, their logs, the books and the deliveries, in plain Python."""

from __future__ import annotations

from typing import Any

import msgspec

from tests.conformance.model_parts import Approval, Delivery, Refused, Session, Turn

RANKS = ["", "sent", "failed", "delivered", "read"]
"""What a delivery's status may only grow in."""


class Sessions:
    """What one Redis holds at one moment. `running_turns`: how many of a tenant may run at once in a partition."""

    def __init__(self, running_turns: int) -> None:
        self.running_turns = running_turns
        self.life = 0
        """Counts the processes that Redis was."""
        self.sessions: dict[str, Session] = {}
        self.names: dict[tuple[str, str, str], str] = {}
        self.turns: dict[str, Turn] = {}
        self.approvals: dict[str, Approval] = {}
        self.deliveries: dict[str, Delivery] = {}
        self.ready: dict[tuple[int, str], list[str]] = {}
        """Ready turns by partition and tenant, in the order in which they are taken."""
        self.leases: dict[str, int] = {}
        """Leased turns, and when the lease ran out; 0: it has not."""
        self.outbox: dict[int, list[tuple[str, str, str]]] = {}
        """Turn, outcome and session of the records for SQL, oldest first, by partition."""

    def open(self, tenant: str, user_id: str, name: str, new_id: str, partition: int) -> Session:
        """The session that the user's name stands for; where there is none, one of the new id."""
        held = self.sessions.get(self.names.get((tenant, user_id, name), ""))
        if held is None or held.erased:
            self.names[tenant, user_id, name] = new_id
            held = self.sessions[new_id] = Session(new_id, tenant, user_id, partition, self.life)
        return self.enter(held.session_id)

    def enter(self, session_id: str) -> Session:
        """The session; the first touch in another life of Redis begins its log anew, with all else kept."""
        session = self.sessions.get(session_id)
        if session is None:
            raise Refused("not_found")
        if session.erased:
            raise Refused("erased")
        if session.life != self.life:
            self.begin_anew(session)
        return session

    def begin_anew(self, session: Session) -> None:
        """A new epoch at seq 0 that shows what the old one showed. Turns, queue and replies stay."""
        session.life, session.epoch, session.log, session.payloads, session.floor = self.life, None, [], {}, 0
        session.shown = msgspec.structs.replace(session.shown, epoch="", seq=0)

    def compact(self, session_id: str, *, keeps_ended: bool) -> int:
        """Cut the log's front; gives up to where at most: never an event of a turn that has not ended."""
        session = self.enter(session_id)
        spared = [
            turn.first_seq - 1 if turn.first_life == session.life else 0
            for turn in self.turns.values()
            if turn.session_id == session_id and (keeps_ended or not turn.ended)
        ]
        return min([len(session.log), *spared])

    # ------------------------------------------------------------ merging and erasing

    def merge(self, source_id: str, into_id: str, *, one_tenant: bool) -> None:
        """The source's log ends, its user's names stand for the other, its history goes before that one's."""
        if source_id == into_id or not one_tenant:
            raise Refused("invalid_request")
        problem = self._cannot_go_on_in(into_id)
        source = self._found(source_id)
        if source.moved not in ("", into_id):
            raise Refused("invalid_request")
        if not source.moved:
            if problem:
                raise Refused(problem)
            if source.current or source.inbox:
                raise Refused("busy")
            source.say("session.merged", into=into_id)
            source.moved = into_id
        goes_on = self._move_history(source, into_id)
        for key, session_id in list(self.names.items()):
            if session_id == source_id and key[:2] == (source.tenant, source.user_id):
                self.names[key] = into_id if goes_on else ""

    def _found(self, session_id: str) -> Session:
        try:
            return self.enter(session_id)
        except Refused:
            raise Refused("not_found") from None

    def _cannot_go_on_in(self, session_id: str) -> str:
        """Why not, or ''."""
        try:
            return "invalid_request" if self.enter(session_id).moved else ""
        except Refused:
            return "not_found"

    def _move_history(self, source: Session, into_id: str) -> bool:
        """To where the conversation is now, once; False where that is gone."""
        try:
            into = self.enter(into_id)
            while into.moved and source.session_id not in into.merged_in:
                into = self.enter(into.moved)
        except Refused:
            return False
        if source.session_id not in into.merged_in:
            into.merged_in[source.session_id] = list(source.history)
            into.history = source.history + into.history
        return True

    def erase(self, tenant: str, user_id: str) -> list[str]:
        """Forget a user: their sessions are tombstones, and nothing of them is anywhere."""
        doomed = {
            session.session_id
            for session in self.sessions.values()
            if (session.tenant, session.user_id, session.erased) == (tenant, user_id, False)
        }
        self.names = {key: session_id for key, session_id in self.names.items() if key[:2] != (tenant, user_id)}
        turns = {turn.turn_id for turn in self.turns.values() if turn.session_id in doomed}
        for turn_id in turns:
            self.unqueue(self.turns.pop(turn_id))
        for session_id in doomed:
            old = self.sessions[session_id]
            self.sessions[session_id] = Session(
                session_id, tenant, user_id, old.partition, old.life, epoch=old.epoch, erased=True
            )
        for session in self.sessions.values():
            session.history = [turn_id for turn_id in session.history if turn_id not in turns]
        self.approvals = {key: each for key, each in self.approvals.items() if each.turn_id not in turns}
        self.deliveries = {key: each for key, each in self.deliveries.items() if each.session_id not in doomed}
        for partition, records in self.outbox.items():
            self.outbox[partition] = [record for record in records if record[2] not in doomed]
        return sorted(doomed)

    # ------------------------------------------------------------ books and deliveries

    def take_records(self, limit: int) -> list[str]:
        """The oldest records go to SQL, partition by partition; gives their turns."""
        taken: list[str] = []
        for partition in sorted(self.outbox):
            wanted = limit - len(taken)
            taken += [record[0] for record in self.outbox[partition][:wanted]]
            self.outbox[partition] = self.outbox[partition][wanted:]
        return taken

    def deliverable(self, tenant: str, channel: str) -> int:
        """How many answers a bridge may lease; leases that are over are found now."""
        here = [each for each in self.deliveries.values() if (each.tenant, each.channel) == (tenant, channel)]
        for delivery in here:
            if delivery.place == "run out":
                delivery.place = "waiting"
        return sum(delivery.place == "waiting" for delivery in here)

    def lease_delivery(self, delivery_id: str) -> Delivery:
        """A bridge takes it."""
        delivery = self.deliveries[delivery_id]
        assert delivery.place == "waiting", f"{delivery_id} was given, but it is {delivery.place}"
        delivery.place, delivery.attempt = "leased", delivery.attempt + 1
        return delivery

    def report(self, delivery_id: str, status: str) -> str:
        """It is off the list, and its status only grows; gives the status."""
        delivery = self.deliveries.get(delivery_id)
        if delivery is None:
            raise Refused("not_found")
        session = self.enter(delivery.session_id)
        delivery.place = "reported"
        if RANKS.index(status) > RANKS.index(delivery.status):
            delivery.status = status
            if not session.moved:
                said: dict[str, Any] = {"message_id": delivery.message_id, "channel": delivery.channel}
                session.say("delivery.updated", **said, status=status)
        return delivery.status

    # ------------------------------------------------------------ for the rules of turns

    def unqueue(self, turn: Turn) -> None:
        """Take the turn out of wherever executors find it."""
        self.leases.pop(turn.turn_id, None)
        for line in self.ready.values():
            if turn.turn_id in line:
                line.remove(turn.turn_id)
