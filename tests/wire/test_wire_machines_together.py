"""The client machine and the server machine against each other, over a network that does what networks do.

Whatever is cut, repeated, batched, lost from the front or taken back by a crash, in the end the client shows what the
log says, and everything that was sent was accepted exactly once.
"""

from __future__ import annotations

import json
from itertools import count

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.messages import content_text
from core.wire.client_actions import Action, Applied, Done, Mismatch, Reconnect, Replaced, Send
from core.wire.client_side import ClientSide
from core.wire.codec import join
from core.wire.frames import MessageSend, SessionOpen
from tests.wire.model_server import ModelServer, answer_to

KEY = "main"


class Network(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self._cids = count(1)
        self.client = ClientSide(new_cid=lambda: f"own-{next(self._cids)}", chance=lambda: 0.5)
        self.client.open(KEY, SessionOpen(cid="unused"), 0.0)
        self.server = ModelServer()
        self.now_s = 0.0
        self.connected = False
        self.to_server: list[bytes] = []
        self.said: dict[str, str] = {}
        self.done: set[str] = set()
        self.mismatches: list[str] = []
        self.last_applied: int | None = None

    def act(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Send(payload=payload):
                    self.to_server.append(payload)
                case Done(cid=cid):
                    self.done.add(cid)
                case Replaced():
                    self.last_applied = None
                case Applied(event=event):
                    assert self.last_applied is None or event.seq == self.last_applied + 1
                    self.last_applied = event.seq
                case Mismatch(message_id=message_id):
                    self.mismatches.append(message_id)
                case _:
                    pass

    def hand_to_client(self, text: bytes) -> None:
        self.act(self.client.receive_text(text.decode(), self.now_s))

    @rule(text=st.text(alphabet="aé🏆 ", min_size=1, max_size=6).filter(str.strip))
    def the_user_says_something(self, text: str) -> None:
        cid = f"cid-{next(self._cids)}"
        self.said[cid] = text
        self.act(self.client.send(KEY, MessageSend(cid=cid, session_id="", content=text), self.now_s))

    @initialize()
    def begin(self) -> None:
        self.connect()

    @precondition(lambda self: not self.connected)
    @rule()
    def connect(self) -> None:
        self.connected, self.to_server = True, []
        self.server.connect(self.now_s)
        self.act(self.client.connected(self.now_s))

    @precondition(lambda self: self.connected)
    @rule()
    def reconnect(self) -> None:
        self.cut()
        self.connect()
        self.all_arrives()

    @precondition(lambda self: self.connected)
    @rule()
    def cut(self) -> None:
        self.connected, self.to_server = False, []
        self.server.disconnect()
        assert isinstance(self.client.disconnected(1006, self.now_s), Reconnect)

    @precondition(lambda self: self.to_server)
    @rule(repeated=st.booleans())
    def a_client_frame_arrives(self, repeated: bool) -> None:
        text = self.to_server.pop(0)
        for _ in range(1 + repeated):
            self.server.receive(text, self.now_s)

    @precondition(lambda self: self.server.sent)
    @rule(size=st.integers(1, 6), repeated=st.booleans())
    def server_frames_arrive(self, size: int, repeated: bool) -> None:
        ready, self.server.sent = self.server.sent[:size], self.server.sent[size:]
        for _ in range(1 + repeated):
            self.hand_to_client(join(ready))

    @precondition(lambda self: self.server.sent and "seq" in json.loads(self.server.sent[0]))
    @rule()
    def an_event_is_lost_on_the_way(self) -> None:
        if "ts" in json.loads(self.server.sent[0]):
            self.server.sent.pop(0)

    @precondition(lambda self: self.connected)
    @rule()
    def all_arrives(self) -> None:
        while self.to_server:
            self.server.receive(self.to_server.pop(0), self.now_s)
        ready, self.server.sent = self.server.sent, []
        self.hand_to_client(join(ready))

    @rule(steps=st.integers(1, 8))
    def the_agent_works(self, steps: int) -> None:
        for _ in range(steps):
            self.server.work()

    @rule()
    def the_log_is_trimmed(self) -> None:
        self.server.trim()

    @rule()
    def the_store_is_flushed(self) -> None:
        self.server.fsync()

    @rule()
    def the_store_crashes(self) -> None:
        self.server.crash()

    @rule()
    def time_passes(self) -> None:
        self.now_s += 0.1
        self.act(self.client.tick(self.now_s))

    @invariant()
    def no_text_differs_from_its_hash(self) -> None:
        assert self.mismatches == []

    def settle(self) -> None:
        while self.to_server or self.server.sent or not self.server.idle:
            if self.to_server:
                self.a_client_frame_arrives(repeated=False)
            elif self.server.sent:
                self.server_frames_arrive(size=1, repeated=False)
            else:
                self.server.work()

    def teardown(self) -> None:
        if not self.connected:
            self.connect()
        self.the_user_says_something("a")  # what follows a lost event shows the gap, without a reconnect
        self.settle()
        self.assert_both_ends_agree()
        self.cut()
        self.connect()
        self.settle()
        self.assert_both_ends_agree()

    def assert_both_ends_agree(self) -> None:
        shown, log = self.client.view(KEY), self.server.view
        assert shown is not None
        assert (shown.epoch, shown.seq, shown.turn, shown.queue) == (log.epoch, log.seq, log.turn, log.queue)
        assert shown.messages == log.messages[-len(shown.messages) :]
        asked = {m.re: content_text(m.content) for m in log.messages if m.role == "user"}
        assert asked == self.said
        assert self.done == set(self.said)
        answers = sorted(content_text(m.content) for m in log.messages if m.role == "assistant")
        assert answers == sorted(answer_to(text) for text in self.said.values())
        assert len(log.messages) == 2 * len(self.said)


TestNetwork = Network.TestCase
TestNetwork.settings = settings(
    max_examples=400, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
