"""Run one load against a running system: its clients are a process of their own; what the server spends is read."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from typing import IO

import msgspec

from bench.figures import Percentiles
from bench.load import Load
from bench.measures import Place, Sample
from bench.processes import ROOT, Cores, CpuTime, Process, busy_s, pin, read_line
from bench.reading import LoadResult
from bench.systems import System
from bench.valkey import Counters


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What a system has used up so far."""

    cpu: CpuTime
    redis: Counters | None
    core_s: float
    """What its cores were busy with, whoever kept them so."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What the clients saw, and what the system used meanwhile."""

    load: Load
    result: LoadResult
    before: Spent
    after: Spent


class LoadRun(msgspec.Struct, frozen=True):
    """A `Run` (bench/measures.py) that is a load."""

    load: Load

    def __call__(self, place: Place, system: str, name: str) -> Sample:
        """Run it."""
        return sample_of(measure(place.system(system), self.load, name, place.cores))


def measure(system: System, load: Load, name: str, cores: Cores, timeout_s: float = 180.0) -> Measured:
    """Run a load, in a process of its own. Raises RuntimeError where the clients fail or are not done in time."""
    concrete = msgspec.structs.replace(load, name=name, port=system.port, dialect=load.dialect or system.dialect)
    command = [sys.executable, "-m", "bench.load", msgspec.json.encode(concrete).decode()]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as clients:
        assert clients.stdin is not None
        assert clients.stdout is not None
        pin(clients.pid, cores.others)
        too_late = threading.Timer(timeout_s, clients.kill)
        too_late.start()
        try:
            _expect(clients.stdout, "ready")
            before = spent(system, cores)
            clients.stdin.write("go\n")
            clients.stdin.flush()
            if load.window_s:
                _expect(clients.stdout, "steady")
                before = spent(system, cores)
            _expect(clients.stdout, "over")
            after = spent(system, cores)
            result = msgspec.json.decode(read_line(clients.stdout), type=LoadResult)
        except RuntimeError as error:
            raise RuntimeError(f"{system.name}: the clients failed, or were not done after {timeout_s} s") from error
        finally:
            too_late.cancel()
            clients.kill()
    return Measured(load=load, result=result, before=before, after=after)


def _expect(output: IO[str], word: str) -> None:
    line = read_line(output).strip()
    if line != word:
        raise RuntimeError(f"the clients said {line!r} where {word!r} was due")


def spent(system: System, cores: Cores) -> Spent:
    """Read what a system has used so far; nothing for the upstream, which is not measured."""
    core_s = busy_s(cores.server)
    if system.process is None:
        return Spent(cpu=CpuTime(server_s=0.0, redis_s=0.0), redis=None, core_s=core_s)
    cpu = system.process.cpu()
    if system.redis is None:
        return Spent(cpu=cpu, redis=None, core_s=core_s)
    redis_s = cpu.redis_s + system.redis.process.cpu().redis_s
    return Spent(cpu=CpuTime(server_s=cpu.server_s, redis_s=redis_s), redis=system.redis.counters(), core_s=core_s)


def server_share(process: Process, seconds: float) -> float:
    """Give the per cent of a core that a server uses while nothing is asked of it."""
    before = process.cpu().server_s
    time.sleep(seconds)
    return (process.cpu().server_s - before) / seconds * 100


def sample_of(measured: Measured) -> Sample:
    """Read a load's figures (bench/catalogue.py)."""
    result, server_s = measured.result, measured.after.cpu.server_s - measured.before.cpu.server_s
    redis_s = measured.after.cpu.redis_s - measured.before.cpu.redis_s
    core_s = measured.after.core_s - measured.before.core_s
    expected = measured.load.tokens_at_pace
    values = {
        "tokens_per_s": result.tokens / result.wall_s,
        "turns_per_s": result.turns / result.wall_s,
        "cpu_us_per_token": _per(server_s * 1e6, result.tokens),
        "cpu_us_per_turn": _per(server_s * 1e6, result.turns),
        "redis_us_per_token": _per(redis_s * 1e6, result.tokens),
        "utilisation": server_s / result.wall_s * 100 or None,
        "core_taken": max(0.0, core_s - server_s - redis_s) / result.wall_s * 100,
        "pace_kept": None if expected is None else result.tokens / expected * 100,
        **_percentiles("token", result.token_ms),
        **_percentiles("added", result.added_ms),
        **_percentiles("turn", result.turn_ms),
        **_percentiles("step", result.step_ms),
        **_percentiles("step_net", result.step_net_ms),
        **_redis(measured.before.redis, measured.after.redis, result.tokens),
    }
    return Sample(values=values, problems=result.problems)


def _per(amount: float, count: int) -> float | None:
    return amount / count if amount and count else None


def _percentiles(name: str, found: Percentiles | None) -> dict[str, float | None]:
    return {} if found is None else {f"{name}_p50_ms": found.p50, f"{name}_p99_ms": found.p99}


def _redis(before: Counters | None, after: Counters | None, tokens: int) -> dict[str, float | None]:
    if before is None or after is None:
        return {}
    return {
        "redis_calls_per_token": _per(after.calls - before.calls, tokens),
        "redis_commands_per_token": _per(after.commands - before.commands, tokens),
        "redis_sent_bytes_per_token": _per(after.received_bytes - before.received_bytes, tokens),
        "redis_held_bytes_per_token": _per(after.used_bytes - before.used_bytes, tokens),
    }
