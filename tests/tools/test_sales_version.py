"""What the sales data is at: another text where a row of it may have changed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from core.clock import FakeClock, SystemClock
from core.errors import ToolError
from tools import Registry
from tools.builtin.sales import SalesTools, create_sales_engine
from tools.builtin.sales.version import SalesVersion


async def until_it_is_another(version: SalesVersion, known: str) -> None:
    """Postgres tells of writes about a second later, and nobody says when."""
    async with asyncio.timeout(30):
        while await version.current() == known:
            await asyncio.sleep(0.05)


async def test_it_stays_while_nothing_is_written_and_is_another_after_a_write(engine: AsyncEngine) -> None:
    version = SalesVersion(engine, SystemClock())
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE IF NOT EXISTS version_probe (n INTEGER)"))
        await connection.execute(text("INSERT INTO version_probe VALUES (1)"))
    known = await version.current()
    async with engine.begin() as connection:
        await connection.execute(text("INSERT INTO version_probe VALUES (2)"))
    await until_it_is_another(version, known)
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE version_probe"))


async def test_a_file_that_is_not_there_yet_has_a_version_too(tmp_path: Path) -> None:
    engine = create_sales_engine(f"sqlite:///{tmp_path / 'none.db'}")
    version = SalesVersion(engine, SystemClock())
    before = await version.current()
    (tmp_path / "none.db").write_bytes(b"x")
    assert await version.current() != before
    await engine.dispose()


async def test_a_database_that_does_not_answer_cannot_tell(tmp_path: Path) -> None:
    engine = create_async_engine("postgresql+asyncpg://nobody@127.0.0.1:1/none")
    with pytest.raises(ToolError, match="does not answer"):
        await SalesVersion(engine, SystemClock()).current()
    await engine.dispose()


async def test_postgres_is_asked_once_a_second_at_most(postgres_url: str) -> None:
    engine, clock, asked = create_sales_engine(postgres_url), FakeClock(), []
    event.listen(engine.sync_engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    version = SalesVersion(engine, clock)
    numbers = []
    for _ in range(3):
        await version.current()
        numbers.append(sum("pg_stat_user_tables" in statement for statement in asked))
        clock.advance(0.6)
    await engine.dispose()
    assert numbers == [1, 1, 2]


async def test_the_tools_that_read_the_sales_data_are_cacheable_and_have_one_version(engine: AsyncEngine) -> None:
    tools = Registry(SalesTools(engine, reference_date=None).tools())
    cacheable = [spec.name for spec in tools.specs() if spec.cacheable]
    assert cacheable == ["sales_find", "sales_query", "sales_sql"]
    one, all_of_them = await tools.data_version(["sales_find"]), await tools.data_version(cacheable)
    assert one.count("\n") == all_of_them.count("\n") == 0
    assert await tools.data_version(["create_follow_up", "unknown"]) == ""
