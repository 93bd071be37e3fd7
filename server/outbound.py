"""What is still to be sent to one peer: replies first, then what its sessions' logs have, never more than a bound.

A peer may leave 256 KiB unread, in these parts: replies (one more where one alone is larger), the live tail of
all its sessions, and the transport's own buffer (`server/uvicorn_protocol.py`). Beyond that nothing is kept: frames
are made when the peer reads, and the logs are read again then.

What is ready goes out in one write, when the event loop comes round again, so that all that came together leaves
together; that takes no task. Two tasks at most, and none while there is nothing to do: one waits for a peer that does
not read, one reads logs. A Redis that does not answer thus holds up no reply and no ping.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from loguru import logger

from core.clock import Clock
from core.errors import BackendError, UserError
from core.wire.close_codes import CloseCode
from core.wire.codec import encode
from core.wire.frames import SessionErased, SessionLive, Snapshot
from server.cursor import Batch, Cursor, Tail

STALLED_S: Final = 30.0
"""A peer that took nothing for so long is closed with 4003 (protocol.md, slow clients)."""
REPLY_BYTES: Final = 64 * 1024
"""Replies that wait beyond this hold up the commands and the reading that would make more."""
FRAME_BYTES: Final = 32 * 1024
"""A frame is closed when it is so large; one reply or payload that is larger goes alone."""


class Transport(Protocol):
    """What carries a connection's frames."""

    def is_ready(self) -> bool:
        """Whether the peer reads: what is written now goes out now, or soon."""
        ...

    async def ready(self) -> None:
        """Wait while the peer does not read, so that nothing need be made ready for it."""
        ...

    def write(self, frames: list[bytes]) -> None:
        """Send these as one text frame; only while the peer reads. Raises ConnectionError once closed."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """Close behind what was sent; harmless when repeated."""
        ...

    def drop(self, code: int, reason: str) -> None:
        """Close although the peer does not read: it learns the code only where it reads again soon."""
        ...

    def unsent_bytes(self) -> int:
        """How much of what was sent waits in this process for the peer to read."""
        ...


class Outbound:
    """See the module. `forget` is called with the id of a session that has ended by itself."""

    __slots__ = (
        "_behind",
        "_blocked_bytes",
        "_blocked_since_s",
        "_clock",
        "_closing",
        "_forget",
        "_has_room",
        "_is_due",
        "_loop",
        "_reading",
        "_ready",
        "_replies",
        "_reply_bytes",
        "_sending",
        "_transport",
        "closed",
        "tail",
    )

    def __init__(self, transport: Transport, clock: Clock, forget: Callable[[str], None]) -> None:
        self.tail = Tail()
        """Room for the live events of all sessions of this peer."""
        self.closed = False
        self._transport = transport
        self._clock = clock
        self._forget = forget
        self._replies: list[bytes] = []
        self._reply_bytes = 0
        self._ready: dict[str, Cursor] = {}  # with something in memory, oldest first
        self._behind: dict[str, Cursor] = {}  # whose log has to be read, next one first
        self._has_room: asyncio.Event | None = None  # made by the first one that waits
        self._loop = asyncio.get_running_loop()  # asking each time is a system call in Python 3.11
        self._is_due = False  # `_flush` will be called
        self._sending: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._blocked_since_s: float | None = None
        self._blocked_bytes = 0
        self._closing: tuple[CloseCode, str] | None = None

    def reply(self, frame: bytes) -> None:
        """Send a frame, after those that were given before."""
        self._replies.append(frame)
        self._reply_bytes += len(frame)
        self._wake()

    @property
    def is_full(self) -> bool:
        """Whether so many replies wait that no more should be made."""
        return self._reply_bytes > REPLY_BYTES and not self.closed

    async def room(self) -> None:
        """Wait until the peer has read enough of the replies, or is gone."""
        while self.is_full:
            if self._has_room is None:
                self._has_room = asyncio.Event()
            self._has_room.clear()
            await self._has_room.wait()

    def on_work(self, session_id: str, cursor: Cursor) -> None:
        """That session has something to hand on."""
        waiting = self._behind if cursor.must_read or cursor.erased else self._ready
        waiting[session_id] = cursor
        self._wake()

    def drop_session(self, session_id: str) -> None:
        """Hand nothing more of that session on; harmless when repeated."""
        self._ready.pop(session_id, None)
        self._behind.pop(session_id, None)

    def close(self, code: CloseCode, reason: str) -> None:
        """Close when what waits in memory was sent. The first one counts."""
        if self._closing is None:
            self._closing = (code, reason)
        self._wake()

    def drop(self, code: CloseCode, reason: str) -> None:
        """Close at once, whatever waits."""
        if not self.closed:
            self._stop()
            self._transport.drop(code, reason)

    def tick(self, now_s: float) -> None:
        """Drop a peer that took nothing for 30 s; read on what Redis did not answer."""
        if self._blocked_since_s is not None:
            unsent_bytes = self._transport.unsent_bytes()
            if unsent_bytes < self._blocked_bytes:  # slow, but it reads
                self._blocked_since_s = now_s
            self._blocked_bytes = unsent_bytes
            if now_s - self._blocked_since_s > STALLED_S:
                self.drop(CloseCode.TOO_SLOW, "nothing was read for 30 s")
                return
        if self._behind:
            self._wake()

    async def sent(self) -> None:
        """Wait for what is being sent now, and for a close that was asked for."""
        if self._sending is not None:
            await asyncio.wait([self._sending])

    async def end(self) -> None:
        """The peer is gone: free everything."""
        tasks = [task for task in (self._sending, self._reading) if task is not None]
        self._stop()
        if tasks:
            await asyncio.wait(tasks)

    def _stop(self) -> None:
        self.closed = True
        self._tell_room()
        self._ready.clear()
        self._behind.clear()
        for task in (self._sending, self._reading):
            if task is not None:
                task.cancel()

    def _wake(self) -> None:
        if self.closed:
            return
        if self._sending is None:
            if self._closing is not None:
                self._begin_sending()
            elif not self._is_due and (self._replies or self._ready):
                self._is_due = True
                self._loop.call_soon(self._flush)
        if self._behind and self._reading is None and self._closing is None:
            self._reading = self._loop.create_task(self._read(), name="connection.read")

    def _tell_room(self) -> None:
        if self._has_room is not None and not self.is_full:
            self._has_room.set()

    # sending

    def _flush(self) -> None:
        """Write what waits to a peer that reads; one that does not has a task wait for it."""
        self._is_due = False
        if self.closed or self._sending is not None:
            return
        try:
            while (self._replies or self._ready) and self._transport.is_ready():
                self._write()
        except ConnectionError:
            self.closed = True  # the transport tells the receiving side
            self._tell_room()
        except Exception:  # noqa: BLE001 - the outer edge of a callback: the peer is told to come back
            logger.exception("connection.failed")
            self._replies.clear()
            self._ready.clear()
            self.close(CloseCode.INTERNAL, "internal")
        else:
            if self._replies or self._ready:
                self._begin_sending()

    def _write(self) -> None:
        if frames := self._next_frames():
            self._transport.write(frames)
        self._tell_room()

    def _begin_sending(self) -> None:
        self._sending = self._loop.create_task(self._send(), name="connection.send")

    async def _send(self) -> None:
        try:
            while not self.closed and (self._replies or self._ready):
                self._blocked_since_s = self._clock.monotonic_s()
                self._blocked_bytes = self._transport.unsent_bytes()
                await self._transport.ready()
                self._blocked_since_s = None
                self._write()
            if self._closing is not None and not self.closed:
                self.closed = True
                await self._transport.close(*self._closing)
        except ConnectionError:
            self.closed = True  # the transport tells the receiving side
        except Exception:  # noqa: BLE001 - the outer edge of a task: the peer is told to come back
            logger.exception("connection.failed")
            self.closed = True
            await self._transport.close(CloseCode.INTERNAL, "internal")
        finally:
            self._blocked_since_s = None
            self._sending = None
            self._tell_room()

    def _next_frames(self) -> list[bytes]:
        """About a frame's size of what waits in memory; replies first, which include what was read of logs."""
        frames: list[bytes] = []
        size = 0
        if self._replies:
            for frame in self._replies:
                if size >= FRAME_BYTES:
                    break
                frames.append(frame)
                size += len(frame)
            self._reply_bytes -= size
            del self._replies[: len(frames)]
        while self._ready and size < FRAME_BYTES:
            session_id, cursor = next(iter(self._ready.items()))
            payloads = cursor.live(FRAME_BYTES - size)
            frames += payloads
            size += sum(map(len, payloads))
            if size >= FRAME_BYTES:
                break
            del self._ready[session_id]
            if cursor.has_work:  # there was a gap: its log has to be read
                self.on_work(session_id, cursor)
        return frames

    # reading

    async def _read(self) -> None:
        try:
            while self._behind and self._closing is None:
                await self.room()
                if self._behind:
                    await self._read_piece(*next(iter(self._behind.items())))
        except BackendError as error:
            logger.debug("connection.waits", reason=error.message)  # `tick` has it tried again
        except Exception:  # noqa: BLE001 - the outer edge of a task: the peer is told to come back
            logger.exception("connection.failed")
            self.close(CloseCode.INTERNAL, "internal")
        finally:
            self._reading = None

    async def _read_piece(self, session_id: str, cursor: Cursor) -> None:
        try:
            batch = await cursor.read_on() if not cursor.erased else Batch()
        except UserError:  # Redis has lost the session: the client comes back and opens another
            logger.warning("session.lost", session_id=session_id)
            self._forget(session_id)
            self.close(CloseCode.INTERNAL, "the session is gone")
            return
        if self._behind.get(session_id) is not cursor:  # closed or opened anew meanwhile
            return
        del self._behind[session_id]  # the other sessions have their turn first
        if cursor.erased:
            self.reply(encode(SessionErased(session_id=session_id)))
            self._forget(session_id)
            self.close(CloseCode.ERASED, "erased")
            return
        if batch.snapshot is not None:
            self.reply(encode(Snapshot.of(session_id, batch.snapshot)))
        for payload in batch.payloads:
            self.reply(payload)
        if batch.live_seq is not None:
            self.reply(encode(SessionLive(session_id=session_id, seq=batch.live_seq)))
        if cursor.has_work:
            self.on_work(session_id, cursor)
