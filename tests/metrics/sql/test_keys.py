"""Service keys: only their hashes are kept."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from core.clock import FakeClock
from core.ids import SequentialIds
from metrics.sql import ApiKey, ApiKeys, SqlBooks
from metrics.sql.schema import metadata


@pytest.fixture
def keys(books: SqlBooks, clock: FakeClock) -> ApiKeys:
    return ApiKeys(books.engine, clock, SequentialIds())


async def test_an_added_key_is_found_by_its_secret(keys, clock):
    added = await keys.add("acme", "prosa_secret", "bridge")

    assert added == ApiKey(key_id="key_1", tenant="acme", label="bridge", created_ms=clock.now_ms())
    assert await keys.find("prosa_secret") == added


async def test_an_unknown_secret_finds_nothing(keys):
    assert await keys.find("prosa_nope") is None


async def test_adding_a_key_again_at_the_next_start_keeps_it_as_it_is(keys):
    first = await keys.add("acme", "prosa_secret", "bridge")

    assert await keys.add("other", "prosa_secret", "again") == first


async def test_a_revoked_key_is_not_found_and_cannot_be_added_again(keys):
    await keys.add("acme", "prosa_secret", "bridge")

    assert await keys.revoke("acme", "key_1")
    assert await keys.find("prosa_secret") is None
    assert await keys.add("acme", "prosa_secret", "bridge") is None


async def test_another_tenant_cannot_revoke_a_key(keys):
    await keys.add("acme", "prosa_secret", "bridge")

    assert not await keys.revoke("other", "key_1")


async def test_no_table_holds_a_secret(keys, books):
    await keys.add("acme", "prosa_secret", "bridge")

    async with books.engine.connect() as connection:
        found = [str((await connection.execute(select(table))).all()) for table in metadata.sorted_tables]
    assert not [rows for rows in found if "prosa_secret" in rows]
