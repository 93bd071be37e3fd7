"""The worker's end of `server/lifeline.py`: starts the small process, holds its pipe, starts it again when it dies."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from loguru import logger

from server import lifeline

RESTART_S: Final = 0.5
GOODBYE_S: Final = 1.0
"""How long the small process may take to exit after a goodbye; then it is killed."""


class LifelineHolder:
    """`module.main(*arguments)` is called in another process once this one was killed. `run` must be running.

    `arguments` are neither empty nor secret from whoever may read this process's memory; they go through the pipe.
    """

    def __init__(self, module: str, arguments: Sequence[str]) -> None:
        paths = [str(Path(path).resolve()) for path in sys.path]
        self._order = lifeline.encode_order(paths, module, list(arguments))
        self.pid: int | None = None
        """Of the small process, while it runs."""

    async def run(self) -> None:
        """Keep a small process waiting, until cancelled: then say goodbye to it."""
        while True:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                lifeline.__file__,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                assert process.stdin is not None
                process.stdin.write(self._order)
                self.pid = process.pid
                code = await process.wait()
            finally:
                self.pid = None
                await _say_goodbye(process)
            logger.warning("lifeline.died", code=code)
            await asyncio.sleep(RESTART_S)


async def _say_goodbye(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None or process.stdin is None:
        return
    process.stdin.write(lifeline.GOODBYE)
    process.stdin.close()
    try:
        async with asyncio.timeout(GOODBYE_S):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
