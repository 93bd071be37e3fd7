"""Daily budgets as clients and the books see them, on a node of their own."""

from __future__ import annotations

from pathlib import Path

import aiosqlite
import pytest

from agent.providers.scripted import Report, Say
from core.models import Usage
from tests.server.conftest import PlannedProvider, running_node

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_user_whose_day_is_used_up_gets_402_and_is_told_when_it_resets(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text("prices: {'scripted:*': {input: 1000, output: 1000}}")
    provider = PlannedProvider()
    provider.plan("ana", [Say("Olá."), Report(Usage(input=4_000, output=900, total=4_900))], [Say("Não.")])
    provider.plan("bia", [Say("Oi."), Report(Usage(input=10, output=2, total=12))])
    options = {
        "data_dir": tmp_path,
        "prices_file": tmp_path / "prices.yaml",
        "budget_user_day_usd": 5.0,  # one turn
    }

    async with running_node(provider, **options) as node, node.http() as http:
        first = await http.post("/chat", json={"user_id": "ana", "message": "ana: oi"})
        second = await http.post("/chat", json={"user_id": "ana", "message": "ana: e agora?"})
        other = await http.post("/chat", json={"user_id": "bia", "message": "bia: oi"})
        await node.recorded(first.json()["session_id"], turns=2)
        async with aiosqlite.connect(tmp_path / "prosa.db") as sql:
            rows = await (
                await sql.execute("SELECT code, cost_microusd, estimated_microusd FROM turns WHERE user_id = 'ana'")
            ).fetchall()

    assert (first.status_code, first.json()["cost_usd"]) == (200, 4.9)
    assert second.status_code == 402
    assert "Your budget for today is used up; it resets at " in second.text
    assert other.status_code == 200
    assert list(rows) == [(None, 4_900_000, 0), ("budget_exceeded", 0, 0)]
    assert len(provider.plans["ana"].requests) == 1


async def test_an_answer_that_nobody_reported_is_on_the_books_as_an_estimate(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text("prices: {'scripted:*': {input: 0, output: 10}}")
    provider = PlannedProvider()
    provider.plan("ana", [Say("1234567" * 10)])

    async with (
        running_node(provider, data_dir=tmp_path, prices_file=tmp_path / "prices.yaml") as node,
        node.http() as http,
    ):
        answer = (await http.post("/chat", json={"user_id": "ana", "message": "ana: oi"})).json()
        await node.recorded(answer["session_id"], turns=1)
        async with aiosqlite.connect(tmp_path / "prosa.db") as sql:
            turns = await (await sql.execute("SELECT cost_microusd, estimated_microusd FROM turns")).fetchall()
            steps = await (await sql.execute("SELECT estimated, priced FROM steps")).fetchall()

    assert list(turns) == [(200, 200)]
    assert list(steps) == [(1, 1)]
