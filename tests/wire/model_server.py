"""A server small enough to be obviously right: one session, one connection, the log in a list.

It keeps the protocol's rules of resume, snapshot, idempotency and epochs by the shortest code that can, and drives
turns from what its view shows, so a crash that takes the view back is gone on from without more bookkeeping.
"""

from __future__ import annotations

import copy
import hashlib
from itertools import count

import msgspec

from core.events import (
    Event,
    MessageCompleted,
    MessageCreated,
    MessageDelta,
    MessageStarted,
    TurnCompleted,
    TurnQueued,
    TurnStarted,
)
from core.messages import Message, content_text
from core.models import Usage
from core.view import SessionView, apply, trimmed
from core.wire.codec import encode, encode_ok
from core.wire.frames import Heartbeat, MessageSend, SessionLive, SessionOpen, SessionOpened, Snapshot, WireLimits
from core.wire.server_side import Action, Handle, Send, ServerSide

SESSION_ID = "ses_model"
DELTA_CHARACTERS = 3


def answer_to(text: str) -> str:
    """What the model's agent says to a message: text beyond ASCII, a few deltas long."""
    return f"{text} → não, é 🏆!"


class ModelServer:
    """`sent` is what is on its way to the client, a text frame each."""

    def __init__(self) -> None:
        self.view = SessionView(epoch="epoch_1")
        self.sent: list[bytes] = []
        self._log: list[Event] = []
        self._trimmed = 0
        self._accepted: dict[str, dict[str, object]] = {}
        self._durable = self._state()
        self._epochs = count(2)
        self._ids = count(1)
        self._machine: ServerSide | None = None
        self._subscribed = False

    # the connection

    def connect(self, now_s: float) -> None:
        self._machine, self._subscribed, self.sent = ServerSide(now_s), False, []

    def disconnect(self) -> None:
        self._machine, self._subscribed, self.sent = None, False, []

    def receive(self, text: bytes, now_s: float) -> None:
        assert self._machine is not None
        for action in self._machine.receive_text(text.decode(), now_s):
            self._do(action)

    def _do(self, action: Action) -> None:
        match action:
            case Send(payload):
                self.sent.append(payload)
            case Handle(SessionOpen() as frame):
                self._open(frame)
            case Handle(MessageSend() as frame):
                self._accept(frame)
            case _:
                raise AssertionError(f"a client in order does not make the server do {action!r}")

    def _open(self, frame: SessionOpen) -> None:
        assert self._machine is not None
        self._machine.opened()
        reason = self._why_not(frame)
        recovered = frame.resume is not None and reason is None
        self._send(
            SessionOpened(
                re=frame.cid,
                session_id=SESSION_ID,
                user_id="user",
                epoch=self.view.epoch,
                head=self.view.seq,
                recovered=recovered,
                reason=reason,
                heartbeat=Heartbeat(),
                limits=WireLimits(),
            )
        )
        if recovered and frame.resume is not None:
            self.sent += [encode(event) for event in self._log if event.seq > frame.resume.seq]
        else:
            self._send(Snapshot.of(SESSION_ID, trimmed(self.view)))
        self._send(SessionLive(session_id=SESSION_ID, seq=self.view.seq))
        self._subscribed = True

    def _why_not(self, frame: SessionOpen) -> str | None:
        if frame.resume is None:
            return None
        if frame.resume.epoch != self.view.epoch:
            return "epoch"
        if frame.resume.seq > self.view.seq:
            return "ahead"
        return "trimmed" if frame.resume.seq < self._trimmed else None

    def _accept(self, frame: MessageSend) -> None:
        if frame.cid in self._accepted:
            self.sent.append(encode_ok(frame.cid, self._accepted[frame.cid], duplicate=True))
            return
        message_id, turn_id = f"msg_{next(self._ids)}", f"turn_{next(self._ids)}"
        self._append(
            MessageCreated(
                session_id=SESSION_ID,
                ts=0,
                message_id=message_id,
                turn_id=turn_id,
                role="user",
                content=frame.content,
                channel="web",
                re=frame.cid,
            )
        )
        position = len(self.view.queue)
        self._append(
            TurnQueued(session_id=SESSION_ID, ts=0, turn_id=turn_id, message_ids=(message_id,), position=position)
        )
        self._accepted[frame.cid] = {"message_id": message_id, "turn_id": turn_id}
        self.sent.append(encode_ok(frame.cid, self._accepted[frame.cid]))

    # the log

    def _append(self, event: Event) -> None:
        numbered = msgspec.structs.replace(event, seq=self.view.seq + 1)
        self._log.append(numbered)
        apply(self.view, numbered)
        if self._subscribed:
            self._send(numbered)

    def trim(self) -> None:
        """The log loses its front, all of it."""
        self._log, self._trimmed = [], self.view.seq

    def fsync(self) -> None:
        """What was accepted up to now survives a crash."""
        self._durable = self._state()

    def crash(self) -> None:
        """The store dies and comes back as it was at the last fsync: a new epoch, messages kept."""
        self.view, self._accepted = copy.deepcopy(self._durable)
        self.view.epoch, self.view.seq = f"epoch_{next(self._epochs)}", 0
        self._log, self._trimmed = [], 0
        self.fsync()
        if self._subscribed:
            self._send(Snapshot.of(SESSION_ID, trimmed(self.view)))
            self._send(SessionLive(session_id=SESSION_ID, seq=0))

    def _state(self) -> tuple[SessionView, dict[str, dict[str, object]]]:
        return copy.deepcopy((self.view, self._accepted))

    def _send(self, frame: object) -> None:
        self.sent.append(encode(frame))

    # the agent

    @property
    def idle(self) -> bool:
        return self.view.turn is None and not self.view.queue

    def work(self) -> None:
        """The next event of whatever turn there is."""
        turn = self.view.turn
        if turn is None:
            if self.view.queue:
                turn_id = self.view.queue[0].turn_id
                self._append(TurnStarted(session_id=SESSION_ID, ts=0, turn_id=turn_id, agent="sales", attempt=1))
        elif turn.message_id is None:
            self._append(
                MessageStarted(
                    session_id=SESSION_ID,
                    ts=0,
                    turn_id=turn.turn_id,
                    message_id=f"msg_{next(self._ids)}",
                    role="assistant",
                    channel="web",
                )
            )
        else:
            self._say(turn.turn_id, self._message(turn.message_id))

    def _say(self, turn_id: str, message: Message) -> None:
        asked = next(m for m in self.view.messages if m.turn_id == turn_id and m.role == "user")
        whole, said = answer_to(content_text(asked.content)), content_text(message.content)
        if message.status == "complete":
            self._append(
                TurnCompleted(
                    session_id=SESSION_ID,
                    ts=0,
                    turn_id=turn_id,
                    message_id=message.message_id,
                    usage=Usage(),
                    duration_ms=1,
                    ttft_ms=1,
                    steps=1,
                    tools=(),
                )
            )
        elif said == whole:
            digest = hashlib.sha256(whole.encode()).hexdigest()
            self._append(
                MessageCompleted(
                    session_id=SESSION_ID,
                    ts=0,
                    message_id=message.message_id,
                    length=len(whole),
                    sha256=digest,
                    finish_reason="stop",
                )
            )
        else:
            text = whole[len(said) : len(said) + DELTA_CHARACTERS]
            self._append(MessageDelta(session_id=SESSION_ID, message_id=message.message_id, off=len(said), text=text))

    def _message(self, message_id: str) -> Message:
        message = self.view.message(message_id)
        assert message is not None
        return message
