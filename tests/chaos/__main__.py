"""`python -m tests.chaos --seed 1 --profile standard --out DIR`: a run, its figures, and what the checker says.

Exit code 1: an invariant was broken, the run could not end, or it did too little to prove anything.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import shutil
import sys
import tempfile
from pathlib import Path

import msgspec
import uvloop

from tests.chaos.activity import least_of
from tests.chaos.figures import Figures, measure, read_history, table
from tests.chaos.profiles import PROFILES
from tests.chaos.run import Options, run


def main() -> int:
    options = _options()
    if options.out.exists():
        shutil.rmtree(options.out)
    options.out.mkdir(parents=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(options))
    report, mistakes = judge_run(options)
    print(report)  # noqa: T201
    return 1 if mistakes else 0


def judge_run(options: Options) -> tuple[str, list[str]]:
    """The report of a finished run, and what is wrong: violations, no end, too little activity."""
    figures = measure(read_history(options.out / "history"))
    (options.out / "figures.json").write_bytes(msgspec.json.format(msgspec.json.encode(figures)))
    mistakes = [*_too_little(figures, options.seconds), *figures.stopped]
    if importlib.util.find_spec("tests.chaos.checker") is None:
        verdict_text = "no checker yet"
    else:
        from tests.chaos.checker import judge

        verdict = judge(options.out / "history")
        mistakes += [str(violation) for violation in verdict.violations]
        ways_out = ("deliveries", "sessions erased", "sessions merged")
        verdict_text = "\n".join([", ".join(f"{name} {verdict.figures[name]}" for name in ways_out), str(verdict)])
    return "\n".join([table(figures), verdict_text, *(f"WRONG: {mistake}" for mistake in mistakes)]), mistakes


def _too_little(figures: Figures, seconds: float | None) -> list[str]:
    least = least_of(PROFILES[figures.profile], seconds)
    ended, hits = sum(figures.outcomes.values()), sum(figures.hits.values())
    lacks = least.lacks(turns=ended, hits=hits, kinds=len(figures.faults))
    return [f"too little activity: {sentence}" for sentence in lacks]


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--profile", choices=sorted(PROFILES), default="standard")
    parser.add_argument(
        "--seconds", type=float, help="how long faults strike; longer where too little happens; default: the profile's"
    )
    parser.add_argument("--out", type=Path, help="a folder, emptied first; default: a temporary one")
    parser.add_argument(
        "--redis", choices=("valkey", "redis"), default="valkey", help="the wheel's Valkey, or Debian's"
    )
    parser.add_argument("--partitions", type=int, default=1, help="of the keys in Redis; default: 1")
    parser.add_argument("--mutant", help="a seeded bug, see tests/chaos/mutants.py")
    given = parser.parse_args()
    out = given.out or Path(tempfile.mkdtemp(prefix="prosa-chaos-"))
    sys.stderr.write(f"history and logs: {out}\n")
    return Options(
        seed=given.seed,
        profile=given.profile,
        out=out,
        seconds=given.seconds,
        redis=given.redis,
        partitions=given.partitions,
        mutant=given.mutant,
    )


if __name__ == "__main__":
    sys.exit(main())
