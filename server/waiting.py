"""asyncio's Event and Queue for one connection, without what they hold while nobody waits.

An `asyncio.Event` has a deque and a `Queue` four of them, 760 bytes each in CPython 3.11 although empty: 4 KB of each
idle WebSocket in uvicorn alone. Only what uvicorn's protocol calls is here. Neither is thread-safe.
"""

from __future__ import annotations

import asyncio
from typing import Generic, TypeVar

Message = TypeVar("Message")


class Gate:
    """An `asyncio.Event` that begins set, and is made while it is not."""

    __slots__ = ("_closed",)

    def __init__(self) -> None:
        self._closed: asyncio.Event | None = None

    def is_set(self) -> bool:
        """Whether nobody has to wait."""
        return self._closed is None

    def set(self) -> None:
        """Let all pass."""
        if self._closed is not None:
            self._closed.set()
            self._closed = None

    def clear(self) -> None:
        """Have all wait from now on."""
        if self._closed is None:
            self._closed = asyncio.Event()

    async def wait(self) -> bool:
        """Wait until it is set; as with asyncio's, it may have been cleared again since."""
        if self._closed is not None:
            await self._closed.wait()
        return True


class Inbox(Generic[Message]):
    """An `asyncio.Queue` without bound, of which one task takes."""

    __slots__ = ("_arrival", "_messages")

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._arrival: asyncio.Future[None] | None = None

    def empty(self) -> bool:
        """Whether there is none."""
        return not self._messages

    def put_nowait(self, message: Message) -> None:
        """Add one."""
        self._messages.append(message)
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    async def get(self) -> Message:
        """Take the oldest, waiting for it."""
        while not self._messages:
            self._arrival = asyncio.get_running_loop().create_future()
            try:
                await self._arrival
            finally:
                self._arrival = None
        return self._messages.pop(0)
