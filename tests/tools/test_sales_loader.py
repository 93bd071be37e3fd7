"""Loading the CSV files: once, whole, cleaned, and safely by several nodes at a time."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from tools.builtin.sales import create_sales_engine, load_sales
from tools.builtin.sales.cleaning import cleaned, folded
from tools.builtin.sales.loader import DATA_FOLDER
from tools.builtin.sales.tables import accounts, metadata, sales_pipeline


@pytest.fixture(params=["sqlite", "postgres"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new/sales.db"
    server: Any = request.getfixturevalue("postgres_server")
    name = f"load_{abs(hash(request.node.name)) % 10**8}"
    server.psql(f"CREATE DATABASE {name};")
    uri: str = server.get_uri(database=name)
    return uri


@pytest.fixture
async def empty_engine(empty_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_sales_engine(empty_url)
    yield engine
    await engine.dispose()


async def count(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return await connection.scalar(select(func.count()).select_from(sales_pipeline)) or 0


async def test_the_files_are_loaded_once(empty_engine: AsyncEngine) -> None:
    first, second = await load_sales(empty_engine), await load_sales(empty_engine)

    assert (first, second) == (True, False)
    assert await count(empty_engine) == 8_800


async def test_nodes_that_start_together_load_once(empty_url: str) -> None:
    engines = [create_sales_engine(empty_url) for _ in range(3)]

    loaded = await asyncio.gather(*(load_sales(engine) for engine in engines))

    assert sorted(loaded) == [False, False, True]
    assert await count(engines[0]) == 8_800
    await asyncio.gather(*(engine.dispose() for engine in engines))


async def test_changed_files_replace_what_was_loaded(empty_engine: AsyncEngine, tmp_path: Path) -> None:
    await load_sales(empty_engine)
    folder = tmp_path / "csv"
    shutil.copytree(DATA_FOLDER, folder)
    pipeline = folder / "sales_pipeline.csv"
    pipeline.write_text("".join(pipeline.read_text().splitlines(keepends=True)[:11]))

    assert await load_sales(empty_engine, folder) is True
    assert await count(empty_engine) == 10


async def test_tables_that_somebody_else_filled_are_left_alone(empty_engine: AsyncEngine) -> None:
    async with empty_engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        await connection.execute(insert(accounts), {"account": "Our own customer"})

    assert await load_sales(empty_engine) is False

    async with empty_engine.connect() as connection:
        assert (await connection.execute(select(accounts.c.account))).scalars().all() == ["Our own customer"]


async def test_a_load_that_fails_leaves_the_old_data(empty_engine: AsyncEngine, tmp_path: Path) -> None:
    await load_sales(empty_engine)
    folder = tmp_path / "csv"
    shutil.copytree(DATA_FOLDER, folder)
    products = folder / "products.csv"
    products.write_text(products.read_text() + "GTX Basic,GTX,1\n")  # a second row with that key

    with pytest.raises(Exception, match=r"(?i)unique"):
        await load_sales(empty_engine, folder)

    assert await count(empty_engine) == 8_800


async def test_misspellings_are_mended_and_the_raw_text_is_kept(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        product = (
            await connection.execute(
                select(func.count()).where(
                    sales_pipeline.c.product_raw == "GTXPro", sales_pipeline.c.product == "GTX Pro"
                )
            )
        ).scalar_one()
        sectors = (await connection.execute(select(accounts.c.sector).distinct())).scalars().all()
        countries = (await connection.execute(select(accounts.c.office_location).distinct())).scalars().all()

    assert product == 1_480
    assert "technology" in sectors
    assert "technolgy" not in sectors
    assert "Philippines" in countries


async def test_every_opportunity_joins_its_product_and_agent(engine: AsyncEngine) -> None:
    lost = text(
        "SELECT COUNT(*) FROM sales_pipeline p LEFT JOIN products r ON r.product = p.product "
        "LEFT JOIN sales_teams t ON t.sales_agent = p.sales_agent WHERE r.product IS NULL OR t.sales_agent IS NULL"
    )
    async with engine.connect() as connection:
        assert await connection.scalar(lost) == 0


def test_the_loaders_tables_are_exactly_these() -> None:
    assert sorted(metadata.tables) == ["accounts", "products", "sales_dataset", "sales_pipeline", "sales_teams"]


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("product", "GTXPro", "GTX Pro"),
        ("product", "MG Special", "MG Special"),
        ("sector", " ", None),
        ("any", None, None),
    ],
)
def test_cleaning_mends_known_misspellings_and_blanks(column: str, value: str | None, expected: str | None) -> None:
    assert cleaned(column, value) == expected


@pytest.mark.parametrize("text", ["GTX Pro", "gtxpro", "GTX-PRO", " gtx  pró "])
def test_spellings_of_one_name_fold_to_one_key(text: str) -> None:
    assert folded(text) == "gtxpro"
