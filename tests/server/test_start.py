"""What a start does without: large libraries that only some turns, or only some databases, need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOADED = "import sys, server.serving; print(sys.argv[1] in sys.modules)"
SPARED = ["alembic", "sqlglot", "asyncpg", "httpcore2", "tiktoken", "genai_prices.data", "agent.semantic.guard"]
"""Together about 0.25 s of a start."""


@pytest.mark.parametrize("module", SPARED)
def test_a_start_does_not_load(module):
    command = [sys.executable, "-c", LOADED, module]

    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)

    assert loaded.stdout.strip() == "False"
