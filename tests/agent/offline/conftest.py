"""The real sales tools over SQLite, loaded with the demo's data once a run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest
import pytest_asyncio

from tests.agent.offline.talk import Talk
from tools import Registry
from tools.builtin.sales import SalesTools, create_sales_engine, load_sales

REFERENCE_DATE = date(2017, 12, 31)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sales_tools(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Registry]:
    folder: Path = tmp_path_factory.mktemp("sales")
    engine = create_sales_engine(f"sqlite:///{folder}/sales.db")
    await load_sales(engine)
    yield Registry(SalesTools(engine, reference_date=REFERENCE_DATE).tools())
    await engine.dispose()


@pytest.fixture
def talk(sales_tools: Registry) -> Talk:
    return Talk(sales_tools)
