"""`python -m tests.chaos.mutants [NAME...]`: seeds each bug into the cluster and shows that the checker sees it.

Prints a table: the bug, how long its run took, which rules it broke. Exit code 1: one survived, or the control runs,
which are the same without a bug, did not pass. A bug does not count as caught by a run that did too little or could
not be finished: only what a rule about the product says counts.

    --out DIR     keep the histories there (default: a temporary folder)
    --jobs N      so many runs at a time (default: half of the processor's cores)
    --control N   so many of the control runs, which play the scenes without a bug (default: all)
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec

from tests.chaos.checker import Rule, judge
from tests.chaos.mutants_patch import ROOT, apply_edits
from tests.chaos.mutants_scenes import SCENES, Scene
from tests.chaos.mutants_table import BY_NAME
from tests.chaos.profiles import PROFILES, Habits, Profile

_RUN_S: Final = 110.0
"""A run that takes longer is killed; what it wrote until then is judged."""
_QUIET_S: Final = 30.0
"""Shorter than a proper run's, because a turn that a mutant lost never ends; the control runs have it too."""
_ABOUT_THE_RUN: Final = {Rule.ACTIVITY, Rule.STOPPED}
_NEED_THE_END: Final = {
    Rule.ACCEPTED,
    Rule.AGREE,
    Rule.BOOKS,
    Rule.DELIVERED,
    Rule.ERASED,
    Rule.LEFT_OVER,
    Rule.MERGED,
    Rule.ONCE,
    Rule.ONE_END,
    Rule.PROVIDER_CLOSED,
    Rule.TEXT,
    Rule.UNANSWERED,
}
"""Rules that a history without its end breaks by itself: in a run that was killed they catch nobody."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a run."""

    name: str
    took_s: float
    rules: dict[str, int]
    """Violations by rule, those that say that the run itself went wrong left out."""
    problems: tuple[str, ...]
    """What went wrong with the run itself."""
    example: str = ""


def apply(name: str) -> None:
    """Put a seeded bug into this process. Called by `node.py`. Raises KeyError, ValueError."""
    apply_edits(BY_NAME[name].edits)


def main() -> int:
    """Run what the command line asks for."""
    given = _arguments()
    if given.one is not None:
        _run_one(given.one, given.out, bug=given.bug)
        return 0
    out = given.out or Path(tempfile.mkdtemp(prefix="prosa-mutants-"))
    chosen = given.names or list(BY_NAME)
    scenes = list(SCENES)[: given.control]
    _say(f"histories: {out}\n")
    failed = 0
    with ThreadPoolExecutor(given.jobs) as pool:
        controls = pool.map(lambda name: _result(name, out / f"control-{name}", bug=False), scenes)
        seeded = pool.map(lambda name: _result(name, out / name, bug=True), chosen)
        for result in controls:
            passed = not result.rules and not result.problems
            failed += not passed
            _say(_line(result, "passed" if passed else "FAILED"))
        for result in seeded:
            failed += not result.rules
            _say(_line(result, "caught" if result.rules else "SURVIVED"))
    _say(f"{len(chosen)} seeded bugs, {len(scenes)} control runs, {failed} not as they should be")
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--control", type=int, default=len(SCENES))
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 1) // 2))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--bug", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in BY_NAME]:
        parser.error(f"there is no mutant {unknown[0]!r}; there are {', '.join(BY_NAME)}")
    return given


def _result(name: str, folder: Path, *, bug: bool) -> Result:
    """Run in a process of its own, then judge what it wrote. A run that went wrong by itself is made once more."""
    began_s = time.monotonic()
    problems = _run_apart(name, folder, bug=bug)
    if problems:
        problems = _run_apart(name, folder, bug=bug)
    verdict = judge(folder / "history")
    unfair = _ABOUT_THE_RUN | (_NEED_THE_END if problems and bug else set())
    of_the_product = [violation for violation in verdict.violations if violation.rule not in unfair]
    problems += [violation.sentence for violation in verdict.violations if violation.rule in _ABOUT_THE_RUN]
    rules: dict[str, int] = {}
    for violation in of_the_product:
        rules[violation.rule] = rules.get(violation.rule, 0) + 1
    return Result(
        name=name,
        took_s=time.monotonic() - began_s,
        rules=dict(sorted(rules.items(), key=lambda item: -item[1])),
        problems=tuple(problems),
        example=str(of_the_product[0]) if of_the_product else "",
    )


def _run_apart(name: str, folder: Path, *, bug: bool) -> list[str]:
    """The run as a process; gives what went wrong with it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = [sys.executable, "-m", "tests.chaos.mutants", "--one", name, "--out", str(folder)]
    command += ["--bug"] if bug else []
    with (folder / "run.log").open("wb") as log:
        try:
            code = subprocess.run(command, cwd=ROOT, stdout=log, stderr=log, timeout=_RUN_S, check=False).returncode
        except subprocess.TimeoutExpired:
            return [f"the run did not end in {_RUN_S:g} s"]
    return [f"the run ended with {code}, see {folder / 'run.log'}"] if code else []


def _line(result: Result, verdict: str) -> str:
    by = ", ".join(f"{rule} ({count})" for rule, count in list(result.rules.items())[:4])
    problems = "".join(f"\n      {problem[:160]}" for problem in result.problems) if verdict != "caught" else ""
    example = f"\n      {result.example[:240]}" if verdict in ("caught", "FAILED") and result.example else ""
    return f"{verdict:<9} {result.name:<28} {result.took_s:4.0f} s  {by}{example}{problems}"


def _run_one(name: str, out: Path, *, bug: bool) -> None:
    """The chaos run of a mutant, or of a scene, in this process; nodes get the bug by their environment."""
    import uvloop

    from tests.chaos.run import Options, run

    PROFILES["mutant"] = _profile(BY_NAME[name].scene if bug else SCENES[name])
    seed = BY_NAME[name].seed if bug else 1
    options = Options(seed=seed, profile="mutant", out=out, mutant=name if bug else None)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(options))


def _profile(scene: Scene) -> Profile:
    habits = Habits(
        kinds=scene.kinds,
        tokens=scene.tokens,
        pace_ms=scene.pace_ms,
        pause_s=(0.0, 0.4),
        on_busy=scene.on_busy,
        bursts=scene.bursts,
        cancels=scene.cancels,
        retries=0.0,
        twice=scene.twice,
        broken=scene.broken,
        provider_faults=scene.provider_faults,
    )
    return Profile(
        users=scene.users,
        habits=habits,
        seconds=scene.seconds,
        every_s=scene.every_s,
        faults=scene.faults,
        bridges=scene.bridges,
        leavers=scene.leavers,
        movers=scene.movers,
        quiet_s=_QUIET_S,
    )


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
