"""That this node goes away, told to the requests that wait for something to happen in a session."""

from __future__ import annotations

import asyncio


class Leaving:
    """A flag that wakes whoever waits: each looks at `begun`, says where things stand and ends."""

    def __init__(self) -> None:
        self.begun = False
        self._waiting: set[asyncio.Event] = set()

    def begin(self) -> None:
        """The node goes away: wake everybody, and whoever comes from now on."""
        self.begun = True
        for wake in self._waiting:
            wake.set()

    def watch(self, wake: asyncio.Event) -> None:
        """Set that event when the node goes away."""
        self._waiting.add(wake)
        if self.begun:
            wake.set()

    def unwatch(self, wake: asyncio.Event) -> None:
        """Leave that event alone; harmless when repeated."""
        self._waiting.discard(wake)
