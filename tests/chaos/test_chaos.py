"""A minute of chaos over a real cluster; `make chaos` runs longer ones."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.chaos.__main__ import judge_run
from tests.chaos.run import Options, run


@pytest.mark.timeout(300)
def test_nothing_is_lost_doubled_or_left_over_whatever_dies_in_a_minute(tmp_path: Path) -> None:
    options = Options(seed=20, profile="quick", out=tmp_path)

    asyncio.run(run(options))

    report, mistakes = judge_run(options)
    assert not mistakes, report
