"""What partitions say to every node: turns are ready, a turn is cancelled, the outbox has something."""

from __future__ import annotations

from collections.abc import Callable

from memory.connection import Database
from memory.event_log.hub import Hub


class Control:
    """Hears the control channels. Messages may be lost: executors poll, and each renewal tells of cancels again."""

    def __init__(self, database: Database, hub: Hub, outbox_news: Callable[[], None]) -> None:
        self._wakes: list[Callable[[], None]] = []
        self._cancels: dict[str, Callable[[str], None]] = {}
        self._outbox_news = outbox_news
        for partition in range(database.keys.partitions):
            hub.listen(database.keys.control_channel(partition), self._hear)
        hub.on_connected(self._wake_all)

    def on_ready(self, wake: Callable[[], None]) -> None:
        """Call `wake` whenever turns may have become ready."""
        self._wakes.append(wake)

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
            case [b"ready"]:
                for wake in self._wakes:
                    wake()
            case [b"cancel", turn_id, by]:
                self.cancelled(turn_id.decode(), by.decode())
            case [b"outbox"]:
                self._outbox_news()
            case _:
                pass  # a newer node says something that this one does not know

    def _wake_all(self) -> None:
        self._outbox_news()
        for wake in self._wakes:
            wake()
