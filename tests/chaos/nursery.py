"""Starts nodes by fork from a process that has imported all of the server: `python -m tests.chaos.nursery`.

A start of Python with all imports takes over a second of a core, more than what a run does otherwise. Each line on
stdin is `{"environment": {...}, "log": path}`, answered by the pid on stdout. Ends, and all nodes with it, with stdin.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from tests.chaos import node


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system reaps them
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while line := sys.stdin.readline():
        wish = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _live(wish)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _live(wish: dict[str, Any]) -> None:
    """Be a node in a session of its own; never returns."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(Path(wish["log"]), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.clear()
    os.environ.update(wish["environment"])
    code = 1
    try:
        node.main()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        raise
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
