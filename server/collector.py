"""When CPython looks for garbage in cycles: seldom, and never because many clients arrive.

Its own thresholds, 700, 10 and 10, look through every connection there is a dozen times while 10,000 arrive, for up
to half a second each, in which nobody is served: 234 ms at the 99th percentile of a delta's age beside 10,000 idle
connections, 36 ms with these (tests/server/many_connections.py). What an ended WebSocket leaves behind is in cycles
(uvicorn's protocol, its transport, websockets' parser), about 45 objects each; so ended ones are counted.
"""

from __future__ import annotations

import gc
from typing import Final

COLLECT_AFTER: Final = (5_000, 10, 50)
"""gc.set_threshold: objects made and not freed; then tenfold; then fifty times that for all there is."""
ENDED_MOST: Final = 2_000
"""So many connections may have ended since everything was looked through."""


def rest() -> None:
    """Look for no garbage until `tame`: all that a start makes is kept, and looking through it takes 0.1 s of it."""
    gc.disable()


def tame() -> None:
    """Call once, when the start is over: what it has made is left alone for good."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    gc.enable()


class Ended:
    """Counts connections that have ended."""

    def __init__(self, most: int = ENDED_MOST) -> None:
        self._most = most
        self._count = 0

    def one_more(self) -> None:
        """Free what they left where they are too many."""
        self._count += 1
        if self._count >= self._most:
            self._count = 0
            gc.collect()


ENDED: Final = Ended()
"""Those of this process."""
