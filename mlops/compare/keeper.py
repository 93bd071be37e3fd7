"""`python -m mlops.compare.keeper MODULE [ARGUMENTS]`: runs a module, and ends it when standard input closes.

Whoever starts it holds the other end of that pipe, which closes however it dies: nothing is left behind.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]


def command(module: str, *arguments: str) -> list[str]:
    """Give the command line that keeps a module."""
    return [sys.executable, "-m", "mlops.compare.keeper", module, *arguments]


def keep(arguments: list[str]) -> int:
    """Run it until it ends or standard input closes; gives its exit code."""
    kept = subprocess.Popen([sys.executable, "-m", *arguments], cwd=ROOT, stdin=subprocess.DEVNULL)

    def wait_for_the_end() -> None:
        sys.stdin.buffer.read()
        kept.terminate()

    threading.Thread(target=wait_for_the_end, name="wait-for-the-end", daemon=True).start()
    return kept.wait()


if __name__ == "__main__":
    sys.exit(keep(sys.argv[1:]))
