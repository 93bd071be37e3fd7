"""The composition of docker-compose.yml without containers: the same processes, settings and proxy configuration."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.conftest import ROOT, free_port
from tests.deploy.proxy import write_configuration

API_KEY = "a-secret-of-the-topology-test"
AUTHORIZATION = {"Authorization": f"Bearer {API_KEY}"}


@dataclass(frozen=True, kw_only=True)
class Topology:
    """Where everything listens."""

    proxy: int
    nodes: tuple[int, int]
    worker: int
    access_log: Path

    def url(self, path: str, port: int | None = None) -> str:
        return f"http://127.0.0.1:{self.proxy if port is None else port}{path}"

    @property
    def websocket_url(self) -> str:
        return f"ws://127.0.0.1:{self.proxy}/ws"


@contextlib.contextmanager
def running_topology(folder: Path, *, nginx: str, redis: str, database_url: str) -> Iterator[Topology]:
    """Start Redis, two web nodes, a worker and nginx, in the order of compose; end them in the reverse one."""
    with contextlib.ExitStack() as stack:
        redis_port, node_a, node_b, worker, proxy = (free_port() for _ in range(5))
        persistence = ["--appendonly", "yes", "--maxmemory-policy", "noeviction", "--save", ""]
        command = [redis, "--port", str(redis_port), "--bind", "127.0.0.1", "--dir", str(folder), *persistence]
        stack.enter_context(running(command, folder / "redis.log"))
        for name, port, roles in (("a", node_a, "web"), ("b", node_b, "web"), ("worker", worker, "worker")):
            settings = {
                "HOST": "127.0.0.1",
                "PORT": str(port),
                "ROLES": roles,
                "NODE": name,
                "DATA_DIR": str(folder / "data"),
                "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
                "DATABASE_URL": database_url,
                "BOOTSTRAP_API_KEYS": f"default={API_KEY}",
                "LLM_MODEL": "offline:offline-demo",
            }
            log = folder / f"{name}.log"
            process = stack.enter_context(running([sys.executable, "-m", "server"], log, settings))
            wait_for(f"http://127.0.0.1:{port}/ready", process, log)
        main = write_configuration(ROOT / "deploy/nginx", folder / "nginx", port=proxy, nodes=[node_a, node_b])
        log = folder / "nginx.log"
        process = stack.enter_context(running([nginx, "-c", str(main), "-g", "daemon off;"], log))
        wait_for(f"http://127.0.0.1:{proxy}/health", process, log)
        yield Topology(proxy=proxy, nodes=(node_a, node_b), worker=worker, access_log=folder / "nginx" / "access.log")


@contextlib.contextmanager
def running(
    command: Sequence[str], log: Path, settings: Mapping[str, str] | None = None, folder: Path = ROOT
) -> Iterator[subprocess.Popen[bytes]]:
    """A child process, ended by SIGTERM and in the end for certain."""
    # Coverage is for the repository's files, not for a copy of them in another folder.
    inherited = {name: value for name, value in os.environ.items() if folder == ROOT or not name.startswith("COVERAGE")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env={**inherited, **(settings or {})}, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path, timeout_s: float = 30.0) -> None:
    """Wait until `url` answers 200. Raises RuntimeError with the end of the process's output where it does not."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    raise RuntimeError(f"{url} does not answer:\n{log.read_text(errors='replace')[-3000:]}")
