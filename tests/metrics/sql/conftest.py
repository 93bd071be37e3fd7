"""Books on SQLite alone, for what concerns only it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.clock import FakeClock
from metrics.sql import SqlBooks, open_books


@pytest.fixture
async def sqlite_books(tmp_path: Path, clock: FakeClock) -> AsyncIterator[SqlBooks]:
    async with open_books(None, tmp_path / "data", clock) as opened:
        yield opened
