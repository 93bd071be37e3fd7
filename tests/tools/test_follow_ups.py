"""`create_follow_up` over a real database: one row a call, and words that help where it is called wrongly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, inspect, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from core.clock import FakeClock
from core.errors import ToolError
from core.ports import ToolContext, ToolOutcome
from tools import Registry
from tools.builtin.sales import SalesTools, create_sales_engine, follow_ups, load_sales

REFERENCE_DATE = date(2017, 12, 31)
CALL = {"account": "Cancity", "note": "Ligar sobre a renovação", "due_date": "2018-01-15"}


@pytest.fixture
def sales(engine: AsyncEngine) -> Registry:
    tools = SalesTools(engine, reference_date=REFERENCE_DATE, clock=FakeClock(1_700_000_000_000)).tools()
    return Registry(tools)


@pytest.fixture
async def emptied(engine: AsyncEngine) -> None:
    """No follow-up of another test is left."""
    async with engine.begin() as connection:
        await connection.execute(text("DROP TABLE IF EXISTS follow_ups"))


async def create(sales: Registry, context: ToolContext, **changes: Any) -> ToolOutcome:
    arguments = sales.check("create_follow_up", msgspec.json.encode(CALL | changes).decode())
    return await sales.call("create_follow_up", arguments, context)


async def rows(engine: AsyncEngine) -> list[dict[str, Any]]:
    async with engine.connect() as connection:
        return [dict(row) for row in (await connection.execute(select(follow_ups))).mappings()]


async def count(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int(await connection.scalar(select(func.count()).select_from(follow_ups)) or 0)


async def test_a_follow_up_is_one_row_that_says_who_asked(
    sales: Registry, engine: AsyncEngine, context: ToolContext, emptied: None
) -> None:
    outcome = await create(sales, context)

    (row,) = await rows(engine)
    created_at = row.pop("created_at")
    assert created_at.replace(tzinfo=UTC) == datetime.fromtimestamp(1_700_000_000, UTC)
    assert row == {
        "id": 1,
        "account": "Cancity",
        "note": "Ligar sobre a renovação",
        "due_date": date(2018, 1, 15),
        "tenant": "default",
        "user_id": "user",
        "session_id": "ses_1",
        "turn_id": "turn_1",
        "call_id": "call_1",
    }
    assert msgspec.json.decode(outcome.content) == {
        "follow_up_id": 1,
        "account": "Cancity",
        "note": "Ligar sobre a renovação",
        "due_date": "2018-01-15",
        "reference_date": "2017-12-31",
    }


async def test_a_call_that_is_made_twice_is_two_rows(
    sales: Registry, engine: AsyncEngine, context: ToolContext, emptied: None
) -> None:
    await create(sales, context)
    await create(sales, context)

    assert await count(engine) == 2


async def test_many_at_once_on_two_nodes_make_the_table_once_and_lose_nothing(
    sales: Registry, engine: AsyncEngine, sales_url: str, context: ToolContext, emptied: None
) -> None:
    other_engine = create_sales_engine(sales_url)
    other = Registry(SalesTools(other_engine, reference_date=REFERENCE_DATE).tools())

    await asyncio.gather(*(create(node, context) for node in (sales, other) * 5))

    assert await count(engine) == 10
    await other_engine.dispose()


@pytest.mark.parametrize(
    ("locale", "summary"),
    [
        ("pt-BR", "Follow-up criado para Cancity, até 15/01/2018."),
        ("en", "Follow-up created for Cancity, due 2018-01-15."),
        ("es-AR", "Seguimiento creado para Cancity, hasta el 15/01/2018."),
    ],
)
async def test_the_summary_is_in_the_users_language(
    sales: Registry, context_in: Callable[[str], ToolContext], locale: str, summary: str
) -> None:
    assert (await create(sales, context_in(locale))).summary == summary


async def test_today_is_not_past(sales: Registry, context: ToolContext) -> None:
    outcome = await create(sales, context, due_date="2017-12-31")

    assert msgspec.json.decode(outcome.content)["due_date"] == "2017-12-31"


async def test_the_customers_name_is_put_right(sales: Registry, context: ToolContext) -> None:
    outcome = await create(sales, context, account="KAN CODE")

    assert msgspec.json.decode(outcome.content)["account"] == "Kan-code"


WRONG: dict[str, tuple[dict[str, str], str]] = {
    "unknown_customer": ({"account": "Cancitty"}, "Nearest: Cancity"),
    "past": ({"due_date": "2017-12-30"}, "today is 2017-12-31"),
    "not_a_date": ({"due_date": "15/01/2018"}, "YYYY-MM-DD"),
    "no_such_day": ({"due_date": "2018-02-30"}, "YYYY-MM-DD"),
    "blank_note": ({"note": "   "}, "note is blank"),
    "no_note": ({"note": ""}, "note"),
    "long_note": ({"note": "x" * 1001}, "note"),
}


@pytest.mark.parametrize(("changes", "message"), WRONG.values(), ids=WRONG.keys())
async def test_a_wrong_call_says_what_is_expected_and_writes_nothing(
    sales: Registry,
    engine: AsyncEngine,
    context: ToolContext,
    changes: dict[str, str],
    message: str,
) -> None:
    await create(sales, context)
    before = await count(engine)

    with pytest.raises(ToolError, match=message) as caught:
        await create(sales, context, **changes)

    assert caught.value.code == "invalid_request"
    assert await count(engine) == before


async def test_the_tool_acts_once_and_is_named_in_three_languages(sales: Registry) -> None:
    (spec,) = [spec for spec in sales.specs() if spec.name == "create_follow_up"]

    assert spec.effect == "once"
    assert [spec.title_for(locale) for locale in ("pt-BR", "en", "es")] == [
        "Criar follow-up",
        "Create a follow-up",
        "Crear seguimiento",
    ]


async def test_sql_does_not_read_follow_ups(sales: Registry, context: ToolContext) -> None:
    await create(sales, context)

    with pytest.raises(ToolError, match="follow_ups"):
        await sales.call("sales_sql", {"sql": "SELECT * FROM follow_ups"}, context)


async def test_loading_the_data_anew_keeps_follow_ups(
    engine: AsyncEngine, sales: Registry, context: ToolContext
) -> None:
    await create(sales, context)
    before = await count(engine)

    await load_sales(engine)

    assert await count(engine) == before


async def test_a_database_that_is_away_says_that_nothing_was_created(tmp_path: Path, context: ToolContext) -> None:
    engine = create_sales_engine(f"sqlite:///{tmp_path}/sales.db")
    await load_sales(engine)
    sales = Registry(SalesTools(engine, reference_date=REFERENCE_DATE).tools())
    await sales.call("sales_find", {"text": "Cancity"}, context)
    await engine.dispose()
    (tmp_path / "sales.db").unlink()
    (tmp_path / "sales.db").mkdir()

    with pytest.raises(ToolError, match="was not created") as caught:
        await create(sales, context)

    assert caught.value.retryable


async def test_a_row_that_is_refused_says_that_nothing_was_created(tmp_path: Path, context: ToolContext) -> None:
    engine = create_sales_engine(f"sqlite:///{tmp_path}/sales.db")
    await load_sales(engine)
    sales = Registry(SalesTools(engine, reference_date=REFERENCE_DATE).tools())
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE follow_ups (id INTEGER PRIMARY KEY)"))

    with pytest.raises(ToolError, match="was not created"):
        await create(sales, context)
    await engine.dispose()


async def test_a_commit_that_breaks_off_has_an_unknown_outcome(
    sales: Registry, engine: AsyncEngine, context: ToolContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    await create(sales, context)

    async def broken(self: AsyncConnection) -> None:
        raise OperationalError("COMMIT", {}, OSError("connection lost"))

    monkeypatch.setattr(AsyncConnection, "commit", broken)

    with pytest.raises(ToolError, match="there is unknown") as caught:
        await create(sales, context)

    assert not caught.value.retryable


async def test_reading_alone_makes_no_table(tmp_path: Path, context: ToolContext) -> None:
    engine = create_sales_engine(f"sqlite:///{tmp_path}/sales.db")
    await load_sales(engine)
    sales = Registry(SalesTools(engine, reference_date=REFERENCE_DATE).tools())

    await sales.call("sales_find", {"text": "Cancity"}, context)

    async with engine.connect() as connection:
        assert not await connection.run_sync(lambda sync: inspect(sync).has_table("follow_ups"))
    await engine.dispose()
