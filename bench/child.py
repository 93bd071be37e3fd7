"""A process of the bench that is told what to do, a line of JSON at a time, and answers each with one."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self

import msgspec

from bench.processes import ROOT, Cores, pin, read_line


class Child:
    """The asking side, as a context manager."""

    def __init__(self, module: str, arguments: Sequence[str], cores: Cores) -> None:
        self._command = [sys.executable, "-m", module, *arguments]
        self._cores = cores

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        pin(self._process.pid, self._cores.others)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def ask(self, **question: Any) -> Any:
        """Ask and wait for the answer. Raises RuntimeError where the process ends instead."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(question).decode() + "\n")
        self._process.stdin.flush()
        return msgspec.json.decode(read_line(self._process.stdout))


async def answer_all(answer: Callable[[dict[str, Any]], Awaitable[object]]) -> None:
    """Be the answering side until stdin ends."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        found = await answer(msgspec.json.decode(line))
        print(msgspec.json.encode(found).decode(), flush=True)
