"""Virtual environments of the peers, under `.cache/peers`: made when they are missing or when their pins changed.

A copy of the requirements that were installed lies in each as a stamp, so that the second time costs nothing. `uv`
makes them where it is there, else `venv` and `pip`, from the package index that these are set up for.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from bench.peers.peer import Peer
from bench.processes import ROOT

FOLDER: Final = ROOT / ".cache" / "peers"
PINS: Final = ROOT / "bench" / "peers"
INSTALL_S: Final = 900.0
"""Longest time for one environment: a large one over a slow line is better given up than waited for."""

_STAMP: Final = ".installed.txt"
_TAIL_CHARACTERS: Final = 600


class Unavailable(RuntimeError):
    """A peer's environment could not be made; the message says what failed. The other peers are measured without it."""


def requirements_of(name: str, pins: Path = PINS) -> Path:
    """Give the file of a peer's pinned requirements."""
    return pins / f"{name}.txt"


def program_of(name: str, program: str, folder: Path = FOLDER) -> str:
    """Give the path of a program in a peer's environment, such as `python`."""
    return str(folder / name / "bin" / program)


def is_ready(peer: Peer, *, folder: Path = FOLDER, pins: Path = PINS) -> bool:
    """Whether a peer's environment holds what is pinned now."""
    stamp = folder / peer.name / _STAMP
    return stamp.exists() and stamp.read_bytes() == requirements_of(peer.name, pins).read_bytes()


def make(peer: Peer, *, folder: Path = FOLDER, pins: Path = PINS) -> None:
    """Make a peer's environment, telling of it, unless it is ready. Raises Unavailable."""
    if is_ready(peer, folder=folder, pins=pins):
        return
    requirements = requirements_of(peer.name, pins)
    target = folder / peer.name
    folder.mkdir(parents=True, exist_ok=True)
    _require_room(peer, folder)
    uv = shutil.which("uv")
    tool = "uv" if uv else "pip"
    print(f"{peer.name}: {_pinned(requirements)} packages into {target} by {tool} ...", end=" ", flush=True)
    began, log = time.monotonic(), folder / f"{peer.name}.log"
    shutil.rmtree(target, ignore_errors=True)
    try:
        for command in _commands(uv, target, requirements):
            _run(command, log)
    except Unavailable:
        print("failed", flush=True)
        raise
    shutil.copyfile(requirements, target / _STAMP)
    print(f"{time.monotonic() - began:.0f} s", flush=True)


def version_of(peer: Peer, *, folder: Path = FOLDER) -> str:
    """Give the version of a peer that its environment holds. Raises Unavailable where it holds none."""
    sites = [str(path) for path in (folder / peer.name).glob("lib/python*/site-packages")]
    found = importlib.metadata.distributions(name=peer.package, path=sites) if sites else ()
    for distribution in found:
        return distribution.version
    raise Unavailable(f"{folder / peer.name} holds no {peer.package}")


def _commands(uv: str | None, target: Path, requirements: Path) -> Iterator[Sequence[str]]:
    """Give the commands that fill an empty environment."""
    python = str(target / "bin" / "python")
    if uv:
        yield [uv, "venv", "--quiet", "--python", sys.executable, str(target)]
        yield [uv, "pip", "install", "--quiet", "--python", python, "--requirement", str(requirements)]
    else:
        yield [sys.executable, "-m", "venv", str(target)]
        options = ["--quiet", "--disable-pip-version-check", "--requirement", str(requirements)]
        yield [python, "-m", "pip", "install", *options]


def _run(command: Sequence[str], log: Path) -> None:
    try:
        with log.open("wb") as output:
            subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=True, timeout=INSTALL_S
            )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"not done after {INSTALL_S:.0f} s: {' '.join(command)}") from error
    except (OSError, subprocess.CalledProcessError) as error:
        tail = log.read_text(errors="replace").strip()[-_TAIL_CHARACTERS:]
        raise Unavailable(f"{error}\n{tail}") from error


def _require_room(peer: Peer, folder: Path) -> None:
    free_gb = shutil.disk_usage(folder).free / 1e9
    if free_gb < peer.disk_gb:
        raise Unavailable(f"needs {peer.disk_gb:.0f} GB of disk at {folder}; {free_gb:.1f} GB are free")


def _pinned(requirements: Path) -> int:
    return sum("==" in line and not line.startswith("#") for line in requirements.read_text().splitlines())
