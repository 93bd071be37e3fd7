"""A node whose model is the scripted provider on repeat: `python -m tests.bench.scripted_node`, settings as for `server`.

`BENCH_TOKENS` is the length of each answer. It lies here because the bench knows `core` only.
"""

from __future__ import annotations

import functools
import importlib
import os

from agent.providers.scripted import Say, ScriptedProvider
from bench.order import plain_token
from server import wiring


def main() -> None:
    """Serve until told to stop, as `python -m server` does, with one provider more."""
    answer = [Say(plain_token(index)) for index in range(int(os.environ["BENCH_TOKENS"]))]
    scripted = ScriptedProvider([answer], repeat=True)
    # The entry point takes `build` from there when it is imported, which is after this.
    wiring.build = functools.partial(wiring.build, extra_providers={"scripted": scripted})
    importlib.import_module("server.serving").main()


if __name__ == "__main__":
    main()
