"""`python -m bench.budget`: what a token of 300 paced conversations costs, layer by layer, beside what it could cost.

A sampling profiler (py-spy) beside the paced load gives shares; the load's CPU per token makes microseconds of them.
"""

from __future__ import annotations

import argparse
import datetime as dt
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from bench.floors import floors
from bench.layers import by_layer
from bench.load import Load
from bench.loading import measure, sample_of
from bench.measures import Place
from bench.processes import ROOT, choose_cores, pin
from bench.report import commit, machine
from bench.systems import STARTERS

_SAMPLES_PER_S: Final = 400


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """A profile in short. Times in microseconds."""

    schema: int = 1
    started: str
    commit: str
    machine: dict[str, str]
    conversations: int
    cpu_us_per_token: float
    layers_us: dict[str, float]
    floors_us: dict[str, float]


@contextmanager
def profiled(pid: int, output: Path) -> Iterator[None]:
    """Profile a process meanwhile. Raises FileNotFoundError where there is no py-spy, RuntimeError where it fails."""
    spy = Path(sys.executable).parent / "py-spy"
    command = [str(spy), "record", "--rate", str(_SAMPLES_PER_S), "--format", "raw", "--output", str(output)]
    with subprocess.Popen(
        [*command, "--pid", str(pid)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as profiler:
        pin(profiler.pid, choose_cores().others)
        try:
            yield
        finally:
            profiler.send_signal(signal.SIGINT)
            _, said = profiler.communicate(timeout=30)
    if not output.exists():
        raise RuntimeError(f"py-spy wrote no profile: {said[-500:]}")


def measure_budget(conversations: int, window_s: float) -> Budget:
    """Measure once without the profiler for the cost, once with it for the shares."""
    load = Load(
        conversations=conversations,
        rate=50,
        tokens=500,
        ttft_ms=50,
        pause_ms=1000,
        stagger_s=5.0,
        window_s=window_s,
    )
    cores = choose_cores()
    pin(0, cores.others)
    with tempfile.TemporaryDirectory(prefix="prosa-budget-") as name, ExitStack() as stack:
        folder = Path(name)
        place = Place(stack, cores, folder, {starter.name: starter for starter in STARTERS})
        prosa = place.system("prosa")
        assert prosa.process is not None
        cost = sample_of(measure(prosa, load, "cost", cores)).values["cpu_us_per_token"]
        with profiled(prosa.process.pid, folder / "profile.raw"):
            measure(prosa, load, "profile", cores)
        shares = by_layer((folder / "profile.raw").read_text().splitlines())
    assert cost is not None
    return Budget(
        started=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        commit=commit(),
        machine=machine(),
        conversations=conversations,
        cpu_us_per_token=cost,
        layers_us={layer: share * cost for layer, share in shares.items()},
        floors_us=floors(cores),
    )


def main() -> None:
    """Measure, print, keep."""
    parser = argparse.ArgumentParser(prog="python -m bench.budget", description=__doc__)
    parser.add_argument("--conversations", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=11.0, help="how long is measured; default: 11")
    parser.add_argument("--results", type=Path, default=ROOT / "bench" / "results", help="folder for the JSON")
    given = parser.parse_args()
    budget = measure_budget(given.conversations, given.seconds)
    print(f"server CPU per token: {budget.cpu_us_per_token:.1f} us")
    for name, cost_us in (*budget.layers_us.items(), *budget.floors_us.items()):
        print(f"  {name:<40}{cost_us:8.2f} us")
    given.results.mkdir(parents=True, exist_ok=True)
    stamp = budget.started.replace("-", "").replace(":", "").split("+")[0]
    path = given.results / f"{stamp}-{budget.commit[:12]}-budget.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(budget), indent=1) + b"\n")
    print(f"results: {path}")


if __name__ == "__main__":
    main()
