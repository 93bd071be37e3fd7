"""Processes of a bench: started on chosen cores, awaited until they answer, their CPU time read, ended for certain."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import msgspec
import psutil

ROOT: Final = Path(__file__).resolve().parent.parent


class Cores(msgspec.Struct, frozen=True, kw_only=True):
    """Which core is the server's, and which are left to clients and upstream."""

    server: tuple[int, ...]
    others: tuple[int, ...]


class CpuTime(msgspec.Struct, frozen=True, kw_only=True):
    """CPU seconds of a process tree, Redis (or Valkey) apart."""

    server_s: float
    redis_s: float


def choose_cores() -> Cores:
    """Give the server the first core and the rest to the others; on one core, or without affinity, they share."""
    available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(available) < 2:
        return Cores(server=tuple(available), others=tuple(available))
    return Cores(server=(available[0],), others=tuple(available[1:]))


def busy_s(cores: Sequence[int]) -> float:
    """Give the CPU seconds that cores have been busy with anything, or taken from this machine by its host."""
    times = psutil.cpu_times(percpu=True)
    return float(sum(sum(times[core]) - times[core].idle - getattr(times[core], "iowait", 0.0) for core in cores))


def free_port() -> int:
    """Give a port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Process:
    """A child process as a context manager; its output goes to a file that is shown when it fails."""

    def __init__(
        self, command: Sequence[str], *, cores: tuple[int, ...], log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self._command = command
        self._cores = cores
        self._log = log
        self._environment = {**os.environ, **(environment or {})}

    def __enter__(self) -> Self:
        """Start it."""
        with self._log.open("wb") as output:
            self._child = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        pin(self._child.pid, self._cores)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it and its children: asked first, then killed."""
        children = _children(self._child.pid)
        self._child.terminate()
        try:
            self._child.wait(15)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        for child in children:
            if child.is_running():
                child.kill()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._child.pid

    def wait_for_port(self, port: int, timeout_s: float = 20.0) -> None:
        """Wait until somebody listens on `port`. Raises RuntimeError with the end of the log where nobody does."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self._child.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.02)
        tail = self._log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{' '.join(self._command)!r} does not listen on port {port}:\n{tail}")

    def cpu(self) -> CpuTime:
        """CPU seconds so far, with all its children."""
        tree = [psutil.Process(self._child.pid), *_children(self._child.pid)]
        server_s = redis_s = 0.0
        for process in tree:
            used = _cpu_s(process)
            if _is_redis(process):
                redis_s += used
            else:
                server_s += used
        return CpuTime(server_s=server_s, redis_s=redis_s)

    def resident_bytes(self) -> int:
        """Resident memory of the process without its children."""
        size: int = psutil.Process(self._child.pid).memory_info().rss
        return size


def pin(pid: int, cores: tuple[int, ...]) -> None:
    """Keep a process on some cores, where the system can."""
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(pid, cores)


def read_line(stream: IO[str]) -> str:
    """Read one line. Raises RuntimeError at the end of the stream."""
    line = stream.readline()
    if not line:
        raise RuntimeError("a process of the bench ended before it said anything")
    return line


def _cpu_s(process: psutil.Process) -> float:
    """Give the CPU seconds of one process, to the nanosecond on Linux: what /proc says comes in steps of 10 ms."""
    if platform.system() == "Linux":
        # The clock of another process, as clock_getcpuclockid(3) makes its id.
        return time.clock_gettime((~process.pid << 3) | 2)
    times = process.cpu_times()
    return float(times.user + times.system)


def _children(pid: int) -> list[psutil.Process]:
    return list(psutil.Process(pid).children(recursive=True)) if psutil.pid_exists(pid) else []


def _is_redis(process: psutil.Process) -> bool:
    return any(name in process.name() for name in ("redis", "valkey"))
