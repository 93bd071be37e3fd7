"""`python -m deploy.local_model`: serve the model until told to stop; its address is the first line on stdout.

With `--with-prosa` a server of Prosa is started that asks it, with data and an agent of its own; its end ends both.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Final

from deploy.local_model.model_server import MODEL, LocalModelMissing, model_server

ROOT: Final = Path(__file__).parents[2]
AGENTS: Final = Path(__file__).parent / "agents"


def main() -> int:
    """Serve. Gives the exit code: Prosa's, 0 after a signal, 2 where something is missing."""
    arguments = argparse.ArgumentParser(prog="python -m deploy.local_model", description=__doc__)
    arguments.add_argument("--port", type=int, default=0, help="port of this machine; default: any that is free")
    arguments.add_argument(
        "--with-prosa", action="store_true", help="start Prosa beside it (its settings: environment)"
    )
    chosen = arguments.parse_args()
    try:
        with model_server(chosen.port) as address:
            _say(f"{address}/v1")
            return _prosa(address) if chosen.with_prosa else _wait()
    except LocalModelMissing as error:
        sys.stderr.write(f"local model: {error}\n")
        return 2
    except RuntimeError as error:  # llama.cpp's: it says no more than that
        sys.stderr.write(f"local model: it cannot be served ({error}); is port {chosen.port} free?\n")
        return 2


def prosa_settings(address: str) -> dict[str, str]:
    """The settings with which Prosa asks the model.

    Its stores are its own, in DATA_DIR of the environment or data/demo-llm: other conversations stay as they are.
    """
    return {
        "LLM_PROVIDERS": f"local={address}/v1",
        "LLM_MODEL": f"local:{MODEL}",
        "LLM_FALLBACKS": "",
        "AGENTS_DIR": str(AGENTS),
        "AGENT": "small",
        "DATA_DIR": os.environ.get("DATA_DIR", str(ROOT / "data" / "demo-llm")),
        "REDIS_URL": "",
        "DATABASE_URL": "",
        "SALES_DATABASE_URL": "",
        "ROLES": "web,worker",
    }


def _prosa(address: str) -> int:
    """Run Prosa until it ends. A signal is its to answer: it drains, and asks the model until then."""
    prosa = subprocess.Popen([sys.executable, "-m", "server"], cwd=ROOT, env={**os.environ, **prosa_settings(address)})

    def hand_on(number: int, _: FrameType | None) -> None:
        if prosa.poll() is None:
            prosa.send_signal(number)

    signal.signal(signal.SIGTERM, hand_on)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C reaches Prosa by itself
    return prosa.wait()


def _wait() -> int:
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    told.wait()
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
