"""A client of Prosa's WebSocket that costs little: only what a test needs.

It checks on the way what a client must (protocol.md, "What holds"): `seq` without gaps, offsets that follow.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import Final

import msgspec

from bench.clients.conversation import Answer, now_us
from bench.clients.socket import WebSocket


class Frame(msgspec.Struct):
    """What the client reads of a frame of Prosa; unknown fields are ignored."""

    type: str
    session_id: str = ""
    seq: int | None = None
    off: int = 0
    text: str = ""
    turn_id: str = ""
    code: str = ""
    message: str = ""
    duration_ms: int = 0


_decoder: Final = msgspec.json.Decoder(list[Frame] | Frame)
_SIGNALS_WITH_SEQ: Final = frozenset({"ok", "session.snapshot", "session.live"})
_ENDS: Final = frozenset({"turn.completed", "turn.failed", "turn.cancelled", "error"})


class ProsaConversation:
    """A session of one user over one WebSocket."""

    def __init__(self, port: int, user: str) -> None:
        self._user = user
        self._cids = itertools.count(1)
        self._session_id = ""
        self._seq: int | None = None
        self._answer = Answer(asked_us=0)
        self._ended: asyncio.Future[str | None] | None = None
        self._socket = WebSocket(port, self._on_text, self._end)
        self._turn_id = ""
        self._is_stopping = False

    @property
    def session_id(self) -> str:
        """The session that is open."""
        return self._session_id

    async def open(self) -> None:
        """Connect and open the session."""
        self._ended = asyncio.get_running_loop().create_future()
        await self._socket.open()
        self._send({"type": "session.open", "user_id": self._user, "client": {"name": "bench", "version": "1"}})
        problem = await self._ended
        if problem is not None:
            raise ConnectionError(f"the session could not be opened: {problem}")

    async def ask(self, text: str) -> Answer:
        """Ask and read the log to the turn's end."""
        self._ended = asyncio.get_running_loop().create_future()
        answer = Answer(asked_us=now_us(), pieces=[])
        self.attach(answer)
        self._send({"type": "message.send", "session_id": self._session_id, "content": text})
        answer.problem = await self._ended
        answer.ended_us = now_us()
        self._turn_id = ""
        return answer

    def stop(self) -> None:
        """Cancel the turn, now or as soon as its id is known."""
        self._is_stopping = True
        if self._turn_id:
            self._cancel()

    def _cancel(self) -> None:
        self._send({"type": "turn.cancel", "session_id": self._session_id, "turn_id": self._turn_id})

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    async def ping(self) -> bool:
        """Ping the connection; False where it is gone."""
        return await self._socket.ping()

    @property
    def is_open(self) -> bool:
        """Whether the connection lives, as far as is known."""
        return self._socket.is_open

    @property
    def pongs(self) -> int:
        """How many pings were answered."""
        return self._socket.pongs

    def attach(self, answer: Answer) -> None:
        """Let what comes from now on go into `answer`."""
        self._answer = answer

    def receive(self, data: bytes) -> None:
        """Take bytes of the connection in, after the handshake."""
        self._socket.receive(data)

    def _on_text(self, payload: bytes) -> None:
        frames = _decoder.decode(payload)
        self._take(frames if isinstance(frames, list) else [frames])

    def _send(self, frame: dict[str, object]) -> None:
        self._socket.send(msgspec.json.encode({**frame, "cid": f"{self._user}-{next(self._cids)}"}))

    def _end(self, problem: str | None) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(problem)

    def _take(self, frames: list[Frame]) -> None:
        arrived_us = now_us()
        texts = []
        for frame in frames:
            if frame.seq is not None and frame.type not in _SIGNALS_WITH_SEQ:
                self._follow(frame.seq)
            if frame.type == "message.delta":
                texts.append(frame.text)
            else:
                self._note(frame)
        if texts:
            self._answer.pieces.append(("".join(texts), arrived_us))

    def _follow(self, seq: int) -> None:
        if self._seq is not None and seq != self._seq + 1:
            self._end(f"seq {seq} after {self._seq}")
        self._seq = seq

    def _note(self, frame: Frame) -> None:
        if frame.type == "session.opened":
            self._session_id = frame.session_id
        elif frame.type == "session.snapshot":
            self._seq = frame.seq
        elif frame.type == "session.live":
            self._end(None)
        elif frame.type == "ping":
            self._send({"type": "pong"})
        elif frame.type == "turn.started":
            self._turn_id = frame.turn_id
            if self._is_stopping:
                self._cancel()
        elif frame.type in ("tool.completed", "tool.failed"):
            self._answer.tool_ms = (self._answer.tool_ms or 0) + frame.duration_ms
        elif frame.type == "turn.cancelled" and self._is_stopping:
            self._answer.is_cut = True
            self._end(None)
        elif frame.type in _ENDS:
            self._end(None if frame.type == "turn.completed" else f"{frame.type} {frame.code} {frame.message!r}")
