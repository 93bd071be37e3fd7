"""`python -m mlops COMMAND`: the tools for people who choose and watch models. `--help` of each says more."""

from __future__ import annotations

import sys
from typing import Final

from mlops.compare import command as compare

_USAGE: Final = """usage: python -m mlops COMMAND [options]

commands:
  compare   ask several models the same questions through Prosa, and write a report
"""


def main(arguments: list[str]) -> int:
    """Run a command; gives the exit code: the command's own, 2 where there is no such command."""
    match arguments:
        case ["compare", *rest]:
            return compare.main(rest)
        case ["-h" | "--help"]:
            sys.stdout.write(_USAGE)
            return 0
        case _:
            sys.stderr.write(_USAGE)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
