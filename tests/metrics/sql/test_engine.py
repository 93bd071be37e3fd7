"""From a URL to connections, and what is said where that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import BackendError, SettingsError
from metrics.sql import SqlBooks, open_books, open_engine
from metrics.sql.engine import parse_url, translated_errors

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


async def test_a_postgres_that_is_not_there_is_a_retryable_backend_error(tmp_path):
    with pytest.raises(BackendError) as away:
        async with open_books("postgresql://prosa@127.0.0.1:1/prosa", tmp_path):
            pass

    assert away.value.retryable


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
