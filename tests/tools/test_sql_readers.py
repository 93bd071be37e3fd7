"""The second and third line of defence alone: what the connections do with hostile SQL that no guard has seen."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from core.clock import SystemClock
from core.errors import SettingsError, ToolError
from tools.builtin.sales import create_sales_engine
from tools.builtin.sales.sql import sales_policy
from tools.builtin.sql import SqlLimits, SqlReader, reader_for
from tools.builtin.sql.postgres import PostgresReader
from tools.builtin.sql.reading import within

SLOW = "SELECT COUNT(*) FROM sales_pipeline a, sales_pipeline b, sales_pipeline c"

MakeReader = Callable[..., SqlReader]


@pytest.fixture
def reader(engine: AsyncEngine) -> MakeReader:
    def make(**limits: Any) -> SqlReader:
        return reader_for(engine, sales_policy(engine.dialect.name), SqlLimits(**limits), SystemClock())

    return make


@pytest.fixture
async def sqlite_engine(sqlite_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_sales_engine(sqlite_url)
    yield engine
    await engine.dispose()


@pytest.fixture
async def postgres_engine(postgres_url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_sales_engine(postgres_url)
    yield engine
    await engine.dispose()


@pytest.fixture
def sqlite_reader(sqlite_engine: AsyncEngine) -> SqlReader:
    return reader_for(sqlite_engine, sales_policy("sqlite"), SqlLimits(), SystemClock())


# ---------------------------------------------------------------- both


async def test_rows_come_with_their_columns(reader: MakeReader) -> None:
    found = await reader().read("SELECT product, sales_price FROM products ORDER BY sales_price DESC LIMIT 2")

    assert found.columns == ("product", "sales_price")
    assert found.rows == (("GTK 500", 26768.0), ("GTX Plus Pro", 5482.0))
    assert not found.truncated


async def test_rows_over_the_limit_are_left_out_and_it_is_said(reader: MakeReader) -> None:
    found = await reader(rows=10).read("SELECT opportunity_id FROM sales_pipeline")

    assert (len(found.rows), found.truncated) == (10, True)


async def test_content_over_the_limit_is_left_out_and_it_is_said(reader: MakeReader) -> None:
    found = await reader(content_chars=200).read("SELECT * FROM accounts")

    assert found.truncated
    assert sum(len(msgspec.json.encode(row)) for row in found.rows) <= 200


async def test_a_query_that_takes_too_long_is_stopped(reader: MakeReader) -> None:
    with pytest.raises(ToolError, match=r"longer than 0\.2 s"):
        await reader(timeout_s=0.2).read(SLOW)


async def test_a_query_whose_caller_is_cancelled_is_stopped(reader: MakeReader) -> None:
    running = asyncio.create_task(reader(timeout_s=60).read(SLOW))
    await asyncio.sleep(0)

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await reader().read("SELECT COUNT(*) FROM products")).rows == ((7,),)


@pytest.mark.parametrize("sql", ["DELETE FROM products", "UPDATE products SET sales_price = 0", "DROP TABLE products"])
async def test_a_write_that_no_guard_has_seen_is_refused_by_the_connection(reader: MakeReader, sql: str) -> None:
    with pytest.raises(ToolError, match="The query failed"):
        await reader().read(sql)

    assert (await reader().read("SELECT COUNT(*) FROM products")).rows == ((7,),)


async def test_the_databases_own_message_reaches_the_model(reader: MakeReader) -> None:
    with pytest.raises(ToolError, match=r"The query failed: .*nothing"):
        await reader().read("SELECT nothing FROM products")


# ---------------------------------------------------------------- SQLite


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("PRAGMA table_info(accounts)", id="pragma"),
        pytest.param("ATTACH DATABASE ':memory:' AS other", id="attach"),
        pytest.param("SELECT sql FROM sqlite_master", id="catalog"),
        pytest.param("SELECT digest FROM sales_dataset", id="table_not_listed"),
        pytest.param("SELECT load_extension('/tmp/evil.so')", id="load_extension"),
        pytest.param("SELECT randomblob(1000000000)", id="randomblob"),
        pytest.param("SELECT hex(zeroblob(1000000000))", id="zeroblob"),
        pytest.param("SELECT printf('%.*c', 1000000000, 'x')", id="printf"),
        pytest.param("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n", id="recursion"),
        pytest.param("WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n", id="silent_recursion"),
        pytest.param("CREATE TEMP TABLE x AS SELECT 1", id="temporary_table"),
        pytest.param("SELECT 1; SELECT 2", id="two_statements"),
        pytest.param("SELECT name FROM pragma_table_info('accounts')", id="pragma_function"),
        pytest.param("BEGIN IMMEDIATE", id="transaction"),
        pytest.param("VACUUM INTO '/tmp/stolen.db'", id="vacuum_into"),
    ],
)
async def test_sqlite_itself_refuses(sqlite_reader: SqlReader, sql: str) -> None:
    with pytest.raises(ToolError, match="The query failed"):
        await sqlite_reader.read(sql)


async def test_a_text_that_grows_by_doubling_is_stopped_by_sqlites_own_limit(sqlite_reader: SqlReader) -> None:
    doubled = "SELECT account AS t FROM accounts"
    doubled = f"SELECT t || t || t || t || t || t || t || t || t || t AS t FROM ({doubled})"
    for_ever = (
        f"SELECT t||t||t||t||t||t||t||t||t||t AS t FROM (SELECT t||t||t||t||t||t||t||t||t||t AS t FROM ({doubled}))"
    )
    more = (
        f"SELECT LENGTH(t||t||t||t||t||t||t||t||t||t) FROM (SELECT t||t||t||t||t||t||t||t||t||t AS t FROM ({for_ever}))"
    )

    with pytest.raises(ToolError, match="too big"):
        await sqlite_reader.read(more)


async def test_a_missing_file_is_not_made(tmp_path: Path) -> None:
    engine = create_sales_engine(f"sqlite:///{tmp_path}/missing.db")
    reader = reader_for(engine, sales_policy("sqlite"), SqlLimits(), SystemClock())

    with pytest.raises(ToolError):
        await reader.read("SELECT 1")

    assert not (tmp_path / "missing.db").exists()


async def test_a_file_that_is_no_database_is_a_tool_error(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, however long the text may be" * 100)
    engine = create_sales_engine(f"sqlite:///{tmp_path}/text.db")

    with pytest.raises(ToolError, match="The query failed"):
        await reader_for(engine, sales_policy("sqlite"), SqlLimits(), SystemClock()).read("SELECT 1 FROM accounts")


async def test_a_file_with_a_strange_name_is_opened_read_only(tmp_path: Path) -> None:
    path = tmp_path / "odd ?mode=rwc&name.db"
    sqlite3.connect(path).execute("CREATE TABLE accounts (account)").connection.close()
    engine = create_sales_engine("sqlite:///placeholder.db")
    odd = engine.url.set(database=str(path))
    reader = reader_for(create_sales_engine(odd.render_as_string()), sales_policy("sqlite"), SqlLimits(), SystemClock())

    assert (await reader.read("SELECT COUNT(*) FROM accounts")).rows == ((0,),)


# ---------------------------------------------------------------- Postgres


async def test_postgres_takes_one_statement_only(postgres_engine: AsyncEngine) -> None:
    with pytest.raises(ToolError, match="multiple commands"):
        await PostgresReader(postgres_engine, SqlLimits()).read("SELECT 1; SELECT 2")


async def test_postgres_sleeps_no_longer_than_the_timeout(postgres_engine: AsyncEngine) -> None:
    with pytest.raises(ToolError, match=r"longer than 0\.1 s"):
        await PostgresReader(postgres_engine, SqlLimits(timeout_s=0.1)).read("SELECT pg_sleep(30)")


async def test_a_role_reads_only_what_it_was_granted(postgres_engine: AsyncEngine) -> None:
    async with postgres_engine.begin() as connection:
        await connection.execute(text("DROP ROLE IF EXISTS sales_reader"))
        await connection.execute(text("CREATE ROLE sales_reader"))
        await connection.execute(text("GRANT SELECT ON accounts, products, sales_teams TO sales_reader"))
    reader = PostgresReader(postgres_engine, SqlLimits(), role="sales_reader")

    assert (await reader.read("SELECT COUNT(*) FROM products")).rows == ((7,),)
    with pytest.raises(ToolError, match="permission denied"):
        await reader.read("SELECT COUNT(*) FROM sales_dataset")
    with pytest.raises(ToolError, match="permission denied"):
        await reader.read("SELECT pg_read_file('/etc/hostname')")
    async with postgres_engine.begin() as connection:
        await connection.execute(text("DROP OWNED BY sales_reader"))
        await connection.execute(text("DROP ROLE sales_reader"))


async def test_limits_and_role_do_not_outlive_the_query(postgres_engine: AsyncEngine) -> None:
    await PostgresReader(postgres_engine, SqlLimits(timeout_s=0.5)).read("SELECT 1")

    async with postgres_engine.connect() as connection:
        assert await connection.scalar(text("SHOW statement_timeout")) == "0"
        assert await connection.scalar(text("SHOW transaction_read_only")) == "off"


def test_a_role_that_would_need_quoting_is_refused(postgres_engine: AsyncEngine) -> None:
    with pytest.raises(SettingsError, match="plain name"):
        PostgresReader(postgres_engine, SqlLimits(), role='x"; DROP TABLE accounts')


async def test_a_postgres_that_is_away_is_a_tool_error() -> None:
    engine = create_sales_engine("postgresql://nobody:secret@127.0.0.1:1/none")

    with pytest.raises(ToolError, match="does not answer now") as caught:
        await PostgresReader(engine, SqlLimits()).read("SELECT 1")

    assert caught.value.retryable


# ---------------------------------------------------------------- the tool


async def test_sales_sql_gives_columns_rows_and_a_summary(run_tool: Any, context_in: Any) -> None:
    outcome = await run_tool(
        "sales_sql", {"sql": "SELECT series, COUNT(*) AS n FROM products GROUP BY series ORDER BY n DESC, series"}
    )

    assert msgspec.json.decode(outcome.content) == {
        "columns": ["series", "n"],
        "rows": [["GTX", 4], ["MG", 2], ["GTK", 1]],
        "row_count": 3,
        "truncated": False,
    }
    assert outcome.summary == "Consulta SQL aos dados de vendas: 3 linha(s)."


async def test_sales_sql_refuses_before_it_asks_the_database(run_tool: Any) -> None:
    with pytest.raises(ToolError, match="Not run: DELETE is not allowed"):
        await run_tool("sales_sql", {"sql": "DELETE FROM accounts"})


async def test_the_description_of_sales_sql_names_tables_dialect_and_traps(registry: Any, engine: AsyncEngine) -> None:
    description = {spec.name: spec.description for spec in registry.specs()}["sales_sql"]

    assert "sales_pipeline(opportunity_id" in description
    assert {"sqlite": "strftime", "postgresql": "to_char"}[engine.dialect.name] in description
    assert "not sales made to it" in description


async def test_dates_of_each_dialect_work_as_the_description_says(run_tool: Any, engine: AsyncEngine) -> None:
    month = {"sqlite": "strftime('%Y-%m', close_date)", "postgresql": "to_char(close_date, 'YYYY-MM')"}
    sql = f"SELECT {month[engine.dialect.name]} AS month, SUM(close_value) AS revenue FROM sales_pipeline WHERE deal_stage = 'Won' GROUP BY 1 ORDER BY 1 LIMIT 1"

    outcome = await run_tool("sales_sql", {"sql": sql})

    assert msgspec.json.decode(outcome.content)["rows"] == [["2017-03", 1134672.0]]


def test_values_that_json_lacks_are_written_plainly() -> None:
    found = within(["a", "b"], [(b"\x00\x01", "x" * 20)], SqlLimits(cell_chars=5))

    assert found.rows == (("<2 bytes>", "xxxxx…"),)
