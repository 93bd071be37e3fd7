"""`python -m mlops.compare.demo --out FOLDER`: the comparison of docs/comparison.md, made anew.

Four fakes (fakes.py), Prosa's offline demo, and SmolLM2 135M served by llama.cpp (deploy/local_model) where its
packages are installed and `--no-local-model` is not given. Other options go to `python -m mlops compare`. The fakes'
prices are made up, so that there is money to compare; they are in `PRICES` and nowhere else. The agent is the sales
agent, its answers kept short: a small model may find no end.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import yaml

from mlops.compare import command, keeper
from mlops.compare.fakes import FAKES, fake_models
from mlops.compare.keeper import ROOT
from mlops.questions import SALES_QUESTIONS, read_questions

LOCAL_MODEL: Final = "local:smollm2"
AGENT_CHANGES: Final = {"max_output_tokens": 100, "temperature": 0.2}
PRICES: Final = """
prices:
  "fake:careful": {input: 0.4, output: 1.6}
  "fake:slow": {input: 2.0, output: 8.0}
  "fake:flaky": {input: 0.1, output: 0.4}
  "fake:clueless": {input: 0.05, output: 0.2}
  "local:*": {input: 0, output: 0}
"""
"""Made up, in dollars a million tokens."""


def main(arguments: list[str]) -> int:
    """Serve the models and compare them; gives the exit code of the comparison."""
    parser = argparse.ArgumentParser(prog="python -m mlops.compare.demo", add_help=False, allow_abbrev=False)
    parser.add_argument("--no-local-model", action="store_true")
    given, options = parser.parse_known_args(arguments)
    with ExitStack() as stack:
        fakes = stack.enter_context(_fakes())
        local = None if given.no_local_model else stack.enter_context(_local_model())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="prosa-compare-")))
        (folder / "prices.yaml").write_text(PRICES, "utf-8")
        (folder / "agents").mkdir()
        agent = {**yaml.safe_load((ROOT / "agents" / "sales.yaml").read_text("utf-8")), **AGENT_CHANGES}
        (folder / "agents" / "sales.yaml").write_text(yaml.safe_dump(agent), "utf-8")
        providers = [f"fake={fakes}", *([f"local={local}"] if local else [])]
        models = [*(f"fake:{name}" for name in FAKES), "offline:demo", *([LOCAL_MODEL] if local else [])]
        settings = {
            "LLM_MODEL": "offline:demo",
            "LLM_PROVIDERS": ",".join(providers),
            "AGENTS_DIR": str(folder / "agents"),
            "PRICES_FILE": str(folder / "prices.yaml"),
        }
        return command.main(["--models", ",".join(models), *options], server_settings=settings)


@contextmanager
def _fakes() -> Iterator[str]:
    """Serve the fakes on a thread and loop of their own; gives their base URL."""
    started, stop = threading.Event(), asyncio.Event()
    found: list[str] = []
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with fake_models(read_questions(SALES_QUESTIONS)) as url:
            found.append(url)
            started.set()
            await stop.wait()

    def work() -> None:
        try:
            loop.run_until_complete(serve())
        finally:
            started.set()
            loop.close()

    thread = threading.Thread(target=work, name="fakes")
    thread.start()
    started.wait()
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@contextmanager
def _local_model() -> Iterator[str | None]:
    """Serve SmolLM2 in a process of its own; gives its base URL, None where it cannot be served here."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        keeper.command("deploy.local_model"), cwd=ROOT, stdin=pipe, stdout=pipe, text=True, start_new_session=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip() or None  # without one it has said why
        finally:
            process.stdin.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
