"""What is measured side by side: how each is started, and how its clients speak to it.

A system from outside is one more `Starter`, named on the command line (`--also package.module:STARTERS`).
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec

from bench.processes import ROOT, Cores, Process, free_port
from bench.valkey import Valkey, start_valkey


class System(msgspec.Struct, frozen=True, kw_only=True):
    """A running system: its process (None: the upstream itself) and its port."""

    name: str
    title: str
    dialect: str
    """How its clients speak: a name of `bench.load.DIALECTS`, or `package.module:make`, called with (port, user)."""
    port: int
    process: Process | None
    redis: Valkey | None = None
    """A Redis of its own that is not a child of it."""
    folder: Path | None = None
    """Where it keeps its data."""


class Starter(msgspec.Struct, frozen=True, kw_only=True):
    """A system that can be started over an upstream's port: `start(stack, port, cores, folder)`; `stack` ends it."""

    name: str
    title: str
    dialect: str
    start: Callable[[ExitStack, int, Cores, Path], System]


def start_upstream(stack: ExitStack, cores: Cores, folder: Path) -> System:
    """Start the fake model; as a system it is `direct`, the floor under every other."""
    port = free_port()
    command = [sys.executable, "-m", "bench.upstream", "--port", str(port)]
    stack.enter_context(Process(command, cores=cores.others, log=folder / "upstream.log")).wait_for_port(port)
    return System(name="direct", title=TITLES["direct"], dialect="openai", port=port, process=None)


def start_naive(
    stack: ExitStack, upstream: int, cores: Cores, folder: Path, *, name: str = "naive", redis: Valkey | None = None
) -> System:
    """Start the naive loop, with Redis or without."""
    port = free_port()
    command = [sys.executable, "-m", "bench.naive", "--port", str(port)]
    command += ["--upstream", f"http://127.0.0.1:{upstream}/v1", *(["--redis", redis.url] if redis else [])]
    process = stack.enter_context(Process(command, cores=cores.server, log=folder / f"{name}.log"))
    process.wait_for_port(port)
    return System(name=name, title=TITLES[name], dialect="naive", port=port, process=process, redis=redis)


def start_prosa(
    stack: ExitStack, upstream: int, cores: Cores, folder: Path, *, redis: Valkey | None = None, name: str = "prosa"
) -> System:
    """Start a node of Prosa on a Valkey of its own, or on one that others use too."""
    port = free_port()
    valkey = redis or start_valkey(stack, cores, folder, name)
    data = folder / name
    process = stack.enter_context(
        Process(
            [sys.executable, "-m", "server"],
            cores=cores.server,
            log=folder / f"{name}.log",
            environment=prosa_environment(port, upstream, valkey.url, data),
        )
    )
    process.wait_for_port(port)
    return System(
        name="prosa", title=TITLES["prosa"], dialect="prosa", port=port, process=process, redis=valkey, folder=data
    )


def prosa_environment(port: int, upstream: int, redis_url: str, data: Path) -> Mapping[str, str]:
    """Settings of a measured node: the defaults, but for addresses and two caps."""
    return {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "ROLES": "web,worker",
        "DATA_DIR": str(data),
        "REDIS_URL": redis_url,
        "DATABASE_URL": "",
        "BOOTSTRAP_API_KEYS": "",
        "LLM_MODEL": "openai:fake",
        "OPENAI_API_KEY": "bench",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{upstream}/v1",
        # The caps on running turns are for fairness; a load of one tenant would only measure its queue.
        "WORKER_CONCURRENCY": "2000",
        "TENANT_TURNS": "2000",
    }


def _naive_redis(stack: ExitStack, upstream: int, cores: Cores, folder: Path) -> System:
    valkey = start_valkey(stack, cores, folder, "naive-redis")
    return start_naive(stack, upstream, cores, folder, name="naive-redis", redis=valkey)


TITLES: Final[Mapping[str, str]] = {
    "direct": "straight to the upstream",
    "naive": "naive loop (Starlette, SDK)",
    "naive-redis": "naive loop, XADD + PUBLISH a token",
    "prosa": "Prosa, durable log on",
}
NAIVE: Final = Starter(name="naive", title=TITLES["naive"], dialect="naive", start=start_naive)
NAIVE_REDIS: Final = Starter(name="naive-redis", title=TITLES["naive-redis"], dialect="naive", start=_naive_redis)
PROSA: Final = Starter(name="prosa", title=TITLES["prosa"], dialect="prosa", start=start_prosa)
STARTERS: Final = (NAIVE, NAIVE_REDIS, PROSA)


def has_prosa() -> bool:
    """Whether the server is here to be measured."""
    return importlib.util.find_spec("server") is not None and (ROOT / "server" / "__main__.py").exists()
