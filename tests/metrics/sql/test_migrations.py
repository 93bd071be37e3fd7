"""Migrations build exactly the schema, once, whoever starts at the same moment."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import text

from core.errors import BackendError
from metrics.sql import migrate, open_engine
from metrics.sql.schema import metadata

ROOT = Path(__file__).parents[3]
OPEN_AND_TELL_WHETHER_ALEMBIC_IS_THERE = """
import asyncio, pathlib, sys
from metrics.sql import open_books
async def main():
    async with open_books(sys.argv[1], pathlib.Path(sys.argv[2])) as books:
        print(await books.ready(), "alembic" in sys.modules)
asyncio.run(main())
"""
OPEN_AND_CLOSE = """
import asyncio, pathlib, sys
from metrics.sql import open_books
async def main():
    async with open_books(sys.argv[1], pathlib.Path(sys.argv[2])) as books:
        print(await books.ready())
asyncio.run(main())
"""


async def test_a_migrated_database_has_exactly_the_schema(books):
    async with books.engine.connect() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync, opts={"compare_type": True}), metadata)
        )

    assert differences == []


async def test_migrating_again_changes_nothing(books, make_turn):
    await books.record([make_turn()])

    await migrate(books.engine)

    assert (await books.stats("acme")).turns == 1


async def test_a_database_of_the_newest_schema_is_opened_without_alembic(books, database_url, tmp_path):
    command = [sys.executable, "-c", OPEN_AND_TELL_WHETHER_ALEMBIC_IS_THERE, database_url, str(tmp_path)]

    opened = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, capture_output=True, text=True, check=True)

    assert opened.stdout.split() == ["True", "False"]


async def test_a_database_of_another_revision_is_given_to_alembic(books):
    async with books.engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(CommandError, match="9999"):
        await migrate(books.engine)


async def test_two_engines_that_migrate_at_once_both_succeed(database_url, tmp_path):
    engines = [open_engine(database_url, tmp_path) for _ in range(3)]

    await asyncio.gather(*(migrate(engine) for engine in engines))

    async with engines[0].connect() as connection:
        versions = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalars().all()
    assert versions == [max(path.name[:4] for path in (ROOT / "metrics/sql/migrations/versions").glob("*.py"))]
    await asyncio.gather(*(engine.dispose() for engine in engines))


async def test_two_processes_that_start_at_once_both_become_ready(database_url, tmp_path):
    command = [sys.executable, "-c", OPEN_AND_CLOSE, database_url, str(tmp_path)]

    processes = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]

    outputs = [process.communicate(timeout=50) for process in processes]
    assert [(out.strip(), process.returncode) for process, (out, _) in zip(processes, outputs, strict=True)] == [
        ("True", 0),
        ("True", 0),
    ]


async def test_a_migration_waits_while_another_program_writes_the_file(tmp_path):
    engine = open_engine(None, tmp_path)
    holder = sqlite3.connect(tmp_path / "prosa.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    migrating = asyncio.ensure_future(migrate(engine))
    finished_early, _ = await asyncio.wait([migrating], timeout=0.3)
    holder.execute("COMMIT")
    await migrating

    assert not finished_early
    holder.close()
    await engine.dispose()


async def test_a_file_that_is_no_database_is_a_backend_error(tmp_path):
    (tmp_path / "prosa.db").write_bytes(b"this is not a database, and never was" * 100)
    engine = open_engine(None, tmp_path)

    with pytest.raises(BackendError):
        await migrate(engine)

    await engine.dispose()
