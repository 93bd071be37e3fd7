"""A small process beside a worker: when the worker dies without a word, it says so to Redis at once, and exits.

It waits at the end of a pipe that nobody but the worker holds. A pipe that closes without a goodbye means that the
worker was killed: its turns need not wait until their leases have run out. It knows nothing of Redis: it is told
which module to import and call then (`server/lifeline_holder.py` says what), so that until then it costs a bare
interpreter, and no secret stands in its arguments or environment.

Run by path with `-I -S`, so nothing but `os`, `sys` and `signal` may be imported here.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

END = b"\0\0"
"""After the order: what to do when the pipe closes."""
GOODBYE = b"goodbye"


def main() -> int:
    """Wait for the end of the worker. Signals that are meant for it are not ours: we end with it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    return wait(0, act)


def wait(pipe: int, last_will: Callable[[list[str], str, list[str]], int]) -> int:
    """Read an order and wait for the pipe's end; gives the exit code. A worker that said goodbye needs nothing."""
    said = b""
    while piece := os.read(pipe, 65_536):
        said += piece
    order, end, word = said.partition(END)
    if not end or word == GOODBYE:
        return 0
    count, *fields = order.decode().split("\0")
    paths, (module, *arguments) = fields[: int(count)], fields[int(count) :]
    return last_will(paths, module, arguments)


def encode_order(paths: list[str], module: str, arguments: list[str]) -> bytes:
    """What the worker writes first: where to import from, the module whose `main` is called, and with what."""
    fields = [str(len(paths)), *paths, module, *arguments]
    if not all(fields) or any("\0" in field for field in fields):
        raise ValueError("the fields of an order are neither empty nor hold a NUL")
    return "\0".join(fields).encode() + END


def act(paths: list[str], module: str, arguments: list[str]) -> int:
    """Call `main` of a module with these arguments; gives its exit code."""
    import importlib

    sys.path[:] = paths
    return int(importlib.import_module(module).main(*arguments))


if __name__ == "__main__":
    sys.exit(main())
