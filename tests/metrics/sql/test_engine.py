"""From a URL to connections, and what is said where that cannot be."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from loguru import logger
from sqlalchemy.exc import DBAPIError

from core.errors import BackendError, SettingsError
from metrics.sql import SqlBooks, open_books, open_engine
from metrics.sql.engine import SqlUnreachable, parse_url, translated_errors

DATA = Path("/data")


@pytest.mark.parametrize(
    ("given_url", "used"),
    [
        pytest.param(None, "sqlite+aiosqlite:////data/prosa.db", id="none_is_a_file_in_the_data_directory"),
        pytest.param("", "sqlite+aiosqlite:////data/prosa.db", id="empty_is_as_none"),
        pytest.param("sqlite:///x/y.db", "sqlite+aiosqlite:///x/y.db", id="sqlite_relative_path"),
        pytest.param("postgres://u:p@h/d", "postgresql+asyncpg://u:p@h/d", id="postgres_by_its_short_name"),
        pytest.param("postgresql+psycopg://u:p@h/d", "postgresql+asyncpg://u:p@h/d", id="another_driver_is_ours"),
        pytest.param("postgresql://h/d?sslmode=require", "postgresql+asyncpg://h/d?ssl=require", id="libpqs_sslmode"),
    ],
)
def test_urls_get_their_driver(given_url, used):
    assert parse_url(given_url, DATA).render_as_string(hide_password=False) == used


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("not a url with s3cret", id="no_url"),
        pytest.param("mysql://u:s3cret@h/d", id="another_database"),
        pytest.param("sqlite://", id="memory_cannot_be_shared"),
        pytest.param("sqlite:///:memory:", id="memory_by_name"),
        pytest.param("postgresql://u:s3cret@h:port/d", id="bad_port"),
    ],
)
def test_a_url_that_cannot_be_used_is_said_without_its_password(url):
    with pytest.raises(SettingsError) as refused:
        parse_url(url, DATA)

    assert "DATABASE_URL" in refused.value.message
    assert "s3cret" not in refused.value.message


async def test_books_open_without_their_database_and_are_not_ready(tmp_path):
    async with open_books("postgresql://prosa@127.0.0.1:1/prosa", tmp_path) as books:
        assert not await books.ready()
        with pytest.raises(SqlUnreachable):
            await books.stats("acme")


async def test_books_that_opened_without_their_database_migrate_it_when_it_answers(
    tmp_path, postgres_process, make_turn
):
    back = asyncio.Event()
    logger.add(lambda _: back.set(), filter=lambda line: line["message"] == "sql.back", format="{message}")
    url = postgres_process.start()
    await asyncio.to_thread(postgres_process.stop)

    async with open_books(url, tmp_path) as books:
        away = await books.ready()
        await asyncio.to_thread(postgres_process.start)
        await asyncio.wait_for(back.wait(), 40)
        await books.record([make_turn()])

        assert (away, await books.ready()) == (False, True)


async def test_a_database_that_answers_and_refuses_ends_the_start(tmp_path, postgres_server):
    unknown = postgres_server.set(database="not_there").render_as_string(hide_password=False)

    with pytest.raises(BackendError) as refused:
        async with open_books(unknown, tmp_path):
            pass

    assert not isinstance(refused.value, SqlUnreachable)


async def test_a_database_that_comes_back_and_refuses_leaves_the_books_not_ready(tmp_path, postgres_process):
    refused = asyncio.Event()
    logger.add(lambda _: refused.set(), filter=lambda line: line["message"] == "sql.not_migrated", format="{message}")
    url = postgres_process.start().replace("/postgres?", "/not_there?")
    await asyncio.to_thread(postgres_process.stop)

    async with open_books(url, tmp_path) as books:
        await asyncio.to_thread(postgres_process.start)
        await asyncio.wait_for(refused.wait(), 40)

        assert not await books.ready()


async def test_books_without_their_database_are_not_ready(tmp_path, clock):
    books = SqlBooks(open_engine("postgresql://prosa@127.0.0.1:1/prosa", tmp_path), clock)

    assert not await books.ready()


async def test_a_query_on_books_that_were_never_migrated_is_a_retryable_backend_error(tmp_path, clock):
    books = SqlBooks(open_engine(None, tmp_path), clock)

    with pytest.raises(BackendError) as failed:
        await books.stats("acme")

    assert failed.value.retryable
    await books.engine.dispose()


def test_a_defect_of_ours_is_not_dressed_up_as_a_backend_error():
    with pytest.raises(ZeroDivisionError), translated_errors():
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("sqlstate", "reached", "retryable"),
    [
        pytest.param("57P03", False, True, id="the_server_is_starting"),
        pytest.param("08006", False, True, id="the_connection_broke"),
        pytest.param("40P01", True, True, id="deadlock"),
        pytest.param("22003", True, False, id="a_number_out_of_range"),
        pytest.param("23505", True, False, id="a_key_that_is_there_already"),
    ],
)
def test_postgres_says_by_its_sqlstate_what_to_do(sqlstate, reached, retryable):
    refusal = Exception("as the driver says it")
    refusal.sqlstate = sqlstate  # type: ignore[attr-defined]

    with pytest.raises(BackendError) as raised, translated_errors():
        raise DBAPIError("SELECT 1", None, refusal)

    assert isinstance(raised.value, SqlUnreachable) == (not reached)
    assert raised.value.retryable == retryable
