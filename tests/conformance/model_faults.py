"""Readers, the books, and what befalls Redis, as rules of the state machine."""

from __future__ import annotations

import copy

from hypothesis import strategies as st
from hypothesis.stateful import rule

from core.turns import SessionRef
from memory.event_log.gate import Gate
from tests.conformance.kit import Reader
from tests.conformance.model_stage import Listener, Stage, having, nodes, one_of

KEPT_AFTER_END_MS = (0, 3_600_000)
"""Turns that ended are cut off the log at once, or (all of them) not yet."""


class Faults(Stage):
    """See the module."""

    @having("refs")
    @rule(node=nodes, ref=one_of("refs"))
    def attach(self, node: str, ref: SessionRef) -> None:
        """Follow a log, as a client does: take a snapshot, attach, and again where the epoch changes meanwhile."""
        expected = self.by_the_rules(lambda: self.store.enter(ref.session_id).session_id)
        found = self.really(self.memory(node).sessions.view(ref))
        if isinstance(found, str):
            assert found == expected
            return
        log, reader = self.memory(node).log, Reader()
        head = self.cluster.do(log.attach(ref, reader))
        if head.epoch != found.epoch:
            self.cluster.do(reader.until(lambda it: bool(it.epochs)))
            reader = Reader()
            head = self.cluster.do(log.attach(ref, reader))
        self.listeners.append(Listener(reader, node, ref, self.lives, head.seq))
        self.count("readers")

    @having("listeners")
    @rule(listener=one_of("listeners"))
    def detach(self, listener: Listener) -> None:
        """Stop following."""
        self.memory(listener.node).log.detach(listener.session, listener.reader)
        self.listeners.remove(listener)

    @having("refs")
    @rule(node=nodes, ref=one_of("refs"), kept_ms=st.sampled_from(KEPT_AFTER_END_MS))
    def compact(self, node: str, ref: SessionRef, kept_ms: int) -> None:
        """Store the fold and cut the log, but not what somebody may still have to catch up on."""
        floor = self.by_the_rules(lambda: self.store.compact(ref.session_id, keeps_ended=kept_ms > 0))
        gate = Gate(self.memory(node).database, self.cluster.ids, kept_after_end_ms=kept_ms)
        refused = self.really(gate.compact(ref, at_least_bytes=0))
        assert refused == (floor if isinstance(floor, str) else None)
        if refused is None:
            kept = self.cluster.client.hget(self.cluster.key(ref.session_id, f"s:{ref.session_id}"), "floor")
            assert int(kept) <= max(floor, self.store.sessions[ref.session_id].floor)  # type: ignore[arg-type]
            self.store.sessions[ref.session_id].floor = int(kept)  # type: ignore[arg-type]

    @rule(node=nodes, limit=st.sampled_from([1, 50]))
    def take_to_sql(self, node: str, limit: int) -> None:
        """The recorder writes records down and acknowledges them."""
        pending = self.cluster.do(self.memory(node).outbox.pending(limit))
        assert [record.turn_id for _, record in pending] == self.store.take_records(limit)  # type: ignore[union-attr]
        self.cluster.do(self.memory(node).outbox.acknowledge([token for token, _ in pending]))

    @rule()
    def restart_redis(self) -> None:
        """Redis is another process, with all that it held."""
        self.lives += 1
        self.store.life = self.lives
        self.cluster.restart(self.lives)

    @rule()
    def remember_this_moment(self) -> None:
        """Redis may fall back to it."""
        self.moments.append((copy.deepcopy(self.store), self.cluster.moment()))

    @having("moments")
    @rule()
    def restart_redis_without_its_tail(self) -> None:
        """Redis is another process, and has forgotten all since then."""
        self.store, moment = self.moments.pop()
        self.cluster.fall_back(moment)
        self.restart_redis()
        known = self.store.sessions
        self.listeners = [each for each in self.listeners if each.session.session_id in known]
        self.answered = [each for each in self.answered if each[1] in self.store.approvals]
        self.count("tails lost")
