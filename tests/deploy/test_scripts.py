"""What `make` runs: tried in a copy of the repository, with programs taken away."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TEXT_TOOLS = ("sh", "cat", "cmp", "cp", "dirname", "env", "rm", "awk", "tail", "mktemp")


@pytest.fixture
def checkout(root: Path, tmp_path: Path) -> Path:
    """The files that the scripts read, in a folder of their own."""
    for name in ("requirements.txt", "requirements-dev.txt", "Makefile"):
        shutil.copy(root / name, tmp_path / name)
    shutil.copytree(root / "scripts", tmp_path / "scripts")
    return tmp_path


@pytest.fixture
def bare_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the text tools of a minimal system and nothing else, to be used as PATH."""
    folder = tmp_path_factory.mktemp("bin")
    for name in TEXT_TOOLS:
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return folder


def run(checkout: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=checkout,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def program(folder: Path, name: str, script: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_help_lists_every_target_and_is_what_make_does_by_itself(checkout: Path):
    targets = re.findall(r"^\.PHONY: (.*)$", (checkout / "Makefile").read_text(), re.MULTILINE)[0].split()

    shown = run(checkout, "make").stdout

    assert re.findall(r"^  make (\S+)", shown, re.MULTILINE) == targets


def test_the_second_setup_does_nothing(checkout: Path):
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to(sys.executable)
    shutil.copy(checkout / "requirements-dev.txt", checkout / ".venv" / ".installed-requirements-dev.txt")

    second = run(checkout, "scripts/setup", "dev")

    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")


def test_setup_without_a_python_says_what_to_install(checkout: Path, bare_path: Path):
    done = run(checkout, "scripts/setup", "run", PATH=str(bare_path), PYTHON="")

    assert done.returncode == 1
    assert "needs Python 3.11 or newer and found no python3 at all" in done.stderr
    assert "apt install python3 python3-venv" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_setup_with_an_old_python_says_which_it_found(checkout: Path, bare_path: Path):
    program(bare_path, "python3", 'case "$1" in --version) echo Python 3.9.2 ;; *) exit 1 ;; esac')

    done = run(checkout, "scripts/setup", "run", PATH=str(bare_path), PYTHON="")

    assert done.returncode == 1
    assert "found Python 3.9.2" in done.stderr


def test_setup_with_a_python_that_has_no_venv_names_the_package(checkout: Path, bare_path: Path):
    lame = f'case "$*" in *ensurepip*|*"import venv"*|*"-m pip"*) exit 1 ;; esac; exec {sys.executable} "$@"'
    python = program(bare_path, "python3", lame)

    done = run(checkout, "scripts/setup", "run", PATH=str(bare_path), PYTHON=python)

    assert done.returncode == 1
    assert re.search(r"apt install python3\.\d+-venv", done.stderr)
    assert not (checkout / ".venv").exists()


def test_without_the_right_to_install_the_skipped_tests_are_named(checkout: Path, bare_path: Path):
    program(bare_path, "id", "echo 1000")

    said = run(checkout, "scripts/system-packages", PATH=str(bare_path))

    assert said.returncode == 0
    assert "no chromium here and no right to install it: the browser tests" in said.stdout
    assert "no redis-server here" in said.stdout


def test_the_integration_runs_what_a_developer_runs(root: Path):
    commands = [line for line in (root / ".ci/run").read_text().splitlines() if line.startswith("make ")]

    assert commands == ["make check", "make test"]
