"""What a client shows of a session, written from protocol.md alone: snapshots replace, events change, in JSON."""

from __future__ import annotations

import hashlib
from typing import Any

Frame = dict[str, Any]
ENDS = ("turn.completed", "turn.failed", "turn.cancelled")
SIGNALS = ("session.opened", "session.snapshot", "session.live", "session.erased", "ok", "error", "history", "typing")
FINISHED = {"cancelled": "cancelled", "failed": "failed"}
CREATED = ("message_id", "turn_id", "role", "content", "channel", "ts")


class Folded:
    """A session's view. `ends` counts how often each turn ended in this epoch; `wrong` is what broke the contract."""

    def __init__(self) -> None:
        self.epoch = ""
        self.seq = 0
        self.messages: list[Frame] = []
        self.turn: Frame | None = None
        self.queue: list[Frame] = []
        self.more = False
        self.ends: dict[str, int] = {}
        self.wrong: list[str] = []

    def take(self, frame: Frame) -> None:
        """Take one frame of the session."""
        kind = frame["type"]
        if kind == "session.snapshot":
            self.epoch, self.seq, self.more = frame["epoch"], frame["seq"], frame["more"]
            self.messages = [dict(message) for message in frame["messages"]]
            self.turn = frame.get("turn")
            self.queue = list(frame["queue"])
        elif kind not in SIGNALS and "seq" in frame and frame["seq"] > self.seq:
            if frame["seq"] != self.seq + 1:
                self.wrong.append(f"gap: {self.seq} then {frame['seq']}")
            self.seq = frame["seq"]
            getattr(self, "_" + kind.replace(".", "_"), self._nothing)(frame)

    def shown(self) -> Frame:
        """What a snapshot of this moment holds; verdicts are no events and are left out."""
        return {"messages": without_verdicts(self.messages), "turn": self.turn, "queue": self.queue}

    def _nothing(self, frame: Frame) -> None:
        if frame["type"] in ENDS:
            self.ends[frame["turn_id"]] = self.ends.get(frame["turn_id"], 0) + 1
            self.queue = [queued for queued in self.queue if queued["turn_id"] != frame["turn_id"]]
            if self.turn is not None and self.turn["turn_id"] == frame["turn_id"]:
                self.turn = None
            if any(m["turn_id"] == frame["turn_id"] and m["status"] == "running" for m in self.messages):
                self.wrong.append(f"{frame['type']} before message.completed")

    def _message_created(self, frame: Frame) -> None:
        message = {name: frame[name] for name in CREATED}
        self.messages.append({**message, "status": "complete", **({"re": frame["re"]} if "re" in frame else {})})

    def _turn_queued(self, frame: Frame) -> None:
        queued = {name: frame[name] for name in ("turn_id", "message_ids", "retry_of") if name in frame}
        places = [index for index, known in enumerate(self.queue) if known["turn_id"] == frame["turn_id"]]
        if places:  # a message was merged in
            self.queue[places[0]] = queued
        else:
            self.queue.append(queued)

    def _turn_started(self, frame: Frame) -> None:
        turn_id = frame["turn_id"]
        queued = next(queued for queued in self.queue if queued["turn_id"] == turn_id)
        self.queue.remove(queued)
        if "retry_of" in queued:
            old = queued["retry_of"]
            self.messages = [m for m in self.messages if m["turn_id"] != old or m["role"] != "assistant"]
            for message_id in queued["message_ids"]:
                self._message(message_id)["turn_id"] = turn_id
        if self.turn is not None:
            self.wrong.append("two turns at once")
        self.turn = {
            "turn_id": turn_id, "state": "running", "attempt": 1, "message_id": None, "tools": [], "approvals": [],
        }  # fmt: skip

    def _turn_recovered(self, frame: Frame) -> None:
        assert self.turn is not None
        self.turn["attempt"] = frame["attempt"]

    def _message_started(self, frame: Frame) -> None:
        assert self.turn is not None
        self.turn["message_id"] = frame["message_id"]
        message = {name: frame[name] for name in CREATED if name != "content"}
        self.messages.append({**message, "content": "", "status": "running"})

    def _message_delta(self, frame: Frame) -> None:
        message = self._message(frame["message_id"])
        if frame["off"] != len(message["content"]):
            self.wrong.append(f"a delta at {frame['off']} of {len(message['content'])}")
        message["content"] = message["content"][: frame["off"]] + frame["text"]

    def _message_reset(self, frame: Frame) -> None:
        message = self._message(frame["message_id"])
        message["content"] = message["content"][: frame["to"]]

    def _message_completed(self, frame: Frame) -> None:
        message = self._message(frame["message_id"])
        if message["status"] != "running":
            self.wrong.append("message.completed twice")
        message["status"] = FINISHED.get(frame["finish_reason"], "complete")
        digest = hashlib.sha256(message["content"].encode()).hexdigest()
        if (frame["length"], frame["sha256"]) != (len(message["content"]), digest):
            self.wrong.append("the text is not what message.completed says")

    def _tool_started(self, frame: Frame) -> None:
        assert self.turn is not None
        names = ("call_id", "step", "name", "title", "arguments")
        tool = {name: frame[name] for name in names if name in frame}
        self.turn["tools"] = [known for known in self.turn["tools"] if known["call_id"] != frame["call_id"]]
        self.turn["tools"].append({**tool, "status": "running"})

    def _tool_completed(self, frame: Frame) -> None:
        self._end_tool(frame, "completed", ("summary", "duration_ms", "result"))

    def _tool_failed(self, frame: Frame) -> None:
        self._end_tool(frame, "failed", ("code", "message", "duration_ms"))

    def _approval_requested(self, frame: Frame) -> None:
        assert self.turn is not None
        names = ("approval_id", "call_id", "name", "title", "arguments", "reason", "approver", "expires_at")
        self.turn["approvals"].append({name: frame[name] for name in names if name in frame})

    def _approval_resolved(self, frame: Frame) -> None:
        assert self.turn is not None
        known = self.turn["approvals"]
        self.turn["approvals"] = [asked for asked in known if asked["approval_id"] != frame["approval_id"]]

    def _turn_waiting(self, frame: Frame) -> None:
        assert self.turn is not None
        self.turn["state"] = "parked"

    def _turn_resumed(self, frame: Frame) -> None:
        assert self.turn is not None
        self.turn["state"] = "running"

    def _delivery_updated(self, frame: Frame) -> None:
        known = [message for message in self.messages if message["message_id"] == frame["message_id"]]
        for message in known:  # none where the answer has left the view
            message["delivery"] = {"channel": frame["channel"], "status": frame["status"]}

    def _end_tool(self, frame: Frame, status: str, names: tuple[str, ...]) -> None:
        assert self.turn is not None
        tool = next(tool for tool in self.turn["tools"] if tool["call_id"] == frame["call_id"])
        tool.update({name: frame[name] for name in names if name in frame}, status=status)

    def _message(self, message_id: str) -> Frame:
        return next(message for message in self.messages if message["message_id"] == message_id)


def snapshot_shows(snapshot: Frame) -> Frame:
    """A snapshot in the form of `Folded.shown`."""
    messages = without_verdicts(snapshot["messages"])
    return {"messages": messages, "turn": snapshot.get("turn"), "queue": snapshot["queue"]}


def without_verdicts(messages: list[Frame]) -> list[Frame]:
    """Messages without `feedback`."""
    return [{name: value for name, value in message.items() if name != "feedback"} for message in messages]


def fold(frames: list[Frame], upto: int | None = None) -> Folded:
    """The view that these frames make, events after `upto` left out."""
    folded = Folded()
    for frame in frames:
        if frame["type"] in (*SIGNALS, "ping", "pong") or upto is None or frame.get("seq", 0) <= upto:
            folded.take(frame)
    return folded
