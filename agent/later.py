"""Something that can wait: done a little later, so that it is not in the way of what a user waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Later:
    """Calls `call` after `delay_s`, or as soon as `now` is called; once. The context variables are today's."""

    def __init__(self, delay_s: float, call: Callable[[], None]) -> None:
        self._call = call
        self._timer: asyncio.TimerHandle | None = asyncio.get_running_loop().call_later(delay_s, self.now)

    def now(self) -> None:
        """Do it, unless it is done."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
            self._call()
