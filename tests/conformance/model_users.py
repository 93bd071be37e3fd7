"""What users and bridges do, as rules of the state machine."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from core.errors import UserError
from core.ports import Submission
from core.turns import Erasure, SessionRef
from tests.conformance.kit import said
from tests.conformance.model_stage import Command, Stage, having, nodes, one_of, service, user
from tests.conformance.model_turns import Message

USERS = (("default", "ana"), ("default", "bia"), ("default", "eva"), ("other", "ana"))
users = st.sampled_from(USERS)
channels = st.sampled_from(["web", "web", "whatsapp"])


class Users(Stage):
    """See the module."""

    @initialize()
    def begin(self) -> None:
        """Everybody says something."""
        for each in USERS:
            self.open("one", each)
        for ref in self.refs:
            self.submit("one", ref, "queue", "web", by_service=False)

    @rule(node=nodes, who=users)
    def open(self, node: str, who: tuple[str, str]) -> None:
        """Open the session that a user's only name stands for."""
        head = self.cluster.do(self.memory(node).sessions.open(*who, None))
        session_id = head.session.session_id
        session = self.store.open(*who, "main", session_id, self.cluster.keys.of(session_id))
        assert (session.session_id, session.user_id) == (session_id, head.session.user_id)
        assert len(session.log) == head.seq
        if head.session not in self.refs:
            self.refs.append(head.session)

    @having("refs")
    @rule(
        node=nodes,
        ref=one_of("refs"),
        on_busy=st.sampled_from(["queue", "merge", "merge", "interrupt", "reject"]),
        channel=channels,
        by_service=st.booleans(),
    )
    def submit(self, node: str, ref: SessionRef, on_busy: str, channel: str, by_service: bool) -> None:
        """Say something."""
        principal = service(ref) if by_service else user(ref)
        command = (ref, principal, self.cluster.ids.new("cid"), "body")
        self.sent.append(command)
        self._submit(node, command, on_busy=on_busy, channel=channel)

    @having("sent")
    @rule(node=nodes, command=one_of("sent"), digest=st.sampled_from(["body", "body", "another-body"]))
    def submit_again(self, node: str, command: Command, digest: str) -> None:
        """The same cid again, perhaps with another body."""
        self._submit(node, (*command[:3], digest))

    @having("turn_ids")
    @rule(node=nodes, turn=one_of("turn_ids"))
    def retry(self, node: str, turn: tuple[SessionRef, str]) -> None:
        """Have a turn done again."""
        ref, turn_id = turn
        self._submit(node, (ref, user(ref), self.cluster.ids.new("cid"), "retry"), retry_of=turn_id)

    def _submit(self, node: str, command: Command, **more: Any) -> None:
        ref, principal, cid, digest = command
        channel = more.pop("channel", "web")
        message = Message(self.cluster.ids.new("turn"), self.cluster.ids.new("msg"), channel, **more)
        key = (principal.name, cid)
        expected = self.by_the_rules(lambda: self.store.submit(ref.session_id, key, digest, message))
        accepted = self.really(self.memory(node).queue.submit(_submission(command, message)))
        assert msgspec.to_builtins(accepted) == expected
        if message.turn_id in self.store.turns:
            self.turn_ids.append((ref, message.turn_id))
            self.count("turns accepted")

    @having("sent")
    @rule(node=nodes, command=one_of("sent"), digest=st.sampled_from(["body", "another-body"]))
    def ask_whether_seen(self, node: str, command: Command, digest: str) -> None:
        """Look a cid up."""
        ref, principal, cid, _ = command
        expected = self.by_the_rules(lambda: self.store.seen(ref.session_id, (principal.name, cid), digest))
        assert self.really(self.memory(node).queue.seen(ref, principal, cid, digest)) == expected

    @having("sent")
    @rule(node=nodes, command=one_of("sent"), is_new=st.booleans())
    def remember_a_refusal(self, node: str, command: Command, is_new: bool) -> None:
        """A command is refused before it gets to the queue; one that is not new may have a reply already."""
        if is_new:
            command = (command[0], command[1], self.cluster.ids.new("cid"), "body")
            self.sent.append(command)
        ref, principal, cid, digest = command
        refused = UserError("No.", code="invalid_request")
        key = (principal.name, cid)
        expected = self.by_the_rules(lambda: self.store.remember(ref.session_id, key, digest, refused.code))
        assert self.really(self.memory(node).queue.remember(ref, principal, cid, digest, refused)) == expected

    @having("turn_ids")
    @rule(node=nodes, turn=one_of("turn_ids"), by=st.sampled_from(["user", "operator"]))
    def cancel(self, node: str, turn: tuple[SessionRef, str], by: str) -> None:
        """Stop a turn, wherever it is."""
        ref, turn_id = turn
        expected = self.by_the_rules(lambda: self.store.cancel(ref.session_id, turn_id, by))
        assert self.really(self.memory(node).queue.cancel(ref, turn_id, by)) == expected

    # ------------------------------------------------------------ approvals

    @having("approval_ids")
    @rule(node=nodes, approval_id=one_of("approval_ids"), approved=st.booleans(), edited=st.booleans())
    def answer(self, node: str, approval_id: str, approved: bool, edited: bool) -> None:
        """Answer an approval, perhaps one that was answered."""
        ref = self.ref_of(self.store.approvals[approval_id].turn_id)
        command = (ref, user(ref), self.cluster.ids.new("cid"), "answer")
        self.answered.append((command, approval_id, approved))
        said = {"arguments": '{"note":"é"}', "reason": 'porque "sim"'} if edited else {}
        self._answer(node, command, approval_id, approved, **said)

    @having("answered")
    @rule(node=nodes, answered=one_of("answered"), digest=st.sampled_from(["answer", "another-answer"]))
    def answer_again(self, node: str, answered: tuple[Command, str, bool], digest: str) -> None:
        """The same cid again."""
        command, approval_id, approved = answered
        self._answer(node, (*command[:3], digest), approval_id, approved)

    @having("approval_ids")
    @rule(node=nodes, ref=one_of("refs"), approval_id=one_of("approval_ids"))
    def answer_by_whoever(self, node: str, ref: SessionRef, approval_id: str) -> None:
        """Also another session's."""
        self._answer(node, (ref, user(ref), self.cluster.ids.new("cid"), "answer"), approval_id, approved=True)

    def _answer(self, node: str, command: Command, approval_id: str, approved: bool, **said: str) -> None:
        ref, principal, cid, digest = command
        how: dict[str, Any] = {"approved": approved, "by": "user", **said}
        key = (principal.name, cid)
        expected = self.by_the_rules(lambda: self.store.answer(ref.session_id, key, digest, approval_id, **how))
        queue = self.memory(node).queue
        given = self.really(queue.answer(ref, principal, cid, digest, approval_id, **how))
        assert given == expected, f"{given!r}, but by the rules {expected!r}"
        self.count("answers")

    # ------------------------------------------------------------ deliveries

    @rule(node=nodes, tenant=st.sampled_from(["default", "other"]), limit=st.sampled_from([1, 9]))
    def take_deliveries(self, node: str, tenant: str, limit: int) -> None:
        """A bridge asks for what it is to deliver."""
        expected = min(limit, self.store.deliverable(tenant, "whatsapp"))
        taken = self.cluster.do(self.memory(node).deliveries.take(tenant, "whatsapp", limit))
        assert len(taken) == expected
        for delivery in taken:
            leased = self.store.lease_delivery(delivery.delivery_id)
            assert (delivery.session.session_id, delivery.message_id) == (leased.session_id, leased.message_id)
            assert (delivery.attempt, delivery.content) == (leased.attempt, "olá")
            self.count("deliveries taken")

    @having("leased_deliveries")
    @rule(delivery_id=one_of("leased_deliveries"))
    def delivery_lease_runs_out(self, delivery_id: str) -> None:
        """The bridge did not report."""
        delivery = self.store.deliveries[delivery_id]
        delivery.place = "run out"
        self.cluster.end_delivery(delivery.session_id, f"{delivery.channel}:{delivery.tenant}", delivery_id)

    @having("delivery_ids")
    @rule(
        node=nodes,
        delivery_id=one_of("delivery_ids"),
        status=st.sampled_from(["sent", "failed", "delivered", "read"]),
    )
    def report(self, node: str, delivery_id: str, status: Any) -> None:
        """A bridge says how far an answer got."""
        delivery = self.store.deliveries[delivery_id]
        bridge = service(SessionRef(session_id=delivery.session_id, tenant=delivery.tenant, user_id=""))
        expected = self.by_the_rules(lambda: self.store.report(delivery_id, status))
        assert self.really(self.memory(node).deliveries.report(bridge, delivery_id, status)) == expected

    # ------------------------------------------------------------ merging, erasing

    @having("idle_refs")
    @rule(node=nodes, source=one_of("idle_refs"), into=one_of("refs"))
    def merge(self, node: str, source: SessionRef, into: SessionRef) -> None:
        """Let a session in which nothing runs go on in another."""
        self._merge(node, source, into)

    @having("refs")
    @rule(node=nodes, source=one_of("refs"), into=one_of("refs"))
    def merge_whatever(self, node: str, source: SessionRef, into: SessionRef) -> None:
        """Also one that is busy, merged or gone."""
        self._merge(node, source, into)

    def _merge(self, node: str, source: SessionRef, into: SessionRef) -> None:
        one_tenant = source.tenant == into.tenant
        expected = self.by_the_rules(
            lambda: self.store.merge(source.session_id, into.session_id, one_tenant=one_tenant)
        )
        assert self.really(self.memory(node).sessions.merge(source, into)) == expected
        self.count("merges refused" if expected else "merges")

    @rule(node=nodes, who=users)
    def erase(self, node: str, who: tuple[str, str]) -> None:
        """Forget a user."""
        doomed = self.store.erase(*who)
        erased = self.cluster.do(self.memory(node).sessions.erase(*who))
        assert sorted(ref.session_id for ref in erased) == doomed
        self.count("sessions erased")

    @rule(node=nodes, who=users)
    def sweep(self, node: str, who: tuple[str, str]) -> None:
        """Sweep what was erased once more: nothing is there."""
        tenant, user_id = who
        gone = tuple(
            session.session_id
            for session in self.store.sessions.values()
            if (session.tenant, session.user_id, session.erased) == (tenant, user_id, True)
        )
        erasure = Erasure(tenant=tenant, user_id=user_id, session_ids=gone)
        self.cluster.do(self.memory(node).sessions.swept(erasure))


def _submission(command: Command, message: Message) -> Submission:
    ref, principal, cid, digest = command
    submission = said(ref, cid=cid, digest=digest, principal=principal, on_busy=message.on_busy)
    [shown] = submission.input.messages
    shown = msgspec.structs.replace(
        shown, message_id=message.message_id, turn_id=message.turn_id, channel=message.channel
    )
    turn = msgspec.structs.replace(
        submission.input,
        turn_id=message.turn_id,
        message_ids=(message.message_id,),
        messages=(shown,),
        channel=message.channel,
        retry_of=message.retry_of,
    )
    return msgspec.structs.replace(submission, input=turn)
