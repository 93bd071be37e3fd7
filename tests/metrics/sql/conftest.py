"""Books on SQLite alone, for what concerns only it; verdicts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from core.clock import FakeClock
from core.turns import FeedbackRecord
from metrics.sql import SqlBooks, open_books


@pytest.fixture
async def sqlite_books(tmp_path: Path, clock: FakeClock) -> AsyncIterator[SqlBooks]:
    async with open_books(None, tmp_path / "data", clock) as opened:
        yield opened


@pytest.fixture
def make_verdict() -> Callable[..., FeedbackRecord]:
    """Makes verdicts on the first turn's answer."""

    def make(**changes: object) -> FeedbackRecord:
        values: dict[str, object] = {
            "session_id": "ses_1",
            "tenant": "acme",
            "user_id": "ana",
            "message_id": "msg_turn_1_assistant",
            "score": 1,
            "by": "ana",
            "ts": 5,
        }
        return FeedbackRecord(**{**values, **changes})  # type: ignore[arg-type]

    return make
