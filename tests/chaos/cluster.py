"""The processes of a run: Redis, the proxy before it, the fake provider, nodes and workers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import redis.asyncio

from memory.keys import Keys
from tests.server.server_process import ROOT, free_port
from tests.servers import RedisServer, redis_server, valkey_server

READY_S: Final = 30.0
END_S: Final = 5.0
PROVIDER_PATIENCE_S: Final = 2.0
"""A provider that hangs is given up after this time, so that a run of a minute sees it."""
NODES: Final = 3
WORKERS: Final = 2


class Nursery:
    """Where nodes come from (nursery.py)."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._asking = asyncio.Lock()

    async def fork(self, environment: dict[str, str], log: Path) -> int:
        """Start a node; gives a pidfd, which is readable when it has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        async with self._asking:
            self._process.stdin.write(json.dumps({"environment": environment, "log": str(log)}).encode() + b"\n")
            return os.pidfd_open(int(await self._process.stdout.readline()))


@dataclass(kw_only=True)
class Member:
    """A node or a worker, over its lives."""

    name: str
    port: int
    folder: Path
    environment: dict[str, str]
    nursery: Nursery
    is_up: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a fault has it in hand."""
    _pidfd: int = -1
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_worker(self) -> bool:
        """Whether it runs turns and holds no connections."""
        return self.name.startswith("worker")

    @property
    def runs_turns(self) -> bool:
        """Whether it runs turns, perhaps beside its connections."""
        return "worker" in self.environment["ROLES"].split(",")

    @property
    def node_id(self) -> str:
        """The id under which Redis knows it; another one in each life."""
        path = self.folder / "control" / f"{self.name}.node"
        return path.read_text() if path.exists() else ""

    @property
    def pid(self) -> int:
        """Its process; 0 where there is none."""
        return _pid(self._pidfd)

    async def start(self) -> None:
        """Start it and wait until it can take turns. Raises TimeoutError; RuntimeError where it gave up."""
        self._ended = asyncio.Event()
        self._pidfd = await self.nursery.fork(self.environment, self.folder / "logs" / f"{self.name}.log")
        asyncio.get_running_loop().add_reader(self._pidfd, self._end)
        async with asyncio.timeout(READY_S):
            while not (await http_get(self.port, "/ready")).startswith("HTTP/1.1 200"):
                if self._ended.is_set():
                    raise RuntimeError(f"{self.name} gave up, see its log in {self.folder}/logs")
                await asyncio.sleep(0.05)
        self.is_up = True

    def send(self, number: signal.Signals) -> None:
        """Send a signal, where it is alive."""
        if self._pidfd >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def kill_all(self) -> None:
        """Kill it and every process that it has started, such as its lifeline."""
        for child in _children(self.pid):
            _kill(child)
        self.send(signal.SIGKILL)

    async def gone(self) -> None:
        """Wait until it has ended."""
        if self._pidfd >= 0:
            await self._ended.wait()

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        self.is_up = False
        self._ended.set()


@dataclass(kw_only=True)
class Cluster:
    """All of them."""

    folder: Path
    redis_server: RedisServer
    redis: redis.asyncio.Redis
    nodes: list[Member]
    workers: list[Member]
    proxy: asyncio.subprocess.Process
    sql: Path
    sales: Path
    partitions: int = 1
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def members(self) -> list[Member]:
        """Nodes, then workers."""
        return [*self.nodes, *self.workers]

    @property
    def executors(self) -> list[Member]:
        """Those that run turns."""
        return [member for member in self.members if member.runs_turns]

    @property
    def prefixes(self) -> list[str]:
        """How the keys of each partition begin."""
        return [Keys(self.partitions).prefix(partition) for partition in range(self.partitions)]

    def prefix_of(self, session_id: str) -> str:
        """How the keys of a session begin."""
        return self.prefixes[Keys(self.partitions).of(session_id)]

    async def tell_proxy(self, **wish: Any) -> list[str]:
        """See `Proxy.do`."""
        assert self.proxy.stdin is not None
        assert self.proxy.stdout is not None
        async with self.asking:
            self.proxy.stdin.write(json.dumps(wish).encode() + b"\n")
            return list(json.loads(await self.proxy.stdout.readline()))

    async def turns_under_lease(self) -> dict[str, str]:
        """The node's id by running turn; empty where Redis does not answer."""
        nodes: dict[str, str] = {}
        try:
            async with asyncio.timeout(1.0):
                for prefix in self.prefixes:
                    leases: Any = await self.redis.zrange(f"{prefix}leases", 0, -1)
                    turns: list[str] = [turn.decode() for turn in leases]
                    pipe = self.redis.pipeline(transaction=False)
                    for turn in turns:
                        pipe.hget(f"{prefix}t:{turn}", "node")
                    found = zip(turns, await pipe.execute(), strict=True)
                    nodes |= {turn: (node or b"").decode() for turn, node in found}
        except (redis.RedisError, TimeoutError, OSError):
            return {}
        return nodes

    async def turns_of(self, member: Member) -> set[str]:
        """The turns that run on a member."""
        node_id = member.node_id
        return {turn for turn, node in (await self.turns_under_lease()).items() if node == node_id}


