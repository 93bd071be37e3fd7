"""`core.ports.FlagBooks` on SQLite and Postgres: the newest version stays, every change is in the audit once."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from core.flags import ALL_TENANTS, Condition, Flag, FlagChange, Rule
from metrics.sql import SqlBooks
from metrics.sql.flags import SqlFlags

RULES = (
    Rule(when=(Condition(attribute="tier", operator="in", values=("pro", "max")),), value={"a": ["ç", None, 1.5]}),
    Rule(value=[], variant="b", percent=12.5, by="agent"),
)


def flag(version: int, value: Any = "pro", **changes: Any) -> Flag:
    values = {"scope": "acme", "key": "tier", "updated_ms": version * 10, "updated_by": "key:1", "description": "why"}
    return Flag(version=version, value=value, **{**values, **changes})


def change(after: Flag, before: Flag | None = None) -> FlagChange:
    return FlagChange(tenant="acme", by="key:1", ts=after.updated_ms, before=before, after=after)


@pytest.fixture
def sql_flags(books: SqlBooks) -> SqlFlags:
    return SqlFlags(books.engine)


@pytest.mark.parametrize("value", ["", "pro", 0, -1, 0.5, True, False, [], {}, {"a": [1, {"b": None}]}, None])
async def test_a_flag_comes_back_as_it_was_set(books: SqlBooks, sql_flags: SqlFlags, value: Any) -> None:
    kept = flag(1, value, rules=RULES)

    await books.record([change(kept)])

    assert await sql_flags.flags() == [kept]
    assert await sql_flags.audit("acme", key=None, before_ms=None, limit=10) == [change(kept)]


@pytest.mark.parametrize("order", list(itertools.permutations([1, 2, 3])))
async def test_in_whatever_order_changes_come_the_newest_stays(
    books: SqlBooks, sql_flags: SqlFlags, order: tuple[int, ...]
) -> None:
    versions = {number: flag(number, str(number)) for number in (1, 2, 3)}

    await books.record([change(versions[order[0]])])
    await books.record([change(versions[number]) for number in order[1:]])

    assert await sql_flags.flags() == [versions[3]]
    audit = await sql_flags.audit("acme", key=None, before_ms=None, limit=10)
    assert [entry.after.version for entry in audit] == [3, 2, 1]


async def test_a_change_that_comes_twice_is_in_the_audit_once(books: SqlBooks, sql_flags: SqlFlags) -> None:
    first, second = flag(1), flag(2, "max")
    both = [change(first), change(second, first)]

    await books.record(both)
    await books.record([*both, *both])

    assert await sql_flags.audit("acme", key=None, before_ms=None, limit=10) == [change(second, first), change(first)]


async def test_a_change_goes_on_the_books_beside_turns(books: SqlBooks, sql_flags: SqlFlags, make_turn: Any) -> None:
    await books.record([make_turn(), change(flag(1)), make_turn()])

    assert (await books.stats("acme")).turns == 2
    assert await sql_flags.flags() == [flag(1)]


async def test_the_audit_is_of_one_scope_one_flag_and_older_than_asked_for(
    books: SqlBooks, sql_flags: SqlFlags
) -> None:
    mine = [flag(1), flag(2, True, key="cache"), flag(3, "max")]
    others = [flag(1, scope="globex"), flag(1, scope=ALL_TENANTS)]
    await books.record([change(one) for one in (*mine, *others)])

    async def versions(**narrowed: Any) -> list[int]:
        wanted = {"key": None, "before_ms": None, "limit": 10} | narrowed
        return [entry.after.version for entry in await sql_flags.audit("acme", **wanted)]

    assert await versions() == [3, 2, 1]
    assert await versions(key="tier") == [3, 1]
    assert await versions(before_ms=30) == [2, 1]
    assert await versions(limit=1) == [3]
