"""`python -m mlops compare` in this process, and in one of its own for tests that end it in the middle."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any, NamedTuple

from mlops.compare.command import main

ROOT = Path(__file__).parents[2]


class Ended(NamedTuple):
    """How it ended."""

    code: int
    said: str


async def begin(*arguments: object) -> asyncio.subprocess.Process:
    """Start it."""
    environment = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG")}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mlops", "compare", *(str(each) for each in arguments)),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ended(process: asyncio.subprocess.Process) -> Ended:
    """Wait for its end."""
    _, errors = await process.communicate()
    return Ended(process.returncode or 0, errors.decode())


async def compare(*arguments: object, **server_settings: str) -> Ended:
    """Run it to its end, on a thread: it has an event loop of its own."""
    said = io.StringIO()
    with redirect_stderr(said):
        code = await asyncio.to_thread(main, [str(each) for each in arguments], server_settings=server_settings)
    return Ended(code, said.getvalue())


def write_questions(folder: Path, count: int) -> Path:
    """Questions whose answer is 42."""
    path = folder / "asked.jsonl"
    lines = [json.dumps({"id": f"Q{at}", "question": f"Question {at}?", "expected": 42}) for at in range(1, count + 1)]
    path.write_text("\n".join(lines), "utf-8")
    return path


def results_in(folder: Path) -> list[dict[str, Any]]:
    """The results, without the lines of runs."""
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text("utf-8").splitlines()]
    return [line for line in lines if line["type"] == "result"]
