"""What a node does with its budgets when it goes away."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.providers.scripted import ScriptedProvider
from agent.routing.metered import Metered
from server.settings import load_settings
from server.wiring import build


class Closing(ScriptedProvider):
    """Says when it was closed."""

    closed = False

    async def close(self) -> None:
        self.closed = True


async def test_a_node_that_goes_away_settles_the_calls_that_are_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: list[str] = []
    own = Metered.settled

    async def noted(self: Metered) -> None:
        await own(self)
        settled.append(self.name)

    monkeypatch.setattr(Metered, "settled", noted)
    provider = Closing([])
    async with build(load_settings(_env_file=None, data_dir=tmp_path), {"scripted": provider}):
        assert settled == []
    assert "scripted" in settled
    assert provider.closed
