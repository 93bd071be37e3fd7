"""What is measured, and how: each scenario is a load per system and the figures that are read from its result."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping

import msgspec

from bench.load import Load, LoadResult
from bench.processes import ROOT, Cores, CpuTime, pin, read_line
from bench.systems import System


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one load: what the clients saw and what the server spent meanwhile."""

    result: LoadResult
    cpu: CpuTime


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A number that a scenario gives. `better`: which way is better, for the ratios."""

    name: str
    unit: str
    better: str
    read: Callable[[Measured], float | None]


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of work. `loads` holds the sizes per system: a slow one gets less, so that all take seconds."""

    name: str
    title: str
    figures: tuple[Figure, ...]
    loads: Mapping[str, Load]


def _percentile_of(field: str, which: str) -> Callable[[Measured], float | None]:
    def read(measured: Measured) -> float | None:
        found = getattr(measured.result, field)
        return None if found is None else float(getattr(found, which))

    return read


def _cpu_us_per_token(measured: Measured) -> float | None:
    spent = measured.cpu.server_s
    return spent / measured.result.tokens * 1e6 if spent and measured.result.tokens else None


def _redis_us_per_token(measured: Measured) -> float | None:
    spent = measured.cpu.redis_s
    return spent / measured.result.tokens * 1e6 if spent and measured.result.tokens else None


CPU_PER_TOKEN = Figure(name="server CPU per token", unit="us", better="lower", read=_cpu_us_per_token)
REDIS_PER_TOKEN = Figure(name="Redis CPU per token", unit="us", better="lower", read=_redis_us_per_token)
TOKENS_PER_S = Figure(
    name="tokens/s", unit="1/s", better="higher", read=lambda measured: measured.result.tokens / measured.result.wall_s
)
TURNS_PER_S = Figure(
    name="requests/s", unit="1/s", better="higher", read=lambda measured: measured.result.turns / measured.result.wall_s
)
TOKEN_P50 = Figure(name="token latency p50", unit="ms", better="lower", read=_percentile_of("token_ms", "p50"))
TOKEN_P99 = Figure(name="token latency p99", unit="ms", better="lower", read=_percentile_of("token_ms", "p99"))
ADDED_P50 = Figure(name="added to first token p50", unit="ms", better="lower", read=_percentile_of("added_ms", "p50"))
ADDED_P99 = Figure(name="added to first token p99", unit="ms", better="lower", read=_percentile_of("added_ms", "p99"))
TURN_P50 = Figure(name="request p50", unit="ms", better="lower", read=_percentile_of("turn_ms", "p50"))
TURN_P99 = Figure(name="request p99", unit="ms", better="lower", read=_percentile_of("turn_ms", "p99"))


def _load(dialect: str, **fields: object) -> Load:
    return msgspec.convert({"name": "", "dialect": dialect, "port": 0, **fields}, Load)


def _dialects(loads: Mapping[str, Mapping[str, object]]) -> dict[str, Load]:
    dialects = {"direct": "openai", "naive": "naive", "naive-redis": "naive", "prosa": "prosa"}
    return {name: _load(dialects[name], **fields) for name, fields in loads.items()}


def plan(full: bool) -> tuple[Scenario, ...]:
    """Give the scenarios of the quick profile (one to two minutes with three repeats) or of the full one."""
    scale = 3 if full else 1
    paced = {"conversations": 40, "rate": 50, "tokens": 120 * scale, "ttft_ms": 50}
    many = {**paced, "conversations": 300}
    first = {"conversations": 20, "rate": 200, "tokens": 8, "ttft_ms": 20, "turns": 15 * scale, "pause_ms": 20}
    burst = {"conversations": 100, "ttft_ms": 5}
    chat = {"conversations": 20, "tokens": 8, "duration_s": 1.5 * scale}
    scenarios = [
        Scenario(
            name="throughput",
            title="tokens a second on one core, upstream unthrottled, 100 conversations",
            figures=(TOKENS_PER_S, CPU_PER_TOKEN, REDIS_PER_TOKEN),
            loads=_dialects(
                {
                    "direct": {**burst, "tokens": 5000 * scale},
                    "naive": {**burst, "tokens": 120 * scale},
                    "naive-redis": {**burst, "tokens": 50 * scale},
                    "prosa": {**burst, "tokens": 3000 * scale},
                }
            ),
        ),
        Scenario(
            name="paced",
            title="CPU per token at 50 tokens a second, 40 conversations",
            figures=(CPU_PER_TOKEN, REDIS_PER_TOKEN, TOKEN_P50, TOKEN_P99),
            loads=_dialects(dict.fromkeys(("direct", "naive", "prosa"), paced)),
        ),
        Scenario(
            name="first-token",
            title="time to first token added, 20 conversations",
            figures=(ADDED_P50, ADDED_P99),
            loads=_dialects(dict.fromkeys(("direct", "naive", "naive-redis", "prosa"), first)),
        ),
        Scenario(
            name="chat",
            title="POST /chat, answers of 8 tokens, 20 connections",
            figures=(TURNS_PER_S, TURN_P50, TURN_P99),
            loads={name: _load("chat", **chat) for name in ("naive", "prosa")},
        ),
    ]
    if full:
        scenarios.append(
            Scenario(
                name="paced-300",
                title="CPU per token at 50 tokens a second, 300 conversations",
                figures=(CPU_PER_TOKEN, REDIS_PER_TOKEN, TOKEN_P50, TOKEN_P99),
                loads=_dialects(dict.fromkeys(("direct", "prosa"), many)),
            )
        )
        hundred = {**first, "conversations": 100, "pause_ms": 100}
        scenarios.append(
            Scenario(
                name="first-token-100",
                title="time to first token added, 100 conversations",
                figures=(ADDED_P50, ADDED_P99),
                loads=_dialects(dict.fromkeys(("direct", "prosa"), hundred)),
            )
        )
    return tuple(scenarios)


def measure(system: System, load: Load, name: str, cores: Cores, timeout_s: float = 120.0) -> Measured:
    """Run one load against a system, in a process of its own. Raises RuntimeError where the clients fail."""
    concrete = msgspec.structs.replace(load, name=name, port=system.port)
    command = [sys.executable, "-m", "bench.load", msgspec.json.encode(concrete).decode()]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as clients:
        assert clients.stdin is not None
        assert clients.stdout is not None
        pin(clients.pid, cores.others)
        try:
            read_line(clients.stdout)
            before = spent(system)
            output, _ = clients.communicate("go\n", timeout=timeout_s)
            after = spent(system)
        except subprocess.TimeoutExpired as error:
            clients.kill()
            raise RuntimeError(f"{system.name}: the clients were not done after {timeout_s} s") from error
    if clients.returncode != 0:
        raise RuntimeError(f"{system.name}: the clients failed with exit status {clients.returncode}")
    cpu = CpuTime(server_s=after.server_s - before.server_s, redis_s=after.redis_s - before.redis_s)
    return Measured(result=msgspec.json.decode(output, type=LoadResult), cpu=cpu)


def spent(system: System) -> CpuTime:
    """CPU time of a system so far; nothing for the upstream, which is not measured."""
    if system.process is None:
        return CpuTime(server_s=0.0, redis_s=0.0)
    own = system.process.cpu()
    redis_s = system.redis.cpu().redis_s if system.redis is not None else 0.0
    return CpuTime(server_s=own.server_s, redis_s=own.redis_s + redis_s)
