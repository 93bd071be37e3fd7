"""What partitions say to every node: turns are ready, a turn is cancelled, the outbox has something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from memory.connection import Database
from memory.event_log.hub import Hub

_SUBMITTED_MOST: Final = 4_096
"""So many turns that were submitted here may be unheard of: more means that news were lost."""


class Control:
    """Hears the control channels. Messages may be lost: executors poll, and each renewal tells of cancels again."""

    def __init__(self, database: Database, hub: Hub, outbox_news: Callable[[], None]) -> None:
        self._wakes: list[Callable[[], None]] = []
        self._cancels: dict[str, Callable[[str], None]] = {}
        self._outbox_news = outbox_news
        self._submitted: dict[str, None] = {}
        for partition in range(database.keys.partitions):
            hub.listen(database.keys.control_channel(partition), self._hear)
        hub.on_connected(self._wake_all)

    def on_ready(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever turns may have become ready."""
        self._wakes.append(wake)

    def submitting(self, turn_id: str) -> None:
        """A turn is being submitted from here, so it may be taken from here: executors need not wait to hear of it.

        A `take` that they call goes out behind the `submit`, on the same connection: both cost one round trip.
        """
        if not self._wakes:
            return
        if len(self._submitted) > _SUBMITTED_MOST:
            self._submitted.clear()  # news of them was lost
        self._submitted[turn_id] = None
        for wake in self._wakes:
            wake()

    def on_cancel(self, turn_id: str, call: Callable[[str], None] | None) -> None:
        """Call `call(by)` when that turn is cancelled, perhaps more than once; None: stop."""
        if call is None:
            self._cancels.pop(turn_id, None)
        else:
            self._cancels[turn_id] = call

    def cancelled(self, turn_id: str, by: str) -> None:
        """A turn was cancelled; whoever runs it here is told."""
        call = self._cancels.get(turn_id)
        if call is not None:
            call(by)

    def _hear(self, message: bytes) -> None:
        match message.split(b" "):
            case [b"ready", *turn_ids] if not any(self._told(turn_id) for turn_id in turn_ids):
                for wake in self._wakes:
                    wake()
            case [b"cancel", turn_id, by]:
                self.cancelled(turn_id.decode(), by.decode())
            case [b"outbox"]:
                self._outbox_news()
            case _:
                pass  # a newer node says something that this one does not know

    def _told(self, turn_id: bytes) -> bool:
        """Whether the executors here know of it already."""
        return self._submitted.pop(turn_id.decode(), self) is None

    def _wake_all(self) -> None:
        self._outbox_news()
        for wake in self._wakes:
            wake()
