"""Start, serve, stop in order. A wrong setting is one line on stderr and exit code 2."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import NoReturn

import uvicorn
from loguru import logger

from core.errors import SettingsError
from metrics.logs import configure_logs
from server import collector
from server.settings import Settings, load_settings
from server.uvicorn_protocol import WebSocketProtocol
from server.wiring import build

WS_MESSAGE_BYTES = 4 * 1024 * 1024
"""uvicorn's own cap, well over ours (64 KiB), so that a close frame says what was wrong."""


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    try:
        settings = load_settings()
        _configure_logs(settings)
        listener = _listen(settings.host, settings.port)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve(settings, listener))
    except SettingsError as error:
        _give_up(error)
    except BaseExceptionGroup as group:  # a task group below puts what its body raised into a group
        mistakes = list(_leaves(group))
        if not all(isinstance(mistake, SettingsError) for mistake in mistakes):
            raise
        _give_up(*mistakes)
    except KeyboardInterrupt:
        sys.exit(130)


def _give_up(*mistakes: BaseException) -> NoReturn:
    for mistake in mistakes:
        for line in str(mistake).splitlines():
            sys.stderr.write(f"prosa: {line}\n")
    sys.exit(2)


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


async def serve(settings: Settings, listener: socket.socket) -> None:
    """Build a node, serve it on `listener` until told to stop, drain it. Raises SettingsError.

    Told a second time it does not wait for running turns: they are handed back at once.
    """
    stop = asyncio.Event()
    _on_signals(stop.set)
    async with build(settings) as node:
        server = Server(
            uvicorn.Config(
                node.app,
                ws=WebSocketProtocol,
                ws_max_size=WS_MESSAGE_BYTES,
                ws_ping_interval=None,  # the protocol has its own heartbeat
                ws_per_message_deflate=False,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=5,
            )
        )
        collector.tame()
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="http")
        _say_ready(settings)
        stopping = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        _on_signals(node.hurry)
        await node.drain()
        server.should_exit = True
        await serving
    logger.info("node.stopped")


class Server(uvicorn.Server):
    """uvicorn without its signal handlers: draining comes first, and is ours."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `serve`."""
        yield


def _on_signals(call: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, call)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host.strip("[]"), port))
    except OSError as error:
        listener.close()
        hint = f"free it, or set PORT to another, such as PORT={port + 1}" if port < 65535 else "set PORT to another"
        raise SettingsError(f"Cannot listen on {host}:{port} ({error.strerror}); {hint}.") from error
    return listener


def _configure_logs(settings: Settings) -> None:
    formats = {"auto": None, "json": True, "text": False}
    configure_logs(settings.log_level, json=formats[settings.log_format], prompts=settings.log_prompts)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not on Windows
        return None
    return uvloop.new_event_loop


def _say_ready(settings: Settings) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    if settings.is_development:
        logger.warning("node.development", note="no API keys are set: anyone on this machine may act as any user")
    logger.info("node.ready", url=f"http://{host}:{settings.port}", model=settings.model, roles=list(settings.roles))
