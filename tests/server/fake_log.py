"""A log and its store in memory, for cursors and connections: what is appended is published or kept back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import msgspec

from core.errors import BackendError, SessionErased
from core.events import Event
from core.ports import LogReader, LogSlice, SessionHead
from core.turns import SessionRef
from core.view import SessionView, apply

SESSION = SessionRef(session_id="ses_" + "0" * 26, tenant="acme", user_id="ana")
_EVENTS = msgspec.json.Decoder(list[Event])


class FakeLog:
    """EventLog and SessionStore of one session."""

    def __init__(self) -> None:
        self.epoch = "epoch_1"
        self.chunks: list[tuple[int, int, bytes]] = []
        self.readers: list[LogReader] = []
        self.reads = 0
        self.away = False
        self.meanwhile: Callable[[], None] = lambda: None
        """Happens once, between a read in Redis and its arrival."""
        self.answering = asyncio.Event()
        self.answering.set()
        self.erased = False
        self.first = 1

    @property
    def head(self) -> int:
        """The last seq."""
        return self.chunks[-1][1] if self.chunks else 0

    def append(self, *texts: str, publish: bool = True) -> None:
        """Append one message per text, as one payload."""
        first = self.head + 1
        events = [
            {
                "type": "message.created",
                "session_id": SESSION.session_id,
                "seq": first + index,
                "ts": 1,
                "message_id": f"msg_{first + index}",
                "role": "user",
                "content": text,
                "channel": "web",
            }
            for index, text in enumerate(texts)
        ]
        payload = json.dumps(events).encode()
        self.chunks.append((first, first + len(texts) - 1, payload))
        if publish:
            for reader in list(self.readers):
                reader.on_events(self.epoch, first, first + len(texts) - 1, payload)

    def begin_anew(self, epoch: str) -> None:
        """A new epoch with an empty log."""
        self.epoch, self.chunks = epoch, []
        readers, self.readers = self.readers, []
        for reader in readers:
            reader.on_epoch(epoch)

    def trim(self, first: int) -> None:
        """Forget all before `first`."""
        self.first = first

    async def attach(self, session: SessionRef, reader: LogReader) -> SessionHead:
        """Begin to publish to a reader."""
        self._check()
        self.readers.append(reader)
        return SessionHead(session=session, epoch=self.epoch, seq=self.head)

    def detach(self, session: SessionRef, reader: LogReader) -> None:
        """Publish to a reader no more."""
        if reader in self.readers:
            self.readers.remove(reader)

    async def read(self, session: SessionRef, epoch: str, after: int, limit_bytes: int = 262_144) -> LogSlice | None:
        """Chunks after a position, about so many bytes, once Redis answers."""
        await self.answering.wait()
        self._check()
        self.reads += 1
        if epoch != self.epoch or after > self.head or after + 1 < self.first:
            return None
        chunks: list[tuple[int, int, bytes]] = []
        size = 0
        for chunk in self.chunks:
            if chunk[1] <= after:
                continue
            if chunks and size + len(chunk[2]) > limit_bytes:
                return LogSlice(epoch=epoch, head=self.head, chunks=tuple(chunks), complete=False)
            chunks.append(chunk)
            size += len(chunk[2])
        part = LogSlice(epoch=epoch, head=self.head, chunks=tuple(chunks), complete=True)
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        return part

    async def view(self, session: SessionRef) -> SessionView:
        """The fold of all chunks."""
        self._check()
        view = SessionView(epoch=self.epoch)
        for _, _, payload in self.chunks:
            for event in _EVENTS.decode(payload):
                apply(view, event)
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        await self.answering.wait()
        return view

    async def open(self, tenant: str, user_id: str, name: str | None) -> SessionHead:
        """The one session, once Redis answers."""
        await self.answering.wait()
        self._check()
        return SessionHead(session=SESSION, epoch=self.epoch, seq=self.head)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"the fake log has no {name}")

    def _check(self) -> None:
        if self.away:
            raise BackendError("Redis is away.")
        if self.erased:
            raise SessionErased("the session was erased")


def seqs(payloads: list[bytes] | tuple[bytes, ...]) -> list[int]:
    """The numbers of the events in payloads."""
    return [event["seq"] for payload in payloads for event in json.loads(payload)]
