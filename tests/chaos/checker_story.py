"""Makes small histories for the checker's tests: a run in which all is well, told step by step, to be broken by a test."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import msgspec

from core.events import Event
from core.view import SessionView, apply
from core.wire.frames import Snapshot
from tests.chaos.history import (
    Connected,
    Counts,
    Entry,
    Fault,
    LogBase,
    LogEvent,
    ModelCall,
    ModelSaid,
    Plan,
    Received,
    Sent,
    Shown,
    ToolRow,
    TurnRow,
)

Frame = dict[str, Any]
USAGE = {"input": 1, "output": 1, "cached": 0, "reasoning": 0, "total": 2}
CANARIES = {"ana": "Kiwi", "bob": "Plum"}


@dataclass(kw_only=True)
class Story:
    """One session with two devices in a run. Each method tells what a healthy system would have written down."""

    session: str = "ana"
    entries: list[Entry] = field(default_factory=list)
    at_ns: int = 10_000_000_000
    epoch: str = "epoch-1"
    calls: int = 0
    turns: int = 0
    places: dict[str, int] = field(default_factory=dict)
    """Connected devices, with the number of their connection."""
    connections: dict[str, int] = field(default_factory=dict)
    view: SessionView = field(default_factory=lambda: SessionView(epoch="epoch-1"))

    @property
    def session_id(self) -> str:
        return f"ses_{self.session}"

    # ------------------------------------------------------------ entries

    def write(self, entry: Entry) -> None:
        self.entries.append(entry)

    def tick(self, milliseconds: int = 1) -> int:
        self.at_ns += milliseconds * 1_000_000
        return self.at_ns

    def receive(self, device: str, frame: Frame) -> None:
        self.write(
            Received(
                at_ns=self.tick(),
                device=device,
                session=self.session,
                node=0,
                connection=self.connections[device],
                frame=frame,
            )
        )

    def send(self, device: str, frame: Frame) -> None:
        self.write(
            Sent(
                at_ns=self.tick(),
                device=device,
                session=self.session,
                node=0,
                connection=self.connections[device],
                frame=frame,
            )
        )

    def log(self, event: Frame) -> None:
        self.write(LogEvent(at_ns=self.tick(), session=self.session, epoch=self.epoch, event=event))

    # ------------------------------------------------------------ the wire

    def open(self, device: str, resume: Frame | None = None) -> None:
        """Connect; without `resume` a snapshot comes."""
        self.connections[device] = self.connections.get(device, 0) + 1
        self.places[device] = self.connections[device]
        at: Frame = {"device": device, "session": self.session, "node": 0, "connection": self.connections[device]}
        self.write(Connected(at_ns=self.tick(), up=True, **at))
        self.send(device, {"type": "session.open", "cid": f"{device}-o{self.at_ns}", "resume": resume})
        self.opened(device, recovered=resume is not None)
        if resume is None:
            self.snapshot(device)
        self.live(device)

    def opened(self, device: str, *, recovered: bool) -> None:
        self.receive(
            device,
            {
                "type": "session.opened",
                "re": "o",
                "session_id": self.session_id,
                "epoch": self.epoch,
                "head": self.view.seq,
                "recovered": recovered,
            },
        )

    def snapshot(self, device: str) -> None:
        self.receive(device, self.snapshot_frame())

    def snapshot_frame(self) -> Frame:
        frame: Frame = msgspec.json.decode(msgspec.json.encode(Snapshot.of(self.session_id, self.view)))
        return frame

    def live(self, device: str) -> None:
        self.receive(device, {"type": "session.live", "session_id": self.session_id, "seq": self.view.seq})

    def append(self, kind: str, *, only: tuple[str, ...] | None = None, **fields: Any) -> Frame:
        """Append an event and give it to every connected device, or only to some."""
        event: Frame = {"seq": self.view.seq + 1, "type": kind, "session_id": self.session_id, **fields}
        if kind != "message.delta":
            event["ts"] = self.at_ns // 1_000_000
        self.log(event)
        apply(self.view, msgspec.convert(event, Event))
        for device in self.places if only is None else only:
            self.receive(device, event)
        return event

    def happen(self, *, only: tuple[str, ...] | None = None) -> Frame:
        """Append an event that changes nothing that is shown."""
        return self.append("agent.changed", only=only, **{"from": "sales", "to": "human", "reason": "asked"})

    # ------------------------------------------------------------ turns

    def ask(self, cid: str, *, device: str = "ana.phone") -> str:
        """A message is sent, accepted and queued; gives its turn."""
        self.turns += 1
        turn_id, message_id = f"turn_{self.session}{self.turns}", f"msg_{self.session}{self.turns}"
        self.send(device, {"type": "message.send", "cid": cid, "content": cid})
        self.append(
            "message.created",
            turn_id=turn_id,
            message_id=message_id,
            role="user",
            content=cid,
            channel="web",
            re=cid,
        )
        self.append("turn.queued", turn_id=turn_id, message_ids=[message_id], position=0)
        self.accept(cid, turn_id, device=device)
        return turn_id

    def accept(self, cid: str, turn_id: str, *, device: str = "ana.phone") -> None:
        self.receive(device, {"type": "ok", "re": cid, "turn_id": turn_id, "message_id": "m", "seq": 1, "position": 0})

    def start(self, turn_id: str) -> None:
        self.append("turn.started", turn_id=turn_id, agent="sales", attempt=1)

    def call(self, cid: str, *, step: int = 1) -> int:
        """The model is called; gives the call's number."""
        self.calls += 1
        question = f"[{self.session}] {cid} #say"
        self.write(ModelCall(at_ns=self.tick(), call=self.calls, session=self.session, question=question, step=step))
        return self.calls

    def tokens(self, call: int, count: int) -> list[str]:
        return [f"{CANARIES[self.session]}-{call}-{index} " for index in range(count)]

    def said(self, call: int, count: int, *, whole: bool = True, closed_by: str = "provider") -> None:
        """The call is over."""
        self.write(
            ModelSaid(at_ns=self.tick(), call=call, tokens=self.tokens(call, count), whole=whole, closed_by=closed_by)  # type: ignore[arg-type]
        )

    def begin_message(self, turn_id: str) -> str:
        message_id = f"answer_{turn_id}"
        self.append("message.started", turn_id=turn_id, message_id=message_id, role="assistant", channel="web")
        return message_id

    def deltas(self, message_id: str, texts: list[str]) -> None:
        for text in texts:
            self.append("message.delta", message_id=message_id, off=len(self.text(message_id)), text=text)

    def text(self, message_id: str) -> str:
        message = self.view.message(message_id)
        assert message is not None
        return str(message.content)

    def complete(self, message_id: str, reason: str = "stop") -> None:
        text = self.text(message_id)
        digest = hashlib.sha256(text.encode()).hexdigest()
        self.append("message.completed", message_id=message_id, length=len(text), sha256=digest, finish_reason=reason)

    def end(
        self, turn_id: str, outcome: str = "completed", *, message_id: str | None = None, book: bool = True
    ) -> None:
        """The turn ends, and is on the books."""
        ends: dict[str, Frame] = {
            "completed": {
                "message_id": message_id,
                "usage": USAGE,
                "duration_ms": 1,
                "ttft_ms": 1,
                "steps": 1,
                "tools": [],
            },
            "failed": {"code": "internal", "message": "It broke.", "retryable": True, "usage": USAGE},
            "cancelled": {"by": "user", "usage": USAGE},
        }
        self.append(f"turn.{outcome}", turn_id=turn_id, **ends[outcome])
        if book:
            self.book(turn_id, outcome, message_id)

    def book(self, turn_id: str, outcome: str, message_id: str | None = None, text: str | None = None) -> None:
        messages = []
        if message_id is not None:
            content = self.text(message_id) if text is None else text
            messages = [{"message_id": message_id, "role": "assistant", "content": content}]
        self.write(
            TurnRow(
                at_ns=self.tick(),
                session=self.session,
                turn_id=turn_id,
                outcome=outcome,
                rows=1,
                messages=messages,
            )
        )

    def answer(self, turn_id: str, cid: str, count: int = 30) -> str:
        """The whole turn from its start; gives the answer's id."""
        self.start(turn_id)
        self.append("step.started", turn_id=turn_id, step=1)
        call = self.call(cid)
        message_id = self.begin_message(turn_id)
        self.deltas(message_id, self.tokens(call, count))
        self.said(call, count)
        self.complete(message_id)
        self.end(turn_id, message_id=message_id)
        return message_id

    def partial_answer(self, turn_id: str, cid: str, count: int = 3, *, start: bool = True) -> tuple[int, str]:
        """A turn whose answer is under way; gives the call and the message."""
        if start:
            self.start(turn_id)
        call = self.call(cid)
        message_id = self.begin_message(turn_id)
        self.deltas(message_id, self.tokens(call, count))
        return call, message_id

    def fault(self, name: str, hit_turns: int = 1) -> None:
        self.write(Fault(at_ns=self.tick(), name=name, target="worker-0", hit_turns=hit_turns))

    def tool_row(self, call_id: str, note: str) -> None:
        self.write(
            ToolRow(at_ns=self.tick(), tool="create_follow_up", session=self.session, call_id=call_id, note=note)
        )

    def begin_anew(self, epoch: str = "epoch-2") -> None:
        """Redis came back as another process: the log begins anew, what is shown is kept."""
        self.fault("kill_redis")
        self.epoch = epoch
        self.view = msgspec.structs.replace(self.view, epoch=epoch, seq=0)
        for device in self.places:
            self.snapshot(device)
            self.live(device)

    def base(self, **changes: Any) -> None:
        """What the log began with was read from Redis; `changes` to that."""
        view = msgspec.json.decode(msgspec.json.encode(self.view))
        self.write(LogBase(at_ns=self.tick(), session=self.session, epoch=self.epoch, view=view | changes))

    # ------------------------------------------------------------ beginning and end

    def begin(self) -> Story:
        """The plan, two devices, six answered questions, a fault and a reconnect."""
        self.write(Plan(at_ns=self.tick(), seed=1, profile="story", sessions=dict(CANARIES)))
        for device in ("ana.phone", "ana.laptop"):
            self.open(device)
        for number in range(1, 7):
            cid = f"ana.c{number}"
            self.answer(self.ask(cid), cid)
        self.fault("client_cut")
        self.open("ana.phone", resume={"epoch": self.epoch, "seq": self.view.seq})
        return self

    def finish(
        self, *, devices: tuple[str, ...] = ("ana.phone", "ana.laptop"), counts: Frame | None = None
    ) -> list[Entry]:
        """What all show, and what is left; gives the whole history."""
        for device in devices:
            self.write(self.shown(device))
        empty: Frame = {"keys": 3, "keys_without_ttl": [], "outbox": 0, "leases": 0, "ready": 0}
        self.write(Counts(at_ns=self.tick(), **(empty | (counts or {}))))
        return self.entries

    def shown(self, device: str, **changes: Any) -> Shown:
        view = msgspec.json.decode(msgspec.json.encode(self.view))
        fields = {
            "epoch": self.epoch,
            "seq": self.view.seq,
            "messages": view.get("messages", []),
            "turn": view.get("turn"),
            "queue": view.get("queue", []),
        }
        return Shown(at_ns=self.tick(), device=device, session=self.session, **(fields | changes))
