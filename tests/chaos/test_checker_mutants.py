"""Every seeded bug fits the code as it is, and changes what it says that it changes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.chaos.mutants_patch import ROOT, Edit, apply_edits
from tests.chaos.mutants_scenes import Mutant
from tests.chaos.mutants_table import BY_NAME, MUTANTS

LEAST = 20
"""Seeded bugs that there must be."""


def test_there_are_enough_mutants_and_each_has_a_name_of_its_own() -> None:
    assert len(MUTANTS) >= LEAST
    assert len(BY_NAME) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_text_that_a_mutant_changes_is_there_once(mutant: Mutant) -> None:
    changed = [edit.applied() for edit in mutant.edits]

    assert all(before != after for before, after in changed)


@pytest.mark.timeout(150)
def test_every_mutant_can_be_put_into_a_running_process() -> None:
    """Each in a process of its own, forked from one that has loaded what a node loads."""
    program = (
        "import os, sys\n"
        "from tests.chaos import node, mutants\n"
        "for name in sys.argv[1:]:\n"
        "    if os.fork() == 0:\n"
        "        mutants.apply(name)\n"
        "        os._exit(0)\n"
        "    if os.wait()[1]:\n"
        "        sys.exit(name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *BY_NAME], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_a_text_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="0 times, not once"):
        apply_edits((Edit("memory/queue/seen.lua", "no such text", ""),))


def test_a_text_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="times, not once"):
        apply_edits((Edit("memory/queue/seen.lua", "meta", ""),))


def test_an_edit_of_python_outside_of_functions_is_refused() -> None:
    with pytest.raises(ValueError, match="is in no function"):
        apply_edits((Edit("server/worker.py", "POLL_S: Final = 1.0", "POLL_S: Final = 2.0"),))


def test_an_edit_of_python_that_moves_lines_is_refused() -> None:
    with pytest.raises(ValueError, match="keeps the number of lines"):
        apply_edits((Edit("server/worker.py", "POLL_S: Final = 1.0", "\n"),))