@asynccontextmanager
async def cluster(
    folder: Path,
    *,
    seed: int,
    flavour: str = "valkey",
    mutant: str | None = None,
    partitions: int = 1,
    **settings: str,
) -> AsyncIterator[Cluster]:
    """Everything up and ready while the block lasts."""
    for name in ("logs", "control", "history", "data"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with _redis(flavour) as server:
        proxy_port, provider_port = free_port(), free_port()
        proxy = await _helper("tests.chaos.proxy", folder, port=proxy_port, upstream=server.url.removeprefix("unix://"))
        provider = await _helper(
            "tests.chaos.provider", folder, port=provider_port, seed=seed, history=folder / "history/provider.jsonl"
        )
        environment = environment_of(folder, proxy_port, provider_port, mutant) | settings
        environment["PARTITIONS"] = str(partitions)
        nursery_process = await _helper("tests.chaos.nursery", folder)
        nursery = Nursery(nursery_process)
        # the first one runs turns too: those that it accepts it takes by the same script
        roles = ["web,worker"] + ["web"] * (NODES - 1)
        nodes = [_member(nursery, folder, f"node-{index}", role, environment) for index, role in enumerate(roles)]
        workers = [_member(nursery, folder, f"worker-{index}", "worker", environment) for index in range(WORKERS)]
        client = redis.asyncio.Redis.from_url(server.url, retry_on_timeout=False)
        running = Cluster(
            folder=folder,
            redis_server=server,
            redis=client,
            nodes=nodes,
            workers=workers,
            proxy=proxy,
            sql=folder / "data/books.db",
            sales=folder / "data/sales.db",
            partitions=partitions,
        )
        try:
            await nodes[0].start()  # migrates, loads the demo data
            await asyncio.gather(*(member.start() for member in running.members[1:]))
            yield running
        finally:
            await _stop(running, proxy, provider, nursery_process)


async def _stop(running: Cluster, *helpers: asyncio.subprocess.Process) -> None:
    for member in running.members:
        member.kill_all()
        await member.gone()
    await running.redis.aclose()
    for process in helpers:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(END_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _helper(module: str, folder: Path, **options: object) -> asyncio.subprocess.Process:
    arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    with (folder / "logs" / f"{module}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *arguments),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    async with asyncio.timeout(READY_S):
        assert process.stdout is not None
        if await process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"{module} gave up, see its log in {folder}/logs")
    return process


def environment_of(folder: Path, proxy_port: int, provider_port: int, mutant: str | None) -> dict[str, str]:
    """What every node and worker is told."""
    inherited = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG")}
    return inherited | {
        "REDIS_URL": f"redis://127.0.0.1:{proxy_port}/0",
        "DATABASE_URL": f"sqlite:///{folder}/data/books.db",
        "SALES_DATABASE_URL": f"sqlite:///{folder}/data/sales.db",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{provider_port}/v1",
        "LLM_MODEL": "openai:fake",
        "LLM_CONNECT_S": str(PROVIDER_PATIENCE_S),
        "LLM_FIRST_TOKEN_S": str(PROVIDER_PATIENCE_S),
        "LLM_BETWEEN_TOKENS_S": str(PROVIDER_PATIENCE_S),
        "MARKET_BASE_URL": f"http://127.0.0.1:{provider_port}",
        "MARKET_ALLOWED_HOSTS": "127.0.0.1",
        "MARKET_TIMEOUT_S": "1.5",
        "LOG_FORMAT": "json",
        "LOG_PROMPTS": "off",
        "DRAIN_S": "2",
        "TENANT_TURNS": "1000",
        "PYTHONFAULTHANDLER": "1",
        "CHAOS_CONTROL": str(folder / "control"),
        **({"CHAOS_MUTANT": mutant} if mutant else {}),
    }


def _member(nursery: Nursery, folder: Path, name: str, role: str, environment: dict[str, str]) -> Member:
    port = free_port()
    own = {
        "PORT": str(port),
        "NODE": name,
        "ROLES": role,
        "DATA_DIR": str(folder / "data" / name),
        "CHAOS_NAME": name,
        "CHAOS_HISTORY": str(folder / "history" / f"{name}.jsonl"),
    }
    return Member(name=name, port=port, folder=folder, environment=environment | own, nursery=nursery)


@contextmanager
def _redis(flavour: str) -> Iterator[RedisServer]:
    server: AbstractContextManager[RedisServer] = valkey_server() if flavour == "valkey" else redis_server()
    with server as running:
        yield running


async def http_get(port: int, path: str) -> str:
    """Head and body of a GET; empty where nobody answers within 2 s."""
    return await http(port, "GET", path, patience_s=2.0)


async def http(port: int, method: str, path: str, body: Any = None, *, patience_s: float) -> str:
    """Head and body of the answer, in one text; empty where none comes in that time."""
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n"
    try:
        async with asyncio.timeout(patience_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
            answer = await reader.read()
            writer.close()
            return answer.decode(errors="replace")
    except (OSError, TimeoutError):
        return ""


def _pid(pidfd: int) -> int:
    try:
        lines = Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines()
    except OSError:
        return 0
    return max(0, *(int(line.split()[1]) for line in lines if line.startswith("Pid:")))


def _children(pid: int) -> list[int]:
    try:
        words = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [child for word in words for child in (*_children(int(word)), int(word))]


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
