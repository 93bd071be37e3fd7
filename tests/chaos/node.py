"""`python -m server` with kill points and, where CHAOS_MUTANT names one, a seeded bug.

CHAOS_NAME     this process's name
CHAOS_CONTROL  a folder: `<name>.node` is written with the node's id, `<name>.point` is read at SIGUSR1:
               {"point": "before_append" | "after_append" | "before_end" | "after_end", "after": n}: at the
               n-th such journal write from then on this process kills itself (SIGKILL), saying so first
CHAOS_HISTORY  the file of the history to which that is written
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from agent.routing.breaker import Breaker
from memory.queue.writer import RedisTurnWriter
from server import wiring
from server.serving import main as serve
from tests.chaos.recording import Recorder

LEFT_ALONE_S: Final = 2.0
"""A provider that failed on purpose too often is called again after this time, instead of half of a run later."""
POINTS: Final = ("before_append", "after_append", "before_end", "after_end")
_PARENT_DIES: Final = 1  # PR_SET_PDEATHSIG of prctl(2)


class KillPoint:
    """Kills this process at a point that SIGUSR1 arms."""

    def __init__(self, name: str, control: Path, recorder: Recorder) -> None:
        self._name = name
        self._control = control
        self._recorder = recorder
        self._point = ""
        self._left = 0
        signal.signal(signal.SIGUSR1, self._arm)

    def reach(self, point: str) -> None:
        """The process is at a point now."""
        if point != self._point:
            return
        self._left -= 1
        if self._left <= 0:
            self._recorder.fault(f"kill_{point}", self._name, 1)
            os.kill(os.getpid(), signal.SIGKILL)

    def _arm(self, *_: object) -> None:
        wish = json.loads((self._control / f"{self._name}.point").read_text())
        self._point, self._left = wish["point"], wish["after"]


def _watch_writes(kill_point: KillPoint) -> None:
    """Have every journal write pass the kill points. An append without journal entries is none.

    An append is on its way when the call returns, as in the product: appends that are made together go together.
    """
    append, end = RedisTurnWriter.append, RedisTurnWriter.end

    def watched_append(self: RedisTurnWriter, events: Any, journal: Any = ()) -> Awaitable[str | None]:
        if not journal:
            return append(self, events, journal)
        kill_point.reach("before_append")
        return watched_reply(append(self, events, journal))

    async def watched_reply(written: Awaitable[str | None]) -> str | None:
        by = await written
        kill_point.reach("after_append")
        return by

    async def watched_end(self: RedisTurnWriter, *arguments: Any, **named: Any) -> None:
        kill_point.reach("before_end")
        await end(self, *arguments, **named)
        kill_point.reach("after_end")

    RedisTurnWriter.append = watched_append  # type: ignore[method-assign]
    RedisTurnWriter.end = watched_end  # type: ignore[method-assign]


def _say_node(path: Path) -> None:
    open_memory: Callable[..., Any] = vars(wiring)["open_memory"]

    def opened(**options: Any) -> Any:
        path.write_text(options["node"])
        return open_memory(**options)

    vars(wiring)["open_memory"] = opened


def shorten_open_circuits() -> None:
    """Have a provider that failed too often be called again after LEFT_ALONE_S."""
    defaults = Breaker.__init__.__kwdefaults__
    assert defaults is not None
    assert "open_s" in defaults
    defaults["open_s"] = LEFT_ALONE_S


def main() -> None:
    """Patch, then serve."""
    ctypes.CDLL(None).prctl(_PARENT_DIES, signal.SIGKILL)
    name, control = os.environ["CHAOS_NAME"], Path(os.environ["CHAOS_CONTROL"])
    _watch_writes(KillPoint(name, control, Recorder(Path(os.environ["CHAOS_HISTORY"]))))
    _say_node(control / f"{name}.node")
    shorten_open_circuits()
    if mutant := os.environ.get("CHAOS_MUTANT"):
        importlib.import_module("tests.chaos.mutants").apply(mutant)
    serve()


if __name__ == "__main__":
    main()
