"""How long a process takes from its spawn until it is ready."""

from __future__ import annotations

import http.client
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from bench.measures import Place, Sample
from bench.processes import Process, free_port
from bench.systems import prosa_environment
from bench.valkey import start_valkey

_ASKED_EVERY_S = 0.005
_TIMEOUT_S = 30.0


def start_prosa_run(place: Place, system: str, name: str) -> Sample:
    """Start a node on a Redis that runs already, in an empty folder and again."""
    folder = place.own_folder(name)
    with ExitStack() as stack:
        valkey = start_valkey(stack, place.cores, folder, "start")

        def start(log: str) -> float:
            port = free_port()
            environment = dict(prosa_environment(port, place.upstream, valkey.url, folder / "data"))
            process = Process(
                [sys.executable, "-m", "server"],
                cores=place.cores.server,
                log=folder / log,
                environment=environment,
            )
            return _until_ready(process, port, "/ready")

        return Sample(values={"first_ready_s": start("first.log"), "ready_s": start("again.log")})


def start_naive_run(place: Place, system: str, name: str) -> Sample:
    """Start the naive loop."""
    port, folder = free_port(), place.own_folder(name)
    command = [sys.executable, "-m", "bench.naive", "--port", str(port)]
    command += ["--upstream", f"http://127.0.0.1:{place.upstream}/v1"]
    process = Process(command, cores=place.cores.server, log=Path(folder / "log"))
    return Sample(values={"ready_s": _until_ready(process, port, "/health")})


def _until_ready(process: Process, port: int, path: str) -> float:
    """Give the seconds to the first 200. Raises RuntimeError where there is none within 30 s."""
    begun = time.perf_counter()
    with process:
        while time.perf_counter() - begun < _TIMEOUT_S:
            if _status(port, path) == 200:
                return time.perf_counter() - begun
            time.sleep(_ASKED_EVERY_S)
    raise RuntimeError(f"nothing was ready at port {port} within {_TIMEOUT_S:.0f} s")


def _status(port: int, path: str) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()
