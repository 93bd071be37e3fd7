"""Connections that are open and say nothing, in a process of their own: `python -m bench.idlers DIALECT PORT`.

Told `{"hold": N}` it opens more until there are N; told `{"ping": true}` it pings each; both answer how many live.
"""

from __future__ import annotations

import asyncio
import pkgutil
import resource
import sys
from typing import Any, Final

import uvloop

from bench.child import answer_all
from bench.clients.socket import WebSocket
from bench.clients.socketio import SocketIoConversation
from bench.clients.websocket import ProsaConversation

_AT_ONCE: Final = 50
_PONG_TIMEOUT_S: Final = 30.0
_Idler = WebSocket | ProsaConversation | SocketIoConversation


class _Idlers:
    def __init__(self, dialect: str, port: int) -> None:
        self._dialect = dialect
        self._port = port
        self._open: list[_Idler] = []

    async def answer(self, question: dict[str, Any]) -> int:
        if "hold" in question:
            await self._hold(question["hold"])
            return sum(one.is_open for one in self._open)
        try:
            async with asyncio.timeout(_PONG_TIMEOUT_S):
                answered = await asyncio.gather(*(one.ping() for one in self._open))
        except TimeoutError:
            return sum(one.pongs > 0 for one in self._open)
        return sum(answered)

    async def _hold(self, count: int) -> None:
        while len(self._open) < count:
            more = [self._one(number) for number in range(len(self._open), min(count, len(self._open) + _AT_ONCE))]
            await asyncio.gather(*(one.open() for one in more))
            self._open.extend(more)

    def _one(self, number: int) -> _Idler:
        if self._dialect == "prosa":
            return ProsaConversation(self._port, f"idle-{number}")
        if ":" in self._dialect:
            made: SocketIoConversation = pkgutil.resolve_name(self._dialect)(self._port, f"idle-{number}")
            return made
        return WebSocket(self._port)


def main() -> None:
    """Run as a process."""
    dialect, port = sys.argv[1:]
    allow_many_files()
    uvloop.run(answer_all(_Idlers(dialect, int(port)).answer))


def allow_many_files() -> None:
    """Raise this process's limit of open files, and that of those it starts, to the hard one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    main()
